import { UsageError } from '../base/errors.ts'
import { hashJson } from '../base/ids.ts'
import type { Json, JsonObject } from '../base/json.ts'
import type { SourceDocument } from '../flow/document.ts'
import type { Duration } from '../flow/duration-option.ts'
import { nameProblem } from '../flow/names.ts'
import type { Runnable } from '../flow/runnable.ts'
import { parseSpec, type CatchUp, type Overlap, type ScheduleSpec } from '../schedule/spec.ts'

/** When a schedule ticks, and what becomes of ticks: all of {@link ScheduleOptions} but flow and input. */
export interface ScheduleTiming {
  /**
   * Minute, hour, day of month, month, day of week (`0 2 * * *`); seconds may stand before them (`*\/10 * * * * *`). Nicknames such as
   * `@daily`, names (`MON-FRI`, `JAN`), `L` (last day), `15W` (weekday next to the 15th), `FRI#2` (second Friday).
   */
  readonly cron?: string | undefined
  /** Instead of `cron`: so far apart, from `1s`, counted from `start`, or else from when it was added. Nothing drifts. */
  readonly every?: Duration | undefined
  /**
   * IANA time zone of `cron`, and of `start` and `end` without an offset. Times that a change of clocks leaves out run at the first instant
   * after the gap; times that it repeats run once, at the first. @default UTC
   */
  readonly zone?: string | undefined
  /** No tick before it: a Date, or such as `2030-01-31T12:00:00Z`, `2030-01-31` (in `zone`). @default when it is added */
  readonly start?: Date | string | undefined
  /** No tick at it or after it. @default never */
  readonly end?: Date | string | undefined
  /**
   * What becomes of a tick while the job of the last one has not ended: `allow` posts it, `skip` gives it up (and counts it), `queue` lets it
   * wait. @default allow
   */
  readonly overlap?: Overlap | undefined
  /** With `overlap: queue`: ticks that wait at most; more are given up. 1 to 1,000. @default 10 */
  readonly maxQueued?: number | undefined
  /**
   * What becomes of ticks that were missed (nobody could post them within 10 s, or it was paused): `none` is posted, the `last` one, or
   * `all`. @default last
   */
  readonly catchUp?: CatchUp | undefined
  /** With `catchUp: all`: the newest so many. 1 to 1,000. @default 100 */
  readonly maxCatchUp?: number | undefined
  /** Of each job: bigger is claimed first, -1,000 to 1,000. @default 0 */
  readonly priority?: number | undefined
  /** Of each job, beside `schedule`, which is the name. */
  readonly labels?: { readonly [name: string]: string } | undefined
  /** Who posts, for the record. @default `schedule` and its name */
  readonly postedBy?: string | undefined
}

/** An expression that is evaluated for each tick: `${{ tick.date }}`. */
export type TickExpression = `${string}\${{${string}}}${string}`

/** The input of each job; any value of it may be an expression over `tick`. */
export type ScheduleInput<Input> = {
  readonly [Name in keyof Input]: Input[Name] | TickExpression
}

/** What {@link Zagflow.schedule} takes. */
export interface ScheduleOptions<Input = JsonObject, Output = unknown> extends ScheduleTiming {
  /** What a builder made, a flow document, or a registered `name` (the newest version when a tick comes) or `name@version`. */
  readonly flow: Runnable<Input, Output> | SourceDocument | string
  /**
   * The same for each job, but for expressions: `${{ tick.at }}` (ISO 8601 in UTC), `tick.epochMs`, `tick.previous` (the tick that was posted
   * before, null at first), `tick.local`, `tick.date` and `tick.time` (in its zone), `tick.schedule` (its name).
   */
  readonly input?: ScheduleInput<NoInfer<Input>> | undefined
  /** What it belongs to: one that belongs to another group is not changed. @default none */
  readonly group?: string | undefined
  /** Whether one that is there with other content is changed; else it is a `ConflictError`. @default true */
  readonly replace?: boolean | undefined
  /** A new one ticks when it is resumed. Nothing is done to one that is there. @default false */
  readonly paused?: boolean | undefined
}

export const SCHEDULE_KEYS = [
  'cron',
  'every',
  'zone',
  'start',
  'end',
  'overlap',
  'maxQueued',
  'catchUp',
  'maxCatchUp',
  'priority',
  'labels',
  'postedBy',
  'flow',
  'input',
  'group',
  'replace',
  'paused',
] as const satisfies readonly (keyof ScheduleOptions)[]

/** The name of a schedule, checked. Throws {@link UsageError}. */
export function checkScheduleName(name: string): void {
  const found = typeof name === 'string' ? nameProblem(name) : 'a name is a text'
  if (found === undefined) return
  throw new UsageError(`the name of the schedule, ${JSON.stringify(name)}: ${found}`, {
    hint: 'such as nightly-report',
  })
}

/** The spec of options, checked. Throws {@link InvalidInputError}. */
export function specOf(name: string, options: ScheduleOptions): ScheduleSpec {
  const { flow: _flow, group: _group, replace: _replace, paused: _paused, ...spec } = options
  const given = Object.entries({ ...spec, start: asText(spec.start), end: asText(spec.end) })
  const present = given.filter(([, value]) => value !== undefined)
  return parseSpec(Object.fromEntries(present), subjectOf(name))
}

/** What errors call a schedule. */
export function subjectOf(name: string): string {
  return `the schedule "${name}"`
}

/** Says whether two schedules are the same. */
export function scheduleHash(flow: string, spec: ScheduleSpec): string {
  return hashJson([flow, spec as unknown as Json]) // `parseSpec` made it JSON
}

function asText(time: Date | string | undefined): string | undefined {
  if (!(time instanceof Date)) return time
  return Number.isNaN(time.getTime()) ? String(time) : time.toISOString()
}
