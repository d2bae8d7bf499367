/**
 * What a flow has to commit, and what it wants to do then: gathered between two commits, taken as one.
 *
 * Owns: what was gathered, and what is being committed.
 *
 * Invariants
 * C1  What was taken is either committed, or put back in front of what came after it: nothing is lost, and the order stays.
 */
import type { Command } from '../../src/machine/events.ts'
import type { CallRecord, HistoryRecord, ResultRecord } from '../../src/machine/records.ts'
import type { FlowEvent } from './drive-types.ts'
import type { CallKey, CallRequest } from '../engine.ts'

/** A command whose values are bound. */
export type Prepared =
  | Exclude<Command, { kind: 'evaluate' } | { kind: 'call' }>
  | { readonly kind: 'dispatch'; readonly request: CallRequest }
  /** Said to the engine after the dispatch of that call. */
  | { readonly kind: 'released'; readonly key: CallKey; readonly worker: string }

/** The changes of one commit. */
export interface ChangeSet {
  /** Carried out once this is committed. */
  readonly prepared: readonly Prepared[]
  /** Events for listeners. */
  readonly told: readonly FlowEvent[]
  readonly history: readonly HistoryRecord[]
  readonly calls: readonly CallRecord[]
  readonly results: readonly ResultRecord[]
  /** Keys of mail that was read. */
  readonly mailTaken: readonly string[]
  /** Told once this is committed: whoever gave an answer or a fact. */
  readonly committed: readonly (() => void)[]
  /** The flow's own row changes. */
  readonly flow: boolean
}

/** Changes that are gathered; see {@link ChangeSet} for what each is. */
export class Changes {
  prepared: Prepared[] = []
  told: FlowEvent[] = []
  history: HistoryRecord[] = []
  calls: CallRecord[] = []
  results: ResultRecord[] = []
  mailTaken: string[] = []
  committed: (() => void)[] = []
  flow = false
  #underWay: ChangeSet | null = null

  /** Nothing was gathered since the last commit was formed. Results come with their calls, events with history. */
  get isEmpty(): boolean {
    return (
      this.history.length === 0 &&
      this.prepared.length === 0 &&
      this.calls.length === 0 &&
      this.mailTaken.length === 0 &&
      this.committed.length === 0 &&
      !this.flow
    )
  }

  /** Some of it is being committed. */
  get isUnderWay(): boolean {
    return this.#underWay !== null
  }

  /** A call is to be handed to the engine with the next commit. */
  get hasDispatch(): boolean {
    return this.prepared.some((command) => command.kind === 'dispatch')
  }

  /** Takes what was gathered, to commit it. */
  take(): ChangeSet {
    const { prepared, told, history, calls, results, mailTaken, committed, flow } = this
    const taken = { prepared, told, history, calls, results, mailTaken, committed, flow }
    this.prepared = []
    this.told = []
    this.history = []
    this.calls = []
    this.results = []
    this.mailTaken = []
    this.committed = []
    this.flow = false
    this.#underWay = taken
    return taken
  }

  /** The commit came to its end; what was taken for it. Null: nothing was. */
  settle(): ChangeSet | null {
    const taken = this.#underWay
    this.#underWay = null
    return taken
  }

  /** C1: what was taken was not written, and comes before what was gathered since. */
  putBack(taken: ChangeSet): void {
    // Concatenated, not pushed: a flow may have 100,000 of each.
    this.prepared = taken.prepared.concat(this.prepared)
    this.told = taken.told.concat(this.told)
    this.history = taken.history.concat(this.history)
    this.calls = taken.calls.concat(this.calls)
    this.results = taken.results.concat(this.results)
    this.mailTaken = taken.mailTaken.concat(this.mailTaken)
    this.committed = taken.committed.concat(this.committed)
    this.flow = taken.flow || this.flow
  }
}
