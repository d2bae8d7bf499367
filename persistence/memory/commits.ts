/** Commits of flows, in memory: under the fence, whole or not at all, as {@link CommitStore} says. */
import { checkBatch } from '../rules.ts'
import type { CommitOutcome, FlowCommit, FlowDetail, JobChange, ResultRef } from '../store.ts'
import { addTo, park, rowsOf, trash } from './job.ts'
import type { Job, Mutable, RowsByAtom, Run } from './job.ts'
import type { MemoryTables } from './tables.ts'

const committed: CommitOutcome = { kind: 'committed' }
const fenced: CommitOutcome = { kind: 'fenced' }
const mailFirst: CommitOutcome = { kind: 'mail' }

export function commit(
  tables: MemoryTables,
  batch: readonly FlowCommit[],
): readonly CommitOutcome[] {
  checkBatch(batch)
  const now = tables.now()
  const outcomes: CommitOutcome[] = []
  for (const change of batch) outcomes.push(commitFlow(tables, change, now))
  return outcomes
}

function commitFlow(tables: MemoryTables, change: FlowCommit, now: number): CommitOutcome {
  const job = tables.jobs.get(change.jobId)
  const run = job?.runs.at(-1)
  if (job === undefined || run === undefined) return fenced
  const { record } = job
  const isOwner = record.epoch === change.epoch && record.claimId === change.claimId
  // S3: the same commit given again; its first reply was lost.
  if (isOwner && record.revision === change.revision + 1) {
    if (record.state !== 'TRASHED' || change.job?.state === 'TRASHED') return committed
    return { kind: 'trashed', reason: record.reason ?? '' }
  }
  if (!isOwner || record.state !== 'CLAIMED' || record.revision !== change.revision) return fenced
  if (record.flowId !== change.flowId) return fenced
  const endsClaim = change.job !== undefined && change.job.state !== 'UNCLAIMED'
  if (endsClaim && record.mail !== change.mailRead) return mailFirst
  record.revision += 1
  record.updatedAt = now
  const refused = whatIsThereAlready(job, run, change)
  if (refused !== undefined) {
    trash(record, refused, now)
    tables.unclaim(job)
    return { kind: 'trashed', reason: refused } // S4
  }
  record.historySeq = change.historySeq
  record.disorder = false
  record.probation = false
  if (change.calls.length > 0) record.probationDeaths = 0
  for (const atom of change.atoms) run.rows.setAtom(atom)
  for (const scope of change.scopes) run.scopes.set(scope.path, scope)
  for (const call of change.calls) run.rows.addCall(call)
  for (const result of change.results) addTo(run.results, result)
  for (const row of change.history) job.history.add(row)
  if (change.mailTaken !== undefined) for (const key of change.mailTaken) job.mailbox.delete(key)
  if (change.flow !== undefined) changeDetail(run.detail, change.flow, now)
  if (change.job !== undefined) endClaim(tables, job, change.job, now)
  if (!tables.hints.isEmpty && change.history.length > 0) {
    tables.hints.give({ kind: 'history', jobId: record.id })
  }
  return committed
}

function endClaim(tables: MemoryTables, job: Job, change: JobChange, now: number): void {
  const { record } = job
  tables.unclaim(job) // The claim id stays, so that a lost reply can be read back (S3).
  record.reason = null
  switch (change.state) {
    case 'COMPLETE':
      record.state = 'COMPLETE'
      record.endedAt = now
      break
    case 'TRASHED':
      trash(record, change.reason, now)
      break
    case 'PARKED':
      park(record, change.parkedFor, change.dueAt ?? null)
      tables.queue(job)
      break
    case 'UNCLAIMED':
      tables.makeClaimable(job)
  }
}

function changeDetail(
  detail: Mutable<FlowDetail>,
  change: NonNullable<FlowCommit['flow']>,
  now: number,
): void {
  detail.state = change.state
  if (change.reason !== undefined) detail.reason = change.reason
  if (change.output !== undefined) detail.output = change.output
  if (change.failures !== undefined) detail.failures = change.failures
  if (change.started === true) detail.startedAt ??= now
  if (change.ended === true) detail.endedAt ??= now
}

/** What a database would refuse as a duplicate key: answers and history are written once. */
function whatIsThereAlready(job: Job, run: Run, change: FlowCommit): string | undefined {
  const first = change.history[0]
  if (first !== undefined && first.seq <= job.record.historySeq) {
    return `history: the number ${first.seq} is there already`
  }
  for (const call of change.calls) {
    if (run.rows.hasCall(call)) return `calls: ${callName(call)} is there already`
  }
  for (const result of change.results) {
    if (isThere(run.results, result)) return `results: ${callName(result)} is there already`
  }
  return undefined
}

/** Numbers of an atom's direction only grow, so the last one of that direction tells. */
function isThere(rows: RowsByAtom<ResultRef>, { atom, direction, call }: ResultRef): boolean {
  if (!rows.has(atom)) return false
  const list = rowsOf(rows, atom)
  for (let at = list.length - 1; at >= 0; at -= 1) {
    const row = list[at]
    if (row?.direction === direction) return row.call >= call
  }
  return false
}

function callName(ref: ResultRef): string {
  return `${ref.atom} ${ref.direction} ${ref.call}`
}
