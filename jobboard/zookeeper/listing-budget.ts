/**
 * What a board may spend on listings, in bytes that the servers send. Pure.
 *
 * Invariants
 * L1  On the average a board is sent no more than 32 kB of listings per second, and 4 kB for each claim that it won; it may save up
 *     1 MB. What the last listing took too much is paid back before the next one.
 */

const PER_MS = 32
const PER_CLAIM = 4000
const MOST = 1_000_000
/** Of one name in an answer, beside its characters; and of an answer. */
const NAME_BYTES = 4
const ANSWER_BYTES = 88

export class ListingBudget {
  #left = MOST
  #at = -Infinity

  /** Whether a listing may be asked for at `now` (epoch ms). */
  allows(now: number): boolean {
    if (now > this.#at) {
      this.#left = Math.min(MOST, this.#left + (now - this.#at) * PER_MS)
      this.#at = now
    }
    return this.#left > 0
  }

  spend(bytes: number): void {
    this.#left -= bytes
  }

  /** A claim was won. */
  earn(): void {
    this.#left = Math.min(MOST, this.#left + PER_CLAIM)
  }
}

/** What an answer with these names takes. */
export function listingBytes(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + name.length + NAME_BYTES, ANSWER_BYTES)
}
