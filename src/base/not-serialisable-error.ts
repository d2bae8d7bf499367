import { ZagflowError } from './zagflow-error.ts'

/**
 * A value that JSON cannot carry, or that is too big or too deep. Give what `instead` says.
 *
 * Reasons: undefined or a hole in a list, a function, a symbol, a BigInt, NaN or Infinity, a Date, Map, Set, Buffer,
 * promise or another class's instance, a circular reference, a getter or Proxy that throws, `\u0000` or half a
 * surrogate pair in a text, a key named `__proto__`, `constructor` or `prototype`, too many bytes, too deep.
 */
export class NotSerialisableError extends ZagflowError {
  override readonly code = 'NotSerialisable'
  /** Where in the value, such as `orders[3].placedAt`; empty for the value itself. */
  readonly path: string
  /** What is wrong there, such as `a Date`. */
  readonly reason: string
  /** What to write instead. */
  readonly instead: string

  constructor(details: {
    readonly path: string
    readonly reason: string
    readonly instead: string
    readonly cause?: unknown
  }) {
    const where = details.path === '' ? 'the value' : details.path
    super(`${where}: JSON cannot carry ${details.reason}; ${details.instead}`, details)
    this.path = details.path
    this.reason = details.reason
    this.instead = details.instead
  }
}
