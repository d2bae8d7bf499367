import type { Json } from '../base/json.ts'
import type { FlowEvent } from '../../engines/drive.ts'
import type { AtomFailure, ParkReason } from '../../persistence/store.ts'

/** A transition of a flow, with its job. */
export interface ConductorEvent extends FlowEvent {
  readonly job: string
}

/** What became of a job at this conductor. */
export type JobEvent = { readonly job: string; readonly flow: string } & (
  | { readonly kind: 'claimed'; readonly epoch: number }
  | {
      readonly kind: 'completed'
      readonly state: 'SUCCESS' | 'REVERTED'
      readonly output: Json
      readonly failures: readonly AtomFailure[]
      readonly reason: string | null
    }
  | { readonly kind: 'parked'; readonly parkedFor: ParkReason; readonly dueAt: number | null }
  /** Given back: to be claimed again at once, or after `delayMs`. */
  | { readonly kind: 'released'; readonly reason: string; readonly delayMs: number | null }
  /** For an operator. */
  | {
      readonly kind: 'trashed'
      readonly reason: string
      readonly failures: readonly AtomFailure[]
    }
  /** Another conductor may own it: work on it was stopped at once. */
  | { readonly kind: 'lost'; readonly reason: string }
)
