/** What tasks are given beside their arguments. */
import type { Failure } from '../base/failure.ts'
import type { Logger } from '../base/logger.ts'

/** The second argument of `execute`. Its members can be taken out: `({ sku }, { signal, logger }) => …`. */
export interface TaskContext {
  /** Aborts when the flow is cancelled, the timeout has passed or the worker shuts down. Give it to whatever takes one. */
  readonly signal: AbortSignal
  /** Reports how far the task is, from 0 to 1, with details that JSON can carry. It is a heartbeat, too. */
  readonly progress: (progress: number, details?: unknown) => void
  /** Says that the task lives, for tasks that have nothing to report for long. */
  readonly heartbeat: () => void
  /** Tries of this direction within the round, this one included: 1 is the first. */
  readonly attempt: number
  /** The same for every copy of the same call, another for the next attempt. At most 255 characters. */
  readonly idempotencyKey: string
  /** Failures of the flow so far, by path of the atom; empty while nothing has failed. */
  readonly failures: { readonly [atom: string]: Failure }
  /** Adds job, atom and call to each line. */
  readonly logger: Logger
  /** Id of this run of the flow. */
  readonly flowId: string
  /** Name of the flow. */
  readonly flow: string
  /** Path of the atom, such as `checkout/settle/payment.charge`. */
  readonly atom: string
  /** Id of the job. */
  readonly job: string
}

/** The second argument of `revert`. */
export interface RevertContext extends TaskContext {
  /**
   * What is known of the execution: `success` (its result is given), `failure` (its failure is given), or `unknown` (its
   * worker was lost: it may or may not have happened, so look first).
   */
  readonly outcome: 'success' | 'failure' | 'unknown'
}
