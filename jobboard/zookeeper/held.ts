/**
 * The claims that this board holds in its session. Pure.
 *
 * Invariants
 * O1  A claim is held from the moment that it is known to be ours until its end is known, it is known to be gone, or the session is
 *     lost; then it is nobody's business here any more.
 * O2  Where a job node stands is remembered longer than its claim: whoever ends it later need not look for it.
 */
import type { BoardClaim } from '../jobboard.ts'
import { keyOf } from './names.ts'

/** Places that are remembered at most (O2). */
const MOST_PLACES = 20_000

export interface Held {
  readonly claim: BoardClaim
  readonly key: string
  /** Its end is under way: that it is gone is no loss. */
  isEnding: boolean
}

export class HeldClaims {
  readonly #byKey = new Map<string, Held>()
  readonly #places = new Map<string, string>()

  get size(): number {
    return this.#byKey.size
  }

  /** `place`: `<bucket>/<name>` of the job node. */
  add(claim: BoardClaim, place: string): void {
    const key = keyOf(claim)
    this.#byKey.set(key, { claim, key, isEnding: false })
    this.#places.delete(key)
    this.#places.set(key, place)
    if (this.#places.size <= MOST_PLACES) return
    for (const oldest of this.#places.keys()) {
      if (this.#byKey.has(oldest)) continue
      this.#places.delete(oldest)
      break
    }
  }

  /** This very claim, if it is held. */
  find(claim: BoardClaim): Held | undefined {
    const held = this.#byKey.get(keyOf(claim))
    return held?.claim.claimId === claim.claimId ? held : undefined
  }

  /** Where the job node of this key stands, if that is known. */
  placeOf(key: string): string | undefined {
    return this.#places.get(key)
  }

  /** False: it was not held (any more). */
  drop(held: Held): boolean {
    if (this.#byKey.get(held.key) !== held) return false
    return this.#byKey.delete(held.key)
  }

  forgetPlace(key: string): void {
    this.#places.delete(key)
  }

  /** Those that are to stay. */
  get staying(): readonly Held[] {
    return [...this.#byKey.values()].filter((held) => !held.isEnding)
  }

  /** The session is lost, with all of them. */
  clear(): void {
    this.#byKey.clear()
  }
}
