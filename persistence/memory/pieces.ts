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
/** Words in a first piece, to begin with. */
const FEW = 16

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

/** As {@link Pieces}, of numbers of 32 bits: they take half the room, and the collector never looks at them. */
export class Words {
  readonly #pieces: Int32Array[] = []
  #last = new Int32Array(FEW)
  #length = 0

  get length(): number {
    return this.#length
  }

  push(word: number): void {
    const at = this.#length & (PIECE - 1)
    if (at === 0) this.#begin()
    else if (at === this.#last.length) this.#grow()
    this.#last[at] = word
    this.#length += 1
  }

  /** The word at a place below `length`. */
  at(place: number): number {
    return (this.#pieces[place >> SHIFT] as Int32Array)[place & (PIECE - 1)] as number // within
  }

  /** Puts another word in a place below `length`. */
  set(place: number, word: number): void {
    ;(this.#pieces[place >> SHIFT] as Int32Array)[place & (PIECE - 1)] = word // within
  }

  #begin(): void {
    if (this.#length > 0) this.#last = new Int32Array(PIECE)
    this.#pieces.push(this.#last)
  }

  /** The first piece begins small: most flows are. */
  #grow(): void {
    const words = new Int32Array(this.#last.length * 4)
    words.set(this.#last)
    this.#pieces[this.#pieces.length - 1] = this.#last = words
  }
}
