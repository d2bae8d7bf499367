import type { TaskPlan } from '../flow/compile.ts'
import type { AtomRun, NodeRun, ScopeRun } from './run.ts'
import { settledAtom, settledNumber } from './settled.ts'

/** Nodes in one piece. */
const PIECE = 1024

/** A number: an atom that is settled. */
type Entry = NodeRun | number | undefined

/**
 * The children of a scope that were entered, by position, in the order of the flow. Lists, not a map: their entries lie side
 * by side, and 100,000 of them take a fifth of the memory. In pieces, since a list that outgrows its place is copied, and leaves
 * as much behind.
 *
 * Invariants
 * K1  Who settles an atom is the last who holds it: it is made again when it is asked for, and never twice.
 */
export class Children {
  #pieces: Entry[][] = []
  /** Those that were entered before it was cleared, and keep their counters. */
  #former: (NodeRun | undefined)[] | null = null
  /** Whose children they are; known once one of them is settled. */
  #scope: ScopeRun | null = null

  get(index: number): NodeRun | undefined {
    const entry = this.#entry(index)
    return typeof entry === 'number' ? this.#unsettle(index, entry) : entry
  }

  /** What is known of a child now, not to be changed nor kept: a settled one stays settled. */
  read(index: number): Readonly<NodeRun> | undefined {
    const entry = this.#entry(index)
    if (typeof entry === 'number') return this.#atomOf(index, entry)
    return entry ?? this.#former?.[index]
  }

  has(index: number): boolean {
    return this.#entry(index) !== undefined
  }

  /** The child, unless it is settled: then nothing is to be said of it but that it has succeeded. */
  unsettled(index: number): NodeRun | undefined {
    const entry = this.#entry(index)
    return typeof entry === 'number' ? undefined : entry
  }

  /** The child, whether it is entered now or was before. */
  known(index: number): NodeRun | undefined {
    return this.get(index) ?? this.#former?.[index]
  }

  /** Costs O(1), and O(children) once when the first to be entered is far back. */
  set(index: number, node: NodeRun): void {
    const piece = Math.floor(index / PIECE)
    while (this.#pieces.length <= piece) this.#pieces.push([])
    const entries = this.#pieces[piece] as Entry[] // within
    const at = index % PIECE
    while (entries.length < at) entries.push(undefined)
    entries[at] = node
  }

  /** Keeps no more of an atom here than a number, if that says all of it (K1). */
  settle(index: number, atom: AtomRun): void {
    const number = settledNumber(atom)
    if (number === null) return
    this.#scope ??= atom.scope
    const entries = this.#pieces[Math.floor(index / PIECE)] as Entry[] // it was entered
    entries[index % PIECE] = number
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
    for (const [, node] of this) yield node
  }

  /** Those that are entered, but for settled ones. */
  *unsettledValues(): Generator<NodeRun> {
    for (const entries of this.#pieces) {
      for (const entry of entries) if (typeof entry === 'object') yield entry
    }
  }

  /** All that are known. */
  *all(): Generator<NodeRun> {
    yield* this.values()
    yield* this.#notEntered()
  }

  /** All that are known, but for settled ones. */
  *allUnsettled(): Generator<NodeRun> {
    yield* this.unsettledValues()
    yield* this.#notEntered()
  }

  *#notEntered(): Generator<NodeRun> {
    if (this.#former === null) return
    for (const [index, node] of this.#former.entries()) {
      if (node !== undefined && !this.has(index)) yield node
    }
  }

  *[Symbol.iterator](): Generator<readonly [index: number, node: NodeRun]> {
    let first = 0
    for (const entries of this.#pieces) {
      for (const [at, entry] of entries.entries()) {
        if (typeof entry === 'number') yield [first + at, this.#unsettle(first + at, entry)]
        else if (entry !== undefined) yield [first + at, entry]
      }
      first += PIECE
    }
  }

  #entry(index: number): Entry {
    const piece = Math.floor(index / PIECE)
    if (piece >= this.#pieces.length) return undefined
    const entries = this.#pieces[piece] as Entry[] // within
    const at = index % PIECE
    return at < entries.length ? entries[at] : undefined
  }

  #unsettle(index: number, number: number): AtomRun {
    const atom = this.#atomOf(index, number)
    this.set(index, atom)
    return atom
  }

  #atomOf(index: number, number: number): AtomRun {
    const scope = this.#scope as ScopeRun // known since it was settled
    return settledAtom(scope.plan.children[index] as TaskPlan, scope, number) // of which it was
  }
}
