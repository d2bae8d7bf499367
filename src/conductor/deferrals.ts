/**
 * Jobs that this process cannot run: left to others, with growing delays, so that nobody spins on them.
 *
 * Invariants
 * E1  A job is given back with a delay that doubles from 1 s to 30 s; half a second if a conductor that has its tasks lives, and
 *     then this one lets others be faster for a while.
 * E2  When nobody that lives has a task for 3 s, the log says so, with the command that mends it; once a minute for each task.
 */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { ProcessRecord, Store } from '../../persistence/store.ts'

const FIRST_DELAY_MS = 1000
const LONGEST_DELAY_MS = 30_000
const SERVED_DELAY_MS = 500
const SAY_AFTER_MS = 3000
const SAY_AGAIN_AFTER_MS = 60_000
const KNOWN_JOBS = 10_000
const PROCESSES_FRESH_MS = 2000

export interface DeferralsOptions {
  readonly store: Pick<Store, 'processes' | 'findJobs'>
  readonly board: string
  readonly clock: Clock
  readonly logger: Logger
  /** Told to let others be faster for so long, in ms. */
  readonly giveWay: (ms: number) => void
}

export class Deferrals {
  readonly #options: DeferralsOptions
  /** How often each job was given back; those not seen for longest are forgotten. */
  readonly #times = new Map<string, number>()
  readonly #said = new Map<string, number>()
  readonly #timers = new Map<string, () => void>()
  #processes: { readonly at: number; readonly list: readonly ProcessRecord[] } | null = null

  constructor(options: DeferralsOptions) {
    this.#options = options
  }

  /** How long to leave a job alone, in ms. */
  delayOf(jobId: string): number {
    const times = this.#times.get(jobId) ?? 0
    this.#times.delete(jobId)
    this.#times.set(jobId, times + 1)
    for (const oldest of this.#times.keys()) {
      if (this.#times.size <= KNOWN_JOBS) break
      this.#times.delete(oldest)
    }
    return Math.min(FIRST_DELAY_MS * 2 ** Math.min(times, 10), LONGEST_DELAY_MS)
  }

  /** The same for a job whose tasks this process does not have (E1, E2). Throws `UnavailableError`. */
  async delayWithout(jobId: string, tasks: readonly string[]): Promise<number> {
    const isServed = await this.#areServed(tasks)
    if (isServed) {
      this.#options.giveWay(SERVED_DELAY_MS + 1000)
      return SERVED_DELAY_MS
    }
    for (const task of tasks) this.#sayLater(task, jobId)
    return this.delayOf(jobId)
  }

  stop(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }

  async #areServed(tasks: readonly string[]): Promise<boolean> {
    const now = this.#options.clock.now()
    if (this.#processes === null || now - this.#processes.at > PROCESSES_FRESH_MS) {
      const { store, board } = this.#options
      this.#processes = { at: now, list: await store.processes({ kind: 'conductor', board }) }
    }
    return this.#processes.list.some((other) => tasks.every((task) => other.tasks.includes(task)))
  }

  #sayLater(task: string, jobId: string): void {
    const { clock } = this.#options
    if (this.#timers.has(task)) return
    if (clock.now() - (this.#said.get(task) ?? -Infinity) < SAY_AGAIN_AFTER_MS) return
    const cancel = clock.setTimer(() => {
      this.#timers.delete(task)
      void this.#say(task, jobId) // never throws
    }, clock.now() + SAY_AFTER_MS)
    this.#timers.set(task, cancel)
  }

  async #say(task: string, jobId: string): Promise<void> {
    const { store, board, clock, logger } = this.#options
    try {
      const { jobs } = await store.findJobs({
        board,
        ids: [jobId],
        states: ['PARKED', 'POSTING', 'UNCLAIMED'],
      })
      this.#processes = null
      if (jobs.length === 0 || (await this.#areServed([task]))) return
      this.#said.set(task, clock.now())
      logger.warn(
        { task, job: jobId },
        `no conductor serves task ${task}: start \`zagflow conductor --tasks …\` with a module that has it`,
      )
    } catch (error) {
      logger.debug({ error, task }, 'could not look who serves a task')
    }
  }
}
