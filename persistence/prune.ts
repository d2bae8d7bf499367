import type { Dialect } from './dialect.ts'
import { name, nothing, sql } from './sql.ts'

/** Jobs that one transaction deletes: few enough that nobody waits long for it. */
const CHUNK = 200

/** A document is deleted at the earliest this long after its last use, so that no post under way can be counting on it. */
const UNUSED_MS = 24 * 3_600_000

export interface PruneOptions {
  readonly olderThanMs: number
  readonly board?: string | undefined
  readonly dryRun?: boolean | undefined
}

type Attempt = <T>(work: () => Promise<T>) => Promise<T>

/** Deletes jobs that ended long ago, with all their rows, chunk by chunk; returns how many (there are). */
export async function pruneJobs(
  dialect: Dialect,
  { olderThanMs, board, dryRun = false }: PruneOptions,
  attempt: Attempt,
): Promise<number> {
  const { tables, now, database, anyOf, skipLocked } = dialect
  const { jobs, flow_details } = tables
  const that = board === undefined ? nothing : sql`and board = ${board}`
  const isOld = sql`ended_at < ${now()} - ${olderThanMs} ${that}`
  if (dryRun) {
    const [row] = await attempt(() => {
      return database.run(sql`select count(*) as jobs from ${jobs} where ${isOld}`)
    })
    return Number(row?.['jobs'] ?? 0)
  }
  for (let pruned = 0; ;) {
    const deleted = await attempt(() =>
      database.transaction(async (executor) => {
        const rows = await executor.run(sql`
          delete from ${jobs} where id in
            (select id from ${jobs} where ${isOld} order by ended_at limit ${name(String(CHUNK))} ${skipLocked})
          returning id`)
        const jobIds = rows.map((row) => String(row['id']))
        if (jobIds.length === 0) return 0
        const details = await executor.run(sql`
          delete from ${flow_details} where job_id${anyOf(jobIds)} returning id`)
        const flowIds = details.map((row) => String(row['id']))
        for (const table of [tables.atoms, tables.scopes, tables.calls, tables.results]) {
          await executor.run(sql`delete from ${table} where flow_id${anyOf(flowIds)}`)
        }
        for (const table of [tables.history, tables.mailbox]) {
          await executor.run(sql`delete from ${table} where job_id${anyOf(jobIds)}`)
        }
        return jobIds.length
      }),
    )
    pruned += deleted
    if (deleted < CHUNK) return pruned
  }
}

/** Deletes documents that nothing names, and processes that are long gone; returns how many documents. */
export async function pruneDocuments(
  { tables, now, database }: Dialect,
  { dryRun = false }: PruneOptions,
  attempt: Attempt,
): Promise<number> {
  const { documents, flow_details, flows, processes, schedules } = tables
  const isUnused = sql`used_at < ${now()} - ${UNUSED_MS}
    and hash not in (select document from ${flow_details})
    and hash not in (select source from ${flow_details})
    and hash not in (select hash from ${flows})
    and hash not in (select document from ${schedules})
    and hash not in (select source from ${schedules})`
  if (dryRun) {
    const [row] = await attempt(() => {
      return database.run(sql`select count(*) as documents from ${documents} where ${isUnused}`)
    })
    return Number(row?.['documents'] ?? 0)
  }
  await attempt(() => {
    return database.run(sql`delete from ${processes} where expires_at < ${now()} - ${UNUSED_MS}`)
  })
  const rows = await attempt(() => {
    return database.run(sql`delete from ${documents} where ${isUnused} returning hash`)
  })
  return rows.length
}
