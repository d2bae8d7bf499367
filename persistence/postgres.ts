/**
 * PostgreSQL, over `pg`.
 *
 * Invariants
 * P1  A commit is one statement that commits itself: there is no open transaction in which its process could stand still.
 *     It begins by taking its flows; all else is restricted to those it took.
 * P2  No session holds a lock for long: statements, waits for locks and idle transactions end by themselves, and a server
 *     that does not answer is given up. What a lost answer leaves open is read back (S3).
 * P3  The clock is the server's.
 */
import type { Knex } from 'knex'
import type { CommitRows } from './commit-rows.ts'
import { TAKING_PARTS, WRITING_PARTS } from './commit-parts.ts'
import { Database } from './database.ts'
import type { Dialect, MailAnswer } from './dialect.ts'
import { loadDriver, SILENT } from './drivers.ts'
import { postgresMeaning } from './errors.ts'
import { PostQueue } from './post-queue.ts'
import { insertPosts } from './postgres-post.ts'
import type { ColumnKind, RowShape } from './rows.ts'
import { seal } from './rows.ts'
import { takesMail } from './rules.ts'
import type { Cell, Executor, Sql } from './sql.ts'
import { join, name, sql } from './sql.ts'
import type { JobRecord, Mail } from './store.ts'
import type { TableNames } from './tables.ts'
import { tableNames } from './tables.ts'
import { withoutPassword } from './url.ts'

export interface PostgresOptions {
  readonly url: string
  readonly prefix: string
  /** A statement is ended by the server after this long, and its connection given up by us a second later. */
  readonly statementTimeoutMs: number
}

/** PostgreSQL waits this long for a row that somebody else is changing. */
const LOCK_TIMEOUT_MS = 2_000
/** A transaction whose process stands still is ended after this long (F16). */
const IDLE_TIMEOUT_MS = 5_000
const CONNECT_TIMEOUT_MS = 10_000
const MAX_CONNECTIONS = 10

export function postgres(options: PostgresOptions): Dialect {
  const tables = tableNames(options.prefix)
  const database = new Database({
    server: withoutPassword(options.url),
    open: () => open(options),
    meaning: postgresMeaning,
    begin: 'begin',
    timeoutMs: options.statementTimeoutMs + 1_000,
    placeholder: (n) => `$${n}`,
  })
  const postDialect = { tables, now, rows }
  const posts = new PostQueue((all) => insertPosts(database, postDialect, all))
  return {
    kind: 'postgres',
    tables,
    database,
    migratesItself: false,
    now: () => now,
    anyOf: (texts) => sql` = any(${texts})`,
    rows,
    skipLocked: name('for update skip locked'),
    forUpdate: name('for update'),
    jsonEquals,
    post: async (executor, one) => {
      if (executor === undefined) return posts.add(one)
      const [posted] = await insertPosts(executor, postDialect, [one])
      if (posted === undefined) throw new Error('expected an answer to a post, got none')
      return posted
    },
    commit: (batch) => commit(database, tables, batch),
    write: (work) => database.transaction(work),
    mail: (jobId, mail) => writeMail(database, tables, jobId, mail),
    lockMigrations: (executor) => lockMigrations(executor, tables),
  }
}

async function open({ url, statementTimeoutMs }: PostgresOptions): Promise<Knex> {
  await loadDriver('pg')
  const { default: knex } = await import('knex')
  return knex({
    client: 'pg',
    log: SILENT,
    compileSqlOnError: false,
    acquireConnectionTimeout: CONNECT_TIMEOUT_MS + 5_000,
    connection: {
      connectionString: url,
      application_name: 'zagflow',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      statement_timeout: statementTimeoutMs,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_TIMEOUT_MS,
      types: { getTypeParser },
    } as Knex.PgConnectionConfig,
    pool: {
      min: 0,
      max: MAX_CONNECTIONS,
      afterCreate: (connection: Connection, done: (error: unknown) => void) => {
        connection.query(SESSION, done)
      },
    },
  })
}

interface Connection {
  query(text: string, done: (error: unknown) => void): void
}

/**
 * Settings of each session. Keepalives: the server, too, notices a peer that vanished. `enable_seqscan`: the plan of a
 * prepared statement is kept; one made while a table was small would read all of it for good, so plans go through indexes
 * from the beginning. `jit`: such plans look expensive, and compiling them would be.
 */
const SESSION = `
  set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3;
  set enable_seqscan = off; set jit = off`

const now = name('floor(extract(epoch from statement_timestamp()) * 1000)::bigint')

/** 64-bit numbers are times, well below 2^53; JSON stays text, to be read in one place for both databases. */
function getTypeParser(oid: number): (text: string) => unknown {
  switch (oid) {
    case 16: // boolean
      return (text) => text === 't'
    case 20: // int8
    case 23: // int4
      return Number
    default:
      return (text) => text
  }
}

const TYPES: { readonly [kind in ColumnKind]: string } = {
  text: 'text',
  int: 'int',
  count: 'int',
  time: 'bigint',
  flag: 'boolean',
  value: 'text',
  sealed: 'text',
  list: 'text',
  json: 'jsonb',
}

/** Rows as a table: a list for each column. (JSON instead of lists takes half as long again.) */
function rows(shape: RowShape, cells: readonly (readonly Cell[])[]): Sql {
  const columns = Object.entries(shape)
  const lists = columns.map(([, kind], at) => {
    const list = cells.map((row) => row[at] ?? null)
    return sql`${list}::${name(TYPES[kind])}[]`
  })
  const names = name(columns.map(([column]) => column).join(', '))
  return sql`(select * from unnest(${join(lists, ', ')}) as u (${names}))`
}

function jsonEquals(column: Sql, key: string, value: unknown, sealed: boolean): Sql {
  const object = sealed ? sql`${column} -> 'v'` : column
  return sql`(${object}) -> cast(${key} as text) = cast(${JSON.stringify(value)} as jsonb)`
}

async function commit(
  executor: Executor,
  tables: TableNames,
  batch: CommitRows,
): Promise<readonly string[]> {
  const parts: Sql[] = []
  const taken: string[] = []
  // PostgreSQL cuts names of statements after 63 characters, and a pool has one prefix: two letters for each part.
  let named = 'zagflow_commit_'
  for (const part of TAKING_PARTS) {
    const cells = batch[part.rows]
    if (cells.length === 0) continue
    parts.push(sql`${name(part.name)} as (${part.statement(tables, rows(part.shape, cells), now)})`)
    taken.push(`select id, flow_id from ${part.name}`)
    named += part.name.slice(0, 2)
  }
  parts.push(name(`taken as (${taken.join(' union all ')})`))
  const mine = {
    flow_id: name('and r.flow_id in (select flow_id from taken)'),
    job_id: name('and r.job_id in (select id from taken)'),
  }
  for (const part of WRITING_PARTS) {
    const cells = batch[part.rows]
    if (cells.length === 0) continue
    const statement = part.statement(tables, rows(part.shape, cells), now, mine[part.owner])
    parts.push(sql`${name(part.name)} as (${statement})`)
    named += part.name.slice(0, 2)
  }
  // The same parts are the same text: PostgreSQL parses and plans it once for each connection.
  const done = await executor.run(sql`with ${join(parts, ', ')} select id from taken`, named)
  return done.map((row) => String(row['id']))
}

/**
 * One statement. It locks the job first, so that pieces are numbered one by one, and a commit that ends the claim comes
 * before (then the job is parked or over) or after (then it sees the new count).
 */
async function writeMail(
  executor: Executor,
  { jobs, mailbox }: TableNames,
  jobId: string,
  mail: Mail,
): Promise<MailAnswer> {
  const { key, kind } = mail
  const states = ['POSTING', 'UNCLAIMED', 'CLAIMED', 'PARKED', 'COMPLETE', 'TRASHED'] as const
  const open = states.filter((state) => takesMail({ state }, mail))
  const [row] = await executor.run(sql`
    with job as (
      select id, state, mail from ${jobs} where id = ${jobId} for update
    ), piece as (
      insert into ${mailbox} (job_id, key, kind, body, at, number)
      select id, ${key}, ${kind}, ${seal(mail.body)}, ${now}, mail + 1 from job where state = any(${open})
      on conflict (job_id, key) do nothing returning job_id
    ), counted as (
      update ${jobs} set mail = ${jobs}.mail + 1, updated_at = ${now}, due_at = case
        when state = 'PARKED' and (parked_for <> 'delay' or ${kind} = 'cancel') then least(coalesce(due_at, ${now}), ${now})
        else due_at end
      from piece where id = piece.job_id returning id
    )
    select state, (select count(*) from counted) as written from job`)
  if (row === undefined) return 'unknown'
  if (Number(row['written']) > 0) return 'accepted'
  // The column holds what the contract's type says.
  const { state } = row as { readonly state: JobRecord['state'] }
  return takesMail({ state }, mail) ? 'duplicate' : 'ended'
}

/** Waits for other migrators without a limit, and takes as long as it takes. */
async function lockMigrations(executor: Executor, tables: TableNames): Promise<void> {
  await executor.run(name('set local statement_timeout = 0'))
  await executor.run(name('set local lock_timeout = 0'))
  await executor.run(
    sql`select pg_advisory_xact_lock(hashtextextended(${`${tables.prefix}migrations`}, 0))`,
  )
}
