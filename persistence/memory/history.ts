/**
 * The history of a job in memory. Most rows say little (no failure, small numbers): they are kept as a text that the flow
 * has anyway, a time and one number that holds all the rest, a fifth of what an object takes. 100,000 tasks write 200,000 rows.
 */
import type { HistoryRecord } from '../../src/machine/records.ts'
import { ATOM_STATES, FLOW_STATES } from '../../src/machine/states.ts'
import { isWord, numbersOf, Pieces, Words } from './pieces.ts'

const KINDS = ['flow', 'task', 'retry'] as const
const STATES = [...new Set([...ATOM_STATES, ...FLOW_STATES])]
const KIND_NUMBERS = numbersOf(KINDS)
const STATE_NUMBERS = numbersOf(STATES)

/** Bits: kind 2, from 4, state 4, then 10 for attempt and 10 for call (0: null). */
const STATE_BITS = 4
const COUNT_BITS = 10
const MAX_COUNT = 2 ** COUNT_BITS - 2
/** In place of the number of a row that is kept as it came. */
const WHOLE = -1

export class MemoryHistory {
  readonly #names = new Pieces<string>()
  /** Of each row its time and its code. */
  readonly #numbers = new Words()
  /** Rows that say more than fits, by place. */
  readonly #whole = new Map<number, HistoryRecord>()
  /** Number and time of the first row: what others have is kept as how far it is from these. */
  #first = 0
  #since = 0

  add(row: HistoryRecord): void {
    const place = this.#names.length
    if (place === 0) {
      this.#first = row.seq
      this.#since = row.at
    }
    const elapsed = row.at - this.#since
    const isPlain = isWord(elapsed) && row.seq === this.#first + place
    const code = isPlain ? codeOf(row) : WHOLE
    if (code === WHOLE) this.#whole.set(place, row)
    this.#names.push(row.name)
    this.#numbers.push(isPlain ? elapsed : 0)
    this.#numbers.push(code)
  }

  /** At most `limit` rows whose number is above `after`. */
  after(after: number, limit: number): readonly HistoryRecord[] {
    const { length } = this.#names
    // Numbered without gaps, so the place of a number is known; the scan is for jobs whose numbers began later.
    let from = Math.max(0, Math.min(after, length))
    while (from > 0 && this.#row(from - 1).seq > after) from -= 1
    const rows: HistoryRecord[] = []
    for (let place = from; place < Math.min(length, from + limit); place++) {
      rows.push(this.#row(place))
    }
    return rows
  }

  #row(place: number): HistoryRecord {
    const code = this.#numbers.at(2 * place + 1)
    if (code === WHOLE) return this.#whole.get(place) as HistoryRecord // put there when it was added
    const call = code & MASK
    const attempt = (code >> COUNT_BITS) & MASK
    const states = code >> (2 * COUNT_BITS)
    return {
      seq: this.#first + place,
      at: this.#since + this.#numbers.at(2 * place),
      kind: KINDS[states >> (2 * STATE_BITS)] as HistoryRecord['kind'], // as it was written
      name: this.#names.at(place),
      from: STATES[(states >> STATE_BITS) & STATE_MASK] as HistoryRecord['from'], // the same
      state: STATES[states & STATE_MASK] as HistoryRecord['state'], // the same
      attempt: attempt === 0 ? null : attempt - 1,
      call: call === 0 ? null : call - 1,
      failure: null,
    }
  }
}

const MASK = 2 ** COUNT_BITS - 1
const STATE_MASK = 2 ** STATE_BITS - 1

function codeOf({ kind, from, state, attempt, call, failure }: HistoryRecord): number {
  if (failure !== null || !isSmall(attempt) || !isSmall(call)) return WHOLE
  const states =
    ((KIND_NUMBERS.get(kind) as number) << (2 * STATE_BITS)) | // all kinds and states are numbered
    ((STATE_NUMBERS.get(from) as number) << STATE_BITS) |
    (STATE_NUMBERS.get(state) as number)
  const counts =
    ((attempt === null ? 0 : attempt + 1) << COUNT_BITS) | (call === null ? 0 : call + 1)
  return (states << (2 * COUNT_BITS)) | counts
}

function isSmall(count: number | null): boolean {
  return count === null || (count >= 0 && count <= MAX_COUNT)
}
