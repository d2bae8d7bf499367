import type { CommonFlags, Context } from './context.ts'
import type { ExitCode } from './exit-codes.ts'

/** The body of a command: where it is, what it was given, its options. */
export type Body<Flags = object> = (
  context: Context,
  given: readonly string[],
  flags: Flags & CommonFlags,
) => Promise<ExitCode>
