/**
 * The places of a worker, and the line of calls that wait for one.
 *
 * Invariants
 * K4  At most `concurrency` calls run, or have an answer that is not confirmed yet; the others wait in order. Of calls that run
 *     in a process of their own at most `maxAlone` run.
 */
import type { Copy, Entry } from './book-call.ts'

/** How many there are. */
export interface PlacesOptions {
  readonly concurrency: number
  readonly maxAlone: number
}

/** Counts and lines up; what becomes of a call is the book's to say. */
export class Places<C extends Copy> {
  readonly #options: PlacesOptions
  /** In order of arrival. */
  readonly #waiting = new Set<Entry<C>>()
  #taken = 0
  #alone = 0

  constructor(options: PlacesOptions) {
    this.#options = options
  }

  /** Places that are taken. */
  get taken(): number {
    return this.#taken
  }

  /** Calls that wait for a place, in order. */
  get waiting(): ReadonlySet<Entry<C>> {
    return this.#waiting
  }

  /** A call that came now need not wait. */
  get isFree(): boolean {
    return this.#taken < this.#options.concurrency && this.#waiting.size === 0
  }

  /** Puts a call at the end of the line. */
  wait(call: Entry<C>): void {
    this.#waiting.add(call)
  }

  /** It waits no more, without a place. */
  withdraw(call: Entry<C>): void {
    this.#waiting.delete(call)
  }

  /** Those whose turn it is, out of the line. Who is to run takes his place before the next one is asked for (K4). */
  *turns(): Iterable<Entry<C>> {
    const { concurrency, maxAlone } = this.#options
    for (const call of this.#waiting) {
      if (this.#taken >= concurrency) return
      if (call.isAlone && this.#alone >= maxAlone) continue
      this.#waiting.delete(call)
      yield call
    }
  }

  /** Gives a call a place. */
  take(call: Entry<C>): void {
    this.#taken += 1
    if (call.isAlone) this.#alone += 1
  }

  /** Its place is free, and its process, if it has one of its own. */
  leave(call: Entry<C>): void {
    this.#taken -= 1
    this.leaveAlone(call)
  }

  /** Its process has ended; it still has a place. */
  leaveAlone(call: Entry<C>): void {
    if (!call.isAlone) return
    call.isAlone = false
    this.#alone -= 1
  }
}
