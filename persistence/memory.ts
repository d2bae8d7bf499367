/**
 * The store in this process's memory: for `run()`, for tests, for trying things out. A real adapter, under the same suite
 * as the databases; what it keeps ends with the process.
 *
 * Invariants
 * M1  A call runs to its end without giving way, so each is a transaction.
 * M2  Records are kept as they are given (they are immutable) or as what they say (`memory-rows.ts`), and given out as copies or
 *     as they are; nobody can reach the inside through them.
 * M3  A commit costs the rows it carries, never the size of the flow; claiming and promoting cost the logarithm of the backlog.
 */
import type { Clock } from '../src/base/clock.ts'
import { realClock } from '../src/base/clock.ts'
import { UsageError } from '../src/base/errors.ts'
import type { Json, JsonObject } from '../src/base/json.ts'
import type { AtomRecord, CallRecord, HistoryRecord } from '../src/machine/records.ts'
import { readCursor, writeCursor } from './cursor.ts'
import { Heap } from './heap.ts'
import { Hints } from './hints.ts'
import {
  addTo,
  beginAnew,
  canBeReleased,
  carry,
  changeDetail,
  claimOf,
  compareJobs,
  compareText,
  endInDisorder,
  holds,
  matches,
  newDetail,
  newJob,
  park,
  rowsOf,
  summary,
  trash,
  whatIsThereAlready,
} from './memory-job.ts'
import { MemoryBrokers, standingOf } from './memory-brokers.ts'
import type { Job, Run } from './memory-job.ts'
import { MemoryPostings } from './memory-postings.ts'
import { MemoryRows } from './memory-rows.ts'
import { MemorySchedules } from './memory-schedules.ts'
import { documentJson } from './rows.ts'
import {
  HISTORY_PAGE,
  checkBatch,
  checkFilter,
  checkLimit,
  checkPost,
  checkSchedule,
  checkTexts,
  deathsReason,
  keyConflict,
  takesMail,
  wakes,
} from './rules.ts'
import { tickKeys } from './schedule-store.ts'
import type {
  DueSchedules,
  KeptDocument,
  NewSchedule,
  ScheduleChange,
  ScheduleRecord,
  ScheduleStep,
} from './schedule-store.ts'
import type {
  BrokerRecord,
  CallPlace,
  CallStanding,
  CarriedRun,
  Claim,
  CommitOutcome,
  FlowCommit,
  FlowDetail,
  FlowVersion,
  Heartbeat,
  JobChange,
  JobFilter,
  JobRecord,
  JobSummary,
  LoadedFlow,
  Mail,
  PostRequest,
  PostingRef,
  ProcessRecord,
  PruneReport,
  ReplyQueueRecord,
  ResultRef,
  SchemaStatus,
  Store,
  StoredMail,
  StoreHint,
} from './store.ts'

/** Options of {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /** What the time is. @default the machine's clock */
  readonly clock?: Pick<Clock, 'now'> | undefined
}

/** A job as it became claimable or parked; stale once it has left that posting or that due time. */
interface Waiting {
  readonly job: Job
  readonly posting: number
  readonly dueAt: number
}

interface Board {
  readonly claimable: Heap<Waiting>
  readonly parked: Heap<Waiting>
  readonly postings: MemoryPostings
}

const committed: CommitOutcome = { kind: 'committed' }
const fenced: CommitOutcome = { kind: 'fenced' }
const mailFirst: CommitOutcome = { kind: 'mail' }

export class MemoryStore implements Store {
  readonly kind = 'memory'
  readonly #clock: Pick<Clock, 'now'>
  readonly #jobs = new Map<string, Job>()
  readonly #runs = new Map<string, Run>()
  /** Job ids by board, then key. */
  readonly #keys = new Map<string, Map<string, string>>()
  readonly #boards = new Map<string, Board>()
  /** Claimed jobs by conductor. */
  readonly #claimed = new Map<string, Set<Job>>()
  readonly #documents = new Map<string, Json>()
  /** Versions by name, oldest first. */
  readonly #flows = new Map<string, FlowVersion[]>()
  readonly #processes = new Map<string, ProcessRecord>()
  readonly #brokers = new MemoryBrokers((conductor) => this.#lives(conductor))
  readonly #schedules = new MemorySchedules()
  readonly #hints = new Hints()

  constructor(options: MemoryStoreOptions = {}) {
    this.#clock = options.clock ?? realClock
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#hints.clear()
  }

  async migrate(): Promise<SchemaStatus> {
    return { applied: [], pending: [] }
  }

  async schemaStatus(): Promise<SchemaStatus> {
    return { applied: [], pending: [] }
  }

  async now(): Promise<number> {
    return this.#now()
  }

  async post(
    request: PostRequest,
    options: { readonly transaction?: unknown } = {},
  ): Promise<{ readonly job: JobRecord; readonly created: boolean }> {
    if (options.transaction !== undefined) {
      throw new UsageError('the store in memory takes part in no transaction', {
        hint: 'use sqlite: or postgres:// to post inside a transaction',
      })
    }
    checkPost(request)
    const { job, created } = this.#post(request)
    const { board, key = null } = request
    const isSame = job.contentHash === request.contentHash && job.record.board === board
    if (!isSame || job.record.key !== key) throw keyConflict(request, job.record.id)
    return { job: { ...job.record }, created }
  }

  /** The job of a post: a new one, or the one that has its key or id already. */
  #post(request: PostRequest): { readonly job: Job; readonly created: boolean } {
    const { board, key } = request
    const sameKey = key === undefined ? undefined : this.#keys.get(board)?.get(key)
    const there = this.#jobs.get(sameKey ?? request.id)
    if (there !== undefined) return { job: there, created: false }
    const now = this.#now()
    this.#keep(request.documentHash, documentJson(request.document))
    this.#keep(request.sourceHash, request.source)
    const job = newJob(request, now)
    this.#addRun(job, newDetail(request, now))
    this.#jobs.set(request.id, job)
    if (key !== undefined) {
      let keys = this.#keys.get(board)
      if (keys === undefined) this.#keys.set(board, (keys = new Map<string, string>()))
      keys.set(key, request.id)
    }
    this.#queue(job)
    return { job, created: true }
  }

  async posted(postings: readonly PostingRef[]): Promise<void> {
    for (const job of this.#inState('POSTING', postings)) {
      job.record.state = 'UNCLAIMED'
      job.record.updatedAt = this.#now()
      this.#queue(job)
    }
  }

  async unposted(postings: readonly PostingRef[]): Promise<void> {
    for (const job of this.#inState('UNCLAIMED', postings)) {
      job.record.state = 'POSTING'
      job.record.updatedAt = this.#now()
      job.outside = true
      this.#queue(job)
    }
  }

  async nextPostings(
    board: string,
    options: {
      readonly limit: number
      readonly turn?: string | undefined
      readonly restMs?: number | undefined
    },
  ): Promise<readonly JobRecord[]> {
    const { restMs = 0, ...rest } = options
    checkLimit('the postings', options.limit)
    return this.#board(board)
      .postings.next({ ...rest, youngest: this.#now() - restMs })
      .map((job) => ({ ...job.record }))
  }

  async unclaimed(board: string, limit: number): Promise<readonly PostingRef[]> {
    checkLimit('the postings', limit)
    const { claimable } = this.#board(board)
    const entries: Waiting[] = []
    while (entries.length < limit) {
      const entry = claimable.pop()
      if (entry === undefined) break
      if (isClaimable(entry) && entries.at(-1)?.job !== entry.job) entries.push(entry)
    }
    for (const entry of entries) claimable.push(entry)
    return entries.map(({ job, posting }) => ({ jobId: job.record.id, posting }))
  }

  async document(hash: string): Promise<Json | null> {
    return this.#documents.get(hash) ?? null
  }

  async registerFlow(name: string, source: Json, hash: string): Promise<FlowVersion> {
    checkTexts('the flow', { name })
    let versions = this.#flows.get(name)
    if (versions === undefined) this.#flows.set(name, (versions = []))
    const last = versions.at(-1)
    if (last?.hash === hash) return last
    this.#keep(hash, source)
    const version = { name, version: (last?.version ?? 0) + 1, hash, createdAt: this.#now() }
    versions.push(version)
    return version
  }

  async findFlow(name: string, version?: number): Promise<FlowVersion | null> {
    const versions = this.#flows.get(name) ?? []
    const found = version === undefined ? versions.at(-1) : versions[version - 1]
    return found ?? null
  }

  async listFlows(name?: string): Promise<readonly FlowVersion[]> {
    const all =
      name === undefined ? [...this.#flows.values()].flat() : (this.#flows.get(name) ?? [])
    return all.toSorted((a, b) => compareText(a.name, b.name) || a.version - b.version)
  }

  async claimJobs(request: {
    readonly board: string
    readonly conductor: string
    readonly claimIds: readonly string[]
  }): Promise<readonly Claim[]> {
    const { conductor, claimIds } = request
    const claims: Claim[] = []
    const used = new Set<string>()
    const asked = new Set(claimIds) // a conductor has thousands of claims, and asks for as many
    for (const job of this.#claimed.get(conductor) ?? []) {
      const { claimId } = job.record
      if (claimId === null || !asked.has(claimId)) continue
      used.add(claimId)
      claims.push(claimOf(job.record, claimId, conductor))
    }
    const now = this.#now()
    const claimable = this.#board(request.board).claimable
    for (const claimId of claimIds) {
      if (used.has(claimId)) continue
      const job = takeFirst(claimable, isClaimable)
      if (job === undefined) break
      job.record.epoch += 1
      this.#claim(job, claimId, conductor, now)
      claims.push(claimOf(job.record, claimId, conductor))
    }
    return claims
  }

  async adopt(claims: readonly Claim[]): Promise<readonly Claim[]> {
    const adopted: Claim[] = []
    const now = this.#now()
    for (const claim of claims) {
      const job = this.#jobs.get(claim.jobId)
      if (job === undefined || job.record.posting !== claim.posting) continue
      const { record } = job
      if (!holds(record, claim)) {
        const open = ['POSTING', 'UNCLAIMED', 'CLAIMED'].includes(record.state)
        if (!open || record.epoch >= claim.epoch) continue
        if (record.state === 'CLAIMED') endInDisorder(record)
        this.#unclaim(job)
        record.epoch = claim.epoch
        this.#claim(job, claim.claimId, claim.conductor, now)
      }
      adopted.push({ ...claim, adopted: { ...record } })
    }
    return adopted
  }

  async load(jobIds: readonly string[]): Promise<readonly LoadedFlow[]> {
    const loaded: LoadedFlow[] = []
    for (const id of jobIds) {
      const job = this.#jobs.get(id)
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

  async release(
    claims: readonly Claim[],
    options: { readonly delayMs?: number | undefined; readonly reason?: string | undefined } = {},
  ): Promise<void> {
    const now = this.#now()
    for (const claim of claims) {
      const job = this.#jobs.get(claim.jobId)
      if (job === undefined || !holds(job.record, claim)) continue
      this.#unclaim(job)
      job.record.claimId = null
      job.record.reason = options.reason ?? null
      job.record.updatedAt = now
      if (options.delayMs === undefined) {
        this.#makeClaimable(job)
      } else {
        park(job.record, 'retry', now + options.delayMs)
        this.#queue(job)
      }
    }
  }

  async beginProbation(claim: Claim): Promise<boolean> {
    const job = this.#jobs.get(claim.jobId)
    if (job === undefined || !holds(job.record, claim)) return false
    job.record.probation = true
    return true
  }

  async results(
    flowId: string,
    refs: readonly ResultRef[],
  ): Promise<readonly (Json | undefined)[]> {
    const results = this.#runs.get(flowId)?.results
    return refs.map(({ atom, direction, call }) => {
      const same = (row: ResultRef) => row.call === call && row.direction === direction
      return results === undefined ? undefined : rowsOf(results, atom).findLast(same)?.value
    })
  }

  async commit(batch: readonly FlowCommit[]): Promise<readonly CommitOutcome[]> {
    checkBatch(batch)
    const now = this.#now()
    const outcomes: CommitOutcome[] = []
    for (const change of batch) outcomes.push(this.#commitFlow(change, now))
    return outcomes
  }

  async mail(jobId: string, mail: Mail): Promise<'accepted' | 'duplicate' | 'ended' | 'unknown'> {
    checkTexts('the mail', { key: mail.key })
    const job = this.#jobs.get(jobId)
    if (job === undefined) return 'unknown'
    const { record } = job
    if (job.mailbox.has(mail.key)) return 'duplicate'
    if (!takesMail(record, mail)) return 'ended'
    const now = this.#now()
    record.mail += 1
    record.updatedAt = now
    job.mailbox.set(mail.key, {
      key: mail.key,
      kind: mail.kind,
      body: mail.body,
      jobId,
      at: now,
      count: record.mail,
    })
    if (record.state === 'PARKED' && wakes(record, mail)) this.#makeDue(job, now)
    this.#hints.give({ kind: 'mail', jobId })
    return 'accepted'
  }

  async readMail(conductor: string): Promise<readonly StoredMail[]> {
    const mail: StoredMail[] = []
    for (const job of this.#claimed.get(conductor) ?? []) mail.push(...job.mailbox.values())
    return mail.sort((a, b) => compareText(a.jobId, b.jobId) || a.count - b.count)
  }

  async mailOf(
    jobId: string,
  ): Promise<{ readonly count: number; readonly mail: readonly StoredMail[] }> {
    const job = this.#jobs.get(jobId)
    if (job === undefined) return { count: 0, mail: [] }
    return { count: job.record.mail, mail: [...job.mailbox.values()] }
  }

  async broker(name: string): Promise<BrokerRecord> {
    checkTexts('the broker', { name })
    return this.#brokers.find(name)
  }

  async raiseBroker(name: string, from: number): Promise<BrokerRecord> {
    const { broker, raised } = this.#brokers.raise(name, from)
    if (raised) await this.wakeParked()
    return broker
  }

  async wakeParked(): Promise<void> {
    const now = this.#now()
    for (const job of this.#jobs.values()) {
      const { record } = job
      if (record.state !== 'PARKED' || record.parkedFor !== 'task') continue
      record.updatedAt = now
      this.#makeDue(job, now)
    }
  }

  async keepReplyQueue(queue: string, conductor: string): Promise<void> {
    checkTexts('the reply queue', { queue, conductor })
    this.#brokers.keepQueue(queue, conductor)
  }

  async replyQueues(): Promise<readonly ReplyQueueRecord[]> {
    return this.#brokers.queues()
  }

  async forgetReplyQueue(queue: string): Promise<boolean> {
    return this.#brokers.forgetQueue(queue, this.#jobs.values())
  }

  async standing(calls: readonly CallPlace[]): Promise<readonly CallStanding[]> {
    return calls.map((call) => standingOf(this.#jobs.get(call.jobId), call))
  }

  async beat(process: Heartbeat): Promise<boolean> {
    const now = this.#now()
    const { leaseMs, ...announced } = process
    const before = this.#processes.get(process.id)
    if (before !== undefined && before.kind !== process.kind) return false
    this.#processes.set(process.id, {
      ...announced,
      startedAt: before?.startedAt ?? now,
      seenAt: now,
      expiresAt: now + leaseMs,
    })
    return before === undefined || before.expiresAt > now
  }

  async endProcess(id: string, kind?: ProcessRecord['kind']): Promise<void> {
    if (kind === undefined || this.#processes.get(id)?.kind === kind) this.#processes.delete(id)
  }

  async processes(
    filter: { readonly kind?: 'conductor' | 'worker'; readonly board?: string } = {},
  ): Promise<readonly ProcessRecord[]> {
    const now = this.#now()
    const { kind, board } = filter
    return [...this.#processes.values()]
      .filter((process) => process.expiresAt > now)
      .filter((process) => kind === undefined || process.kind === kind)
      .filter((process) => board === undefined || process.board === board)
      .sort((a, b) => compareText(a.kind, b.kind) || compareText(a.id, b.id))
  }

  async promote(board: string, limit: number): Promise<readonly JobRecord[]> {
    const now = this.#now()
    const { parked } = this.#board(board)
    const promoted: JobRecord[] = []
    while (promoted.length < limit) {
      const job = takeFirst(parked, (entry) => isParked(entry) && entry.dueAt <= now, isParked)
      if (job === undefined) break
      job.record.updatedAt = now
      this.#makeClaimable(job)
      promoted.push({ ...job.record })
    }
    return promoted
  }

  async reap(
    board: string,
    options: { readonly maxDeaths: number },
  ): Promise<{ readonly released: readonly string[]; readonly trashed: readonly string[] }> {
    const now = this.#now()
    const released: string[] = []
    const trashed: string[] = []
    for (const [conductor, jobs] of this.#claimed) {
      if ((this.#processes.get(conductor)?.expiresAt ?? 0) > now) continue
      for (const job of [...jobs]) {
        const { record } = job
        if (record.board !== board) continue
        const wasAlone = record.probation
        endInDisorder(record)
        this.#unclaim(job)
        record.claimId = null
        record.updatedAt = now
        if (wasAlone && record.probationDeaths >= options.maxDeaths) {
          trash(record, deathsReason(record.probationDeaths), now)
          trashed.push(record.id)
        } else {
          this.#makeClaimable(job)
          released.push(record.id)
        }
      }
    }
    return { released, trashed }
  }

  async nextDue(board: string): Promise<number | null> {
    const { parked } = this.#board(board)
    for (let first = parked.peek(); first !== undefined; first = parked.peek()) {
      if (isParked(first)) return first.dueAt
      parked.pop()
    }
    return null
  }

  async job(idOrKey: string, board?: string): Promise<JobSummary | null> {
    const byId = this.#jobs.get(idOrKey)
    if (byId !== undefined) return summary(byId)
    const boards = board === undefined ? [...this.#keys.keys()] : [board]
    const found = boards
      .map((name) => this.#jobs.get(this.#keys.get(name)?.get(idOrKey) ?? ''))
      .filter((job) => job !== undefined)
      .sort((a, b) => compareJobs('newest', a.record, b.record))[0]
    return found === undefined ? null : summary(found)
  }

  async findJobs(
    filter: JobFilter,
  ): Promise<{ readonly jobs: readonly JobSummary[]; readonly next: string | null }> {
    checkFilter(filter)
    const order = filter.order ?? 'newest'
    const limit = filter.limit ?? 100
    const after = filter.after === undefined ? undefined : readCursor(filter.after)
    const matching: Job[] = []
    for (const job of this.#candidates(filter)) {
      if (after !== undefined && compareJobs(order, job.record, after) <= 0) continue
      if (matches(job, filter)) matching.push(job)
    }
    matching.sort((a, b) => compareJobs(order, a.record, b.record))
    const page = matching.slice(0, limit)
    const last = page.at(-1)
    return {
      jobs: page.map(summary),
      next: last === undefined || matching.length <= limit ? null : writeCursor(last.record),
    }
  }

  async history(
    jobId: string,
    options: { readonly after?: number | undefined; readonly limit?: number | undefined },
  ): Promise<readonly HistoryRecord[]> {
    const history = this.#jobs.get(jobId)?.history
    return history?.after(options.after ?? 0, options.limit ?? HISTORY_PAGE) ?? []
  }

  async atoms(flowId: string): Promise<readonly AtomRecord[]> {
    const atoms = this.#runs.get(flowId)?.rows.atoms() ?? []
    return atoms.sort((a, b) => compareText(a.path, b.path))
  }

  async calls(flowId: string, atom?: string): Promise<readonly CallRecord[]> {
    const calls = this.#runs.get(flowId)?.rows.calls(atom) ?? []
    return calls.sort(
      (a, b) =>
        compareText(a.atom, b.atom) || compareText(a.direction, b.direction) || a.call - b.call,
    )
  }

  async releaseJob(jobId: string): Promise<JobRecord | null> {
    const job = this.#jobs.get(jobId)
    if (job === undefined || !canBeReleased(job.record)) return null
    job.record.updatedAt = this.#now()
    beginAnew(job.record)
    this.#makeClaimable(job)
    return { ...job.record }
  }

  async rerun(
    jobId: string,
    options: {
      readonly flowId: string
      readonly input?: JsonObject | undefined
      readonly carried?: CarriedRun | undefined
    },
  ): Promise<JobRecord | null> {
    const job = this.#jobs.get(jobId)
    const last = job?.runs.at(-1)?.detail
    const { flowId, carried } = options
    if (job === undefined || last === undefined) return null
    if (last.id === flowId) return { ...job.record }
    if (job.record.endedAt === null) return null
    const isAsDecided = last.id === carried?.flowId && job.record.revision === carried.revision
    if (carried !== undefined && !isAsDecided) return null
    const before = job.runs.at(-1)
    const now = this.#now()
    this.#addRun(job, {
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
    const run = job.runs.at(-1)
    if (carried !== undefined && before !== undefined && run !== undefined)
      carry(before, run, carried)
    job.mailbox.clear()
    job.record.flowId = flowId
    job.record.updatedAt = now
    beginAnew(job.record)
    this.#makeClaimable(job)
    return { ...job.record }
  }

  async prune(options: {
    readonly olderThanMs: number
    readonly board?: string | undefined
    readonly dryRun?: boolean | undefined
  }): Promise<PruneReport> {
    const before = this.#now() - options.olderThanMs
    const kept = new Set<string>()
    for (const versions of this.#flows.values()) for (const { hash } of versions) kept.add(hash)
    for (const hash of this.#schedules.documents()) kept.add(hash)
    let jobs = 0
    for (const job of this.#jobs.values()) {
      const { endedAt, board } = job.record
      const isOld = endedAt !== null && endedAt < before
      if (isOld && (options.board === undefined || board === options.board)) {
        jobs += 1
        if (options.dryRun !== true) this.#forget(job)
      } else {
        for (const { detail } of job.runs) kept.add(detail.document).add(detail.source)
      }
    }
    let documents = 0
    for (const hash of this.#documents.keys()) {
      if (kept.has(hash)) continue
      documents += 1
      if (options.dryRun !== true) this.#documents.delete(hash)
    }
    return { jobs, documents }
  }

  async addSchedule(
    schedule: NewSchedule,
    documents: readonly KeptDocument[],
  ): Promise<ScheduleRecord | null> {
    checkSchedule(schedule)
    for (const { hash, body } of documents) this.#keep(hash, body)
    const added = this.#schedules.add(schedule, this.#now())
    if (added !== null) this.#hints.give({ kind: 'schedule', board: schedule.board })
    return added
  }

  async changeSchedule(
    place: { readonly board: string; readonly name: string; readonly revision: number },
    change: ScheduleChange,
    documents: readonly KeptDocument[] = [],
  ): Promise<ScheduleRecord | null> {
    for (const { hash, body } of documents) this.#keep(hash, body)
    const changed = this.#schedules.change(place, change, this.#now())
    if (changed !== null) this.#hints.give({ kind: 'schedule', board: place.board })
    return changed
  }

  async removeSchedule(board: string, schedule: string, revision?: number): Promise<boolean> {
    return this.#schedules.remove(board, schedule, revision)
  }

  async schedule(board: string, schedule: string): Promise<ScheduleRecord | null> {
    checkTexts('the schedule', { board, name: schedule })
    return this.#schedules.find(board, schedule)
  }

  async schedules(board: string, group?: string): Promise<readonly ScheduleRecord[]> {
    return this.#schedules.list(board, group)
  }

  async scheduleJobs(
    board: string,
    schedule: string,
    limit: number,
  ): Promise<readonly JobSummary[]> {
    checkFilter({ limit })
    const [from, to] = tickKeys(schedule)
    return [...(this.#keys.get(board) ?? [])]
      .filter(([key]) => key >= from && key < to)
      .sort(([a], [b]) => (a < b ? 1 : -1))
      .slice(0, limit)
      .flatMap(([, id]) => {
        const job = this.#jobs.get(id)
        return job === undefined ? [] : [summary(job)]
      })
  }

  async dueSchedules(board: string, limit: number): Promise<DueSchedules> {
    return this.#schedules.due(board, limit, this.#now(), (jobId) => {
      return jobId !== null && this.#jobs.get(jobId)?.record.endedAt === null
    })
  }

  async stepSchedules(
    board: string,
    steps: readonly ScheduleStep[],
  ): Promise<readonly (readonly JobRecord[] | null)[]> {
    for (const { posts } of steps) for (const request of posts) checkPost(request)
    const now = this.#now()
    return steps.map(({ name, revision, change, posts }) => {
      if (this.#schedules.find(board, name)?.paused !== false) return null
      if (this.#schedules.change({ board, name, revision }, change, now) === null) return null
      return posts.map((request) => ({ ...this.#post(request).job.record }))
    })
  }

  onHint(listener: (hint: StoreHint) => void): () => void {
    return this.#hints.add(listener)
  }

  #now(): number {
    return Math.floor(this.#clock.now())
  }

  #commitFlow(change: FlowCommit, now: number): CommitOutcome {
    const job = this.#jobs.get(change.jobId)
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
      this.#unclaim(job)
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
    if (change.job !== undefined) this.#endClaim(job, change.job, now)
    if (!this.#hints.isEmpty && change.history.length > 0) {
      this.#hints.give({ kind: 'history', jobId: record.id })
    }
    return committed
  }

  #endClaim(job: Job, change: JobChange, now: number): void {
    const { record } = job
    this.#unclaim(job) // The claim id stays, so that a lost reply can be read back (S3).
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
        this.#queue(job)
        break
      case 'UNCLAIMED':
        this.#makeClaimable(job)
    }
  }

  #claim(job: Job, claimId: string, conductor: string, now: number): void {
    job.record.state = 'CLAIMED'
    job.record.claimId = claimId
    job.record.conductor = conductor
    job.record.updatedAt = now
    const claimed = this.#claimed.get(conductor)
    if (claimed === undefined) this.#claimed.set(conductor, new Set([job]))
    else claimed.add(job)
  }

  #unclaim(job: Job): void {
    const { conductor } = job.record
    if (conductor === null) return
    const claimed = this.#claimed.get(conductor)
    claimed?.delete(job)
    if (claimed?.size === 0) this.#claimed.delete(conductor)
    job.record.conductor = null
  }

  #makeClaimable(job: Job): void {
    const { record } = job
    record.state = job.outside ? 'POSTING' : 'UNCLAIMED'
    record.posting += 1
    record.dueAt = null
    record.parkedFor = null
    this.#queue(job)
  }

  #makeDue(job: Job, now: number): void {
    job.record.dueAt = Math.min(job.record.dueAt ?? now, now)
    this.#queue(job)
  }

  #lives(conductor: string): boolean {
    const process = this.#processes.get(conductor)
    return process?.kind === 'conductor' && process.expiresAt > this.#now()
  }

  #inState(state: JobRecord['state'], postings: readonly PostingRef[]): readonly Job[] {
    return postings.flatMap(({ jobId, posting }) => {
      const job = this.#jobs.get(jobId)
      return job?.record.state === state && job.record.posting === posting ? [job] : []
    })
  }

  /** Puts a job where `claimJobs`, `nextPostings` or `promote` finds it. */
  #queue(job: Job): void {
    const { state, board, posting, dueAt } = job.record
    if (state === 'UNCLAIMED') {
      this.#board(board).claimable.push({ job, posting, dueAt: 0 })
      this.#hints.give({ kind: 'claimable', board })
    } else if (state === 'POSTING') {
      this.#board(board).postings.add(job)
    } else if (state === 'PARKED' && dueAt !== null) {
      this.#board(board).parked.push({ job, posting, dueAt })
    }
  }

  /** Jobs among which a filter's are: who waits for some jobs asks for these often. */
  #candidates({ ids }: JobFilter): Iterable<Job> {
    if (ids === undefined) return this.#jobs.values()
    return [...new Set(ids)].flatMap((id) => this.#jobs.get(id) ?? [])
  }

  #board(name: string): Board {
    let board = this.#boards.get(name)
    if (board === undefined) {
      board = {
        claimable: new Heap((a, b) => compareJobs('claim', a.job.record, b.job.record) < 0),
        parked: new Heap((a, b) => a.dueAt < b.dueAt),
        postings: new MemoryPostings(),
      }
      this.#boards.set(name, board)
    }
    return board
  }

  #addRun(job: Job, detail: FlowDetail): void {
    const run: Run = {
      detail: { ...detail },
      rows: new MemoryRows(),
      scopes: new Map(),
      results: new Map(),
    }
    job.runs.push(run)
    this.#runs.set(detail.id, run)
  }

  #keep(hash: string, document: Json): void {
    if (!this.#documents.has(hash)) this.#documents.set(hash, document)
  }

  #forget(job: Job): void {
    const { id, board, key } = job.record
    this.#jobs.delete(id)
    if (key !== null) this.#keys.get(board)?.delete(key)
    for (const run of job.runs) this.#runs.delete(run.detail.id)
  }
}

/** The first job of a heap that `isWanted`; entries that are not `isValid` any more are dropped on the way. */
function takeFirst(
  heap: Heap<Waiting>,
  isWanted: (entry: Waiting) => boolean,
  isValid = isWanted,
): Job | undefined {
  for (let first = heap.peek(); first !== undefined; first = heap.peek()) {
    const wanted = isWanted(first)
    if (!wanted && isValid(first)) return undefined
    heap.pop()
    if (wanted) return first.job
  }
  return undefined
}

function isClaimable({ job, posting }: Waiting): boolean {
  return job.record.state === 'UNCLAIMED' && job.record.posting === posting
}

function isParked({ job, posting, dueAt }: Waiting): boolean {
  const { record } = job
  return record.state === 'PARKED' && record.posting === posting && record.dueAt === dueAt
}
