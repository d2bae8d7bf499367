/**
 * The store in this process's memory: for `run()`, for tests, for trying things out. A real adapter, under the same suite
 * as the databases; what it keeps ends with the process. What it does is in `memory/`, in the parts of the contract: a function
 * for each method, under its name.
 *
 * Invariants
 * M1  A call runs to its end without giving way, so each is a transaction: the methods are async, what they call is not.
 * M2  Records are kept as they are given (they are immutable) or as what they say (`memory/rows.ts`), and given out as copies or
 *     as they are; nobody can reach the inside through them.
 * M3  A commit costs the rows it carries, never the size of the flow; claiming and promoting cost the logarithm of the backlog.
 */
import type { Clock } from '../src/base/clock.ts'
import { realClock } from '../src/base/clock.ts'
import type { Json } from '../src/base/json.ts'
import {
  broker,
  forgetReplyQueue,
  keepReplyQueue,
  raiseBroker,
  replyQueues,
  standing,
  wakeParked,
} from './memory/brokers.ts'
import { adopt, beginProbation, claimJobs, load, release, results } from './memory/claims.ts'
import type { ClaimRequest, ReleaseOptions } from './memory/claims.ts'
import { commit } from './memory/commits.ts'
import { document, findFlow, listFlows, registerFlow } from './memory/flows.ts'
import { mail, mailOf, readMail } from './memory/mail.ts'
import { prune, releaseJob, rerun } from './memory/operators.ts'
import type { PruneOptions, RerunOptions } from './memory/operators.ts'
import { nextPostings, post, posted, unclaimed, unposted } from './memory/posts.ts'
import type { PostingOptions, PostOptions } from './memory/posts.ts'
import { beat, endProcess, processes } from './memory/processes.ts'
import type { ProcessFilter } from './memory/processes.ts'
import {
  addSchedule,
  changeSchedule,
  dueSchedules,
  removeSchedule,
  schedule,
  scheduleJobs,
  schedules,
  stepSchedules,
} from './memory/schedules.ts'
import type { SchedulePlace } from './memory/schedules.ts'
import { atoms, calls, findJobs, history, job } from './memory/search.ts'
import type { HistoryOptions } from './memory/search.ts'
import { MemoryTables } from './memory/tables.ts'
import { nextDue, promote, reap } from './memory/upkeep.ts'
import type { ReapOptions } from './memory/upkeep.ts'
import type { KeptDocument, NewSchedule, ScheduleChange, ScheduleStep } from './schedule-store.ts'
import type {
  CallPlace,
  Claim,
  FlowCommit,
  Heartbeat,
  JobFilter,
  Mail,
  PostRequest,
  PostingRef,
  ProcessRecord,
  ResultRef,
  SchemaStatus,
  Store,
  StoreHint,
} from './store.ts'

/** Options of {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /** What the time is. @default the machine's clock */
  readonly clock?: Pick<Clock, 'now'> | undefined
}

/** A store of its own, empty. */
export class MemoryStore implements Store {
  readonly kind = 'memory'
  readonly #tables: MemoryTables

  constructor(options: MemoryStoreOptions = {}) {
    this.#tables = new MemoryTables(options.clock ?? realClock)
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#tables.hints.clear()
  }

  async migrate(): Promise<SchemaStatus> {
    return { applied: [], pending: [] }
  }

  async schemaStatus(): Promise<SchemaStatus> {
    return { applied: [], pending: [] }
  }

  async now() {
    return this.#tables.now()
  }

  onHint(listener: (hint: StoreHint) => void): () => void {
    return this.#tables.hints.add(listener)
  }

  async post(request: PostRequest, options?: PostOptions) {
    return post(this.#tables, request, options)
  }

  async posted(postings: readonly PostingRef[]) {
    posted(this.#tables, postings)
  }

  async unposted(postings: readonly PostingRef[]) {
    unposted(this.#tables, postings)
  }

  async nextPostings(board: string, options: PostingOptions) {
    return nextPostings(this.#tables, board, options)
  }

  async unclaimed(board: string, limit: number) {
    return unclaimed(this.#tables, board, limit)
  }

  async document(hash: string) {
    return document(this.#tables, hash)
  }

  async registerFlow(name: string, source: Json, hash: string) {
    return registerFlow(this.#tables, name, source, hash)
  }

  async findFlow(name: string, version?: number) {
    return findFlow(this.#tables, name, version)
  }

  async listFlows(name?: string) {
    return listFlows(this.#tables, name)
  }

  async claimJobs(request: ClaimRequest) {
    return claimJobs(this.#tables, request)
  }

  async adopt(claims: readonly Claim[]) {
    return adopt(this.#tables, claims)
  }

  async load(jobIds: readonly string[]) {
    return load(this.#tables, jobIds)
  }

  async release(claims: readonly Claim[], options?: ReleaseOptions) {
    release(this.#tables, claims, options)
  }

  async beginProbation(claim: Claim) {
    return beginProbation(this.#tables, claim)
  }

  async results(flowId: string, refs: readonly ResultRef[]) {
    return results(this.#tables, flowId, refs)
  }

  async commit(batch: readonly FlowCommit[]) {
    return commit(this.#tables, batch)
  }

  async mail(jobId: string, piece: Mail) {
    return mail(this.#tables, jobId, piece)
  }

  async readMail(conductor: string) {
    return readMail(this.#tables, conductor)
  }

  async mailOf(jobId: string) {
    return mailOf(this.#tables, jobId)
  }

  async broker(name: string) {
    return broker(this.#tables, name)
  }

  async raiseBroker(name: string, from: number) {
    return raiseBroker(this.#tables, name, from)
  }

  async wakeParked() {
    wakeParked(this.#tables)
  }

  async keepReplyQueue(queue: string, conductor: string) {
    keepReplyQueue(this.#tables, queue, conductor)
  }

  async replyQueues() {
    return replyQueues(this.#tables)
  }

  async forgetReplyQueue(queue: string) {
    return forgetReplyQueue(this.#tables, queue)
  }

  async standing(places: readonly CallPlace[]) {
    return standing(this.#tables, places)
  }

  async beat(process: Heartbeat) {
    return beat(this.#tables, process)
  }

  async endProcess(id: string, kind?: ProcessRecord['kind']) {
    endProcess(this.#tables, id, kind)
  }

  async processes(filter?: ProcessFilter) {
    return processes(this.#tables, filter)
  }

  async promote(board: string, limit: number) {
    return promote(this.#tables, board, limit)
  }

  async reap(board: string, options: ReapOptions) {
    return reap(this.#tables, board, options)
  }

  async nextDue(board: string) {
    return nextDue(this.#tables, board)
  }

  async job(idOrKey: string, board?: string) {
    return job(this.#tables, idOrKey, board)
  }

  async findJobs(filter: JobFilter) {
    return findJobs(this.#tables, filter)
  }

  async history(jobId: string, options: HistoryOptions) {
    return history(this.#tables, jobId, options)
  }

  async atoms(flowId: string) {
    return atoms(this.#tables, flowId)
  }

  async calls(flowId: string, atom?: string) {
    return calls(this.#tables, flowId, atom)
  }

  async releaseJob(jobId: string) {
    return releaseJob(this.#tables, jobId)
  }

  async rerun(jobId: string, options: RerunOptions) {
    return rerun(this.#tables, jobId, options)
  }

  async prune(options: PruneOptions) {
    return prune(this.#tables, options)
  }

  async addSchedule(added: NewSchedule, documents: readonly KeptDocument[]) {
    return addSchedule(this.#tables, added, documents)
  }

  async changeSchedule(
    place: SchedulePlace,
    change: ScheduleChange,
    documents?: readonly KeptDocument[],
  ) {
    return changeSchedule(this.#tables, place, change, documents)
  }

  async removeSchedule(board: string, name: string, revision?: number) {
    return removeSchedule(this.#tables, board, name, revision)
  }

  async schedule(board: string, name: string) {
    return schedule(this.#tables, board, name)
  }

  async schedules(board: string, group?: string) {
    return schedules(this.#tables, board, group)
  }

  async scheduleJobs(board: string, name: string, limit: number) {
    return scheduleJobs(this.#tables, board, name, limit)
  }

  async dueSchedules(board: string, limit: number) {
    return dueSchedules(this.#tables, board, limit)
  }

  async stepSchedules(board: string, steps: readonly ScheduleStep[]) {
    return stepSchedules(this.#tables, board, steps)
  }
}
