/** Runs the body of a command: settings, body, errors, closing. */
import { Context, type CommonFlags } from './context.ts'
import type { ExitCode } from './exit-codes.ts'
import { errorData, errorText, exitCodeOf } from './fail.ts'
import type { Body } from './body.ts'
import type { Terminal } from './terminal.ts'

export async function runBody<Flags>(
  terminal: Terminal,
  flags: CommonFlags,
  body: Body<Flags>,
  given: readonly string[],
): Promise<ExitCode> {
  let context: Context | undefined
  try {
    context = await Context.create(terminal, flags)
    return await body(context, given, flags as Flags & CommonFlags) // commander parsed what the command declares
  } catch (error) {
    return sayError(terminal, error)
  } finally {
    await context?.close()
  }
}

/** Says an error where it belongs, and its exit code. */
export function sayError(terminal: Terminal, error: unknown): ExitCode {
  terminal.restore()
  if (terminal.json) terminal.data({ error: errorData(error) })
  terminal.say(`${terminal.talk.red('error:')} ${errorText(error)}`)
  return exitCodeOf(error)
}
