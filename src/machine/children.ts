import type { NodeRun } from './run.ts'

/** Nodes in one piece. */
const PIECE = 1024

type Nodes = (NodeRun | undefined)[]

/**
 * The children of a scope that were entered, by position, in the order of the flow. Lists, not a map: their entries lie side
 * by side, and 100,000 of them take a fifth of the memory. In pieces, since a list that outgrows its place is copied, and leaves
 * as much behind.
 */
export class Children {
  #pieces: Nodes[] = []
  /** Those that were entered before it was cleared, and keep their counters. */
  #former: Nodes | null = null

  get(index: number): NodeRun | undefined {
    const piece = Math.floor(index / PIECE)
    if (piece >= this.#pieces.length) return undefined
    const nodes = this.#pieces[piece] as Nodes // within
    const at = index % PIECE
    return at < nodes.length ? nodes[at] : undefined
  }

  has(index: number): boolean {
    return this.get(index) !== undefined
  }

  /** The child, whether it is entered now or was before. */
  known(index: number): NodeRun | undefined {
    return this.get(index) ?? this.#former?.[index]
  }

  /** Costs O(1), and O(children) once when the first to be entered is far back. */
  set(index: number, node: NodeRun): void {
    const piece = Math.floor(index / PIECE)
    while (this.#pieces.length <= piece) this.#pieces.push([])
    const nodes = this.#pieces[piece] as Nodes // within
    const at = index % PIECE
    while (nodes.length < at) nodes.push(undefined)
    nodes[at] = node
  }

  /** Keeps a child that is not entered now. */
  remember(index: number, node: NodeRun): void {
    this.#former ??= []
    while (this.#former.length < index) this.#former.push(undefined)
    this.#former[index] = node
  }

  /** Costs O(entered children). */
  clear(): void {
    if (this.#pieces.length === 0) return
    for (const [index, node] of this) this.remember(index, node)
    this.#pieces = []
  }

  /** Also those that are added meanwhile. */
  *values(): Generator<NodeRun> {
    for (const nodes of this.#pieces) {
      for (const node of nodes) if (node !== undefined) yield node
    }
  }

  /** All that are known. */
  *all(): Generator<NodeRun> {
    yield* this.values()
    if (this.#former === null) return
    for (const [index, node] of this.#former.entries()) {
      if (node !== undefined && !this.has(index)) yield node
    }
  }

  *[Symbol.iterator](): Generator<readonly [index: number, node: NodeRun]> {
    let first = 0
    for (const nodes of this.#pieces) {
      for (const [at, node] of nodes.entries()) if (node !== undefined) yield [first + at, node]
      first += PIECE
    }
  }
}
