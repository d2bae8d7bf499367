/**
 * Schedules in a database.
 *
 * Invariants
 * Q1  A step takes its schedules by one statement that leaves out those that others hold, in the order of their names; then all else is
 *     done to those it took. So two conductors never wait for each other, and never meet in the middle.
 * Q2  What it posts goes through the same statement as every other post.
 */
import type { Dialect } from './dialect.ts'
import { readSummary, selectSummaries } from './find-sql.ts'
import { postRows } from './post-rows.ts'
import { jobColumns, readRecord, scheduleColumns, writeCells, type Column } from './rows.ts'
import {
  newScheduleRecord,
  tickKeys,
  type DueSchedules,
  type KeptDocument,
  type NewSchedule,
  type ScheduleChange,
  type ScheduleRecord,
  type ScheduleStep,
} from './schedule-store.ts'
import type { Cell, Executor, Row, Sql } from './sql.ts'
import { join, name, nothing, sql } from './sql.ts'
import type { JobRecord, JobSummary } from './store.ts'

export async function addSchedule(
  dialect: Dialect,
  schedule: NewSchedule,
  documents: readonly KeptDocument[],
): Promise<ScheduleRecord | null> {
  const { database, tables, now } = dialect
  const names = scheduleColumns.filter(({ field }) => !OF_THE_DATABASE.has(field))
  const cells: Cell[] = []
  writeCells(names, newScheduleRecord(schedule, 0), cells)
  const values = join(
    cells.map((cell) => sql`${cell}`),
    ', ',
  )
  const row = await database.transaction(async (executor) => {
    await keepDocuments(dialect, executor, documents)
    const [added] = await executor.run(sql`
      insert into ${tables.schedules} (${listOf(names)}, created_at, updated_at)
      values (${values}, ${now()}, ${now()})
      on conflict (board, name) do nothing returning *`)
    return added
  })
  return row === undefined ? null : readRecord(scheduleColumns, row)
}

export async function changeSchedule(
  dialect: Dialect,
  place: { readonly board: string; readonly name: string; readonly revision: number },
  change: ScheduleChange,
  documents: readonly KeptDocument[],
): Promise<ScheduleRecord | null> {
  const row = await dialect.database.transaction(async (executor) => {
    await keepDocuments(dialect, executor, documents)
    const [changed] = await executor.run(changeStatement(dialect, place, change))
    return changed
  })
  return row === undefined ? null : readRecord(scheduleColumns, row)
}

export async function removeSchedule(
  { database, tables }: Dialect,
  board: string,
  schedule: string,
  revision: number | undefined,
): Promise<boolean> {
  const that = revision === undefined ? nothing : sql`and revision = ${revision}`
  const rows = await database.run(sql`
    delete from ${tables.schedules} where board = ${board} and name = ${schedule} ${that} returning name`)
  return rows.length > 0
}

export function selectSchedules(
  { tables }: Dialect,
  board: string,
  that: { readonly name?: string | undefined; readonly group?: string | undefined },
): Sql {
  const named = that.name === undefined ? nothing : sql`and name = ${that.name}`
  const grouped = that.group === undefined ? nothing : sql`and group_name = ${that.group}`
  return sql`select * from ${tables.schedules} where board = ${board} ${named} ${grouped} order by name`
}

export async function scheduleJobs(
  dialect: Dialect,
  board: string,
  schedule: string,
  limit: number,
): Promise<readonly JobSummary[]> {
  const [from, to] = tickKeys(schedule)
  const conditions = [sql`j.board = ${board}`, sql`j.key >= ${from}`, sql`j.key < ${to}`]
  const order = name(`order by j.key desc limit ${Math.floor(limit)}`)
  const rows = await dialect.database.run(selectSummaries(dialect, conditions, order))
  return rows.map(readSummary)
}

export async function dueSchedules(
  { database, tables, now }: Dialect,
  board: string,
  limit: number,
): Promise<DueSchedules> {
  const { schedules, jobs } = tables
  // Asked by every conductor all the time: two looks into small indexes.
  const [head] = await database.run(sql`
    select ${now()} as now,
      (select min(due_at) from ${schedules} where board = ${board} and due_at is not null) as next,
      (select count(*) from ${schedules} where board = ${board} and queued is not null and paused = false) as waiting`)
  const at = Number(head?.['now'])
  const next = head?.['next'] ?? null
  const nextAt = next === null ? null : Number(next)
  const waits = Number(head?.['waiting']) > 0
  if (!waits && (nextAt === null || nextAt > at)) return { now: at, due: [], nextAt, waits }
  const rows = await database.run(sql`
    select s.*, s.is_busy as busy from (
      select t.*, case when exists (
        select 1 from ${jobs} as j where j.id = t.last_job_id and j.ended_at is null
      ) then 1 else 0 end as is_busy
      from ${schedules} as t where t.board = ${board} and t.paused = false 
        and (t.due_at <= ${at} or (t.queued is not null and t.problem is null))
    ) as s
    where s.due_at <= ${at} or s.is_busy = 0
    order by s.due_at, s.name limit ${name(String(Math.floor(limit)))}`)
  const due = rows.map((row) => ({
    schedule: readRecord(scheduleColumns, row),
    isBusy: Number(row['busy']) === 1,
  }))
  return { now: at, due, nextAt, waits }
}

/** Takes steps, all in one transaction (Q1). */
export async function stepSchedules(
  dialect: Dialect,
  board: string,
  steps: readonly ScheduleStep[],
): Promise<readonly (readonly JobRecord[] | null)[]> {
  const { tables, database, anyOf, skipLocked } = dialect
  const done = await database.transaction(async (executor) => {
    const names = steps.map((step) => step.name)
    const rows = await executor.run(sql`
      select name, revision from ${tables.schedules}
      where board = ${board} and name${anyOf(names)} and paused = false order by name ${skipLocked}`)
    const free = new Map(rows.map((row) => [String(row['name']), Number(row['revision'])]))
    const jobs = new Map<string, readonly JobRecord[]>()
    for (const step of steps) {
      if (free.get(step.name) !== step.revision) continue
      await executor.run(changeStatement(dialect, { board, ...step }, step.change))
      jobs.set(step.name, await postAll(dialect, executor, step))
    }
    return jobs
  })
  return steps.map((step) => done.get(step.name) ?? null)
}

async function postAll(
  dialect: Dialect,
  executor: Executor,
  { posts }: ScheduleStep,
): Promise<readonly JobRecord[]> {
  const jobs: JobRecord[] = []
  for (const request of posts) {
    const posted = await dialect.post(executor, postRows(request))
    jobs.push(readRecord(jobColumns, JSON.parse(posted.job) as Row))
  }
  return jobs
}

function changeStatement(
  { tables, now }: Dialect,
  place: { readonly board: string; readonly name: string; readonly revision: number },
  change: ScheduleChange,
): Sql {
  const changed = scheduleColumns.filter(({ field }) => Object.hasOwn(change, field))
  const cells: Cell[] = []
  // Of the columns that are in it.
  writeCells(changed, change as ScheduleRecord, cells)
  const sets = changed.map((column, at) => sql`${name(column.name)} = ${cells[at] ?? null}`)
  return sql`
    update ${tables.schedules} set ${join([...sets, sql`revision = revision + 1`, sql`updated_at = ${now()}`], ', ')}
    where board = ${place.board} and name = ${place.name} and revision = ${place.revision} returning *`
}

/** What the database itself says of a new row. */
const OF_THE_DATABASE: ReadonlySet<string> = new Set(['createdAt', 'updatedAt'])

function listOf(columns: readonly Column<ScheduleRecord>[]): Sql {
  return name(columns.map((column) => column.name).join(', '))
}

async function keepDocuments(
  { tables, now }: Dialect,
  executor: Executor,
  documents: readonly KeptDocument[],
): Promise<void> {
  for (const { hash, body } of documents) {
    await executor.run(sql`
      insert into ${tables.documents} (hash, body, used_at) values (${hash}, ${JSON.stringify(body)}, ${now()})
      on conflict (hash) do update set used_at = excluded.used_at`)
  }
}
