/** What the driver of a flow is given, tells, and ends with. */
import type { Clock } from '../../src/base/clock.ts'
import type { Failure } from '../../src/base/failure.ts'
import type { Json } from '../../src/base/json.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Plan } from '../../src/flow/compile.ts'
import type { AtomFailure, Claim, LoadedFlow, ParkReason, Store } from '../../persistence/store.ts'
import type { Committer } from '../committer.ts'
import type { Engine } from '../engine.ts'

/** A transition as listeners see it, in the order of the machine. */
export interface FlowEvent {
  readonly seq: number
  readonly kind: 'flow' | 'task' | 'retry'
  /** Path of the atom; of a flow, its name. */
  readonly name: string
  readonly from: string
  readonly state: string
  readonly attempt?: number | undefined
  readonly result?: Json | undefined
  readonly failure?: Failure | undefined
  /** Epoch ms. */
  readonly at: number
}

/** How driving a flow came to an end. */
export type DriveEnd =
  /** The final state is committed; the job is COMPLETE (FAILURE: TRASHED). */
  | {
      readonly kind: 'ended'
      readonly state: 'SUCCESS' | 'REVERTED' | 'FAILURE'
      readonly output: Json
      readonly failures: readonly AtomFailure[]
      readonly reason: string | null
    }
  | { readonly kind: 'parked'; readonly parkedFor: ParkReason; readonly dueAt: number | null }
  /** Handed over: UNCLAIMED again. */
  | { readonly kind: 'released' }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'trashed'; readonly reason: string }
  /** Dropped by its owner, without a word to the store. */
  | { readonly kind: 'dropped' }

export interface DriveOptions {
  readonly plan: Plan
  readonly loaded: LoadedFlow
  readonly claim: Claim
  readonly store: Pick<Store, 'results' | 'mailOf'>
  readonly committer: Committer
  readonly engine: Engine
  /** The database's clock, as near as this process knows it. */
  readonly clock: Clock
  readonly logger: Logger
  /** Told of every transition once it is committed. */
  readonly onEvent?: ((event: FlowEvent) => void) | undefined
  readonly onProgress?:
    ((atom: string, progress: number, details: Json | undefined) => void) | undefined
  /** Called once, when driving has ended. */
  readonly onEnd: (end: DriveEnd) => void
  /** A flow that only waits, for longer than this, is parked. Infinity: never. */
  readonly parkAfterMs: number
}
