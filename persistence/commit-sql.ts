/** The statements of a commit that both databases share. `from` is a table of rows, `also` a further condition. */
import { claimableState } from './postings-sql.ts'
import type { Column } from './rows.ts'
import type { Sql } from './sql.ts'
import { name, nothing, sql } from './sql.ts'
import type { TableNames } from './tables.ts'

/** Takes the flows whose fence holds and that stay claimed. The columns that indexes are over are left alone. */
export function fenceJobs({ jobs }: TableNames, from: Sql, now: Sql): Sql {
  return sql`
    update ${jobs} set revision = ${jobs}.revision + 1, history_seq = r.history_seq,
      disorder = ${no}, probation = ${no}, ${deathsForgotten(jobs)}, updated_at = ${now}
    from ${from} as r where ${fenceHolds(jobs)}
    returning ${jobs}.id as id, ${jobs}.flow_id as flow_id`
}

/** Takes the flows whose fence holds and whose claim ends now (S5: with their mail as it was read). */
export function endJobs({ jobs }: TableNames, from: Sql, now: Sql): Sql {
  return sql`
    update ${jobs} set revision = ${jobs}.revision + 1, history_seq = r.history_seq,
      disorder = ${no}, probation = ${no}, ${deathsForgotten(jobs)}, updated_at = ${now},
      state = case when r.state = 'UNCLAIMED' then ${claimableState(jobs)} else r.state end, conductor = null, reason = r.reason, parked_for = r.parked_for, due_at = r.due_at,
      posting = ${jobs}.posting + case when r.state = 'UNCLAIMED' then 1 else 0 end,
      ended_at = case when r.state in ('COMPLETE', 'TRASHED') then ${now} end
    from ${from} as r where ${fenceHolds(jobs)} and (r.mail_read is null or ${jobs}.mail = r.mail_read)
    returning ${jobs}.id as id, ${jobs}.flow_id as flow_id`
}

const no = name('false')

/** An answer is progress: only deaths in a row count. */
function deathsForgotten(jobs: Sql): Sql {
  return sql`probation_deaths = case when r.answered = 1 then 0 else ${jobs}.probation_deaths end`
}

function fenceHolds(jobs: Sql): Sql {
  return sql`${jobs}.id = r.id and ${jobs}.flow_id = r.flow_id and ${jobs}.epoch = r.epoch
      and ${jobs}.claim_id = r.claim_id and ${jobs}.revision = r.revision and ${jobs}.state = 'CLAIMED'`
}

export function updateDetails(details: Sql, from: Sql, now: Sql, also: Sql = nothing): Sql {
  const or = (flag: string, value: Sql, column: string): Sql => {
    return sql`${name(column)} = case when r.${name(flag)} = 1 then ${value} else ${details}.${name(column)} end`
  }
  return sql`
    update ${details} set state = r.state,
      ${or('has_reason', name('r.reason'), 'reason')},
      ${or('has_output', name('r.output'), 'output')},
      ${or('has_failures', name('r.failures'), 'failures')},
      ${or('started', sql`coalesce(${details}.started_at, ${now})`, 'started_at')},
      ${or('ended', sql`coalesce(${details}.ended_at, ${now})`, 'ended_at')}
    from ${from} as r where ${details}.id = r.flow_id ${also}`
}

/** Writes rows with a path over those that are there. */
export function upsertRows<T>(
  table: Sql,
  columns: readonly Column<T>[],
  from: Sql,
  also: Sql = nothing,
): Sql {
  const changes = columns
    .filter((column) => column.name !== 'path')
    .map((column) => `${column.name} = excluded.${column.name}`)
  return sql`${insertRows(table, 'flow_id', columns, from, also)}
    on conflict (flow_id, path) do update set ${name(changes.join(', '))}`
}

/** Writes rows that are new; one that is there already is an error (and its flow to blame for it). */
export function insertRows<T>(
  table: Sql,
  owner: string,
  columns: readonly Column<T>[],
  from: Sql,
  also: Sql = nothing,
): Sql {
  const names = [owner, ...columns.map((column) => column.name)]
  const cells = columns.map(({ name, kind }) => {
    return kind === 'count' ? `coalesce(r.${name}, 0)` : `r.${name}`
  })
  return sql`
    insert into ${table} (${name(names.join(', '))})
    select ${name([`r.${owner}`, ...cells].join(', '))} from ${from} as r where true ${also}`
}

export function deleteTaken(mailbox: Sql, from: Sql, also: Sql = nothing): Sql {
  return sql`
    delete from ${mailbox} where (job_id, key) in (select r.job_id, r.key from ${from} as r where true ${also})`
}
