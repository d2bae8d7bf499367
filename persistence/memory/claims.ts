/** Claims, and what the owner of one reads, in memory: functions are as the methods of {@link ClaimStore}. */
import type { Json } from '../../src/base/json.ts'
import type { Claim, ClaimStore, JobRecord, LoadedFlow, ResultRef } from '../store.ts'
import { isClaimable, takeFirst } from './board.ts'
import { endInDisorder, park, rowsOf } from './job.ts'
import type { MemoryTables } from './tables.ts'

/** What {@link claimJobs} is asked for. */
export type ClaimRequest = Parameters<ClaimStore['claimJobs']>[0]
/** Options of {@link release}. */
export type ReleaseOptions = Parameters<ClaimStore['release']>[1]

export function claimJobs(tables: MemoryTables, request: ClaimRequest): readonly Claim[] {
  const { conductor, claimIds } = request
  const claims: Claim[] = []
  const used = new Set<string>()
  const asked = new Set(claimIds) // a conductor has thousands of claims, and asks for as many
  for (const job of tables.claimed.get(conductor) ?? []) {
    const { claimId } = job.record
    if (claimId === null || !asked.has(claimId)) continue
    used.add(claimId)
    claims.push(claimOf(job.record, claimId, conductor))
  }
  const now = tables.now()
  const claimable = tables.board(request.board).claimable
  for (const claimId of claimIds) {
    if (used.has(claimId)) continue
    const job = takeFirst(claimable, isClaimable)
    if (job === undefined) break
    job.record.epoch += 1
    tables.claim(job, claimId, conductor, now)
    claims.push(claimOf(job.record, claimId, conductor))
  }
  return claims
}

export function adopt(tables: MemoryTables, claims: readonly Claim[]): readonly Claim[] {
  const adopted: Claim[] = []
  const now = tables.now()
  for (const claim of claims) {
    const job = tables.jobs.get(claim.jobId)
    if (job === undefined || job.record.posting !== claim.posting) continue
    const { record } = job
    if (!holds(record, claim)) {
      const open = ['POSTING', 'UNCLAIMED', 'CLAIMED'].includes(record.state)
      if (!open || record.epoch >= claim.epoch) continue
      if (record.state === 'CLAIMED') endInDisorder(record)
      tables.unclaim(job)
      record.epoch = claim.epoch
      tables.claim(job, claim.claimId, claim.conductor, now)
    }
    adopted.push({ ...claim, adopted: { ...record } })
  }
  return adopted
}

export function load(tables: MemoryTables, jobIds: readonly string[]): readonly LoadedFlow[] {
  const loaded: LoadedFlow[] = []
  for (const id of jobIds) {
    const job = tables.jobs.get(id)
    const run = job?.runs.at(-1)
    if (job === undefined || run === undefined) continue
    loaded.push({
      job: { ...job.record },
      detail: { ...run.detail },
      atoms: run.rows.atoms(),
      scopes: [...run.scopes.values()],
    })
  }
  return loaded
}

export function release(
  tables: MemoryTables,
  claims: readonly Claim[],
  options: ReleaseOptions = {},
): void {
  const now = tables.now()
  for (const claim of claims) {
    const job = tables.jobs.get(claim.jobId)
    if (job === undefined || !holds(job.record, claim)) continue
    tables.unclaim(job)
    job.record.claimId = null
    job.record.reason = options.reason ?? null
    job.record.updatedAt = now
    if (options.delayMs === undefined) {
      tables.makeClaimable(job)
    } else {
      park(job.record, 'retry', now + options.delayMs)
      tables.queue(job)
    }
  }
}

export function beginProbation(tables: MemoryTables, claim: Claim): boolean {
  const job = tables.jobs.get(claim.jobId)
  if (job === undefined || !holds(job.record, claim)) return false
  job.record.probation = true
  return true
}

export function results(
  tables: MemoryTables,
  flowId: string,
  refs: readonly ResultRef[],
): readonly (Json | undefined)[] {
  const rows = tables.runs.get(flowId)?.results
  return refs.map(({ atom, direction, call }) => {
    const same = (row: ResultRef) => row.call === call && row.direction === direction
    return rows === undefined ? undefined : rowsOf(rows, atom).findLast(same)?.value
  })
}

function claimOf(record: JobRecord, claimId: string, conductor: string): Claim {
  const { id, posting, epoch } = record
  return { jobId: id, posting, claimId, epoch, conductor, adopted: { ...record } }
}

/** Whether a claim is the present one of a job: its fence. */
function holds(record: JobRecord, claim: Claim): boolean {
  return (
    record.state === 'CLAIMED' && record.epoch === claim.epoch && record.claimId === claim.claimId
  )
}
