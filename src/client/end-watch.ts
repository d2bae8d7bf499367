/**
 * Waits for the ends of jobs, for as many at once as anybody asks about.
 *
 * Owns: one timer, one listener of the store's hints, and who waits.
 *
 * Invariants
 * E1  Asking is the guarantee: every `pollMs` one query asks for the ends of all jobs that are waited for (in lists of
 *     500). Hints only make it sooner.
 * E2  At most one query is under way; what comes in meanwhile is in the next.
 * E3  A store that is away ends no wait: it is asked again.
 * E4  After `close()` no timer and no listener is left, and who waits has got a `ClosedError`.
 */
import { ClosedError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { JobSummary, Store } from '../../persistence/store.ts'

interface Waiter {
  readonly acceptsSuspended: boolean
  resolve(summary: JobSummary): void
  reject(error: unknown): void
}

export interface EndWatchOptions {
  readonly store: Pick<Store, 'findJobs' | 'onHint'>
  readonly logger: Logger
  readonly pollMs: number
  /**
   * Whether every commit of a job that is waited for is a reason to ask. Not where a conductor of this process tells of its
   * ends: most commits end nothing, and each question costs.
   */
  readonly listensToHistory: boolean
}

const PAGE = 500
/** Hints come with every commit of a flow; most of them do not end it. */
const AFTER_HINT_MS = 20

export class EndWatch {
  readonly #options: EndWatchOptions
  readonly #waiting = new Map<string, Set<Waiter>>()
  /** Jobs that are to be asked about before the next poll. */
  readonly #soon = new Set<string>()
  #unlisten: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #dueAt = Infinity
  #polledAt = -Infinity
  #asking = false
  #closed = false

  constructor(options: EndWatchOptions) {
    this.#options = options
  }

  /**
   * Resolves once the job has ended (or, if wanted, stands suspended). Throws {@link ClosedError}, or the signal's reason.
   */
  wait(
    jobId: string,
    options: { readonly acceptsSuspended: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<JobSummary> {
    if (this.#closed) return Promise.reject(new ClosedError('the connection'))
    const { signal, acceptsSuspended } = options
    return new Promise<JobSummary>((resolve, reject) => {
      signal?.throwIfAborted()
      const leave = (): void => {
        signal?.removeEventListener('abort', onAbort)
        const waiters = this.#waiting.get(jobId)
        waiters?.delete(waiter)
        if (waiters?.size === 0) this.#waiting.delete(jobId)
        if (this.#waiting.size === 0) this.#rest()
      }
      const onAbort = (): void => waiter.reject(signal?.reason)
      const waiter: Waiter = {
        acceptsSuspended,
        resolve: (summary) => {
          leave()
          resolve(summary)
        },
        reject: (error) => {
          leave()
          reject(error instanceof Error ? error : new Error(String(error)))
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      const waiters = this.#waiting.get(jobId)
      if (waiters === undefined) this.#waiting.set(jobId, new Set([waiter]))
      else waiters.add(waiter)
      this.#listen()
      this.ask(jobId)
    })
  }

  /** Something of that job may have ended: it is asked about now, not at the next poll. */
  ask(jobId: string, afterMs = 0): void {
    if (!this.#waiting.has(jobId)) return
    this.#soon.add(jobId)
    this.#schedule(afterMs)
  }

  close(): void {
    this.#closed = true
    const waiters = [...this.#waiting.values()].flatMap((some) => [...some])
    for (const waiter of waiters) waiter.reject(new ClosedError('the connection'))
    this.#rest()
  }

  #listen(): void {
    if (!this.#options.listensToHistory) return
    this.#unlisten ??= this.#options.store.onHint((hint) => {
      if (hint.kind === 'history') this.ask(hint.jobId, AFTER_HINT_MS)
    })
  }

  #rest(): void {
    this.#unlisten?.()
    this.#unlisten = undefined
    clearTimeout(this.#timer)
    this.#dueAt = Infinity
    this.#soon.clear()
  }

  #schedule(inMs: number): void {
    const dueAt = performance.now() + inMs
    if (this.#asking || this.#closed || dueAt >= this.#dueAt) return
    clearTimeout(this.#timer)
    this.#dueAt = dueAt
    this.#timer = setTimeout(() => void this.#round(), inMs) // catches its own errors
  }

  async #round(): Promise<void> {
    const now = performance.now()
    const isPoll = now - this.#polledAt >= this.#options.pollMs // E1: hints about some put off nobody
    const ids = isPoll ? [...this.#waiting.keys()] : [...this.#soon]
    if (isPoll) this.#polledAt = now
    this.#soon.clear()
    this.#dueAt = Infinity
    this.#asking = true
    try {
      for (let at = 0; at < ids.length; at += PAGE) await this.#askFor(ids.slice(at, at + PAGE))
    } catch (error) {
      this.#options.logger.warn({ error }, 'the store cannot say what has ended; asking again')
    } finally {
      this.#asking = false
    }
    if (this.#waiting.size === 0) this.#rest()
    else if (this.#soon.size > 0) this.#schedule(AFTER_HINT_MS)
    else this.#schedule(Math.max(this.#polledAt + this.#options.pollMs - performance.now(), 1))
  }

  async #askFor(ids: readonly string[]): Promise<void> {
    const { store } = this.#options
    const ended = await store.findJobs({
      ids,
      states: ['COMPLETE', 'TRASHED'],
      limit: ids.length,
    })
    for (const summary of ended.jobs) this.#settle(summary, () => true)
    const patient = ids.filter((id) => this.#some(id, (waiter) => waiter.acceptsSuspended))
    if (patient.length === 0) return
    const suspended = await store.findJobs({
      ids: patient,
      states: ['PARKED'],
      flowStates: ['SUSPENDED'],
      limit: patient.length,
    })
    for (const summary of suspended.jobs) {
      if (summary.job.dueAt !== null) continue // it was told to go on
      this.#settle(summary, (waiter) => waiter.acceptsSuspended)
    }
  }

  #some(jobId: string, condition: (waiter: Waiter) => boolean): boolean {
    return [...(this.#waiting.get(jobId) ?? [])].some(condition)
  }

  #settle(summary: JobSummary, condition: (waiter: Waiter) => boolean): void {
    for (const waiter of [...(this.#waiting.get(summary.job.id) ?? [])]) {
      if (condition(waiter)) waiter.resolve(summary)
    }
  }
}
