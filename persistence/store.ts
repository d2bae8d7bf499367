/**
 * The contract of persistence: what is durable, and who may write it. SQL is the truth of Zagflow; an adapter keeps it.
 *
 * Its parts are in `store/`, each with the invariants that it keeps; one suite tests them for every adapter.
 *
 * Invariants
 * S1–S4  Only commits write a flow's rows, under the fence, whole or not at all (`store/commits.ts`).
 * S5     Everyone but the owner writes mail, and no job is parked or ended past it (`store/mail.ts`).
 * S6     The epoch of a job only grows (`store/claims.ts`).
 * S7     A key posts one job per board (`store/posts.ts`).
 * S8  Times are epoch milliseconds of the database's clock; only it decides what is due.
 * S9  Values come in as `Json` that the codec passed; what one backend would refuse, all refuse (the codec sees to it).
 */
import type { ScheduleStore } from './schedule-store.ts'
import type { BrokerStore } from './store/brokers.ts'
import type { ClaimStore } from './store/claims.ts'
import type { CommitStore } from './store/commits.ts'
import type { FlowStore } from './store/flows.ts'
import type { MailStore } from './store/mail.ts'
import type { OperatorStore } from './store/operators.ts'
import type { PostStore } from './store/posts.ts'
import type { ProcessStore } from './store/processes.ts'
import type { SearchStore } from './store/search.ts'
import type { UpkeepStore } from './store/upkeep.ts'

export * from './store/brokers.ts'
export * from './store/claims.ts'
export * from './store/commits.ts'
export * from './store/flows.ts'
export * from './store/jobs.ts'
export * from './store/mail.ts'
export * from './store/operators.ts'
export * from './store/posts.ts'
export * from './store/processes.ts'
export * from './store/search.ts'
export * from './store/upkeep.ts'

/** Names of migrations, in their order. */
export interface SchemaStatus {
  readonly applied: readonly string[]
  readonly pending: readonly string[]
}

/** What has just happened in this process: `history` is a commit with transitions, `schedule` a schedule that was added or changed. */
export type StoreHint =
  | { readonly kind: 'claimable'; readonly board: string }
  | { readonly kind: 'mail'; readonly jobId: string }
  | { readonly kind: 'schedule'; readonly board: string }
  | { readonly kind: 'history'; readonly jobId: string }

/** A store's own life: its connection, its schema, its clock, its hints. */
export interface StoreLife {
  /** Where it keeps things. */
  readonly kind: 'memory' | 'sqlite' | 'postgres'
  /** Connects. SQLite migrates itself; PostgreSQL with pending migrations throws `MigrationNeededError`. */
  start(): Promise<void>
  /** Ends what is under way and closes. Twice, or before `start`, is fine. */
  stop(): Promise<void>
  /** Brings the schema up to date, whether started or not. */
  migrate(): Promise<SchemaStatus>
  /** Which migrations are applied, and which are not; started or not. */
  schemaStatus(): Promise<SchemaStatus>
  /** The database's clock, epoch ms. */
  now(): Promise<number>
  /** Hints, for speed only: called in this process when jobs become claimable or mail arrives. */
  onHint(listener: (hint: StoreHint) => void): () => void
}

/** All of it. Whoever needs a part asks for that part, or picks methods. */
export interface Store
  extends
    StoreLife,
    PostStore,
    FlowStore,
    ClaimStore,
    CommitStore,
    MailStore,
    BrokerStore,
    ProcessStore,
    UpkeepStore,
    SearchStore,
    OperatorStore,
    ScheduleStore {}
