/** Claims, and what is loaded for their owners, in a database. */
import type { AtomRecord, ScopeRecord } from '../../src/machine/records.ts'
import { adoptStatement, claimStatement, releaseStatement } from '../claim-sql.ts'
import { readSummary, selectSummaries } from '../find-sql.ts'
import { atomColumns, jobColumns, readRecord, scopeColumns, unseal, type Column } from '../rows.ts'
import { nothing, sql, type Row, type Sql } from '../sql.ts'
import type { ClaimStore } from '../store/claims.ts'
import type { JobRecord } from '../store/jobs.ts'
import type { Statements } from './statements.ts'

/** Takes claims and gives them back; loads what their owners need. What was claimed stands in the order of claiming. */
export function claimsIn(statements: Statements): ClaimStore {
  const { dialect } = statements
  return {
    async claimJobs(request) {
      const { conductor, claimIds } = request
      if (claimIds.length === 0) return []
      const claimed = await statements.run(claimStatement(dialect, request))
      return claimed
        .map((row) => readRecord(jobColumns, row))
        .sort(byClaimOrder)
        .map((job) => {
          const claimId = job.claimId ?? ''
          return {
            jobId: job.id,
            posting: job.posting,
            claimId,
            epoch: job.epoch,
            conductor,
            adopted: job,
          }
        })
    },

    async adopt(claims) {
      if (claims.length === 0) return []
      const adopted = await statements.select(
        jobColumns,
        adoptStatement(dialect, claims),
        'zagflow_adopt',
      )
      const byId = new Map(adopted.map((job) => [job.id, job]))
      return claims.flatMap((claim) => {
        const job = byId.get(claim.jobId)
        const isMine = job?.epoch === claim.epoch && job.claimId === claim.claimId
        return isMine ? [{ ...claim, adopted: job }] : []
      })
    },

    async load(jobIds) {
      if (jobIds.length === 0) return []
      const { database, anyOf, tables } = dialect
      return statements.attempt(async () => {
        const found = await statements.runOnce(
          selectSummaries(dialect, [sql`j.id${anyOf(jobIds)}`], nothing),
          'zagflow_load',
        )
        const summaries = new Map(found.map(readSummary).map((one) => [one.job.id, one]))
        // Of a first run that nothing was committed of there is nothing more.
        const begun = [...summaries.values()].filter(
          ({ job, detail }) => job.revision > 0 || detail.run > 1,
        )
        const flowIds = begun.map(({ job }) => job.flowId)
        const select = (table: Sql) => {
          if (flowIds.length === 0) return []
          return database.run(sql`select * from ${table} where flow_id${anyOf(flowIds)}`)
        }
        const atoms = byFlow<AtomRecord>(atomColumns, await select(tables.atoms))
        const scopes = byFlow<ScopeRecord>(scopeColumns, await select(tables.scopes))
        return jobIds.flatMap((id) => {
          const one = summaries.get(id)
          if (one === undefined) return []
          const { flowId } = one.job
          return [{ ...one, atoms: atoms.get(flowId) ?? [], scopes: scopes.get(flowId) ?? [] }]
        })
      })
    },

    async release(claims, options = {}) {
      if (claims.length === 0) return
      const released = await statements.run(releaseStatement(dialect, claims, options))
      if (options.delayMs === undefined) {
        statements.hintClaimable(released.map((row) => String(row['board'])))
      }
    },

    async beginProbation(claim) {
      const { tables, now } = dialect
      const rows = await statements.run(sql`
        update ${tables.jobs} set probation = true, updated_at = ${now()}
        where id = ${claim.jobId} and state = 'CLAIMED' and epoch = ${claim.epoch} and claim_id = ${claim.claimId}
        returning id`)
      return rows.length > 0
    },

    async results(flowId, refs) {
      if (refs.length === 0) return []
      const { tables, rows } = dialect
      const from = rows(
        { atom: 'text', direction: 'text', call: 'int', place: 'int' },
        refs.map(({ atom, direction, call }, at) => [atom, direction, call, at]),
      )
      const found = await statements.run(sql`
        select r.place, v.value from ${from} as r join ${tables.results} as v
        on v.flow_id = ${flowId} and v.atom = r.atom and v.direction = r.direction and v.call = r.call`)
      const byPlace = new Map(found.map((row) => [Number(row['place']), unseal(row['value'])]))
      return refs.map((_, at) => byPlace.get(at))
    },
  }
}

function byClaimOrder(a: JobRecord, b: JobRecord): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)
}

function byFlow<T>(columns: readonly Column<T>[], rows: readonly Row[]): ReadonlyMap<string, T[]> {
  const records = new Map<string, T[]>()
  for (const row of rows) {
    const flowId = String(row['flow_id'])
    const list = records.get(flowId)
    const record = readRecord(columns, row)
    if (list === undefined) records.set(flowId, [record])
    else list.push(record)
  }
  return records
}
