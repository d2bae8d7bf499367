/** What goes into the machine (events) and what comes out of it (transitions and commands). */
import type { Failure } from '../base/failure.ts'
import type { Json } from '../base/json.ts'
import type { CallOutcome, Direction } from './records.ts'
import type { AtomRun, Deferred, NodeRun, ScopeRun } from './run.ts'
import type { AtomState, FlowState } from './states.ts'

/** Names one call of one atom. An event for another call than the running one is ignored. */
export interface CallRef {
  readonly atom: string
  readonly direction: Direction
  readonly call: number
}

/** A retry strategy's answer. */
export type Decision = 'RETRY' | 'REVERT' | 'REVERT_ALL'

export type MachineEvent =
  /** A fresh run begins, or a restored one goes on. */
  | { readonly kind: 'begin' }
  | {
      readonly kind: 'succeeded'
      readonly call: CallRef
      readonly decision?: StrategyAnswer | undefined
    }
  | {
      readonly kind: 'failed'
      readonly call: CallRef
      readonly failure: Failure
      /** `unknown`: it may have happened all the same. */
      readonly outcome: Exclude<CallOutcome, 'success'>
    }
  | ({ readonly kind: 'evaluated'; readonly id: number } & Evaluated)
  /** A time has come: of an atom that waits, or of a scope's timeout. */
  | { readonly kind: 'due'; readonly path: string }
  | { readonly kind: 'cancel'; readonly reason: string }
  | { readonly kind: 'suspend'; readonly reason: string }
  /** An operator's answer to a revert that failed. */
  | { readonly kind: 'resolve-revert'; readonly atom: string; readonly how: 'again' | 'skip' }

/** The answer to an `evaluate` command: a value by purpose, or why there is none. */
export type Evaluated =
  | { readonly value: EvaluatedValue; readonly failure?: undefined }
  | { readonly failure: Failure; readonly value?: undefined }

export type EvaluatedValue =
  /** `conditions`: the node's own `when` and those of its links, in the order asked. */
  | { readonly when: boolean; readonly links: readonly boolean[] }
  /** `round`: what the retry gives in this round, how many values are left after it, how many attempts it has. */
  | { readonly round: Json; readonly left: number; readonly attempts: number | null }
  /** `again` and `decide`: whether there is another attempt (the condition holds). */
  | { readonly again: boolean; readonly attempts: number | null }
  /** `output`: the flow's output is known to the driver. */
  | { readonly output: true }

export interface StrategyAnswer {
  readonly decision: Decision
  readonly delayMs?: number | undefined
  readonly value?: Json | undefined
}

/**
 * Expressions are not the machine's: it knows which symbols exist, not their values. It asks, and is answered before
 * anything is committed.
 */
export type EvaluatePurpose =
  | {
      readonly kind: 'conditions'
      readonly scope: ScopeRun
      readonly entry: number
      readonly index: number
      readonly when: string | null
      readonly links: readonly string[]
      /** Positions in the node's incoming edges that `links` are of. */
      readonly edges: readonly number[]
      readonly dead: number
    }
  | { readonly kind: 'round'; readonly retry: AtomRun; readonly entry: number }
  /** A task failed: is there another attempt? */
  | {
      readonly kind: 'again'
      readonly atom: AtomRun
      readonly failure: Failure
      readonly direction: 'execute' | 'revert'
    }
  /** A flow failed: does its retry's condition hold? */
  | {
      readonly kind: 'decide'
      readonly retry: AtomRun
      readonly origin: NodeRun
      readonly failure: Failure
    }
  | { readonly kind: 'output' }

export interface Transition {
  readonly kind: 'flow' | 'task' | 'retry'
  readonly name: string
  readonly atom: AtomRun | null
  readonly from: AtomState | FlowState
  readonly state: AtomState | FlowState
  readonly attempt: number | null
  readonly call: number | null
  readonly failure: Failure | null
  /** Retries: what this round gives. */
  readonly value: Json | undefined
}

export type Command =
  | {
      readonly kind: 'call'
      readonly atom: AtomRun
      readonly direction: Direction
      readonly call: number
      readonly again: boolean
      readonly deferred?: Deferred | undefined
    }
  | {
      readonly kind: 'abort'
      readonly atom: AtomRun
      readonly direction: Direction
      readonly call: number
      readonly reason: string
    }
  | { readonly kind: 'evaluate'; readonly id: number; readonly purpose: EvaluatePurpose }
  | { readonly kind: 'wait'; readonly path: string; readonly dueAt: number }
  /** The flow has ended or is suspended. */
  | { readonly kind: 'finish'; readonly state: FlowState }
