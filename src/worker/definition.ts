/** What the worker needs of what `task()` makes; it depends on no more than this. */
import type { JsonObject } from '../base/json.ts'
import type { TaskSignature } from '../flow/resolved.ts'

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

const TASK = Symbol.for('zagflow.task')

/** Whether this is a task, of whatever copy of the package. */
export function isTaskDefinition(value: object): value is TaskDefinition {
  return TASK in value
}
