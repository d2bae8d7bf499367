/**
 * A binary heap: `push` and `pop` of the first in order in O(log n). Entries are never removed from its middle; who uses
 * it knows which entries are stale and skips them when they come up.
 */
export class Heap<T> {
  readonly #entries: T[] = []
  readonly #before: (a: T, b: T) => boolean

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  peek(): T | undefined {
    return this.#entries[0]
  }

  push(entry: T): void {
    const entries = this.#entries
    let at = entries.length
    entries.push(entry)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = entries[above]
      if (parent === undefined || !this.#before(entry, parent)) break
      entries[at] = parent
      at = above
    }
    entries[at] = entry
  }

  pop(): T | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (last === undefined || entries.length === 0) return first
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      let child = entries[below]
      if (child === undefined) break
      const other = entries[below + 1]
      if (other !== undefined && this.#before(other, child)) {
        child = other
        below += 1
      }
      if (!this.#before(child, last)) break
      entries[at] = child
      at = below
    }
    entries[at] = last
    return first
  }
}
