/** The statements that look for jobs. */
import type { Cursor } from './cursor.ts'
import { readCursor } from './cursor.ts'
import type { Dialect } from './dialect.ts'
import type { Row, Sql } from './sql.ts'
import { join, name, sql } from './sql.ts'
import { detailColumns, jobColumns, readRecord } from './rows.ts'
import type { JobFilter, JobSummary } from './store.ts'
import { JOB_STATES } from './store.ts'

type Order = NonNullable<JobFilter['order']>

const ORDERS: { readonly [order in Order]: Sql } = {
  newest: name('j.created_at desc, j.id desc'),
  oldest: name('j.created_at, j.id'),
  claim: name('j.priority desc, j.created_at, j.id'),
}

const picks = name(
  [
    ...jobColumns.map((column) => `j.${column.name} as j_${column.name}`),
    ...detailColumns.map((column) => `d.${column.name} as d_${column.name}`),
  ].join(', '),
)

/** Jobs with their present runs, as far as `conditions` hold. `limit` and order are the caller's. */
export function selectSummaries({ tables }: Dialect, conditions: readonly Sql[], end: Sql): Sql {
  const where = conditions.length === 0 ? name('true') : join(conditions, ' and ')
  return sql`
    select ${picks} from ${tables.jobs} as j join ${tables.flow_details} as d on d.id = j.flow_id
    where ${where} ${end}`
}

/** A row of {@link selectSummaries}. */
export function readSummary(row: Row): JobSummary {
  return { job: readRecord(jobColumns, row, 'j_'), detail: readRecord(detailColumns, row, 'd_') }
}

/** One page, and one row more where there is another page. */
export function selectPage(dialect: Dialect, filter: JobFilter, limit: number): Sql {
  const order = filter.order ?? 'newest'
  const conditions = filterConditions(dialect, filter)
  if (filter.after !== undefined) conditions.push(isAfter(order, readCursor(filter.after)))
  return selectSummaries(
    dialect,
    conditions,
    sql`order by ${ORDERS[order]} limit ${name(String(limit + 1))}`,
  )
}

function filterConditions(dialect: Dialect, filter: JobFilter): Sql[] {
  const conditions: Sql[] = []
  const equals = (column: string, value: string | undefined): void => {
    if (value !== undefined) conditions.push(sql`${name(column)} = ${value}`)
  }
  const anyOf = (column: string, values: readonly string[] | undefined): void => {
    if (values !== undefined) conditions.push(sql`${name(column)}${dialect.anyOf(values)}`)
  }
  equals('j.board', filter.board)
  anyOf('j.id', filter.ids)
  equals('j.key', filter.key)
  const [state, ...others] = filter.states ?? []
  // As a literal, one state goes by the partial index of that state.
  if (state !== undefined && others.length === 0 && JOB_STATES.includes(state)) {
    conditions.push(name(`j.state = '${state}'`))
  } else {
    anyOf('j.state', filter.states)
  }
  anyOf('d.state', filter.flowStates)
  equals('j.flow', filter.flow)
  equals('j.conductor', filter.conductor)
  anyOf('j.conductor', filter.conductors)
  if (filter.createdBefore !== undefined) {
    conditions.push(sql`j.created_at < ${filter.createdBefore}`)
  }
  if (filter.createdAfter !== undefined) {
    conditions.push(sql`j.created_at > ${filter.createdAfter}`)
  }
  for (const [label, value] of Object.entries(filter.labels ?? {})) {
    conditions.push(dialect.jsonEquals(name('j.labels'), label, value, false))
  }
  for (const [field, value] of Object.entries(filter.input ?? {})) {
    conditions.push(dialect.jsonEquals(name('d.input'), field, value, true))
  }
  return conditions
}

function isAfter(order: Order, { priority, createdAt, id }: Cursor): Sql {
  switch (order) {
    case 'newest':
      return sql`(j.created_at, j.id) < (${createdAt}, ${id})`
    case 'oldest':
      return sql`(j.created_at, j.id) > (${createdAt}, ${id})`
    case 'claim':
      return sql`(j.priority < ${priority} or (j.priority = ${priority} and (j.created_at, j.id) > (${createdAt}, ${id})))`
  }
}
