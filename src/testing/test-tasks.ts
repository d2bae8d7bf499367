/** The tasks of a test: those of the flow, or what replaces them; recorded, and going wrong where that is wanted. */
import { nearest } from '../base/did-you-mean.ts'
import { UsageError } from '../base/errors.ts'
import type { JsonObject } from '../base/json.ts'
import { brandTask } from '../flow/task-brand.ts'
import type { TaskDefinition } from '../flow/task.ts'
import type { TaskSignature } from '../flow/resolved.ts'
import type { RevertContext, TaskContext } from '../flow/context.ts'
import { TaskRegistry } from '../worker/registry.ts'
import type { Injection } from './injections.ts'

/** What runs instead of a task: its `execute`, or both of its directions. */
export type Replacement =
  | ((args: never, context: TaskContext) => unknown)
  | {
      readonly execute?: ((args: never, context: TaskContext) => unknown) | undefined
      readonly revert?: ((undo: never, context: RevertContext) => unknown) | undefined
    }

/** A call of a task, as it was made. */
export interface TestCall {
  readonly task: string
  /** Path of the atom. */
  readonly atom: string
  readonly direction: 'execute' | 'revert'
  readonly attempt: number
  readonly args: unknown
  readonly idempotencyKey: string
  /** The test's time, epoch ms. */
  readonly at: number
}

/** What the tasks of a test tell it. */
export interface TestTasksHost {
  readonly now: () => number
  called(call: TestCall): void
  /** A body runs: the test's time does not go on by itself until it has ended. */
  busy(change: 1 | -1): void
}

export interface TestTasks {
  readonly registry: TaskRegistry
  /** Of tasks that are defined; of others the document says what they need and give. */
  readonly signatures: readonly TaskSignature[]
}

/**
 * A registry with every task of `given`, each of which is recorded, replaced and injected as asked. Throws
 * {@link UsageError} when something is to go wrong in a task that is not there.
 */
export function testTasks(
  given: TaskRegistry,
  options: {
    readonly replace: { readonly [task: string]: Replacement }
    readonly inject: readonly Injection[]
    readonly host: TestTasksHost
  },
): TestTasks {
  const { replace, inject, host } = options
  const counts = new Map<Injection, number>()
  const definitions = new Map(given.tasks.map((task) => [task.name, task]))
  for (const [name, replacement] of Object.entries(replace)) {
    definitions.set(name, replaced(name, definitions.get(name), replacement))
  }
  for (const { target } of inject) {
    if (target.includes('/') || definitions.has(target)) continue
    const meant = nearest(target, definitions.keys())
    throw new UsageError(`there is no task "${target}" to go wrong`, {
      hint: meant === undefined ? undefined : `did you mean "${meant}"?`,
    })
  }
  const wrap = (definition: TaskDefinition): TaskDefinition => {
    const around = (direction: TestCall['direction'], run: Body): Body => {
      return (first, context) => {
        host.called({
          task: definition.name,
          atom: context.atom,
          direction,
          attempt: context.attempt,
          args: direction === 'execute' ? first : (first as { readonly args: unknown }).args,
          idempotencyKey: context.idempotencyKey,
          at: host.now(),
        })
        const wrong = inject.find((one) => strikes(one, direction, context, definition, counts))
        if (wrong?.kind === 'hang') return untilAborted(context.signal)
        if (wrong?.kind === 'fail') throw wrong.error
        return watched(host, () => run(first, context))
      }
    }
    const { execute, revert } = definition
    return {
      ...definition,
      cpu: false, // threads have no part in the test's time
      validateArguments: (args) => definition.validateArguments(args),
      validateResult: (result) => definition.validateResult(result),
      execute: around('execute', execute as Body),
      revert: revert === undefined ? undefined : around('revert', revert as Body),
    }
  }
  const registry = new TaskRegistry()
  for (const definition of definitions.values()) registry.add(branded(wrap(definition)))
  for (const strategy of given.strategies.values()) registry.add(strategy)
  const known = [...definitions.values()].filter(({ name }) => given.find(name) !== undefined)
  return { registry, signatures: known.map(({ signature }) => signature) }
}

type Body = (first: unknown, context: TaskContext) => unknown

function branded(definition: TaskDefinition): object {
  const holder = {}
  brandTask(holder, definition)
  return holder
}

function replaced(
  name: string,
  original: TaskDefinition | undefined,
  replacement: Replacement,
): TaskDefinition {
  const { execute, revert } =
    typeof replacement === 'function' ? { execute: replacement, revert: undefined } : replacement
  const base = original ?? unknownTask(name)
  return {
    ...base,
    signature:
      revert === undefined || base.signature.revert
        ? base.signature
        : { ...base.signature, revert: true },
    validateArguments: (args) => base.validateArguments(args),
    validateResult: (result) => base.validateResult(result),
    execute: execute === undefined ? base.execute : execute,
    revert: revert === undefined ? base.revert : revert,
  }
}

/** A task that no code here defines: its node in the document says all that is known of it. */
function unknownTask(name: string): TaskDefinition {
  const signature: TaskSignature = { name, requires: {}, provides: {}, revert: true }
  return {
    kind: 'task',
    name,
    signature,
    cpu: false,
    validateArguments: (args: JsonObject) => args,
    validateResult: (result) => (result ?? {}) as { readonly [symbol: string]: unknown },
    execute: () => undefined,
    revert: undefined,
  }
}

function strikes(
  injection: Injection,
  direction: TestCall['direction'],
  context: TaskContext,
  { name }: TaskDefinition,
  counts: Map<Injection, number>,
): boolean {
  const { target, times, after } = injection
  if (injection.direction !== direction) return false
  if (target !== name && target !== context.atom) return false
  const count = (counts.get(injection) ?? 0) + 1
  counts.set(injection, count)
  return count > after && count <= after + times
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason as Error)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

function watched(host: TestTasksHost, run: () => unknown): unknown {
  host.busy(1)
  let result: unknown
  try {
    result = run()
  } catch (error) {
    host.busy(-1)
    throw error
  }
  if (!(result instanceof Promise)) {
    host.busy(-1)
    return result
  }
  return result.finally(() => host.busy(-1))
}
