/** Numbers among options: defaults filled in, and nonsense refused when something is made, not when it is first used. */
import { UsageError } from './errors.ts'

/** What a number may be. */
export interface NumberRule {
  readonly least: number
  /** What it is where none is given. */
  readonly byDefault: number
}

/** A whole number of an option, or its default. Throws {@link UsageError} with the option's name. */
export function wholeOption(
  name: string,
  given: number | undefined,
  { least, byDefault }: NumberRule,
): number {
  const value = given ?? byDefault
  if (Number.isInteger(value) && value >= least) return value
  throw new UsageError(`${name}: expected a whole number from ${least}, got ${value}`)
}

/**
 * Milliseconds of an option, or its default; parts of one are fine. `most` is what they may be at most, `Infinity` where never is an
 * answer (default: any number). Throws {@link UsageError} with the option's name.
 */
export function millisecondsOption(
  name: string,
  given: number | undefined,
  { least, byDefault, most = Number.MAX_VALUE }: NumberRule & { readonly most?: number },
): number {
  const value = given ?? byDefault
  if (value >= least && value <= most) return value
  throw new UsageError(`${name}: expected milliseconds from ${least}, got ${value}`)
}
