/** What operators do to jobs, in a database. */
import type { JsonObject } from '../../src/base/json.ts'
import { carryStatements } from '../carry-sql.ts'
import type { Dialect } from '../dialect.ts'
import { sealInput } from '../post-rows.ts'
import { claimableState } from '../postings-sql.ts'
import { pruneDocuments, pruneJobs } from '../prune.ts'
import { jobColumns, readRecord } from '../rows.ts'
import { name, sql, type Sql } from '../sql.ts'
import type { OperatorStore } from '../store/operators.ts'
import type { Statements } from './statements.ts'

/** Releases jobs, runs them again, deletes old ones. */
export function operatorsIn(statements: Statements): OperatorStore {
  const { dialect } = statements
  return {
    async releaseJob(jobId) {
      const { jobs } = dialect.tables
      const [job] = await statements.select(
        jobColumns,
        sql`
        update ${jobs} set ${claimableAnew(dialect)}
        where id = ${jobId} and (state = 'TRASHED'
          or (state = 'PARKED' and (parked_for = 'suspended' or disorder)))
        returning *`,
      )
      if (job === undefined) return null
      statements.hintClaimable([job.board])
      return job
    },

    async rerun(jobId, options) {
      const { tables, now, forUpdate } = dialect
      const { jobs, flow_details, mailbox } = tables
      const { flowId, carried } = options
      const input = options.input === undefined ? name('d.input') : asJson(dialect, options.input)
      const rows = await statements.attempt(() =>
        dialect.write(async (executor) => {
          const [found] = await executor.run(sql`
            select ended_at, flow_id, revision from ${jobs} where id = ${jobId} ${forUpdate}`)
          if (found === undefined) return []
          // The answer was lost, and this is the same wish again.
          if (found['flow_id'] === flowId) {
            return executor.run(sql`select * from ${jobs} where id = ${jobId}`)
          }
          if (found['ended_at'] === null) return []
          if (
            carried !== undefined &&
            (found['flow_id'] !== carried.flowId || Number(found['revision']) !== carried.revision)
          ) {
            return []
          }
          const state = carried === undefined ? 'PENDING' : 'RESUMING'
          await executor.run(sql`
            insert into ${flow_details} (id, job_id, parent_id, run, document, source, format, semantics, input, state, created_at)
            select ${flowId}, d.job_id, d.parent_id, d.run + 1, d.document, d.source, d.format, d.semantics, ${input}, ${state}, ${now()}
            from ${flow_details} as d where d.id = ${String(found['flow_id'])}`)
          const carrying = carried === undefined ? [] : carryStatements(dialect, flowId, carried)
          for (const statement of carrying) await executor.run(statement)
          await executor.run(sql`delete from ${mailbox} where job_id = ${jobId}`)
          return executor.run(sql`
            update ${jobs} set flow_id = ${flowId}, ${claimableAnew(dialect)}
            where id = ${jobId} returning *`)
        }),
      )
      const job = rows[0] === undefined ? null : readRecord(jobColumns, rows[0])
      if (job !== null) statements.hintClaimable([job.board])
      return job
    },

    async prune(options) {
      const attempt = <T>(work: () => Promise<T>) => statements.attempt(work)
      const jobs = await pruneJobs(dialect, options, attempt)
      const documents = await pruneDocuments(dialect, options, attempt)
      return { jobs, documents }
    },
  }
}

/** A job that an operator releases, or that runs again, has no past. */
function claimableAnew({ tables, now }: Dialect): Sql {
  const state = claimableState(tables.jobs)
  return sql`state = ${state}, posting = posting + 1, due_at = null, parked_for = null, reason = null,
      ended_at = null, disorder = false, probation = false, probation_deaths = 0, claim_id = null,
      conductor = null, updated_at = ${now()}`
}

function asJson({ kind }: Dialect, input: JsonObject): Sql {
  const text = sealInput(input)
  return kind === 'postgres' ? sql`cast(${text} as jsonb)` : sql`${text}`
}
