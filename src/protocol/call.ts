/**
 * A call between an engine and whatever runs it: the request, the answer, and who listens. Engines in this process hand
 * these over as they are; what goes over a wire carries the same fields.
 */
import type { Failure } from '../base/failure.ts'
import type { Json, JsonObject } from '../base/json.ts'
import type { CallOutcome, Direction, RetryRound } from '../machine/records.ts'

/** The deterministic key of one call: every copy of the request carries it. */
export interface CallKey {
  readonly jobId: string
  /** Flow detail. */
  readonly flowId: string
  readonly atom: string
  readonly direction: Direction
  readonly call: number
}

export interface CallRequest extends CallKey {
  /** Name of the task (or, for `decide`, of the retry strategy). */
  readonly task: string
  readonly topic: string
  readonly flow: string
  readonly attempt: number
  readonly args: JsonObject
  /** Reverts: what is known of the execution, its result, or its failure. */
  readonly outcome?: CallOutcome | undefined
  readonly result?: Json | undefined
  readonly failure?: Failure | undefined
  /** Failures of the flow so far, by atom (reverts only). */
  readonly failures?: { readonly [atom: string]: Failure } | undefined
  /** `decide`: the retry's history. */
  readonly rounds?: readonly RetryRound[] | undefined
  readonly timeoutMs?: number | undefined
  readonly heartbeatMs?: number | undefined
  readonly repeat?: 'never' | undefined
  readonly priority: number
  readonly again: boolean
}

export type CallAnswer =
  | { readonly kind: 'succeeded'; readonly result: Json; readonly startedAt: number }
  | {
      readonly kind: 'failed'
      readonly failure: Failure
      readonly outcome: 'failure' | 'unknown'
      readonly startedAt: number
    }

/** Where an engine reports; one listener for each driver. */
export interface CallListener {
  answer(request: CallRequest, answer: CallAnswer): void
  /** From 0 to 1, with details; not durable. */
  progress?(request: CallRequest, progress: number, details: Json | undefined): void
}
