/**
 * The contract of engines: an engine carries out calls, nothing more. What happens next is the machine's to say; what is
 * durable is the store's; the driver (`drive.ts`) stands between them.
 *
 * Invariants
 * E1  `dispatch` is called only after the intention to make the call was committed (durable before visible).
 * E2  Every dispatched call is answered exactly once through `answer`, unless the engine is stopped or the driver forgets
 *     its flow (claim lost): then never.
 * E3  `abort` asks; the answer still comes.
 * E4  A call that was dispatched by an earlier owner comes with `again`: it may be running somewhere, or have run. Engines in
 *     this process know that it is not running (its process died): they run it again, or, for `repeat: never`, answer
 *     UnknownOutcome. Engines with workers elsewhere find out (`worker-based.ts`).
 */
import type { CallKey, CallListener, CallRequest } from '../src/protocol/call.ts'

export type {
  CallAnswer,
  CallKey,
  CallListener,
  CallNote,
  CallRequest,
  SentCall,
} from '../src/protocol/call.ts'

export interface Engine {
  readonly name: 'serial' | 'parallel' | 'worker-based'
  /** Calls that wait for a place, where places are limited: a conductor then leaves jobs to others for a while. */
  readonly waiting?: number | undefined
  /** Calls of one flow that are of use to it at once: a flow hands over no more before some are answered. @default 10,000 */
  readonly window?: number | undefined
  /** Workers elsewhere: the queue that answers come to. It stands in the row of each call before the call is dispatched. */
  readonly replyTo?: string | undefined
  /** `conductor`: the process id of the incarnation that it works for. */
  start(options?: { readonly conductor?: string | undefined }): Promise<void>
  /** Stops taking calls; waits up to `graceMs` (default 10,000) for running ones, then aborts them. Unanswered calls stay unanswered. */
  stop(options?: { readonly graceMs?: number | undefined }): Promise<void>
  dispatch(request: CallRequest, listener: CallListener): void
  /** Aborts a call (its AbortSignal) with a reason: a queued one is answered as cancelled at once. */
  abort(key: CallKey, reason: string): void
  /** The claim of this flow is lost or given back: its queued calls are dropped, its running ones aborted if `abort`, none answered. */
  forget(flowId: string, options?: { readonly abort?: boolean | undefined }): void
  /** Workers elsewhere: whether all calls of this flow are with workers or brokers, durably, so that the flow can be parked until its mail comes. */
  canPark?(flowId: string): boolean
  /** Workers elsewhere: this flow is about to be given back; what is known of its calls is noted at once. `canPark` then says when. */
  handOver?(flowId: string): void
  /**
   * Workers elsewhere: what came about a call by mail. `answered`: its answer, so that nothing is waited for here any more; `lost`:
   * the copy that its row believes in is gone, because a worker did not know its task.
   */
  heard?(key: CallKey, what: 'answered' | 'lost'): void
  /** Workers elsewhere: mail says that a worker, which stops, has let a call go; that start is not charged to it. */
  released?(key: CallKey, worker: string): void
}
