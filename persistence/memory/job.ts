/** A job as the store in memory keeps it, and the rules of its row. */
import { SEMANTICS } from '../../src/flow/resolved.ts'
import type { ResultRecord, ScopeRecord } from '../../src/machine/records.ts'
import { tenantOf } from '../post-rows.ts'
import type {
  FlowDetail,
  JobRecord,
  JobSummary,
  PostRequest,
  ResultRef,
  StoredMail,
} from '../store.ts'
import { MemoryHistory } from './history.ts'
import type { MemoryRows } from './rows.ts'

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
