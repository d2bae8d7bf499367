import { nodeAt, nodesOf, type NodePlan, type Plan, type TaskPlan } from '../flow/compile.ts'
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
    const nearby = this.#nearby(path)
    if (nearby !== undefined) return nearby
    const task = this.#taskAt(path)
    if (task === undefined) return this.#retryAt(path)
    const scope = this.#scopeAround(task, path)
    if (scope === undefined) return undefined
    this.#scope = scope
    this.#index = task.index
    this.#mayBeAgain = true
    return scope.children.known(task.index) as AtomRun | undefined // at a task's position there is its atom
  }

  /** What is known of an atom now, not to be changed nor kept: so asking for it does not hold it. */
  read(path: string): Readonly<AtomRun> | undefined {
    const task = this.#taskAt(path)
    if (task === undefined) return this.#retryAt(path)
    const scope = this.#scopeAround(task, path)
    return scope?.children.read(task.index) as Readonly<AtomRun> | undefined // the same
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

  #taskAt(path: string): TaskPlan | undefined {
    const node = (this.#nodes ??= nodesOf(this.#plan)).get(path) ?? this.#iterated(path)
    return node?.kind === 'task' ? node : undefined
  }

  #iterated(path: string): NodePlan | undefined {
    return path.endsWith(RETRY) ? undefined : nodeAt(this.#plan, path)
  }

  #scopeAround(task: TaskPlan, path: string): ScopeRun | undefined {
    const isPlain = task.parent !== null && task.path === path
    const around = isPlain ? task.parent.path : path.slice(0, path.lastIndexOf('/'))
    return this.#scope?.path === around ? this.#scope : this.#scopes.get(around)
  }

  #retryAt(path: string): AtomRun | undefined {
    if (!path.endsWith(RETRY)) return undefined
    return this.#scopes.get(path.slice(0, -RETRY.length))?.retry ?? undefined
  }
}
