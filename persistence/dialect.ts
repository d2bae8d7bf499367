import type { Json } from '../src/base/json.ts'
import type { CommitRows } from './commit-rows.ts'
import type { Database } from './database.ts'
import type { PostRows } from './post-rows.ts'
import type { RowShape } from './rows.ts'
import type { Cell, Executor, Sql } from './sql.ts'
import type { Mail } from './store.ts'
import type { TableNames } from './tables.ts'

/** What an insert of a post found: its row, or the job that has its key or id already. Rows as JSON texts. */
export interface PostedRow {
  readonly created: boolean
  readonly job: string
  readonly contentHash: string
}

/** What became of a piece of mail. */
export type MailAnswer = 'accepted' | 'duplicate' | 'ended' | 'unknown'

/**
 * Where SQLite and PostgreSQL differ: how they connect, what stands for the time, for lists and for rows as parameters, and
 * the four statements that have to be a transaction at little cost.
 */
export interface Dialect {
  readonly kind: 'sqlite' | 'postgres'
  readonly tables: TableNames
  readonly database: Database
  /** Whether `start` may change the schema. */
  readonly migratesItself: boolean

  /** The database's clock, as an expression: epoch milliseconds. The same within a statement. */
  now(): Sql
  /** A condition's right side: ` = any(…)` or ` in (…)`. */
  anyOf(texts: readonly string[]): Sql
  /** Rows as a table, to stand behind `from`. */
  rows(shape: RowShape, rows: readonly (readonly Cell[])[]): Sql
  /** Ends a select whose rows will be changed; rows that others hold are left out. */
  readonly skipLocked: Sql
  /** Ends a select whose rows will be changed; waits for others. */
  readonly forUpdate: Sql
  /** Whether the value under `key` in a column with plain JSON (or, `sealed`, in an envelope) equals `value`. */
  jsonEquals(column: Sql, key: string, value: Json, sealed: boolean): Sql

  /** Inserts documents, job and flow detail, in one transaction (of `executor`, if it is the caller's). */
  post(executor: Executor | undefined, rows: PostRows): Promise<PostedRow>
  /** A transaction that only runs statements, and may be begun again; SQLite puts those together that wait at the same time. */
  write<T>(work: (executor: Executor) => Promise<T>): Promise<T>
  /** Commits a batch: takes the flows whose fence holds, writes the rows of those, and returns their job ids. */
  commit(rows: CommitRows): Promise<readonly string[]>
  /** Writes mail, raises the job's count and makes it due. */
  mail(jobId: string, mail: Mail): Promise<MailAnswer>
  /** Within a migration: nobody else migrates until its transaction ends. */
  lockMigrations(executor: Executor): Promise<void>
}
