/**
 * Makes jobs claimable that are due, and those of conductors that died. Every conductor may do it: each step is one statement of
 * the store, and done twice is done once. What is due on boards outside the store is left to the one that leads: it alone posts them.
 *
 * Owns: two timers.
 *
 * Invariants
 * R1  Only the store's clock decides what is due; a timer is set for the next due job and looked after in between. A wake-up only
 *     makes it look: what is early sets the timer, what is late or lost was found in between.
 * R2  What is POSTING is put on its board: on boards outside SQL by the leader, who also finds what the board lost; on boards in SQL, where
 *     a job of another board may have come to, by making it claimable.
 */
import type { Store } from '../../persistence/store.ts'
import type { Handover } from './handover.ts'
import { Loop } from './loop.ts'
import type { ResolvedConductor } from './options.ts'
import type { StoreClock } from './store-clock.ts'

const PROMOTED_AT_ONCE = 500
const NOT_LEADING_MS = 500
const LOOK_EVERY_MS = { memory: 100, sqlite: 100, postgres: 200 }

export interface PromoterOptions {
  readonly resolved: ResolvedConductor
  readonly clock: StoreClock
  readonly handover: Handover
  readonly onClaimable: () => void
  /** Whether it promotes what is due: everybody on boards in SQL, else the leader. */
  readonly mayPromote: () => boolean
  /** Not while the store is away, nor without a lease. */
  readonly isAllowed: () => boolean
}

export class Promoter {
  readonly #options: PromoterOptions
  readonly #resolved: ResolvedConductor
  readonly #promoting: Loop
  readonly #reaping: Loop
  #ignoreWakeups: () => void = () => {}

  constructor(options: PromoterOptions) {
    this.#options = options
    this.#resolved = options.resolved
    const { clock } = options.resolved
    this.#promoting = new Loop(clock, () => this.#guarded('promote', () => this.#promote()))
    this.#reaping = new Loop(clock, () => this.#guarded('take over', () => this.#reap()))
  }

  start(): void {
    this.#promoting.start()
    this.#reaping.start()
    this.#ignoreWakeups = this.#resolved.wakeups?.onDue(() => this.look()) ?? this.#ignoreWakeups
  }

  /** Something may be due now. */
  look(): void {
    this.#promoting.poke()
  }

  async stop(): Promise<void> {
    this.#ignoreWakeups()
    await Promise.all([this.#promoting.stop(), this.#reaping.stop()])
  }

  async #guarded(what: string, run: () => Promise<number>): Promise<number> {
    try {
      if (this.#options.isAllowed()) return await run()
    } catch (error) {
      this.#resolved.logger.warn({ error }, `could not ${what} jobs; trying again`)
    }
    return 1000
  }

  async #promote(): Promise<number> {
    const { store, board } = this.#resolved
    if (!this.#options.mayPromote()) return NOT_LEADING_MS
    const due = await store.nextDue(board.name)
    const lookMs = LOOK_EVERY_MS[store.kind]
    if (due !== null && due <= this.#options.clock.now() + 1) {
      const promoted = await store.promote(board.name, PROMOTED_AT_ONCE)
      if (promoted.length > 0) {
        this.#options.onClaimable()
        return 0
      }
    }
    return due === null ? lookMs : Math.min(lookMs, Math.max(due - this.#options.clock.now(), 5))
  }

  async #reap(): Promise<number> {
    const { store, board, maxDeaths, leaseMs, logger } = this.#resolved
    if (store.kind === 'sqlite') await this.#endKilled(store)
    if (!board.outsideStore) await this.#takeIn()
    const { released, trashed } = await store.reap(board.name, { maxDeaths })
    if (released.length > 0) {
      logger.info({ jobs: released.length }, 'took over jobs of conductors that are gone')
      await this.#options.handover.repost(released)
      this.#options.onClaimable()
    }
    for (const job of trashed) {
      logger.error(
        { job },
        'the job was trashed: its conductors died of it; see `zagflow jobs show`',
      )
    }
    return leaseMs / 3
  }

  /** R2: the board was outside SQL before. */
  async #takeIn(): Promise<void> {
    const { store, board } = this.#resolved
    for (;;) {
      const jobs = await store.nextPostings(board.name, { limit: PROMOTED_AT_ONCE })
      if (jobs.length === 0) return
      await store.posted(jobs.map(({ id: jobId, posting }) => ({ jobId, posting })))
      this.#options.onClaimable()
    }
  }

  /** SQLite is for one host: whether a process lives need not be waited for. */
  async #endKilled(store: Pick<Store, 'processes' | 'endProcess'>): Promise<void> {
    const { board, host, id } = this.#resolved
    for (const other of await store.processes({ kind: 'conductor', board: board.name })) {
      if (other.id === id || other.host !== host || other.pid === process.pid) continue
      if (!isAlive(other.pid)) await store.endProcess(other.id)
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}
