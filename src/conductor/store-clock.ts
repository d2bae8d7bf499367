import type { Clock } from '../base/clock.ts'
import type { Store } from '../../persistence/store.ts'

/**
 * The store's clock as near as this process knows it. What it says is never ahead of the store's own, so a timer set by it
 * is never early; it may be late by the time that one question to the store takes.
 */
export class StoreClock implements Clock {
  readonly #store: Pick<Store, 'kind' | 'now'>
  readonly #clock: Clock
  #shiftMs = 0

  constructor(store: Pick<Store, 'kind' | 'now'>, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Asks the store again: clocks drift. Throws `UnavailableError`. */
  async refresh(): Promise<void> {
    if (this.#store.kind === 'memory') return
    const there = await this.#store.now()
    // What the store said was true before now: the difference is never too big.
    this.#shiftMs = there - this.#clock.now()
  }

  now(): number {
    return this.#clock.now() + this.#shiftMs
  }

  setTimer(fire: () => void, atMs: number): () => void {
    return this.#clock.setTimer(fire, atMs - this.#shiftMs)
  }
}
