import { nodeAt, nodesOf, type NodePlan, type Plan } from '../flow/compile.ts'
import type { AtomRun, ScopeRun } from './run.ts'

const RETRY = ':retry'

/**
 * The atoms of a run, by path. It has no table of its own: the plan, which all its runs share, says where in which scope a path
 * is, and the scope has the atom. A table of 100,000 would be made anew by each run, and copied whenever it outgrows its place.
 */
export class Atoms {
  readonly #plan: Plan
  readonly #scopes: ReadonlyMap<string, ScopeRun>
  #nodes: ReadonlyMap<string, NodePlan> | null = null
  /** Where an atom was found last: what is asked for next is mostly that one again, or the one after it. */
  #scope: ScopeRun | undefined
  #index = 0
  #mayBeAgain = false

  constructor(plan: Plan, scopes: ReadonlyMap<string, ScopeRun>) {
    this.#plan = plan
    this.#scopes = scopes
  }

  /** The atom at a path; undefined: there is no such path, or nothing of it has started. */
  get(path: string): AtomRun | undefined {
    return this.#nearby(path) ?? this.#anywhere(path)
  }

  /** Without looking at any table: those of 100,000 atoms are not at hand. */
  #nearby(path: string): AtomRun | undefined {
    if (this.#scope === undefined) return undefined
    const { children } = this.#scope
    if (this.#mayBeAgain) {
      this.#mayBeAgain = false
      const node = children.unsettled(this.#index)
      if (node?.path === path && 'scope' in node) return node
    }
    const node = children.unsettled(this.#index + 1)
    if (node?.path !== path || !('scope' in node)) return undefined
    this.#index += 1
    this.#mayBeAgain = true
    return node
  }

  #anywhere(path: string): AtomRun | undefined {
    const node = (this.#nodes ??= nodesOf(this.#plan)).get(path)
    if (node === undefined) return this.#elsewhere(path)
    if (node.kind !== 'task' || node.parent === null) return undefined
    return this.#in(node.parent.path, node.index)
  }

  /** All that have started, scope by scope. */
  *values(): Generator<AtomRun> {
    for (const scope of this.#scopes.values()) {
      if (scope.retry !== null) yield scope.retry
      for (const node of scope.children.all()) if ('scope' in node) yield node
    }
  }

  /** The same, but for those of which nothing is to be said but that they have succeeded. */
  *unsettled(): Generator<AtomRun> {
    for (const scope of this.#scopes.values()) {
      if (scope.retry !== null) yield scope.retry
      for (const node of scope.children.allUnsettled()) if ('scope' in node) yield node
    }
  }

  /** A retry, or what is in an iteration. */
  #elsewhere(path: string): AtomRun | undefined {
    if (path.endsWith(RETRY)) {
      return this.#scopes.get(path.slice(0, -RETRY.length))?.retry ?? undefined
    }
    const node = nodeAt(this.#plan, path)
    if (node?.kind !== 'task') return undefined
    return this.#in(path.slice(0, path.lastIndexOf('/')), node.index)
  }

  #in(path: string, index: number): AtomRun | undefined {
    if (this.#scope?.path !== path) this.#scope = this.#scopes.get(path)
    this.#index = index
    this.#mayBeAgain = true
    return this.#scope?.children.known(index) as AtomRun | undefined // at a task's position there is its atom
  }
}
