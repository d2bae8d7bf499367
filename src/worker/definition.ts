/** What the worker needs of what `task()` and `retryStrategy()` make; it depends on no more than this. */
import type { JsonObject } from '../base/json.ts'
import type { TaskSignature } from '../flow/resolved.ts'
import type { RetryRound } from '../machine/records.ts'
import type { CallContext } from './call-context.ts'

/** What a revert is given: the arguments, and the result or the failure of the execution. */
export interface RevertInput {
  readonly args: unknown
  readonly result?: unknown
  readonly failure?: unknown
}

export interface TaskDefinition {
  readonly name: string
  readonly signature: TaskSignature
  /** It runs in a worker thread, for it computes. */
  readonly cpu?: boolean | undefined
  /** Arguments as the task sees them: checked, defaults filled in. Throws what is wrong with them. */
  validateArguments(args: JsonObject): unknown
  /** The result as it is stored. Throws what is wrong with it. */
  validateResult(result: unknown): unknown
  execute(args: never, context: never): unknown
  readonly revert?: ((input: never, context: never) => unknown) | undefined
}

export interface RetryStrategyDefinition {
  readonly name: string
  decide(history: readonly RetryRound[], context: CallContext): unknown
}

const TASK = Symbol.for('zagflow.task')
const STRATEGY = Symbol.for('zagflow.strategy')

export function isTaskDefinition(value: object): value is TaskDefinition {
  return TASK in value
}

export function isStrategyDefinition(value: object): value is RetryStrategyDefinition {
  return STRATEGY in value
}
