/**
 * Says in the log when nobody serves what was posted: no conductor lives, or none that does has the tasks.
 *
 * Owns: one timer, which keeps no process alive, and at most one job of each document that was posted lately.
 */
import type { Logger } from '../base/logger.ts'
import type { ResolvedDocument, ResolvedNode } from '../flow/resolved.ts'
import type { ProcessRecord, Store } from '../../persistence/store.ts'

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
  /** A conductor in this process says itself which tasks nobody has. */
  readonly hasConductor: boolean
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
        states: ['POSTING', 'UNCLAIMED', 'PARKED'],
        flowStates: ['PENDING'],
        limit: posted.length,
      })
      // A conductor that lacks its tasks parks a job for a moment; one that its poster delayed was never here.
      const waiting = new Set(jobs.map(({ job }) => job.id))
      if (waiting.size === 0) return
      const conductors = await store.processes({ kind: 'conductor', board })
      if (this.#closed) return
      for (const { jobId, document } of posted) {
        if (waiting.has(jobId)) this.#judge(jobId, document, conductors)
      }
    } catch (error) {
      this.#options.logger.debug({ error }, 'cannot see whether jobs are served')
    }
  }

  #judge(jobId: string, document: ResolvedDocument, conductors: readonly ProcessRecord[]): void {
    const { board } = this.#options
    const job = { job: jobId, flow: document.flow, board }
    if (conductors.length === 0) {
      const start =
        board === 'main' ? 'zagflow conductor' : `zagflow conductor --board sql:${board}`
      this.#warn(
        '',
        job,
        `no conductor serves the board "${board}", so the job waits; start one: ${start} --tasks ./tasks.ts`,
      )
      return
    }
    if (this.#options.hasConductor) return
    const needed = tasksOf(document)
    const missing = conductors
      .map(({ tasks }) => [...needed].filter((task) => !tasks.includes(task)))
      .sort((a, b) => a.length - b.length)[0]
    if (missing === undefined || missing.length === 0) return // they are busy
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

/** Names of the tasks that a flow may call. */
export function tasksOf(document: ResolvedDocument): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: ResolvedNode): void => {
    if (node.kind === 'task') names.add(node.task)
    else for (const child of node.nodes) visit(child)
  }
  visit(document.root)
  return names
}
