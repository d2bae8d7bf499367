import { z } from 'zod'
import { toJson } from './codec.ts'
import type { Json } from './json.ts'
import { isTaskError, TaskError } from './task-error.ts'
import { ZagflowError } from './zagflow-error.ts'

/** A failure as it is stored, sent and shown. One function each way: `toFailure`, `fromFailure`. */
export interface Failure {
  /** What went wrong, for programs: `TaskFailed`, `TimedOut`, `UnknownOutcome`, `InvalidArguments`, or the code of a `TaskError`. */
  readonly code: string
  /** What went wrong, for people. */
  readonly message: string
  /** Name of the error's class, such as `TypeError`. */
  readonly name?: string | undefined
  readonly stack?: string | undefined
  /** What the thrower attached (`new TaskError(message, { data })`). */
  readonly data?: Json | undefined
  /** False when another attempt cannot help; the task's own attempts end. Absent means true. */
  readonly retryable?: boolean | undefined
  readonly cause?: Failure | undefined
}

/** Schema of a stored failure. */
export const failureSchema: z.ZodType<Failure> = z.lazy(() =>
  z.object({
    code: z.string(),
    message: z.string(),
    name: z.string().optional(),
    stack: z.string().optional(),
    data: z.json().optional(),
    retryable: z.boolean().optional(),
    cause: failureSchema.optional(),
  }),
)

/** A failure is small, whatever was thrown: its parts are cut to this many UTF-8 bytes. */
const MAX_MESSAGE_BYTES = 4 * 1024
const MAX_STACK_BYTES = 8 * 1024
const MAX_DATA_BYTES = 256 * 1024
const MAX_NAME_BYTES = 256
const MAX_CAUSES = 8
const SHOWN_ERRORS = 10

/** How what was thrown is read. */
export interface ToFailureOptions {
  /** The code where the error has none of its own. @default 'TaskFailed' */
  readonly code?: string | undefined
}

/**
 * The failure that stands for anything that was thrown. Never throws, and its result is bounded and can be stored
 * everywhere, whatever was thrown: null, texts, errors whose getters throw, circular causes, huge stacks.
 *
 * The code is that of a `TaskError` or a `ZagflowError`, else `options.code`. An `AggregateError` has the first of its
 * errors in `data`.
 */
export function toFailure(error: unknown, options: ToFailureOptions = {}): Failure {
  return describe(error, options.code ?? 'TaskFailed', new Set())
}

/**
 * A failure that somebody else wrote, as small as those of {@link toFailure} and without what stores refuse: texts are cut,
 * causes beyond the eighth left out, details that JSON cannot carry replaced by `{ notSerialisable: true }`. Undefined if it
 * is none. The value must be what JSON.parse gave; its depth does not matter.
 */
export function readFailure(value: unknown): Failure | undefined {
  return readBounded(value, MAX_CAUSES)
}

function readBounded(value: unknown, causes: number): Failure | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const read = value as { readonly [key: string]: unknown } // any object can be read by key
  const { code, message, name, stack, data, retryable, cause } = read
  if (typeof code !== 'string' || typeof message !== 'string') return undefined
  if (name !== undefined && typeof name !== 'string') return undefined
  if (stack !== undefined && typeof stack !== 'string') return undefined
  if (retryable !== undefined && typeof retryable !== 'boolean') return undefined
  const inner = cause === undefined || causes === 0 ? undefined : readBounded(cause, causes - 1)
  if (cause !== undefined && causes > 0 && inner === undefined) return undefined
  return {
    code: cut(code, MAX_NAME_BYTES),
    message: cut(message, MAX_MESSAGE_BYTES),
    ...(name === undefined ? {} : { name: cut(name, MAX_NAME_BYTES) }),
    ...(stack === undefined ? {} : { stack: cut(stack, MAX_STACK_BYTES) }),
    ...(data === undefined ? {} : { data: storable(data) ?? { notSerialisable: true } }),
    ...(retryable === undefined ? {} : { retryable }),
    ...(inner === undefined ? {} : { cause: inner }),
  }
}

/** The error that stands for a stored failure, its causes included. */
export function fromFailure(failure: Failure): TaskError {
  const error = new TaskError(failure.message, {
    code: failure.code,
    data: failure.data,
    retryable: failure.retryable,
    cause: failure.cause === undefined ? undefined : fromFailure(failure.cause),
  })
  if (failure.name !== undefined) error.name = failure.name
  if (failure.stack !== undefined) error.stack = failure.stack
  return error
}

function describe(error: unknown, code: string, seen: Set<unknown>): Failure {
  seen.add(error)
  if (!isErrorLike(error)) return describeValue(error, code)
  const message = readText(error, 'message')
  const name = readText(error, 'name')
  const cause = read(error, 'cause')
  const tellsCause =
    cause !== undefined && cause !== null && seen.size <= MAX_CAUSES && !seen.has(cause)
  const data = dataOf(error)
  const shown = cut(
    message === undefined || message === '' ? messageless(error, name) : message,
    MAX_MESSAGE_BYTES,
  )
  const stack = readText(error, 'stack')
  const known = isTaskError(error) || error instanceof ZagflowError
  return {
    code: cut((known ? readText(error, 'code') : undefined) ?? code, MAX_NAME_BYTES),
    message: shown,
    ...(name === undefined ? {} : { name: cut(name, MAX_NAME_BYTES) }),
    ...(stack === undefined
      ? {}
      : { stack: cut(shortenHead(stack, message, shown), MAX_STACK_BYTES) }),
    ...(data === undefined ? {} : { data }),
    ...(isTaskError(error) && typeof read(error, 'retryable') === 'boolean'
      ? { retryable: read(error, 'retryable') === true }
      : {}),
    ...(tellsCause ? { cause: describe(cause, code, seen) } : {}),
  }
}

/** What was thrown is no error at all. */
function describeValue(value: unknown, code: string): Failure {
  const failure = { code: cut(code, MAX_NAME_BYTES) }
  if (typeof value === 'string') {
    return {
      ...failure,
      message: cut(value === '' ? 'an empty text was thrown' : value, MAX_MESSAGE_BYTES),
    }
  }
  if (typeof value !== 'object' || value === null) {
    const shown = typeof value === 'function' ? 'a function' : String(value)
    return { ...failure, message: cut(`${shown} was thrown, not an error`, MAX_MESSAGE_BYTES) }
  }
  const data = storable(value)
  return {
    ...failure,
    message: 'an object was thrown, not an error',
    ...(data === undefined ? {} : { data }),
  }
}

function isErrorLike(error: unknown): error is object {
  if (typeof error !== 'object' || error === null) return false
  try {
    return (
      error instanceof Error ||
      (typeof Reflect.get(error, 'message') === 'string' && 'stack' in error)
    )
  } catch {
    return false
  }
}

function messageless(error: object, name: string | undefined): string {
  if (errorsOf(error) !== undefined)
    return `${name ?? 'an error'} of ${errorsOf(error)?.length} errors`
  return `${name ?? 'an error'} without a message that can be read`
}

function dataOf(error: object): Json | undefined {
  if (isTaskError(error)) {
    const data = read(error, 'data')
    return data === undefined ? undefined : (storable(data) ?? { notSerialisable: true })
  }
  const errors = errorsOf(error)
  if (errors === undefined) return undefined
  const shown = errors.slice(0, SHOWN_ERRORS).map((inner) => {
    return isErrorLike(inner)
      ? {
          name: cut(readText(inner, 'name') ?? '', MAX_NAME_BYTES),
          message: cut(readText(inner, 'message') ?? '', 512),
        }
      : { message: cut(describeValue(inner, '').message, 512) }
  })
  return { count: errors.length, errors: shown }
}

function errorsOf(error: object): readonly unknown[] | undefined {
  if (!(error instanceof AggregateError)) return undefined
  const errors = read(error, 'errors')
  return Array.isArray(errors) ? errors : undefined
}

function storable(value: unknown): Json | undefined {
  try {
    return toJson(value, { maxBytes: MAX_DATA_BYTES })
  } catch {
    return undefined
  }
}

function read(error: object, key: string): unknown {
  try {
    return Reflect.get(error, key)
  } catch {
    return undefined
  }
}

function readText(error: object, key: string): string | undefined {
  const value = read(error, key)
  return typeof value === 'string' ? value : undefined
}

/** A stack begins with the whole message; a long one would push the frames out. */
function shortenHead(stack: string, message: string | undefined, shown: string): string {
  if (message === undefined || message.length <= shown.length) return stack
  const at = stack.slice(0, 1024 + message.length).indexOf(message)
  return at === -1
    ? stack
    : stack.slice(0, at) + shown.slice(0, 512) + stack.slice(at + message.length)
}

/** At most `maxBytes` of UTF-8, without what stores refuse; says so where something is missing. */
function cut(text: string, maxBytes: number): string {
  const clean = text.slice(0, maxBytes).replace(/\0|\p{Surrogate}/gu, '\ufffd')
  if (text.length <= maxBytes && Buffer.byteLength(clean) <= maxBytes) return clean
  const note = ` … (cut, ${text.length} characters)`
  const bytes = Buffer.from(clean).subarray(0, Math.max(0, maxBytes - Buffer.byteLength(note)))
  // Half a character at the end decodes to U+FFFD.
  return bytes.toString('utf8').replace(/\ufffd+$/, '') + note
}
