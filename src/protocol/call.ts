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
  /** What the row says of its copies; for engines whose workers are elsewhere. */
  readonly sent?: SentCall | undefined
}

/** What is durable of a call that was handed to a broker. */
export interface SentCall {
  /** Queue that the answers of all its copies come to, whoever published them. */
  readonly replyTo: string
  /** Broker epoch in which a confirmed copy is known to exist; null: none is known. */
  readonly copy: number | null
  /**
   * How often a copy was let start after the first start, because its worker or the broker was lost; less the starts that workers
   * released because they stopped. -1: the first one was released, and no other was let start.
   */
  readonly starts: number
}

/** A fact about a call under way that is to be durable. */
export type CallNote = Partial<Pick<SentCall, 'copy' | 'starts'>>

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
  /** `committed` is called once the answer is durable, or is known not to count (nobody waits for it any more). Never, if the flow is lost: `Engine.forget` tells of that. */
  answer(request: CallRequest, answer: CallAnswer, committed?: () => void): void
  /** Makes a fact about a running call durable, under the fence. False: nobody waits for that call any more, and `committed` is never called. Nor is it if the flow is lost. */
  note?(request: CallKey, note: CallNote, committed?: () => void): boolean
  /** From 0 to 1, with details; not durable. */
  progress?(request: CallRequest, progress: number, details: Json | undefined): void
}
