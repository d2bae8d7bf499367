import type { Json } from './json.ts'

/** Marks task errors of every copy of this package, for a task's module may have loaded its own. */
const TASK_ERROR = Symbol.for('zagflow.TaskError')

/** What a {@link TaskError} may carry. */
export interface TaskErrorOptions {
  /** What went wrong, for programs: seen as `failure.code` in expressions. @default 'TaskFailed' */
  readonly code?: string | undefined
  /** Anything that helps: seen as `failure.data` in expressions. JSON, at most 256 KB. */
  readonly data?: Json | undefined
  /** False ends the task's own attempts: another one cannot help. @default true */
  readonly retryable?: boolean | undefined
  readonly cause?: unknown
}

/**
 * Thrown by your tasks to say more than a plain error can: `throw new TaskError("card declined", { code: "Declined",
 * retryable: false })`. Not a `ZagflowError`: its code is yours.
 */
export class TaskError extends Error {
  readonly code: string
  readonly data: Json | undefined
  readonly retryable: boolean | undefined

  constructor(message: string, options: TaskErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'TaskError'
    this.code = options.code ?? 'TaskFailed'
    this.data = options.data
    this.retryable = options.retryable
    Object.defineProperty(this, TASK_ERROR, { value: true })
  }
}

/** Whether this is a {@link TaskError}, of whatever copy of the package. Never throws. */
export function isTaskError(error: unknown): error is TaskError {
  try {
    return error instanceof Error && Object.hasOwn(error, TASK_ERROR)
  } catch {
    return false
  }
}
