/**
 * What of a run is checkpointed: the rows from which `restore` rebuilds it after any crash. Atoms that have not started
 * have no row (PENDING); scopes (flows inside the flow) have one once they were entered.
 */
import type { Failure } from '../base/failure.ts'
import type { Json } from '../base/json.ts'
import type { AtomState, FlowState } from './states.ts'

export const DIRECTIONS = ['execute', 'revert', 'decide'] as const
/** What a call does: run an atom, take it back, or (a retry strategy) decide what follows a failure. */
export type Direction = (typeof DIRECTIONS)[number]

/** What is known of an atom's last execution when it is reverted. */
export type CallOutcome = 'success' | 'failure' | 'unknown'

/** Why an atom is IGNORE: its own `when`, dead edges, or a decider of that depth. */
export type IgnoreReason = 'when' | 'path' | 'atom' | 'neighbors' | 'flow' | 'all'

/** One round of a retry: the value that it gave, and the first failure of each atom that failed in it. */
export interface RetryRound {
  readonly value: Json
  readonly failures: { readonly [atom: string]: Failure }
  /** A strategy's answer that passed the failure outwards: it is not asked again about this round. */
  readonly decision?: 'REVERT' | undefined
  /** A strategy's answer to run the flow again: what the next round provides, and how long it waits. */
  readonly next?: { readonly value?: Json | undefined; readonly delayMs?: number | undefined }
  /** `forEach`: values that were left to try when it began, if any. */
  readonly left?: number | undefined
  /** `times`: how many attempts there are, where an expression said so when it began. */
  readonly attempts?: number | undefined
}

/** Where an atom's present call is, when workers elsewhere run it; of its record, `replyTo`, `copy` and `starts`. */
export interface SentRecord {
  readonly replyTo: string
  readonly copy: number | null
  readonly starts: number
}

/** The atom detail: one row for each atom that has started, been ignored or reverted. */
export interface AtomRecord {
  /** Path in the flow, such as `checkout/settle/payment.charge`; a retry's is `checkout/settle:retry`. */
  readonly path: string
  readonly kind: 'task' | 'retry'
  readonly state: AtomState
  /** Tries of the present direction within this round, the running one included. */
  readonly attempt: number
  /** Answers of `execute` recorded so far, over all rounds and runs of this flow detail; never goes back. */
  readonly executeCalls: number
  /** The same for `revert`. */
  readonly revertCalls: number
  /** When the next attempt is due (database clock, epoch ms), while it waits. */
  readonly dueAt: number | null
  readonly outcome: CallOutcome | null
  readonly ignored: IgnoreReason | null
  /** The last failure of `execute`, while it stands (a success or a new round clears it). */
  readonly failure: Failure | null
  /** The last failure of `revert`, while it stands. */
  readonly revertFailure: Failure | null
  /** Retries: what was tried, and what failed. */
  readonly rounds: readonly RetryRound[] | null
  /** Its present call, where workers elsewhere run it: the queue that answers come to. */
  readonly replyTo: string | null
  /** Broker epoch in which a confirmed copy of it is known to exist. */
  readonly copy: number | null
  /** How often a copy of it was let start after the first start. */
  readonly starts: number
}

/** What becomes of a scope, widest last: `RETRY` and `CONTINUE` revert it and go on, `REVERT` reverts everything around it. */
export const INTENTIONS = ['EXECUTE', 'RETRY', 'CONTINUE', 'REVERT'] as const
export type Intention = (typeof INTENTIONS)[number]

export const SCOPE_STATES = [
  'PENDING',
  'ENTERED',
  'DONE',
  'IGNORED',
  'CONTINUED',
  'REVERTED',
] as const
/** `PENDING`: a retry around it will enter it again. `DONE`: all in it is done. `CONTINUED`: reverted, and the flow around it goes on (`onFailure: continue`). */
export type ScopeState = (typeof SCOPE_STATES)[number]

/** The record of a flow inside the flow (and of the flow itself). */
export interface ScopeRecord {
  readonly path: string
  readonly state: ScopeState
  readonly intention: Intention
  /** When its timeout is due (epoch ms), if it has one. */
  readonly dueAt: number | null
  readonly ignored: IgnoreReason | null
  /** Its own failure (its timeout, its condition, its output), while it stands. */
  readonly failure: Failure | null
}

/** One recorded answer of one atom in one direction. */
export interface CallRecord {
  readonly atom: string
  readonly direction: Direction
  /** From 1; grows with every recorded answer of that atom and direction. */
  readonly call: number
  readonly attempt: number
  readonly outcome: CallOutcome
  readonly startedAt: number
  readonly endedAt: number
  readonly failure: Failure | null
}

/** A value that a call gave. */
export interface ResultRecord {
  readonly atom: string
  readonly direction: Direction
  readonly call: number
  readonly value: Json
}

/** One transition, for audit, `watch` and dashboards; numbered without gaps within a job. */
export interface HistoryRecord {
  readonly seq: number
  readonly at: number
  readonly kind: 'flow' | 'task' | 'retry'
  /** Path of the atom; of a flow, its name. */
  readonly name: string
  readonly from: AtomState | FlowState
  readonly state: AtomState | FlowState
  /** Try within the round. */
  readonly attempt: number | null
  readonly call: number | null
  readonly failure: Failure | null
}
