/**
 * Commits: the one way in which rows of a flow are written.
 *
 * Invariants
 * S1  Rows of flows, scopes, atoms, calls, results and history are written by `commit` alone, and only under the fence:
 *     (job, epoch, claim id, revision) must match the job's row, checked by the very statement that takes the flow.
 * S2  A commit is all or nothing per flow. In a batch, a fenced flow changes nothing and stops no other.
 * S3  `revision` makes a lost reply harmless: who reads back his own fence and the revision that he meant to write has
 *     committed. `commit` does so itself after an unknown outcome. Where that too is impossible it throws, and then nothing is
 *     known: the same batch must be given again, unchanged, before anything else of these flows is; who took newer changes
 *     instead would have them taken for those that had arrived, and lost.
 * S4  One bad flow of a batch is trashed with its reason; the others are committed.
 */
import type { Json } from '../../src/base/json.ts'
import type {
  AtomRecord,
  CallRecord,
  HistoryRecord,
  ResultRecord,
  ScopeRecord,
} from '../../src/machine/records.ts'
import type { FlowState } from '../../src/machine/states.ts'
import type { AtomFailure, ParkReason } from './jobs.ts'

/** The changes of one flow since its last commit. */
export interface FlowCommit {
  readonly jobId: string
  readonly flowId: string
  readonly epoch: number
  readonly claimId: string
  /** The revision that the job's row must have; it becomes one more. */
  readonly revision: number
  /** Last number used in the job's history after this commit. */
  readonly historySeq: number
  /** The `job.mail` that the owner has read; required where `job` parks or ends it. */
  readonly mailRead?: number | undefined
  /** Keys of mail that this commit takes out of the mailbox. */
  readonly mailTaken?: readonly string[] | undefined
  readonly flow?: FlowChange | undefined
  readonly job?: JobChange | undefined
  readonly atoms: readonly AtomRecord[]
  readonly scopes: readonly ScopeRecord[]
  readonly calls: readonly CallRecord[]
  readonly results: readonly ResultRecord[]
  readonly history: readonly HistoryRecord[]
}

/** What becomes of the flow's own row. */
export interface FlowChange {
  readonly state: FlowState
  readonly reason?: string | null | undefined
  readonly output?: Json | undefined
  readonly failures?: readonly AtomFailure[] | undefined
  /** Set `started_at` (or `ended_at`) to the database's now, if it is not set yet. */
  readonly started?: boolean | undefined
  readonly ended?: boolean | undefined
}

/** Ends the claim. `UNCLAIMED` hands the job over at once (posting + 1; POSTING, where its board is outside SQL); `PARKED` without `dueAt` waits for mail or an operator. */
export type JobChange =
  | { readonly state: 'COMPLETE' }
  | { readonly state: 'TRASHED'; readonly reason: string }
  | {
      readonly state: 'PARKED'
      readonly parkedFor: ParkReason
      readonly dueAt?: number | undefined
    }
  | { readonly state: 'UNCLAIMED' }

/**
 * `committed`; `fenced`: another owner, drop the flow and its claim; `mail`: nothing written, mail must be read first;
 * `trashed`: the database refused this flow's values, it was trashed with the reason.
 */
export type CommitOutcome =
  | { readonly kind: 'committed' }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'mail' }
  | { readonly kind: 'trashed'; readonly reason: string }

/** What owners of flows write. */
export interface CommitStore {
  /** Commits a batch (S1–S4). Outcomes in the order of the batch. Throws `UnavailableError` when the database is away: nothing is known, try the same batch again (S3). */
  commit(batch: readonly FlowCommit[]): Promise<readonly CommitOutcome[]>
}
