/** What a flow has to commit, and what it wants to do then: gathered between two commits, taken as one. */
import type { Command } from '../src/machine/events.ts'
import type { CallRecord, HistoryRecord, ResultRecord } from '../src/machine/records.ts'
import type { FlowEvent } from './drive-types.ts'
import type { CallRequest } from './engine.ts'

/** A command whose values are bound. */
export type Prepared =
  | Exclude<Command, { kind: 'evaluate' } | { kind: 'call' }>
  | { readonly kind: 'dispatch'; readonly request: CallRequest }

export class Changes {
  prepared: Prepared[] = []
  /** Events for listeners. */
  told: FlowEvent[] = []
  history: HistoryRecord[] = []
  calls: CallRecord[] = []
  results: ResultRecord[] = []
  /** Keys of mail that was read. */
  mailTaken: string[] = []
  /** Told once this is committed: whoever gave an answer or a fact. */
  committed: (() => void)[] = []
  /** The flow's own row changes. */
  flow = false

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

  /** These changes, and then those that came after them. */
  followedBy(later: Changes): Changes {
    // Concatenated, not pushed: a flow may have 100,000 of each.
    const all = new Changes()
    all.prepared = this.prepared.concat(later.prepared)
    all.told = this.told.concat(later.told)
    all.history = this.history.concat(later.history)
    all.calls = this.calls.concat(later.calls)
    all.results = this.results.concat(later.results)
    all.mailTaken = this.mailTaken.concat(later.mailTaken)
    all.committed = this.committed.concat(later.committed)
    all.flow = this.flow || later.flow
    return all
  }
}
