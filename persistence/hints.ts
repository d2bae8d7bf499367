import type { StoreHint } from './store.ts'

/** Those who want hints. A listener that throws harms nobody: hints are for speed only, a scan stands behind each. */
export class Hints {
  readonly #listeners = new Set<(hint: StoreHint) => void>()

  /** Whether nobody listens, so that hints need not be made. */
  get isEmpty(): boolean {
    return this.#listeners.size === 0
  }

  add(listener: (hint: StoreHint) => void): () => void {
    // A function of our own: the same listener given twice is two listeners.
    const own = (hint: StoreHint): void => listener(hint)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  clear(): void {
    this.#listeners.clear()
  }

  give(hint: StoreHint): void {
    for (const listener of this.#listeners) {
      try {
        listener(hint)
      } catch {
        // Lost, as a hint may be.
      }
    }
  }
}
