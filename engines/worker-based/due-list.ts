/**
 * What is to be looked at again at a time: a binary heap. An entry whose item has another time by now is passed over, so
 * that changing a time costs no search.
 */
export interface Timed {
  /** When it is to be looked at; Infinity: never. */
  dueAt: number
}

export class DueList<T extends Timed> {
  readonly #heap: { readonly at: number; readonly item: T }[] = []

  /** Entries, those that are passed over included. */
  get size(): number {
    return this.#heap.length
  }

  /** Looks at `item` at `at`, instead of whenever it was to be looked at. */
  set(item: T, at: number): void {
    if (item.dueAt === at) return
    item.dueAt = at
    if (at === Infinity) return
    const heap = this.#heap
    let index = heap.push({ at, item }) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.#at(parent) <= at) break
      this.#swap(index, parent)
      index = parent
    }
  }

  /** The next item whose time has come; it is not looked at again until it is set again. */
  take(now: number): T | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#removeFirst()
      if (first.item.dueAt !== first.at) continue
      first.item.dueAt = Infinity
      return first.item
    }
    return undefined
  }

  clear(): void {
    this.#heap.length = 0
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      if (left >= heap.length) return
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left
      if (this.#at(index) <= this.#at(child)) return
      this.#swap(index, child)
      index = child
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Infinity
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap
    const first = heap[a]
    const second = heap[b]
    if (first === undefined || second === undefined) return
    heap[a] = second
    heap[b] = first
  }
}
