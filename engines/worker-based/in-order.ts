/**
 * Knows when everything that came before something has been handled: what came is counted in stretches, and a barrier ends
 * one. Costs two additions for each piece.
 */
export interface Stretch {
  open: number
  next: Stretch | null
  passed: (() => void) | null
}

export class InOrder {
  #first: Stretch = { open: 0, next: null, passed: null }
  #last: Stretch = this.#first

  /** A piece came; give its stretch back when it is handled. */
  enter(): Stretch {
    const stretch = this.#last
    stretch.open += 1
    return stretch
  }

  leave(stretch: Stretch): void {
    stretch.open -= 1
    if (stretch === this.#first && stretch.open === 0) this.#advance()
  }

  /** Calls `passed` once all that entered before is handled; at once, if it is. */
  barrier(passed: () => void): void {
    const ending = this.#last
    ending.passed = passed
    this.#last = { open: 0, next: null, passed: null }
    ending.next = this.#last
    this.#advance()
  }

  #advance(): void {
    for (;;) {
      const { open, next, passed } = this.#first
      if (open > 0 || next === null) return
      this.#first = next
      passed?.()
    }
  }
}
