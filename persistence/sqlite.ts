/**
 * SQLite, over `sqlite3` or `better-sqlite3`: one file on one host, any number of processes.
 *
 * Invariants
 * L1  One connection a process. Every transaction that writes begins with `BEGIN IMMEDIATE`, so that processes wait for each
 *     other at its beginning and never meet in its middle.
 * L2  WAL with `synchronous=FULL`: what was committed survives a loss of power. Checked when the file is opened.
 * L3  The clock is the host's: the database has none of its own.
 */
import fs from 'node:fs/promises'
import path from 'node:path'
import type { Knex } from 'knex'
import type { Clock } from '../src/base/clock.ts'
import type { Logger } from '../src/base/logger.ts'
import type { CommitRows } from './commit-rows.ts'
import { TAKING_PARTS, WRITING_PARTS } from './commit-parts.ts'
import { Database } from './database.ts'
import type { Dialect, MailAnswer, PostedRow } from './dialect.ts'
import { loadDriver, SILENT } from './drivers.ts'
import { sqliteMeaning } from './errors.ts'
import type { PostRows } from './post-rows.ts'
import type { RowShape } from './rows.ts'
import { jobColumns, seal } from './rows.ts'
import { takesMail, wakes } from './rules.ts'
import type { Cell, Executor, Row, Sql } from './sql.ts'
import { join, name, nothing, sql } from './sql.ts'
import type { JobRecord, Mail } from './store.ts'
import type { AsyncConnection, SyncConnection } from './statement-cache.ts'
import { cacheAsyncStatements, cacheSyncStatements } from './statement-cache.ts'
import type { TableNames } from './tables.ts'
import { tableNames } from './tables.ts'
import { WriteQueue } from './write-queue.ts'

export interface SqliteOptions {
  readonly file: string
  readonly driver: 'sqlite3' | 'better-sqlite3'
  readonly prefix: string
  readonly synchronous: 'FULL' | 'NORMAL'
  readonly clock: Pick<Clock, 'now'>
  readonly logger: Logger
}

/** Another process may be writing this long before a statement fails and is tried again; `better-sqlite3` stops the whole process meanwhile. */
const BUSY_TIMEOUT_MS = { sqlite3: 5_000, 'better-sqlite3': 50 }

export function sqlite(options: SqliteOptions): Dialect {
  const { clock } = options
  const tables = tableNames(options.prefix)
  const database = new Database({
    server: `sqlite:${options.file}`,
    open: () => open(options),
    meaning: sqliteMeaning,
    begin: 'begin immediate',
    placeholder: () => '?',
  })
  const now = (): Sql => sql`${Math.floor(clock.now())}`
  const writes = new WriteQueue(database)

  return {
    kind: 'sqlite',
    tables,
    database,
    migratesItself: true,
    now,
    anyOf: (texts) => sql` in (select value from json_each(${JSON.stringify(texts)}))`,
    rows,
    skipLocked: nothing,
    forUpdate: nothing,
    jsonEquals,
    post: (executor, rows) => {
      if (executor !== undefined) return post(executor, tables, rows, now())
      return database.transaction((own) => post(own, tables, rows, now()))
    },
    commit: (batch) => database.transaction((executor) => commit(executor, tables, batch, now())),
    write: (work) => writes.run(work),
    mail: (jobId, mail) =>
      writes.run((executor) => writeMail(executor, tables, jobId, mail, now())),
    lockMigrations: async () => undefined, // BEGIN IMMEDIATE has locked the file
  }
}

async function open(options: SqliteOptions): Promise<Knex> {
  const { file, driver, synchronous, logger } = options
  const isFile = file !== ':memory:'
  if (isFile) await fs.mkdir(path.dirname(path.resolve(file)), { recursive: true })
  await loadDriver(driver)
  const { default: knex } = await import('knex')
  return knex({
    client: driver,
    log: SILENT,
    connection: { filename: file },
    useNullAsDefault: true,
    compileSqlOnError: false,
    // The one connection is kept: `:memory:` lives in it.
    pool: {
      min: 1,
      max: 1,
      afterCreate: (connection: Connection, done: (error: unknown) => void) => {
        prepare(connection, driver, synchronous, isFile, logger).then(() => done(null), done)
      },
    },
  })
}

/** What is used of the drivers' connections: `pragma` is of `better-sqlite3`. */
type Connection = AsyncConnection | (SyncConnection & { pragma(statement: string): unknown })

async function prepare(
  connection: Connection,
  driver: SqliteOptions['driver'],
  synchronous: SqliteOptions['synchronous'],
  isFile: boolean,
  logger: Logger,
): Promise<void> {
  await pragma(connection, `busy_timeout = ${BUSY_TIMEOUT_MS[driver]}`)
  await pragma(connection, 'journal_mode = WAL')
  await pragma(connection, `synchronous = ${synchronous}`)
  await pragma(connection, 'cache_size = -16000')
  if ('pragma' in connection) cacheSyncStatements(connection)
  else cacheAsyncStatements(connection)
  const journal = await pragma(connection, 'journal_mode')
  const level = await pragma(connection, 'synchronous')
  if (level !== (synchronous === 'FULL' ? 2 : 1)) {
    throw new Error(`SQLite did not take synchronous=${synchronous}: it is ${String(level)}`)
  }
  if (isFile && journal !== 'wal') {
    logger.warn({ journal }, 'SQLite cannot keep a write-ahead log here: commits will be slow')
  }
}

/** Sets or asks a pragma; the first cell of its answer. */
async function pragma(connection: Connection, statement: string): Promise<unknown> {
  const rows = await new Promise<unknown>((resolve, reject) => {
    if ('pragma' in connection) return resolve(connection.pragma(statement))
    connection.all(`pragma ${statement}`, (error: Error | null, answer: unknown) => {
      if (error === null) resolve(answer)
      else reject(error)
    })
  })
  const [row] = Array.isArray(rows) ? (rows as readonly Row[]) : []
  return row === undefined ? undefined : Object.values(row)[0]
}

/**
 * Rows as a table: one parameter, a JSON list of lists. `jsonb_each` (SQLite 3.51) parses it once; with `json_each` each
 * cell parses its row again, which is half as fast.
 */
function rows(shape: RowShape, cells: readonly (readonly Cell[])[]): Sql {
  let picks = picksOfShapes.get(shape)
  if (picks === undefined) {
    const columns = Object.keys(shape)
    picks = name(
      columns.map((column, at) => `json_extract(value, '$[${at}]') as ${column}`).join(', '),
    )
    picksOfShapes.set(shape, picks)
  }
  return sql`(select ${picks} from jsonb_each(${JSON.stringify(cells)}))`
}

const picksOfShapes = new WeakMap<RowShape, Sql>()

function jsonEquals(column: Sql, key: string, value: unknown, sealed: boolean): Sql {
  const path = name(sealed ? `, '$.v'` : '')
  return sql`exists (select 1 from json_each(${column}${path}) as e where e.key = ${key} and ${isValue(value)})`
}

function isValue(value: unknown): Sql {
  switch (typeof value) {
    case 'string':
      return sql`e.type = 'text' and e.value = ${value}`
    case 'number':
      return sql`e.type in ('integer', 'real') and e.value = ${value}`
    case 'boolean':
      return sql`e.type = ${String(value)}`
    default:
      if (value === null) return sql`e.type = 'null'`
      return sql`e.type = ${Array.isArray(value) ? 'array' : 'object'} and e.value = ${JSON.stringify(value)}`
  }
}

async function post(
  executor: Executor,
  tables: TableNames,
  { request, documents, job, detail }: PostRows,
  now: Sql,
): Promise<PostedRow> {
  const { jobs } = tables
  const dueAt =
    request.delayMs === undefined ? sql`${request.dueAt ?? null}` : sql`${now} + ${request.delayMs}`
  for (const [hash, body] of documents) {
    await executor.run(sql`
      insert into ${tables.documents} (hash, body, used_at) values (${hash}, ${body}, ${now})
      on conflict (hash) do update set used_at = excluded.used_at
      where used_at < excluded.used_at - 3600000`)
  }
  const [inserted] = await executor.run(sql`
    insert into ${jobs} (${columnsOf(job)}, due_at, created_at, updated_at)
    values (${valuesOf(job)}, ${dueAt}, ${now}, ${now})
    on conflict do nothing returning ${jobJson} as job, content_hash as hash`)
  if (inserted !== undefined) {
    await executor.run(sql`
      insert into ${tables.flow_details} (${columnsOf(detail)}, created_at)
      values (${valuesOf(detail)}, ${now})`)
    return { created: true, job: String(inserted['job']), contentHash: String(inserted['hash']) }
  }
  const { id, board, key = null } = request
  const [there] = await executor.run(sql`
    select ${jobJson} as job, content_hash as hash from ${jobs}
    where id = ${id} or (key = ${key} and board = ${board})
    order by key is not null and key = ${key} desc limit 1`)
  if (there === undefined) throw new Error(`expected the job ${id} or its key in its way, got none`)
  return { created: false, job: String(there['job']), contentHash: String(there['hash']) }
}

/** A job's row as one JSON text: the caller's knex may rename columns, but not what is in a text. */
const jobJson = name(
  `json_object(${jobColumns.map(({ name: column }) => `'${column}', ${column}`).join(', ')})`,
)

function columnsOf(cells: { readonly [column: string]: Cell }): Sql {
  return name(Object.keys(cells).join(', '))
}

function valuesOf(cells: { readonly [column: string]: Cell }): Sql {
  return join(
    Object.values(cells).map((cell) => sql`${cell}`),
    ', ',
  )
}

/** One statement for each table that has rows. Rows of fenced flows are taken out between the first statement and the others. */
async function commit(
  executor: Executor,
  tables: TableNames,
  batch: CommitRows,
  now: Sql,
): Promise<readonly string[]> {
  const taken = new Set<unknown>()
  const { fences, ends } = batch
  for (const part of TAKING_PARTS) {
    const cells = batch[part.rows]
    if (cells.length === 0) continue
    const found = await executor.run(part.statement(tables, rows(part.shape, cells), now))
    for (const row of found) taken.add(row['id'])
  }
  const all = taken.size === fences.length + ends.length
  if (!all) for (const [id, flowId] of [...fences, ...ends]) if (taken.has(id)) taken.add(flowId)
  for (const part of WRITING_PARTS) {
    const cells = batch[part.rows]
    const mine = all ? cells : cells.filter(([owner]) => taken.has(owner))
    if (mine.length > 0) await executor.run(part.statement(tables, rows(part.shape, mine), now))
  }
  return [...fences, ...ends].map(([id]) => String(id)).filter((id) => taken.has(id))
}

async function writeMail(
  executor: Executor,
  { jobs, mailbox }: TableNames,
  jobId: string,
  mail: Mail,
  now: Sql,
): Promise<MailAnswer> {
  const [row] = await executor.run(sql`select state, parked_for from ${jobs} where id = ${jobId}`)
  if (row === undefined) return 'unknown'
  // The columns hold what the contract's types say.
  const job = { state: row['state'], parkedFor: row['parked_for'] } as Pick<
    JobRecord,
    'state' | 'parkedFor'
  >
  if (!takesMail(job, mail)) return 'ended'
  const written = await executor.run(sql`
    insert into ${mailbox} (job_id, key, kind, body, at, number)
    select id, ${mail.key}, ${mail.kind}, ${seal(mail.body)}, ${now}, mail + 1 from ${jobs} where id = ${jobId}
    on conflict (job_id, key) do nothing returning number`)
  if (written.length === 0) return 'duplicate'
  const isDue = job.state === 'PARKED' && wakes(job, mail)
  const dueAt = isDue ? sql`, due_at = min(coalesce(due_at, ${now}), ${now})` : nothing
  await executor.run(sql`
    update ${jobs} set mail = mail + 1, updated_at = ${now}${dueAt} where id = ${jobId}`)
  return 'accepted'
}
