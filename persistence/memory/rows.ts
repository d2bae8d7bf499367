/**
 * The rows of a run in memory: of its atoms, and of their calls. A row that says nothing unusual (no failure, nothing that it
 * waits for, small numbers) is kept as one number, beside what no number can hold; others as they came.
 *
 * Invariants
 * R1  What is read is equal to what was written last.
 * R2  Writing and looking up cost O(1), whatever the size of the flow.
 * R3  Rows mostly come in one order: answers in that of the calls. So an atom is looked for beside the last one that was written
 *     or asked for before the table of paths is: in that of 100,000 nothing is at hand.
 */
import type { AtomRecord, CallRecord, Direction } from '../../src/machine/records.ts'
import { DIRECTIONS } from '../../src/machine/records.ts'
import { ATOM_STATES, type AtomState } from '../../src/machine/states.ts'
import { isWord, numbersOf, Pieces, Words } from './pieces.ts'
import type { ResultRef } from '../store.ts'

const OUTCOMES = [null, 'success', 'failure', 'unknown'] as const
const OUTCOME_NUMBERS = numbersOf(OUTCOMES)
const STATE_NUMBERS = numbersOf(ATOM_STATES)
const DIRECTION_NUMBERS = numbersOf(DIRECTIONS)

/** In place of the number of a row that is kept as it came, and of one that is not there. */
const WHOLE = -1
const NONE = -2
const CALL_WORDS = 4

export class MemoryRows {
  /** Places of atoms, by path, in the order in which they were first written. */
  readonly #places = new Map<string, number>()
  readonly #paths = new Pieces<string>()
  /** Of each atom its code and its last call, as a place among the calls. */
  readonly #atoms = new Words()
  readonly #wholeAtoms = new Map<number, AtomRecord>()
  /** Of each call its atom, its code, and when it started and ended. */
  readonly #calls = new Words()
  /** When the first call started: times of others are kept as how far they are from it. */
  #since = 0
  readonly #wholeCalls = new Map<number, CallRecord>()
  /** The call before, of atoms that have several. */
  readonly #callsBefore = new Map<number, number>()
  /** Places that were found last, by what for (R3). */
  #written = -1
  #asked = -1
  #called = -1

  setAtom(record: AtomRecord): void {
    const code = atomCode(record)
    const wasCalled = record.executeCalls > 0 // others are mostly new
    const place = this.#placeOf(record.path, wasCalled ? this.#written : NONE)
    if (wasCalled) this.#written = place
    if (code === WHOLE) this.#wholeAtoms.set(place, record)
    else if (this.#wholeAtoms.size > 0) this.#wholeAtoms.delete(place)
    this.#atoms.set(2 * place, code)
  }

  atom(path: string): AtomRecord | undefined {
    const place = this.#places.get(path)
    return place === undefined ? undefined : this.#atom(path, place)
  }

  atoms(): AtomRecord[] {
    const atoms: AtomRecord[] = []
    for (const [path, place] of this.#places) {
      const atom = this.#atom(path, place)
      if (atom !== undefined) atoms.push(atom)
    }
    return atoms
  }

  /** Queues that answers to atoms' present calls come to. */
  replyQueues(): readonly (string | null)[] {
    return [...this.#wholeAtoms.values()].map(({ replyTo }) => replyTo)
  }

  addCall(record: CallRecord): void {
    const call = this.#calls.length / CALL_WORDS
    const place = (this.#called = this.#placeOf(record.atom, this.#called))
    const before = this.#atoms.at(2 * place + 1)
    if (before !== NONE) this.#callsBefore.set(call, before)
    this.#atoms.set(2 * place + 1, call)
    if (call === 0) this.#since = record.startedAt
    const startedAt = record.startedAt - this.#since
    const endedAt = record.endedAt - this.#since
    const isPlain = isWord(startedAt) && isWord(endedAt)
    const code = isPlain ? callCode(record) : WHOLE
    if (code === WHOLE) this.#wholeCalls.set(call, record)
    this.#calls.push(place)
    this.#calls.push(code)
    this.#calls.push(isPlain ? startedAt : 0)
    this.#calls.push(isPlain ? endedAt : 0)
  }

  /** Whether there is a call of that number or a later one: numbers of an atom's direction only grow, so the last one tells. */
  hasCall({ atom, direction, call }: ResultRef): boolean {
    const place = this.#find(atom, this.#asked)
    if (place === NONE) return false
    this.#asked = place
    let at = this.#atoms.at(2 * place + 1)
    while (at !== NONE) {
      const row = this.#call(at)
      if (row.direction === direction) return row.call >= call
      at = this.#callsBefore.get(at) ?? NONE
    }
    return false
  }

  /** All calls, or those of an atom, in no order. */
  calls(atom?: string): CallRecord[] {
    const calls: CallRecord[] = []
    if (atom === undefined) {
      const count = this.#calls.length / CALL_WORDS
      for (let at = 0; at < count; at++) calls.push(this.#call(at))
      return calls
    }
    const place = this.#places.get(atom)
    let at = place === undefined ? NONE : this.#atoms.at(2 * place + 1)
    while (at !== NONE) {
      calls.push(this.#call(at))
      at = this.#callsBefore.get(at) ?? NONE
    }
    return calls
  }

  /** The place of an atom, or NONE. R3: `last` is the one that was found last. */
  #find(path: string, last: number): number {
    const next = last + 1
    if (next >= 0 && next < this.#paths.length && this.#paths.at(next) === path) return next
    return this.#places.get(path) ?? NONE
  }

  #placeOf(path: string, last: number): number {
    const known = this.#find(path, last)
    if (known !== NONE) return known
    const place = this.#paths.length
    this.#places.set(path, place)
    this.#paths.push(path)
    this.#atoms.push(NONE)
    this.#atoms.push(NONE)
    return place
  }

  #atom(path: string, place: number): AtomRecord | undefined {
    const code = this.#atoms.at(2 * place)
    if (code === NONE) return undefined
    if (code === WHOLE) return this.#wholeAtoms.get(place)
    return {
      path,
      kind: (code >> 30) & 1 ? 'retry' : 'task',
      state: ATOM_STATES[(code >> 26) & 15] as AtomState, // as it was written
      attempt: (code >> 16) & 255,
      executeCalls: (code >> 8) & 255,
      revertCalls: code & 255,
      dueAt: null,
      outcome: OUTCOMES[(code >> 24) & 3] ?? null,
      ignored: null,
      failure: null,
      revertFailure: null,
      rounds: null,
      replyTo: null,
      copy: null,
      starts: 0,
    }
  }

  #call(at: number): CallRecord {
    const first = CALL_WORDS * at
    const code = this.#calls.at(first + 1)
    if (code === WHOLE) return this.#wholeCalls.get(at) as CallRecord // put there when it was added
    return {
      atom: this.#paths.at(this.#calls.at(first)),
      direction: DIRECTIONS[(code >> 26) & 3] as Direction, // as it was written
      call: (code >> 12) & 4095,
      attempt: code & 4095,
      outcome: OUTCOMES[(code >> 24) & 3] ?? 'unknown',
      startedAt: this.#since + this.#calls.at(first + 2),
      endedAt: this.#since + this.#calls.at(first + 3),
      failure: null,
    }
  }
}

/** Bits: kind 1, state 4, outcome 2, then 8 each for attempt and the calls of both directions. */
function atomCode(record: AtomRecord): number {
  const { attempt, executeCalls, revertCalls } = record
  const isPlain =
    record.dueAt === null &&
    record.ignored === null &&
    record.failure === null &&
    record.revertFailure === null &&
    record.rounds === null &&
    record.replyTo === null &&
    record.copy === null &&
    record.starts === 0
  if (!isPlain || Math.max(attempt, executeCalls, revertCalls) > 255) return WHOLE
  const kind = record.kind === 'retry' ? 1 : 0
  const state = STATE_NUMBERS.get(record.state) as number // all are numbered
  const outcome = OUTCOME_NUMBERS.get(record.outcome) as number // the same
  return (
    (kind << 30) |
    (state << 26) |
    (outcome << 24) |
    (attempt << 16) |
    (executeCalls << 8) |
    revertCalls
  )
}

/** Bits: direction 2, outcome 2, then 12 each for call and attempt. */
function callCode({ direction, outcome, call, attempt, failure }: CallRecord): number {
  if (failure !== null || Math.max(call, attempt) > 4095) return WHOLE
  const directionNumber = DIRECTION_NUMBERS.get(direction) as number // all are numbered
  const outcomeNumber = OUTCOME_NUMBERS.get(outcome) as number // the same
  return (directionNumber << 26) | (outcomeNumber << 24) | (call << 12) | attempt
}
