/**
 * What must be done however long a server is away: tried again with growing delays, until it is done or the conductor ends.
 *
 * Owns: one timer for each thing that waits for its next try.
 */
import { delayAfterAttempt, type Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'

const OUTAGE: Backoff = { delayMs: 250, factor: 2, maxDelayMs: 5000, jitter: 0.2 }

export class Repeater {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #wakers = new Set<() => void>()
  readonly #underWay = new Set<Promise<unknown>>()
  #stopped = false

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  /** Runs until it does not throw. Undefined: stopped before that. */
  untilDone<T>(what: string, run: () => Promise<T>): Promise<T | undefined> {
    const done = this.#repeat(what, run).finally(() => this.#underWay.delete(done))
    this.#underWay.add(done)
    return done
  }

  /** Resolves after `ms`, or at once when stopped. */
  pause(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel()
        this.#wakers.delete(wake)
        resolve()
      }
      const cancel = this.#clock.setTimer(wake, this.#clock.now() + ms)
      this.#wakers.add(wake)
    })
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
  }

  /** Gives up what waits for its next try; what runs now ends. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const wake of [...this.#wakers]) wake()
    await this.idle()
  }

  async #repeat<T>(what: string, run: () => Promise<T>): Promise<T | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run()
      } catch (error) {
        if (this.#stopped) return undefined
        const delayMs = delayAfterAttempt(attempt, OUTAGE, what)
        this.#logger.warn({ error, attempt, delayMs }, `${what} failed; trying again`)
        await this.pause(delayMs)
        if (this.#stopped) return undefined
      }
    }
  }
}
