/** What operators do to jobs, in memory: functions are as the methods of {@link OperatorStore}. */
import type { CarriedRun, JobRecord, OperatorStore, PruneReport } from '../store.ts'
import { addTo, rowsOf } from './job.ts'
import type { Mutable, Run } from './job.ts'
import type { MemoryTables } from './tables.ts'

/** Options of {@link rerun}. */
export type RerunOptions = Parameters<OperatorStore['rerun']>[1]
/** Options of {@link prune}. */
export type PruneOptions = Parameters<OperatorStore['prune']>[0]

export function releaseJob(tables: MemoryTables, jobId: string): JobRecord | null {
  const job = tables.jobs.get(jobId)
  if (job === undefined || !canBeReleased(job.record)) return null
  job.record.updatedAt = tables.now()
  beginAnew(job.record)
  tables.makeClaimable(job)
  return { ...job.record }
}

export function rerun(
  tables: MemoryTables,
  jobId: string,
  options: RerunOptions,
): JobRecord | null {
  const job = tables.jobs.get(jobId)
  const last = job?.runs.at(-1)?.detail
  const { flowId, carried } = options
  if (job === undefined || last === undefined) return null
  if (last.id === flowId) return { ...job.record }
  if (job.record.endedAt === null) return null
  const isAsDecided = last.id === carried?.flowId && job.record.revision === carried.revision
  if (carried !== undefined && !isAsDecided) return null
  const before = job.runs.at(-1)
  const now = tables.now()
  const run = tables.addRun(job, {
    ...last,
    id: flowId,
    run: last.run + 1,
    input: options.input ?? last.input,
    state: carried === undefined ? 'PENDING' : 'RESUMING',
    output: null,
    failures: [],
    reason: null,
    createdAt: now,
    startedAt: null,
    endedAt: null,
  })
  if (carried !== undefined && before !== undefined) carry(before, run, carried)
  job.mailbox.clear()
  job.record.flowId = flowId
  job.record.updatedAt = now
  beginAnew(job.record)
  tables.makeClaimable(job)
  return { ...job.record }
}

export function prune(tables: MemoryTables, options: PruneOptions): PruneReport {
  const before = tables.now() - options.olderThanMs
  const kept = new Set<string>()
  for (const versions of tables.flows.values()) for (const { hash } of versions) kept.add(hash)
  for (const hash of tables.schedules.documents()) kept.add(hash)
  let jobs = 0
  for (const job of tables.jobs.values()) {
    const { endedAt, board } = job.record
    const isOld = endedAt !== null && endedAt < before
    if (isOld && (options.board === undefined || board === options.board)) {
      jobs += 1
      if (options.dryRun !== true) tables.forget(job)
    } else {
      for (const { detail } of job.runs) kept.add(detail.document).add(detail.source)
    }
  }
  let documents = 0
  for (const hash of tables.documents.keys()) {
    if (kept.has(hash)) continue
    documents += 1
    if (options.dryRun !== true) tables.documents.delete(hash)
  }
  return { jobs, documents }
}

function canBeReleased(record: JobRecord): boolean {
  if (record.state === 'TRASHED') return true
  return record.state === 'PARKED' && (record.parkedFor === 'suspended' || record.disorder)
}

/** A job that an operator releases, or that runs again, has no past. */
function beginAnew(record: Mutable<JobRecord>): void {
  record.reason = null
  record.endedAt = null
  record.disorder = false
  record.probation = false
  record.probationDeaths = 0
  record.claimId = null
}

/** Puts what is kept of a run into the next one: rows, the calls of kept atoms, the results of those that stand. */
function carry(before: Run, run: Run, carried: CarriedRun): void {
  for (const scope of carried.scopes) run.scopes.set(scope.path, scope)
  for (const atom of carried.atoms) {
    const { path, state, executeCalls } = atom
    run.rows.setAtom(atom)
    const calls = before.rows.calls(path).sort((a, b) => a.call - b.call)
    for (const call of calls) run.rows.addCall(call)
    for (const result of state === 'SUCCESS' ? rowsOf(before.results, path) : []) {
      const isLast = result.direction === 'execute' && result.call === executeCalls
      if (isLast) addTo(run.results, result)
    }
  }
}
