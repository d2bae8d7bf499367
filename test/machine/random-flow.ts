/** Random flows: nested patterns, retries of every kind, conditions, deciders, boundaries. */
import type { Plan } from '../../src/flow/compile.ts'
import type {
  DeciderDepth,
  OnChildFailure,
  ResolvedFlow,
  ResolvedLink,
  ResolvedNode,
  ResolvedRetry,
  ResolvedTask,
} from '../../src/flow/resolved.ts'
import { graph, linear, planOf, task, unordered } from '../support/flows.ts'
import type { Random } from '../support/random.ts'

export interface RandomFlow {
  readonly plan: Plan
  readonly conditions: ReadonlyMap<string, boolean>
}

/** A flow of at most about `size` tasks. */
export function randomFlow(random: Random, size: number): RandomFlow {
  const maker = new Maker(random, size)
  const root = maker.flow('root', 0)
  return {
    plan: planOf({ ...root, onFailure: undefined, when: undefined }),
    conditions: maker.conditions,
  }
}

class Maker {
  readonly conditions = new Map<string, boolean>()
  readonly #random: Random
  #left: number
  #next = 0

  constructor(random: Random, size: number) {
    this.#random = random
    this.#left = size
  }

  flow(id: string, depth: number): ResolvedFlow {
    const random = this.#random
    const nodes: ResolvedNode[] = []
    const count = random.chance(0.05) ? 0 : 1 + random.below(4)
    for (let i = 0; i < count && this.#left > 0; i++) {
      nodes.push(
        depth < 3 && random.chance(0.4) ? this.flow(this.#id('f'), depth + 1) : this.#task(),
      )
    }
    const options = {
      ...this.#common(),
      retry: random.chance(0.35) ? this.#retry() : undefined,
      timeoutMs: random.chance(0.1) ? random.pick([20, 60, 10_000]) : undefined,
      onChildFailure: random.chance(0.3)
        ? random.pick<OnChildFailure>(['abort', 'finish'])
        : undefined,
    }
    const kind = random.below(3)
    if (kind === 0) return linear(id, nodes, options)
    if (kind === 1) return unordered(id, nodes, options)
    return graph(id, nodes, this.#links(nodes), options)
  }

  #task(): ResolvedTask {
    const random = this.#random
    this.#left--
    return task(this.#id('t'), {
      ...this.#common(),
      revert: random.chance(0.8),
      priority: random.chance(0.2) ? random.below(3) : undefined,
      retry: random.chance(0.2)
        ? { attempts: 1 + random.below(3), delayMs: random.pick([0, 0, 50]), factor: 2 }
        : undefined,
    })
  }

  #common(): { when?: string; onFailure?: 'continue' } {
    const random = this.#random
    return {
      ...(random.chance(0.12) ? { when: this.#condition() } : {}),
      ...(random.chance(0.1) ? { onFailure: 'continue' as const } : {}),
    }
  }

  #condition(): string {
    const text = `c${this.#next++} == 1`
    this.conditions.set(text, this.#random.chance(0.5))
    return text
  }

  #retry(): ResolvedRetry {
    const random = this.#random
    const then = random.chance(0.2) ? ('revertAll' as const) : undefined
    switch (random.below(6)) {
      case 4:
        return { kind: 'strategy', strategy: 'any' }
      case 0:
        return { kind: 'forEach', values: [1, 2].slice(0, random.below(3)), then }
      case 1:
        return { kind: 'never', answer: random.pick(['revert', 'revertAll'] as const) }
      default:
        return {
          kind: 'times',
          attempts: 1 + random.below(3),
          delayMs: random.pick([0, 0, 100]),
          then,
        }
    }
  }

  #links(nodes: readonly ResolvedNode[]): ResolvedLink[] {
    const random = this.#random
    const links: ResolvedLink[] = []
    for (let to = 1; to < nodes.length; to++) {
      for (let from = 0; from < to; from++) {
        if (!random.chance(0.5)) continue
        const link = { from: nodes[from]?.id ?? '', to: nodes[to]?.id ?? '' }
        if (!random.chance(0.4)) links.push(link)
        else {
          const depth = random.chance(0.5)
            ? undefined
            : random.pick<DeciderDepth>(['path', 'atom', 'neighbors', 'flow', 'all'])
          links.push({ ...link, when: this.#condition(), depth })
        }
      }
    }
    return links
  }

  #id(prefix: string): string {
    return `${prefix}${this.#next++}`
  }
}
