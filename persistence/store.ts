/**
 * The contract of persistence: what is durable, and who may write it. SQL is the truth of Zagflow; an adapter keeps it.
 *
 * Invariants (one suite tests them for every adapter)
 * S1  Rows of flows, scopes, atoms, calls, results and history are written by `commit` alone, and only under the fence:
 *     (job, epoch, claim id, revision) must match the job's row, checked by the very statement that takes the flow.
 * S2  A commit is all or nothing per flow. In a batch, a fenced flow changes nothing and stops no other.
 * S3  `revision` makes a lost reply harmless: who reads back his own fence and the revision that he meant to write has
 *     committed. `commit` does so itself after an unknown outcome. Where that too is impossible it throws, and then nothing is
 *     known: the same batch must be given again, unchanged, before anything else of these flows is; who took newer changes
 *     instead would have them taken for those that had arrived, and lost.
 * S4  One bad flow of a batch is trashed with its reason; the others are committed.
 * S5  Everyone but the owner writes mail; mail raises `job.mail` and makes a parked job due in the same transaction (a job that
 *     its poster delayed only if the mail is `cancel`: a delay is never short). A commit that parks or ends a job is refused
 *     (`mail`) if `job.mail` is not what its owner last read.
 * S6  The epoch of a job only grows. Adoption takes it only if it is above the stored one, or is the same claim again.
 * S7  A key posts one job per board: the same content again is the same job, other content is a conflict.
 * S8  Times are epoch milliseconds of the database's clock; only it decides what is due.
 * S9  Values come in as `Json` that the codec passed; what one backend would refuse, all refuse (the codec sees to it).
 */
import type { Failure } from '../src/base/failure.ts'
import type { Json, JsonObject } from '../src/base/json.ts'
import type {
  AtomRecord,
  CallRecord,
  Direction,
  HistoryRecord,
  ResultRecord,
  ScopeRecord,
} from '../src/machine/records.ts'
import type { FlowState } from '../src/machine/states.ts'
import type { ResolvedDocument } from '../src/flow/resolved.ts'
import type { ScheduleStore } from './schedule-store.ts'

/**
 * States of a job and who writes them.
 * POSTING: whoever makes a job claimable whose board is outside SQL, until that board shows it. UNCLAIMED: the same for boards in
 * SQL (poster, promoter, owner that hands over), and who has put a POSTING job on its board.
 * CLAIMED: adoption. PARKED: the owner (waits for a time, mail or an operator) or the poster (a delay). COMPLETE, TRASHED: the owner;
 * the reaper trashes too, after deaths in probation.
 */
export const JOB_STATES = [
  'POSTING',
  'UNCLAIMED',
  'CLAIMED',
  'PARKED',
  'COMPLETE',
  'TRASHED',
] as const
export type JobState = (typeof JOB_STATES)[number]

/** Why a job is parked. */
export const PARK_REASONS = ['delay', 'retry', 'suspended', 'task'] as const
export type ParkReason = (typeof PARK_REASONS)[number]

/** A job as its row says. Times in epoch ms. */
export interface JobRecord {
  readonly id: string
  readonly board: string
  /** The caller's key, if one was given. */
  readonly key: string | null
  /** Name of its flow. */
  readonly flow: string
  readonly state: JobState
  /** Grows each time the job becomes claimable. From 1. */
  readonly posting: number
  /** Bigger first. Default 0. */
  readonly priority: number
  /** Flow detail of its present run. */
  readonly flowId: string
  readonly epoch: number
  /** The present claim; or the last one, where its owner ended it (so that a lost answer can be read back, S3). */
  readonly claimId: string | null
  /** Who has claimed it now. */
  readonly conductor: string | null
  readonly revision: number
  /** Pieces of mail ever received. */
  readonly mail: number
  /** Last number used in its history. */
  readonly historySeq: number
  readonly dueAt: number | null
  readonly parkedFor: ParkReason | null
  /** Why it was trashed, or what an operator should know. */
  readonly reason: string | null
  readonly labels: { readonly [name: string]: string }
  readonly traceparent: string | null
  readonly postedBy: string | null
  readonly scheduledFor: number | null
  /** Its last claim ended in disorder: it is loaded alone next time. */
  readonly disorder: boolean
  /** It is being loaded alone now: a death of its conductor counts. */
  readonly probation: boolean
  /** Deaths of its conductors while it was on probation, since its last recorded answer. */
  readonly probationDeaths: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly endedAt: number | null
}

/** The record of one run of a flow. */
export interface FlowDetail {
  readonly id: string
  readonly jobId: string
  readonly parentId: string | null
  /** From 1; running a finished job again from its start makes a new one. */
  readonly run: number
  /** Hash of the resolved document, and of the source document that it came from. */
  readonly document: string
  readonly source: string
  readonly format: number
  readonly semantics: number
  readonly input: JsonObject
  readonly state: FlowState
  readonly output: Json
  /** What failed and was not healed; set when the flow ends. */
  readonly failures: readonly AtomFailure[]
  /** Why it was cancelled or suspended. */
  readonly reason: string | null
  readonly createdAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
}

/** A failure and the atom that it is of. */
export interface AtomFailure extends Failure {
  readonly atom: string
  /** `revert`: it was its revert that failed. */
  readonly direction?: 'revert' | undefined
}

/** A posting of a job, as boards name it. */
export interface PostingRef {
  readonly jobId: string
  readonly posting: number
}

export interface PostRequest {
  /** UUIDv7, or derived from board and key (the caller computes it). */
  readonly id: string
  readonly flowId: string
  readonly board: string
  readonly key?: string | undefined
  /**
   * POSTING for boards outside SQL, else UNCLAIMED; with `dueAt` the job is PARKED until then. It is remembered: whenever the job
   * becomes claimable again it is in this state.
   */
  readonly state: 'POSTING' | 'UNCLAIMED'
  readonly dueAt?: number | undefined
  /** Milliseconds from now by the database's clock; instead of `dueAt`. */
  readonly delayMs?: number | undefined
  readonly priority?: number | undefined
  readonly labels?: { readonly [name: string]: string } | undefined
  readonly traceparent?: string | undefined
  readonly postedBy?: string | undefined
  readonly scheduledFor?: number | undefined
  readonly document: ResolvedDocument
  /** Hash of the resolved document. */
  readonly documentHash: string
  readonly source: Json
  readonly sourceHash: string
  readonly input: JsonObject
  /** Hash of source document and completed input: says whether two posts are the same. */
  readonly contentHash: string
}

/** The board's word that this conductor owns this posting of a job. Epoch and claim id are the fence. */
export interface Claim {
  readonly jobId: string
  readonly posting: number
  readonly claimId: string
  readonly epoch: number
  readonly conductor: string
  /** Set where claiming was itself the adoption (boards in SQL). */
  readonly adopted?: JobRecord | undefined
}

/** All that is stored of a flow, for its owner. */
export interface LoadedFlow {
  readonly job: JobRecord
  readonly detail: FlowDetail
  readonly atoms: readonly AtomRecord[]
  readonly scopes: readonly ScopeRecord[]
}

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

/** A piece of mail. `key` is unique per job: the first one wins. */
export interface Mail {
  readonly key: string
  readonly kind: MailKind
  readonly body: Json
}
export const MAIL_KINDS = [
  'cancel',
  'suspend',
  'resume',
  'resolve-revert',
  'reply',
  'signal',
  'child',
] as const
export type MailKind = (typeof MAIL_KINDS)[number]

export interface StoredMail extends Mail {
  readonly jobId: string
  readonly at: number
  /** The job's `mail` once this piece had arrived: the biggest one that its owner has read is its `mailRead`. */
  readonly count: number
}

/** A conductor or worker that lives: announced, renewed, and gone when `expiresAt` has passed. */
export interface ProcessRecord {
  readonly id: string
  readonly kind: 'conductor' | 'worker'
  readonly name: string
  readonly host: string
  readonly pid: number
  readonly board: string
  readonly topics: readonly string[]
  /** Names of the tasks that it serves; for workers their signatures. */
  readonly tasks: readonly string[]
  readonly signatures?: Json | undefined
  readonly load: Json
  readonly startedAt: number
  readonly seenAt: number
  readonly expiresAt: number
}

/** What `beat` writes: everything but the times, which are the database's; `leaseMs` from now it expires. */
export type Heartbeat = Omit<ProcessRecord, 'startedAt' | 'seenAt' | 'expiresAt'> & {
  readonly leaseMs: number
}

export interface JobFilter {
  readonly board?: string | undefined
  readonly ids?: readonly string[] | undefined
  readonly key?: string | undefined
  readonly states?: readonly JobState[] | undefined
  readonly flowStates?: readonly FlowState[] | undefined
  readonly flow?: string | undefined
  readonly conductor?: string | undefined
  /** Claimed by one of these conductors (their ids). */
  readonly conductors?: readonly string[] | undefined
  readonly labels?: { readonly [name: string]: string } | undefined
  /** Input fields that must be equal, by name. */
  readonly input?: JsonObject | undefined
  readonly createdBefore?: number | undefined
  readonly createdAfter?: number | undefined
  /** Newest first unless told. */
  readonly order?: 'newest' | 'oldest' | 'claim' | undefined
  /** 1 to 10,000. Default 100. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly after?: string | undefined
}

export interface JobSummary {
  readonly job: JobRecord
  readonly detail: FlowDetail
}

export interface FlowVersion {
  readonly name: string
  readonly version: number
  /** Hash of the source document. */
  readonly hash: string
  readonly createdAt: number
}

export interface SchemaStatus {
  readonly applied: readonly string[]
  readonly pending: readonly string[]
}

/** What a new run begins with of the one before it: rows that `carryOver` of the machine kept. */
export interface CarriedRun {
  /** The run that this was decided on, and the job's revision then. */
  readonly flowId: string
  readonly revision: number
  readonly atoms: readonly AtomRecord[]
  readonly scopes: readonly ScopeRecord[]
}

/** What was deleted. */
export interface PruneReport {
  readonly jobs: number
  readonly documents: number
}

export interface Store extends ScheduleStore {
  readonly kind: 'memory' | 'sqlite' | 'postgres'

  /** Connects. SQLite migrates itself; PostgreSQL with pending migrations throws `MigrationNeededError`. */
  start(): Promise<void>
  /** Ends what is under way and closes. Twice, or before `start`, is fine. */
  stop(): Promise<void>
  migrate(): Promise<SchemaStatus>
  schemaStatus(): Promise<SchemaStatus>
  /** The database's clock, epoch ms. */
  now(): Promise<number>

  /** Posts a job (logbook, flow detail, job and documents in one transaction, or in the caller's). Throws `ConflictError` (S7). */
  post(
    request: PostRequest,
    options?: { readonly transaction?: unknown },
  ): Promise<{ readonly job: JobRecord; readonly created: boolean }>
  /** POSTING → UNCLAIMED, once its board shows that posting. Others are passed over. */
  posted(postings: readonly PostingRef[]): Promise<void>
  /** UNCLAIMED → POSTING: the board does not show that posting. Others are passed over. From then on the job's board is outside SQL. */
  unposted(postings: readonly PostingRef[]): Promise<void>
  /**
   * POSTING jobs of the biggest priority that has any, but for the first postings of jobs that are younger than `restMs` (default 0: their
   * posters are showing them just now): one of each tenant (label `tenant`) in turn,
   * beginning behind the tenant `turn`, then a second one of each; of a tenant the oldest first. Costs what it gives, whatever the
   * backlog. `limit`: 1 to 100,000.
   */
  nextPostings(
    board: string,
    options: {
      readonly limit: number
      readonly turn?: string | undefined
      readonly restMs?: number | undefined
    },
  ): Promise<readonly JobRecord[]>
  /** UNCLAIMED jobs of a board in the order of claiming: what a board outside SQL has to show. `limit`: 1 to 100,000. */
  unclaimed(board: string, limit: number): Promise<readonly PostingRef[]>

  document(hash: string): Promise<Json | null>
  /** Registers a version of a source document: a new number when its content changed, else the one it has. */
  registerFlow(name: string, source: Json, hash: string): Promise<FlowVersion>
  findFlow(name: string, version?: number): Promise<FlowVersion | null>
  listFlows(name?: string): Promise<readonly FlowVersion[]>

  /** SQL boards: claims up to `claimIds.length` of the best claimable jobs, by priority, then age, in one statement; epoch + 1. */
  claimJobs(request: {
    readonly board: string
    readonly conductor: string
    readonly claimIds: readonly string[]
  }): Promise<readonly Claim[]>
  /** Adopts claims made on a board outside SQL (S6). A claim that is not returned is lost: release it on the board. */
  adopt(claims: readonly Claim[]): Promise<readonly Claim[]>
  /** All that is stored of the flows of these jobs; in the order asked, absent ones left out. */
  load(jobIds: readonly string[]): Promise<readonly LoadedFlow[]>
  /** Gives claims back in order (fenced): UNCLAIMED (or POSTING), posting + 1. `delayMs`: PARKED until then instead. */
  release(
    claims: readonly Claim[],
    options?: { readonly delayMs?: number | undefined; readonly reason?: string | undefined },
  ): Promise<void>
  /**
   * Marks a claim's job as loaded alone (fenced); its first commit clears the mark, and the first that records an answer forgets
   * its deaths so far: only deaths in a row count. False: fenced.
   */
  beginProbation(claim: Claim): Promise<boolean>
  /** Values that calls gave, in the order asked; absent ones are undefined. */
  results(flowId: string, refs: readonly ResultRef[]): Promise<readonly (Json | undefined)[]>
  /** Commits a batch (S1–S4). Outcomes in the order of the batch. Throws `UnavailableError` when the database is away: nothing is known, try the same batch again (S3). */
  commit(batch: readonly FlowCommit[]): Promise<readonly CommitOutcome[]>

  /** Writes mail (S5). `ended`: the job is COMPLETE (or TRASHED, for all but `resume` and `resolve-revert`); `unknown`: no such job. */
  mail(jobId: string, mail: Mail): Promise<'accepted' | 'duplicate' | 'ended' | 'unknown'>
  /** Mail of jobs that this conductor owns, the oldest of each job first; each piece carries its job's `count`. */
  readMail(conductor: string): Promise<readonly StoredMail[]>
  /** Mail of one job, oldest first, and its `job.mail`. */
  mailOf(jobId: string): Promise<{ readonly count: number; readonly mail: readonly StoredMail[] }>

  /** What is known of a broker; made (epoch 1, a marker and a secret by chance) when it is asked for first. */
  broker(name: string): Promise<BrokerRecord>
  /**
   * The broker lost what it held: epoch + 1 and a new marker, if the epoch still is `from`; jobs parked for a task become due in
   * the same transaction. Returns what now stands. A job that is parked at the same time may miss it: who parks for a task says
   * when to look again.
   */
  raiseBroker(name: string, from: number): Promise<BrokerRecord>
  /**
   * Jobs parked for a task become due: the broker may have lost their calls. For those that were being parked while it was raised, by
   * conductors that had not heard of it.
   */
  wakeParked(): Promise<void>
  /**
   * Remembers a reply queue and the conductor (process id of its incarnation) that made it. Again is fine; a queue whose maker is
   * gone becomes that of who makes it anew.
   */
  keepReplyQueue(queue: string, conductor: string): Promise<void>
  /** Reply queues that are remembered. `orphaned`: no living conductor made it. */
  replyQueues(): Promise<readonly ReplyQueueRecord[]>
  /**
   * Forgets an orphaned queue that no atom of an unfinished job names (a trashed one may be released, so it counts), once its
   * maker has no claims either. False: it is still needed. True holds for good: a new call names the queue of its living owner,
   * and nobody else's.
   */
  forgetReplyQueue(queue: string): Promise<boolean>
  /** How calls stand, in the order asked: for whoever reads a message about a flow that is not his. */
  standing(calls: readonly CallPlace[]): Promise<readonly CallStanding[]>

  /**
   * Announces or renews a process; false: the lease had run out meanwhile (its claims may be others' by now), or the id is that of a
   * process of another kind, which stays as it is.
   */
  beat(process: Heartbeat): Promise<boolean>
  /** Forgets a process; of that kind only, if one is given. */
  endProcess(id: string, kind?: ProcessRecord['kind']): Promise<void>
  processes(filter?: {
    readonly kind?: 'conductor' | 'worker'
    readonly board?: string
  }): Promise<readonly ProcessRecord[]>

  /** PARKED jobs that are due become UNCLAIMED (POSTING, where their board is outside SQL), posting + 1. Returns them. */
  promote(board: string, limit: number): Promise<readonly JobRecord[]>
  /** Jobs claimed by conductors whose lease ran out become claimable (UNCLAIMED or POSTING, posting + 1, `disorder`); deaths in probation count, `maxDeaths` trash. */
  reap(
    board: string,
    options: { readonly maxDeaths: number },
  ): Promise<{ readonly released: readonly string[]; readonly trashed: readonly string[] }>
  /** When the next parked job of a board is due, if any. */
  nextDue(board: string): Promise<number | null>

  job(idOrKey: string, board?: string): Promise<JobSummary | null>
  findJobs(
    filter: JobFilter,
  ): Promise<{ readonly jobs: readonly JobSummary[]; readonly next: string | null }>
  /** History of a job after `after` (its last `seq`), oldest first, up to `limit` (default 1,000) rows. */
  history(
    jobId: string,
    options: { readonly after?: number | undefined; readonly limit?: number | undefined },
  ): Promise<readonly HistoryRecord[]>
  atoms(flowId: string): Promise<readonly AtomRecord[]>
  calls(flowId: string, atom?: string): Promise<readonly CallRecord[]>
  /** Operator: TRASHED, or parked for suspension or probation, becomes claimable again. Null: not in such a state. */
  releaseJob(jobId: string): Promise<JobRecord | null>
  /**
   * Operator: a job that ended runs again, as a new run with this input; posting + 1. From its start, or (`carried`) with these
   * rows, the calls of their atoms and the results of those that stand, and RESUMING instead of PENDING. All in one transaction.
   * Null: the job has not ended, or is not as `carried` was decided on. The same `flowId` again is the same wish.
   */
  rerun(
    jobId: string,
    options: {
      readonly flowId: string
      readonly input?: JsonObject | undefined
      readonly carried?: CarriedRun | undefined
    },
  ): Promise<JobRecord | null>
  /** Deletes jobs that ended more than `olderThanMs` ago, with all their rows, and documents that nothing names. */
  prune(options: {
    readonly olderThanMs: number
    readonly board?: string | undefined
    readonly dryRun?: boolean | undefined
  }): Promise<PruneReport>

  /** Hints, for speed only: called in this process when jobs become claimable or mail arrives. */
  onHint(listener: (hint: StoreHint) => void): () => void
}

/** A broker as the store knows it. */
export interface BrokerRecord {
  readonly name: string
  /** Grows when the broker was found to have lost what it held. From 1. */
  readonly epoch: number
  /** UUID in the name of the queue whose absence tells of that. */
  readonly marker: string
  /** Key of the tokens in requests. */
  readonly secret: string
}

export interface ReplyQueueRecord {
  readonly queue: string
  readonly conductor: string
  readonly orphaned: boolean
}

export interface CallPlace {
  readonly jobId: string
  readonly flowId: string
  readonly atom: string
  readonly direction: Direction
  readonly call: number
}

export interface CallStanding {
  /** Null: no such job. */
  readonly job: JobState | null
  /** Who has claimed it. */
  readonly conductor: string | null
  /** An answer to this very call was recorded, or its flow has ended. */
  readonly settled: boolean
}

export type StoreHint =
  | { readonly kind: 'claimable'; readonly board: string }
  | { readonly kind: 'mail'; readonly jobId: string }
  | { readonly kind: 'schedule'; readonly board: string }
  | { readonly kind: 'history'; readonly jobId: string }

export interface ResultRef {
  readonly atom: string
  readonly direction: Direction
  readonly call: number
}
