/**
 * Whether a number is whole and has 32 bits at most. Such a number lies in a list as it is; any other, as the time now, is an
 * object of its own.
 */
export function isWord(number: number): boolean {
  return (number | 0) === number
}

/** A number for each name, from 0: what few names take in a number with others. */
export function numbersOf<T>(names: readonly T[]): ReadonlyMap<T, number> {
  return new Map(names.map((name, number) => [name, number]))
}

/** Values in one piece. */
const PIECE = 1024
const SHIFT = 10

/**
 * A list that only grows, in pieces: a long list that is one array is copied each time it outgrows its place, and what it
 * leaves behind is as much memory again.
 */
export class Pieces<T> {
  readonly #pieces: T[][] = []
  #last: T[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  push(value: T): void {
    if (this.#length % PIECE === 0) this.#pieces.push((this.#last = []))
    this.#last.push(value)
    this.#length += 1
  }

  /** The value at a place below `length`. */
  at(place: number): T {
    return (this.#pieces[place >> SHIFT] as T[])[place % PIECE] as T // within
  }

  /** Puts another value in a place below `length`. */
  set(place: number, value: T): void {
    ;(this.#pieces[place >> SHIFT] as T[])[place % PIECE] = value // within
  }
}
