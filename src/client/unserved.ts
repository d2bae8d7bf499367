/**
 * Says in the log when nobody serves what was posted: no conductor lives, none that does has the tasks, or, where conductors
 * leave tasks to workers, no worker has them.
 *
 * Owns: one timer, which keeps no process alive, and at most one job of each document that was posted lately.
 */
import type { Logger } from '../base/logger.ts'
import type { ResolvedDocument } from '../flow/resolved.ts'
import type { ProcessRecord, Store } from '../../persistence/store.ts'
import { gapsOf, needsOf, tasksOf, usesWorkers, workerCommandFor } from './served.ts'

const AFTER_MS = 3_000
/** The same warning is given once in this time. */
const QUIET_MS = 60_000
const MAX_JOBS = 200

interface Posted {
  readonly jobId: string
  readonly document: ResolvedDocument
}

export interface UnservedOptions {
  readonly store: Pick<Store, 'findJobs' | 'processes'>
  readonly board: string
  readonly logger: Logger
  /** Where tasks run on workers: what is said is how to start these. */
  readonly hasBroker: boolean
  /** A conductor in this process runs tasks, and says itself which of them nobody has. */
  readonly runsTasks: boolean
}

/** Who lives. */
interface Serving {
  readonly conductors: readonly ProcessRecord[]
  readonly workers: readonly ProcessRecord[]
}

export class Unserved {
  readonly #options: UnservedOptions
  /** By hash of the document. */
  readonly #posted = new Map<string, Posted>()
  readonly #saidAt = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: UnservedOptions) {
    this.#options = options
  }

  /** A job was posted that can be claimed at once. */
  posted(jobId: string, document: ResolvedDocument, hash: string): void {
    if (this.#closed || this.#posted.size >= MAX_JOBS || this.#posted.has(hash)) return
    this.#posted.set(hash, { jobId, document })
    this.#timer ??= setTimeout(() => void this.#look(), AFTER_MS).unref() // catches its own errors
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#posted.clear()
  }

  async #look(): Promise<void> {
    this.#timer = undefined
    const posted = [...this.#posted.values()]
    this.#posted.clear()
    try {
      const { store, board } = this.#options
      const { jobs } = await store.findJobs({
        ids: posted.map(({ jobId }) => jobId),
        states: ['POSTING', 'UNCLAIMED', 'PARKED', 'CLAIMED'],
        flowStates: ['PENDING', 'RUNNING', 'REVERTING'],
        limit: posted.length,
      })
      if (jobs.length === 0 || this.#closed) return
      const processes = await store.processes()
      if (this.#closed) return
      const serving = {
        conductors: processes.filter((one) => one.kind === 'conductor' && one.board === board),
        workers: processes.filter(({ kind }) => kind === 'worker'),
      }
      const standing = new Map(jobs.map((summary) => [summary.job.id, summary]))
      for (const { jobId, document } of posted) {
        const summary = standing.get(jobId)
        if (summary === undefined) continue
        // A conductor that lacks its tasks parks a job for a moment; one that its poster delayed was never here.
        const isWaiting = summary.detail.state === 'PENDING' && summary.job.state !== 'CLAIMED'
        this.#judge(jobId, document, serving, isWaiting)
      }
    } catch (error) {
      this.#options.logger.debug({ error }, 'cannot see whether jobs are served')
    }
  }

  #judge(
    jobId: string,
    document: ResolvedDocument,
    { conductors, workers }: Serving,
    isWaiting: boolean,
  ): void {
    const { board, runsTasks, hasBroker } = this.#options
    const job = { job: jobId, flow: document.flow, board }
    if (conductors.length === 0) {
      if (!isWaiting) return
      const start =
        board === 'main' ? 'zagflow conductor' : `zagflow conductor --board sql:${board}`
      const tasks = hasBroker ? '' : ' --tasks ./tasks.ts'
      this.#warn(
        '',
        job,
        `no conductor serves the board "${board}", so the job waits; start one: ${start}${tasks}`,
      )
      return
    }
    if (runsTasks) return
    const needed = tasksOf(document)
    const missing = conductors
      .filter((conductor) => !usesWorkers(conductor))
      .map(({ tasks }) => [...needed].filter((task) => !tasks.includes(task)))
      .sort((a, b) => a.length - b.length)[0]
    if (missing?.length === 0) return // they are busy
    if (conductors.some(usesWorkers)) {
      const gaps = gapsOf(needsOf(document), workers)
      if (gaps.length === 0) return
      const where = gaps.map(({ task, topic }) => `${task} (topic ${topic})`).join(', ')
      this.#warn(
        document.flow,
        { ...job, missing: gaps.map(({ task }) => task) },
        `no worker that lives serves ${where}, so the job waits; start one with the module that has: ${workerCommandFor(gaps)}`,
      )
      return
    }
    if (missing === undefined || !isWaiting) return
    this.#warn(
      document.flow,
      { ...job, missing },
      `no conductor that lives has ${missing.length === 1 ? 'the task' : 'the tasks'} ${missing.join(', ')}, so the job waits; start one with the module that has: zagflow conductor --tasks ./tasks.ts`,
    )
  }

  #warn(about: string, fields: { readonly [field: string]: unknown }, message: string): void {
    const now = performance.now()
    if (now - (this.#saidAt.get(about) ?? -Infinity) < QUIET_MS) return
    this.#saidAt.set(about, now)
    this.#options.logger.warn(fields, message)
  }
}
