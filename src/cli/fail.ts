/** What an error is to the user of a command: a text, and an exit code. Pure. */
import type { ErrorCode } from '../base/errors.ts'
import { ZagflowError } from '../base/errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'

const CODES: { readonly [Code in ErrorCode]?: ExitCode } = {
  FlowFailed: EXIT.failed,
  Unavailable: EXIT.unavailable,
  Timeout: EXIT.unavailable,
  ClaimLost: EXIT.notEnded,
  Closed: EXIT.notEnded,
}

/** The exit code of an error that a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof ZagflowError ? (CODES[error.code] ?? EXIT.usage) : EXIT.fault
}

/** The error as a person reads it. One that is no error of Zagflow's comes with its stack, for the report of the fault. */
export function errorText(error: unknown): string {
  if (error instanceof ZagflowError) return error.message
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `this should not have happened, please report it:\n${text}`
}

/** The error as a program reads it. */
export function errorData(error: unknown): { readonly [key: string]: unknown } {
  if (!(error instanceof ZagflowError)) {
    return { code: 'Fault', message: error instanceof Error ? error.message : String(error) }
  }
  const { code, message } = error
  return { code, message, ...('issues' in error ? { issues: error.issues } : {}) }
}
