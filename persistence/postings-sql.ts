/**
 * The statements about postings of boards outside the store. Each walks the index of POSTING jobs from one answer to the next, so
 * that it costs what it answers.
 */
import type { Dialect } from './dialect.ts'
import { allColumns, jobColumns } from './rows.ts'
import type { Sql } from './sql.ts'
import { name, nothing, sql } from './sql.ts'
import type { PostingRef } from './store.ts'

/** The order in which jobs are locked. */
export function byJob(a: { readonly jobId: string }, b: { readonly jobId: string }): number {
  return a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : 0
}

/** What a job becomes when it can be claimed (again): it is for a board that has to be told, or its row is its posting. */
export function claimableState(jobs: Sql): Sql {
  return sql`case when ${jobs}.outside then 'POSTING' else 'UNCLAIMED' end`
}

/** POSTING → UNCLAIMED, or back, of these postings alone. */
export function changePostings(
  dialect: Dialect,
  postings: readonly PostingRef[],
  to: 'UNCLAIMED' | 'POSTING',
): Sql {
  const { tables, now, rows } = dialect
  const { jobs } = tables
  const from = rows(
    { id: 'text', posting: 'int' },
    // All that change many jobs lock them in the order of their ids, so that none waits for another in a circle.
    [...postings].sort(byJob).map(({ jobId, posting }) => [jobId, posting]),
  )
  const change =
    to === 'UNCLAIMED' ? name(`state = 'UNCLAIMED'`) : name(`state = 'POSTING', outside = true`)
  const was = name(to === 'UNCLAIMED' ? `'POSTING'` : `'UNCLAIMED'`)
  return sql`
    update ${jobs} set ${change}, updated_at = ${now()}
    from ${from} as p where ${jobs}.id = p.id and ${jobs}.posting = p.posting and ${jobs}.state = ${was}
    returning board`
}

/** Leaves out first postings of younger jobs. */
function rested({ now }: Dialect, restMs: number): Sql {
  return restMs === 0 ? nothing : sql`and (posting > 1 or created_at <= ${now()} - ${restMs})`
}

/** The biggest priority of POSTING jobs. */
export function selectPriority(dialect: Dialect, board: string, restMs: number): Sql {
  return sql`
    select priority from ${dialect.tables.jobs} where board = ${board} and state = 'POSTING' ${rested(dialect, restMs)}
    order by priority desc limit 1`
}

/** Whose POSTING jobs these are. */
interface Place {
  readonly board: string
  readonly priority: number
  readonly restMs: number
}

/** Tenants by name, behind `after` (null: from the first), up to and with `last`. One probe of the index each. */
export function selectTenants(
  dialect: Dialect,
  { board, priority, restMs }: Place,
  range: { readonly after: string | null; readonly last: string | null; readonly limit: number },
): Sql {
  const { jobs } = dialect.tables
  const next = (after: Sql): Sql => sql`
    (select min(tenant) from ${jobs}
      where board = ${board} and state = 'POSTING' and priority = ${priority} ${rested(dialect, restMs)} ${after})`
  const first = range.after === null ? nothing : sql`and tenant > ${range.after}`
  const upTo = range.last === null ? nothing : sql`and tenant <= ${range.last}`
  return sql`
    with recursive turn (tenant, place) as (
      select ${next(sql`${first} ${upTo}`)}, 1
      union all
      select ${next(sql`and tenant > turn.tenant ${upTo}`)}, place + 1 from turn
      where turn.tenant is not null and place < ${name(String(range.limit))}
    )
    select tenant from turn where tenant is not null order by place`
}

/** The oldest POSTING jobs of each of these tenants. */
export function selectOldest(
  dialect: Dialect,
  { board, priority, restMs }: Place,
  tenants: readonly string[],
  each: number,
): Sql {
  const { kind, tables, rows } = dialect
  const { jobs } = tables
  const of = rows(
    { tenant: 'text' },
    tenants.map((tenant) => [tenant]),
  )
  const oldest = (what: string): Sql => sql`
    (select ${name(what)} from ${jobs} as o
      where o.board = ${board} and o.state = 'POSTING' and o.priority = ${priority} and o.tenant = t.tenant
        ${rested(dialect, restMs)}
      order by o.created_at, o.id limit ${name(String(each))})`
  const columns = allColumns(name('j'), jobColumns)
  return kind === 'postgres'
    ? sql`select ${columns}, j.tenant as tenant from ${of} as t cross join lateral ${oldest('o.*')} as j
        order by j.created_at, j.id`
    : sql`select ${columns}, j.tenant as tenant from ${of} as t cross join ${jobs} as j on j.id in ${oldest('o.id')}
        order by j.created_at, j.id`
}

export function selectUnclaimed({ tables }: Dialect, board: string, limit: number): Sql {
  return sql`
    select id, posting from ${tables.jobs} where board = ${board} and state = 'UNCLAIMED'
    order by priority desc, created_at, id limit ${name(String(limit))}`
}
