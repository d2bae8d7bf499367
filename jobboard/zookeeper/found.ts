/**
 * Claims that turned out to be ours after their `claim` had answered: kept for the next one.
 *
 * Owns: one timer for each of them.
 *
 * Invariants
 * F1  A found claim is given to who asked for it, once. If he does not ask again within 2 s it is given back, however often that
 *     has to be tried, and to nobody any more: no job waits for somebody who is full.
 */
import type { Clock } from '../../src/base/clock.ts'
import type { BoardClaim } from '../jobboard.ts'

const KEPT_MS = 2000
const AGAIN_MS = 500

export class FoundClaims {
  readonly #clock: Clock
  readonly #giveBack: (claim: BoardClaim) => Promise<void>
  readonly #kept = new Map<BoardClaim, () => void>()
  /** Those that are being given back. */
  readonly #going = new Map<BoardClaim, () => void>()
  readonly #waiting = new Set<() => void>()

  /** @param giveBack tried again as long as it rejects. */
  constructor(clock: Clock, giveBack: (claim: BoardClaim) => Promise<void>) {
    this.#clock = clock
    this.#giveBack = giveBack
  }

  add(claim: BoardClaim): void {
    const over = (): void => {
      this.#kept.delete(claim)
      this.#going.set(claim, () => {})
      void this.#release(claim)
    }
    this.#kept.set(claim, this.#clock.setTimer(over, this.#clock.now() + KEPT_MS))
    for (const wake of this.#waiting) wake()
  }

  /** Up to `limit` of this conductor. */
  take(conductor: string, limit: number): readonly BoardClaim[] {
    const taken: BoardClaim[] = []
    for (const [claim, cancel] of [...this.#kept]) {
      if (taken.length >= limit) break
      if (claim.conductor !== conductor) continue
      cancel()
      this.#kept.delete(claim)
      taken.push(claim)
    }
    return taken
  }

  /** Waits until something else is done, with true, or until a claim is found, with false. Throws what the other one throws. */
  async orElse(other: Promise<void>): Promise<boolean> {
    let wake = (): void => {}
    const found = new Promise<boolean>((resolve) => {
      wake = () => resolve(false)
    })
    this.#waiting.add(wake)
    try {
      return await Promise.race([other.then(() => true), found])
    } finally {
      this.#waiting.delete(wake)
    }
  }

  /** It is ended, or lost. */
  drop({ claimId }: BoardClaim): void {
    this.#dropWhere((claim) => claim.claimId === claimId)
  }

  /** The session is lost, or the board is stopped. */
  clear(): void {
    this.#dropWhere(() => true)
  }

  #dropWhere(isMeant: (claim: BoardClaim) => boolean): void {
    for (const claims of [this.#kept, this.#going]) {
      for (const [claim, cancel] of [...claims]) {
        if (!isMeant(claim)) continue
        cancel()
        claims.delete(claim)
      }
    }
  }

  async #release(claim: BoardClaim): Promise<void> {
    try {
      await this.#giveBack(claim)
      this.#going.delete(claim)
    } catch {
      if (!this.#going.has(claim)) return
      const again = (): void => void this.#release(claim)
      this.#going.set(claim, this.#clock.setTimer(again, this.#clock.now() + AGAIN_MS))
    }
  }
}
