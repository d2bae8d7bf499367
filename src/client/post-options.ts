/** What can be said of a post besides flow and input. */
import { readDuration } from '../base/durations.ts'
import { UsageError } from '../base/errors.ts'
import type { Duration } from '../flow/duration-option.ts'

/** Options of `Zagflow.post`. */
export interface PostOptions {
  /**
   * Your own name for the job, unique on its board: posting the same flow and input under it again gives the same job, other
   * content is a `ConflictError`. At most 255 characters.
   */
  readonly key?: string | undefined
  /** Bigger is claimed first, -1,000 to 1,000. @default 0 */
  readonly priority?: number | undefined
  /** It starts this much later, by the database's clock: `5s`, `1h30m`. */
  readonly delay?: Duration | undefined
  /** It starts then: a Date, or an ISO 8601 text with a time zone. */
  readonly at?: Date | string | undefined
  /** For searching; they win over those of the flow. */
  readonly labels?: { readonly [name: string]: string } | undefined
  /** A knex transaction on the same database: the job exists if and only if that is committed. */
  readonly transaction?: unknown
  /** W3C trace context of who posts. */
  readonly traceparent?: string | undefined
  /** Who posts, for the record. */
  readonly postedBy?: string | undefined
}

/** Their names. */
export const POST_KEYS = [
  'key',
  'priority',
  'delay',
  'at',
  'labels',
  'transaction',
  'traceparent',
  'postedBy',
] as const satisfies readonly (keyof PostOptions)[]

/** When a job is to start, if not at once. Throws {@link UsageError}. */
export function dueOf({ delay, at }: PostOptions): {
  readonly delayMs?: number
  readonly dueAt?: number
} {
  if (delay !== undefined && at !== undefined) {
    throw new UsageError('post(): expected delay or at, got both')
  }
  if (delay !== undefined) {
    const { ms, problem, hint } = readDuration(delay)
    if (ms === undefined) throw new UsageError(`post(): delay: ${problem}`, { hint })
    return ms === 0 ? {} : { delayMs: ms }
  }
  if (at === undefined) return {}
  const isText = typeof at === 'string'
  if (!isText && !(at instanceof Date)) {
    throw new UsageError(`post(): at: expected a Date or a text, got ${typeof at}`, {
      hint: 'write new Date(…), or such as 2030-01-31T12:00:00Z',
    })
  }
  const dueAt = isText && !HAS_ZONE.test(at) ? Number.NaN : new Date(at).getTime()
  if (Number.isNaN(dueAt)) {
    throw new UsageError(`post(): at: ${String(at)} is no time`, {
      hint: 'write such as 2030-01-31T12:00:00Z or …+01:00, with its time zone',
    })
  }
  return { dueAt }
}

/** A text without a zone would mean another time on another host. */
const HAS_ZONE = /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)$/
