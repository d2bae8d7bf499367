/**
 * The tasks and retry strategies that a process can run, by name.
 *
 * Invariants
 * G1  Names are keys of Maps: a task named `constructor` is found only if there is one.
 * G2  One name is one definition. The same definition may be seen many times, and through several modules.
 * G3  Definitions are known by their brand, so that a module's own copy of this package does no harm.
 */
import { ConflictError, UnknownTaskError } from '../base/errors.ts'
import type { TaskSignature } from '../flow/resolved.ts'
import { isRetryStrategy, type RetryStrategyDefinition } from '../flow/retry-strategy.ts'
import { taskDefinitionOf } from '../flow/task-brand.ts'
import type { TaskDefinition } from '../flow/task.ts'
import { loadModule, moduleUrl } from './load-module.ts'

interface Registered<T> {
  readonly definition: T
  /** URL of the module that it was loaded from, if it is known. */
  readonly module: string | undefined
}

/** How deep lists, flows and modules inside modules are searched. */
const MAX_DEPTH = 8

/** The tasks and retry strategies of one process. */
export class TaskRegistry {
  readonly #tasks = new Map<string, Registered<TaskDefinition>>()
  readonly #strategies = new Map<string, Registered<RetryStrategyDefinition>>()

  /**
   * A registry of what `exports` hold: definitions, lists and maps of them, flows (their tasks), or modules (`import * as tasks`).
   * Throws {@link ConflictError} when two definitions have one name.
   */
  static of(...exports: readonly unknown[]): TaskRegistry {
    const registry = new TaskRegistry()
    for (const exported of exports) registry.add(exported)
    return registry
  }

  /**
   * A registry of what modules export, given by paths (relative to `folder`) or URLs; TypeScript is run as it is. Rejects
   * with what a module throws, and with {@link ConflictError}.
   */
  static async load(
    modules: readonly string[],
    options: { readonly folder?: string | undefined } = {},
  ): Promise<TaskRegistry> {
    const registry = new TaskRegistry()
    for (const module of modules) {
      const url = moduleUrl(module, options.folder)
      registry.add(await loadModule(url), { module: url })
    }
    return registry
  }

  /**
   * Adds what `exported` holds; anything in it that is no definition is passed over. Give the URL of the module where it is
   * known: tasks with `cpu: true` are loaded from there in their threads. Throws {@link ConflictError}.
   */
  add(exported: unknown, options: { readonly module?: string | undefined } = {}): this {
    this.#search(exported, options.module, MAX_DEPTH, new Set())
    return this
  }

  /** The task of that name. Throws {@link UnknownTaskError}, with a "did you mean". */
  get(name: string): TaskDefinition {
    const found = this.#tasks.get(name)
    if (found === undefined) throw new UnknownTaskError(name, { known: this.#tasks.keys() })
    return found.definition
  }

  /** The task of that name, if it is known. */
  find(name: string): TaskDefinition | undefined {
    return this.#tasks.get(name)?.definition
  }

  /** The retry strategy of that name. Throws {@link UnknownTaskError}. */
  strategy(name: string): RetryStrategyDefinition {
    const found = this.#strategies.get(name)
    if (found === undefined) throw new UnknownTaskError(name, { known: this.#strategies.keys() })
    return found.definition
  }

  /** Whether a call of that kind finds what it runs. */
  runs(request: { readonly task: string; readonly direction: string }): boolean {
    const known = request.direction === 'decide' ? this.#strategies : this.#tasks
    return known.has(request.task)
  }

  /** The tasks, in the order in which they were found. */
  get tasks(): readonly TaskDefinition[] {
    return [...this.#tasks.values()].map(({ definition }) => definition)
  }

  /** The retry strategies, by name. */
  get strategies(): ReadonlyMap<string, RetryStrategyDefinition> {
    return new Map([...this.#strategies].map(([name, { definition }]) => [name, definition]))
  }

  /** What each task needs and gives, for resolving flows and for announcing. */
  signatures(): readonly TaskSignature[] {
    return this.tasks.map((task) => task.signature)
  }

  /** URL of the module that exports the task: the one it names itself, or was loaded from, if either is known. */
  moduleOf(name: string): string | undefined {
    const found = this.#tasks.get(name)
    return found?.definition.module ?? found?.module
  }

  /** URLs of all modules that were given, in order. */
  get modules(): readonly string[] {
    const all = [...this.#tasks.values(), ...this.#strategies.values()]
    return [...new Set(all.flatMap(({ module }) => module ?? []))]
  }

  #search(value: unknown, module: string | undefined, depth: number, seen: Set<unknown>): void {
    if (depth === 0 || typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    const definition = taskDefinitionOf(value)
    if (definition !== undefined) {
      register(this.#tasks, 'task', { definition, module })
      return
    }
    if (isRetryStrategy(value)) {
      register(this.#strategies, 'retry strategy', { definition: value, module })
      return
    }
    if (Array.isArray(value) || value instanceof Map || value instanceof Set) {
      for (const item of value) this.#search(item, module, depth - 1, seen)
      return
    }
    const tasks = memberOf(value, 'tasks')
    if (isIterable(tasks)) {
      for (const task of tasks) this.#search(task, module, depth - 1, seen)
    }
    if (!isModule(value)) return
    for (const key of Object.keys(value)) {
      // What a flow's document names is in its `tasks`; the document itself may be long.
      if (isIterable(tasks) && (key === 'document' || key === '~node')) continue
      this.#search(memberOf(value, key), module, depth - 1, seen)
    }
  }
}

function register<T extends { readonly name: string }>(
  known: Map<string, Registered<T>>,
  kind: string,
  found: Registered<T>,
): void {
  const { name } = found.definition
  const earlier = known.get(name)
  if (earlier === undefined) {
    known.set(name, found)
  } else if (earlier.definition === found.definition) {
    if (earlier.module === undefined) known.set(name, found)
  } else {
    const where = [earlier, found].map(({ module }) => module ?? 'given without a module')
    const places = where[0] === where[1] ? `both ${where[0]}` : where.join(' and ')
    throw new ConflictError(
      `the ${kind} "${name}"`,
      `two different ones have that name (${places})`,
      {
        hint: 'rename one of them',
      },
    )
  }
}

/** Modules, and plain objects that hold tasks by any key. */
function isModule(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}

/** A member of somebody's object: a getter that throws is as good as nothing. */
function memberOf(value: object, key: string): unknown {
  try {
    return Reflect.get(value, key)
  } catch {
    return undefined
  }
}
