/**
 * Claims that turned out to be ours after their `claim` had answered: kept for the next one.
 *
 * Owns: one timer for each of them.
 *
 * Invariants
 * F1  A found claim is given to who asked for it, once. If he does not ask again within 2 s it is given back: no job waits for
 *     somebody who is full.
 */
import type { Clock } from '../../src/base/clock.ts'
import type { BoardClaim } from '../jobboard.ts'

const KEPT_MS = 2000

export class FoundClaims {
  readonly #clock: Clock
  readonly #giveBack: (claim: BoardClaim) => void
  readonly #timers = new Map<BoardClaim, () => void>()

  constructor(clock: Clock, giveBack: (claim: BoardClaim) => void) {
    this.#clock = clock
    this.#giveBack = giveBack
  }

  add(claim: BoardClaim): void {
    const cancel = this.#clock.setTimer(() => {
      if (this.#timers.delete(claim)) this.#giveBack(claim)
    }, this.#clock.now() + KEPT_MS)
    this.#timers.set(claim, cancel)
  }

  /** Up to `limit` of this conductor. */
  take(conductor: string, limit: number): readonly BoardClaim[] {
    const taken: BoardClaim[] = []
    for (const claim of [...this.#timers.keys()]) {
      if (taken.length >= limit) break
      if (claim.conductor === conductor && this.#remove(claim)) taken.push(claim)
    }
    return taken
  }

  /** It is ended, or lost. */
  drop(claim: BoardClaim): void {
    for (const one of [...this.#timers.keys()]) {
      if (one.claimId === claim.claimId) this.#remove(one)
    }
  }

  /** The session is lost, or the board is stopped. */
  clear(): void {
    for (const claim of [...this.#timers.keys()]) this.#remove(claim)
  }

  #remove(claim: BoardClaim): boolean {
    this.#timers.get(claim)?.()
    return this.#timers.delete(claim)
  }
}
