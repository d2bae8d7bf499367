/**
 * What the store in memory keeps, and the small steps that its calls are made of. None of them gives way (M1).
 *
 * Invariants
 * T1  A job, its key and its runs are entered together (`add`) and forgotten together (`forget`).
 * T2  A job is among those of a conductor exactly while its record names that conductor (`claim`, `unclaim`).
 * T3  A job that is claimable, waits for its board, or is due some day, is in that list of its board (`queue`): whoever changes its state,
 *     its posting or its due time enters it anew. What is in a list may be stale.
 */
import type { Clock } from '../../src/base/clock.ts'
import type { Json } from '../../src/base/json.ts'
import { Hints } from '../hints.ts'
import type { FlowDetail, FlowVersion, JobRecord, PostingRef, ProcessRecord } from '../store.ts'
import { newBoard } from './board.ts'
import type { Board } from './board.ts'
import { BrokerRecords } from './broker-records.ts'
import type { Job, Run } from './job.ts'
import { MemoryRows } from './rows.ts'
import { ScheduleRecords } from './schedule-records.ts'

/** All that one store in memory keeps. */
export class MemoryTables {
  readonly jobs = new Map<string, Job>()
  readonly runs = new Map<string, Run>()
  /** Job ids by board, then key. */
  readonly keys = new Map<string, Map<string, string>>()
  /** Claimed jobs by conductor. */
  readonly claimed = new Map<string, Set<Job>>()
  readonly documents = new Map<string, Json>()
  /** Versions by name, oldest first. */
  readonly flows = new Map<string, FlowVersion[]>()
  readonly processes = new Map<string, ProcessRecord>()
  readonly brokers = new BrokerRecords((conductor) => this.#lives(conductor))
  readonly schedules = new ScheduleRecords()
  readonly hints = new Hints()
  readonly #boards = new Map<string, Board>()
  readonly #clock: Pick<Clock, 'now'>

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** Epoch ms. */
  now(): number {
    return Math.floor(this.#clock.now())
  }

  /** The lists of a board; made when they are asked for first. */
  board(name: string): Board {
    let board = this.#boards.get(name)
    if (board === undefined) this.#boards.set(name, (board = newBoard()))
    return board
  }

  /** Enters a new job with its first run (T1), and puts it where it is found. */
  add(job: Job, detail: FlowDetail): void {
    const { id, board, key } = job.record
    this.addRun(job, detail)
    this.jobs.set(id, job)
    if (key !== null) {
      let keys = this.keys.get(board)
      if (keys === undefined) this.keys.set(board, (keys = new Map<string, string>()))
      keys.set(key, id)
    }
    this.queue(job)
  }

  /** Gives a job a run without rows, which is its present one from now on. */
  addRun(job: Job, detail: FlowDetail): Run {
    const run: Run = {
      detail: { ...detail },
      rows: new MemoryRows(),
      scopes: new Map(),
      results: new Map(),
    }
    job.runs.push(run)
    this.runs.set(detail.id, run)
    return run
  }

  /** Forgets a job with its key and its runs (T1). */
  forget(job: Job): void {
    const { id, board, key } = job.record
    this.jobs.delete(id)
    if (key !== null) this.keys.get(board)?.delete(key)
    for (const run of job.runs) this.runs.delete(run.detail.id)
  }

  /** Keeps a document; it is there already where one has its hash. */
  keep(hash: string, document: Json): void {
    if (!this.documents.has(hash)) this.documents.set(hash, document)
  }

  claim(job: Job, claimId: string, conductor: string, now: number): void {
    job.record.state = 'CLAIMED'
    job.record.claimId = claimId
    job.record.conductor = conductor
    job.record.updatedAt = now
    const claimed = this.claimed.get(conductor)
    if (claimed === undefined) this.claimed.set(conductor, new Set([job]))
    else claimed.add(job)
  }

  /** Takes a job from its conductor, if it has one; the state is the caller's to set. */
  unclaim(job: Job): void {
    const { conductor } = job.record
    if (conductor === null) return
    const claimed = this.claimed.get(conductor)
    claimed?.delete(job)
    if (claimed?.size === 0) this.claimed.delete(conductor)
    job.record.conductor = null
  }

  /** UNCLAIMED, or POSTING where the job's board is outside the store; posting + 1. */
  makeClaimable(job: Job): void {
    const { record } = job
    record.state = job.outside ? 'POSTING' : 'UNCLAIMED'
    record.posting += 1
    record.dueAt = null
    record.parkedFor = null
    this.queue(job)
  }

  /** A parked job is due now, unless it was before. */
  makeDue(job: Job, now: number): void {
    job.record.dueAt = Math.min(job.record.dueAt ?? now, now)
    this.queue(job)
  }

  /** Puts a job where `claimJobs`, `nextPostings` or `promote` finds it. */
  queue(job: Job): void {
    const { state, board, posting, dueAt } = job.record
    if (state === 'UNCLAIMED') {
      this.board(board).claimable.push({ job, posting, dueAt: 0 })
      this.hints.give({ kind: 'claimable', board })
    } else if (state === 'POSTING') {
      this.board(board).postings.add(job)
    } else if (state === 'PARKED' && dueAt !== null) {
      this.board(board).parked.push({ job, posting, dueAt })
    }
  }

  /** Those of these postings whose job is in this state, and at that posting. */
  inState(state: JobRecord['state'], postings: readonly PostingRef[]): readonly Job[] {
    return postings.flatMap(({ jobId, posting }) => {
      const job = this.jobs.get(jobId)
      return job?.record.state === state && job.record.posting === posting ? [job] : []
    })
  }

  #lives(conductor: string): boolean {
    const process = this.processes.get(conductor)
    return process?.kind === 'conductor' && process.expiresAt > this.now()
  }
}
