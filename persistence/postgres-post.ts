/**
 * How PostgreSQL takes posts: one statement, which commits itself, for as many as there are.
 *
 * Invariants
 * N1  A key or an id that is taken is no error, so the statement is also right within the caller's transaction.
 * N2  Rows are locked in one order by everybody: documents by hash, then jobs by id.
 * N3  The text is the same whatever is posted: it is parsed and planned once for each connection.
 */
import type { PostedRow } from './dialect.ts'
import type { PostRows } from './post-rows.ts'
import type { RowShape } from './rows.ts'
import type { Cell, Executor, Row, Sql } from './sql.ts'
import { name, sql } from './sql.ts'
import type { TableNames } from './tables.ts'

const documentShape: RowShape = { hash: 'text', body: 'text' }

const jobShape: RowShape = {
  id: 'text',
  board: 'text',
  key: 'text',
  flow: 'text',
  state: 'text',
  priority: 'int',
  flow_id: 'text',
  parked_for: 'text',
  labels: 'json',
  tenant: 'text',
  outside: 'flag',
  traceparent: 'text',
  posted_by: 'text',
  scheduled_for: 'time',
  content_hash: 'text',
}

const dueShape: RowShape = { due_at: 'time', delay_ms: 'time' }

const detailShape: RowShape = {
  id: 'text',
  job_id: 'text',
  run: 'int',
  document: 'text',
  source: 'text',
  format: 'int',
  semantics: 'int',
  input: 'json',
  state: 'text',
}

/** What it is given by `postgres.ts`. */
export interface PostDialect {
  readonly tables: TableNames
  readonly now: Sql
  readonly rows: (shape: RowShape, rows: readonly (readonly Cell[])[]) => Sql
}

/** Inserts documents, jobs and flow details; answers in the order of `all`. */
export async function insertPosts(
  executor: Executor,
  dialect: PostDialect,
  all: readonly PostRows[],
): Promise<readonly PostedRow[]> {
  const inserted = new Map<string, Row>()
  for (const row of await executor.run(insertStatement(dialect, all), 'zagflow_post')) {
    inserted.set(String(row['id']), row)
  }
  const answers: PostedRow[] = []
  for (const rows of all) {
    const { id } = rows.request
    const row = inserted.get(id)
    // Of two with one id the first made it.
    inserted.delete(id)
    answers.push(
      row === undefined ? await findOrInsert(executor, dialect, rows) : posted(row, true),
    )
  }
  return answers
}

/** What is in the way of a post; or its own row, where that has gone meanwhile. */
async function findOrInsert(
  executor: Executor,
  dialect: PostDialect,
  rows: PostRows,
): Promise<PostedRow> {
  const { id, board, key = null } = rows.request
  const find = sql`
    select to_jsonb(job) #>> '{}' as job, content_hash as hash from ${dialect.tables.jobs} as job
    where id = ${id} or (key = ${key} and board = ${board})
    order by key is not null and key = ${key} desc limit 1`
  for (;;) {
    const [there] = await executor.run(find)
    if (there !== undefined) return posted(there, false)
    // It was rolled back or pruned meanwhile.
    const [inserted] = await executor.run(insertStatement(dialect, [rows]), 'zagflow_post')
    if (inserted !== undefined) return posted(inserted, true)
  }
}

function insertStatement({ tables, now, rows }: PostDialect, all: readonly PostRows[]): Sql {
  const { documents, jobs, flow_details } = tables
  const bodies = new Map(all.flatMap((one) => one.documents))
  const hashes = [...bodies.keys()].sort()
  const ordered = [...all].sort((a, b) => (a.request.id < b.request.id ? -1 : 1)) // N2
  const bodiesFrom = rows(
    documentShape,
    hashes.map((hash) => [hash, bodies.get(hash) ?? '']),
  )
  const jobsFrom = rows(
    { ...jobShape, ...dueShape },
    ordered.map(({ job, request }) => [
      ...Object.keys(jobShape).map((column) => job[column] ?? null),
      request.delayMs === undefined ? (request.dueAt ?? null) : null,
      request.delayMs ?? null,
    ]),
  )
  const detailsFrom = rows(
    detailShape,
    ordered.map(({ detail }) => Object.keys(detailShape).map((column) => detail[column] ?? null)),
  )
  const [jobColumns, detailColumns] = [columnsOf(jobShape), columnsOf(detailShape)]
  return sql`
    with used as (
      update ${documents} set used_at = ${now}
      where hash = any(${hashes}) and used_at < ${now} - 3600000
    ), kept as (
      insert into ${documents} (hash, body, used_at) select hash, body, ${now} from ${bodiesFrom} as d
      on conflict do nothing
    ), job as (
      insert into ${jobs} (${jobColumns}, due_at, created_at, updated_at)
      select ${jobColumns}, coalesce(due_at, ${now} + delay_ms), ${now}, ${now} from ${jobsFrom} as p
      on conflict do nothing returning *
    ), detail as (
      insert into ${flow_details} (${detailColumns}, created_at)
      select ${detailColumns}, ${now} from ${detailsFrom} as d where d.job_id in (select job.id from job)
    )
    select id, to_jsonb(job) #>> '{}' as job, content_hash as hash from job`
}

function posted(row: Row, created: boolean): PostedRow {
  return { created, job: String(row['job']), contentHash: String(row['hash']) }
}

function columnsOf(shape: RowShape): Sql {
  return name(Object.keys(shape).join(', '))
}
