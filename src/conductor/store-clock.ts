import type { Clock } from '../base/clock.ts'
import type { Store } from '../../persistence/store.ts'

/**
 * The store's clock as near as this process knows it. What it says is never ahead of the store's own, so a timer set by it
 * is never early; it may be late by the time that one question to the store takes. It is set anew only when an answer proves it
 * wrong: one that took long (the process stood still meanwhile) says little.
 */
export class StoreClock implements Clock {
  readonly #store: Pick<Store, 'kind' | 'now'>
  readonly #clock: Clock
  #shiftMs = 0
  #isKnown = false

  constructor(store: Pick<Store, 'kind' | 'now'>, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Asks the store again: clocks drift. Throws `UnavailableError`. */
  async refresh(): Promise<void> {
    if (this.#store.kind === 'memory') return
    const askedAt = this.#clock.now()
    const there = await this.#store.now()
    // What the store said was true between these two: the smallest difference that can be is never too big.
    const least = there - this.#clock.now()
    const most = there - askedAt
    if (this.#isKnown && least <= this.#shiftMs && this.#shiftMs <= most) return
    this.#shiftMs = least
    this.#isKnown = true
  }

  now(): number {
    return this.#clock.now() + this.#shiftMs
  }

  setTimer(fire: () => void, atMs: number): () => void {
    return this.#clock.setTimer(fire, atMs - this.#shiftMs)
  }
}
