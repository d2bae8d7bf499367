/** A job as the store in memory keeps it, and the rules of its row. */
import { canonicalJson } from '../src/base/codec.ts'
import { SEMANTICS } from '../src/flow/resolved.ts'
import type { ResultRecord, ScopeRecord } from '../src/machine/records.ts'
import { MemoryHistory } from './memory-history.ts'
import type { MemoryRows } from './memory-rows.ts'
import { tenantOf } from './post-rows.ts'
import type {
  CarriedRun,
  Claim,
  FlowCommit,
  FlowDetail,
  JobFilter,
  JobRecord,
  JobSummary,
  PostRequest,
  ResultRef,
  StoredMail,
} from './store.ts'

export type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A run and its rows. */
export interface Run {
  readonly detail: Mutable<FlowDetail>
  readonly rows: MemoryRows
  readonly scopes: Map<string, ScopeRecord>
  readonly results: RowsByAtom<ResultRecord>
}

/** Rows by atom, in the order they came. Most atoms have one, which needs no list. */
export type RowsByAtom<T extends ResultRef> = Map<string, T | T[]>

export interface Job {
  readonly record: Mutable<JobRecord>
  readonly contentHash: string
  readonly tenant: string
  /** Its board is outside the store: claimable is POSTING. */
  outside: boolean
  /** Oldest first; the last is the present one. */
  readonly runs: Run[]
  readonly mailbox: Map<string, StoredMail>
  readonly history: MemoryHistory
}

export function newJob(request: PostRequest, now: number): Job {
  const dueAt = request.delayMs === undefined ? (request.dueAt ?? null) : now + request.delayMs
  return {
    record: {
      id: request.id,
      board: request.board,
      key: request.key ?? null,
      flow: request.document.flow,
      state: dueAt === null ? request.state : 'PARKED',
      posting: 1,
      priority: request.priority ?? 0,
      flowId: request.flowId,
      epoch: 0,
      claimId: null,
      conductor: null,
      revision: 0,
      mail: 0,
      historySeq: 0,
      dueAt,
      parkedFor: dueAt === null ? null : 'delay',
      reason: null,
      labels: request.labels ?? {},
      traceparent: request.traceparent ?? null,
      postedBy: request.postedBy ?? null,
      scheduledFor: request.scheduledFor ?? null,
      disorder: false,
      probation: false,
      probationDeaths: 0,
      createdAt: now,
      updatedAt: now,
      endedAt: null,
    },
    contentHash: request.contentHash,
    tenant: tenantOf(request),
    outside: request.state === 'POSTING',
    runs: [],
    mailbox: new Map(),
    history: new MemoryHistory(),
  }
}

export function newDetail(request: PostRequest, now: number): FlowDetail {
  return {
    id: request.flowId,
    jobId: request.id,
    parentId: null,
    run: 1,
    document: request.documentHash,
    source: request.sourceHash,
    format: request.document.format,
    semantics: SEMANTICS,
    input: request.input,
    state: 'PENDING',
    output: null,
    failures: [],
    reason: null,
    createdAt: now,
    startedAt: null,
    endedAt: null,
  }
}

export function summary(job: Job): JobSummary {
  const run = job.runs.at(-1)
  if (run === undefined) throw new Error(`expected a run of job ${job.record.id}, got none`)
  return { job: { ...job.record }, detail: { ...run.detail } }
}

export function claimOf(record: JobRecord, claimId: string, conductor: string): Claim {
  const { id, posting, epoch } = record
  return { jobId: id, posting, claimId, epoch, conductor, adopted: { ...record } }
}

/** Whether a claim is the present one of a job: its fence. */
export function holds(record: JobRecord, claim: Claim): boolean {
  return (
    record.state === 'CLAIMED' && record.epoch === claim.epoch && record.claimId === claim.claimId
  )
}

export function park(
  record: Mutable<JobRecord>,
  parkedFor: JobRecord['parkedFor'],
  dueAt: number | null,
) {
  record.state = 'PARKED'
  record.parkedFor = parkedFor
  record.dueAt = dueAt
}

export function trash(record: Mutable<JobRecord>, reason: string, now: number): void {
  record.state = 'TRASHED'
  record.reason = reason
  record.endedAt = now
}

export function endInDisorder(record: Mutable<JobRecord>): void {
  record.disorder = true
  if (record.probation) record.probationDeaths += 1
  record.probation = false
}

/** A job that an operator releases, or that runs again, has no past. */
export function beginAnew(record: Mutable<JobRecord>): void {
  record.reason = null
  record.endedAt = null
  record.disorder = false
  record.probation = false
  record.probationDeaths = 0
  record.claimId = null
}

/** Puts what is kept of a run into the next one: rows, the calls of kept atoms, the results of those that stand. */
export function carry(before: Run, run: Run, carried: CarriedRun): void {
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

export function canBeReleased(record: JobRecord): boolean {
  if (record.state === 'TRASHED') return true
  return record.state === 'PARKED' && (record.parkedFor === 'suspended' || record.disorder)
}

export function changeDetail(
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
export function whatIsThereAlready(job: Job, run: Run, change: FlowCommit): string | undefined {
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

export function addTo<T extends ResultRef>(rows: RowsByAtom<T>, row: T): void {
  const there = rows.get(row.atom)
  if (there === undefined) rows.set(row.atom, row)
  else if (Array.isArray(there)) there.push(row)
  else rows.set(row.atom, [there, row])
}

export function rowsOf<T extends ResultRef>(rows: RowsByAtom<T>, atom: string): readonly T[] {
  const there = rows.get(atom)
  if (there === undefined) return []
  return Array.isArray(there) ? there : [there]
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export type Sorted = Pick<JobRecord, 'priority' | 'createdAt' | 'id'>

export function compareJobs(order: NonNullable<JobFilter['order']>, a: Sorted, b: Sorted): number {
  const oldest = a.createdAt - b.createdAt || compareText(a.id, b.id)
  switch (order) {
    case 'newest':
      return -oldest
    case 'oldest':
      return oldest
    case 'claim':
      return b.priority - a.priority || oldest
  }
}

export function matches(job: Job, filter: JobFilter): boolean {
  const { record } = job
  const detail = job.runs.at(-1)?.detail
  if (filter.board !== undefined && record.board !== filter.board) return false
  if (filter.ids !== undefined && !filter.ids.includes(record.id)) return false
  if (filter.key !== undefined && record.key !== filter.key) return false
  if (filter.states !== undefined && !filter.states.includes(record.state)) return false
  if (filter.flowStates !== undefined) {
    if (detail === undefined || !filter.flowStates.includes(detail.state)) return false
  }
  if (filter.flow !== undefined && record.flow !== filter.flow) return false
  if (filter.conductor !== undefined && record.conductor !== filter.conductor) return false
  if (filter.conductors !== undefined && !filter.conductors.includes(record.conductor ?? '')) {
    return false
  }
  if (filter.createdBefore !== undefined && record.createdAt >= filter.createdBefore) return false
  if (filter.createdAfter !== undefined && record.createdAt <= filter.createdAfter) return false
  for (const [name, value] of Object.entries(filter.labels ?? {})) {
    if (!Object.hasOwn(record.labels, name) || record.labels[name] !== value) return false
  }
  for (const [name, value] of Object.entries(filter.input ?? {})) {
    const input = detail?.input
    if (input === undefined || !Object.hasOwn(input, name)) return false
    if (canonicalJson(input[name] ?? null) !== canonicalJson(value)) return false
  }
  return true
}
