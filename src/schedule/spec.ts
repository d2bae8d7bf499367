/**
 * What a schedule says. This zod schema is the single source of its grammar: types are inferred from it, `checkSpec` checks with it,
 * `json-schema.ts` publishes it to editors.
 */
import { z } from 'zod'
import { readDuration } from '../base/durations.ts'
import { toJson } from '../base/codec.ts'
import {
  ExpressionError,
  InvalidInputError,
  NotSerialisableError,
  type Issue,
} from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { problem } from '../flow/choice.ts'
import { durationSchema, isObject, onlyKey, strict } from '../flow/grammar.ts'
import { compileTemplate } from '../flow/template.ts'
import { readCron } from './cron.ts'
import { schemaIssues } from './issues.ts'
import { ticksOf } from './ticks.ts'
import { readTime } from './time.ts'
import { zoneOf, zoneProblem } from './zone.ts'

/** What becomes of a tick while the last job of the schedule has not ended. */
export const OVERLAPS = ['allow', 'skip', 'queue'] as const
export type Overlap = (typeof OVERLAPS)[number]

/** What becomes of ticks that nobody could post in time, because nobody ran, or because the schedule was paused. */
export const CATCH_UPS = ['none', 'last', 'all'] as const
export type CatchUp = (typeof CATCH_UPS)[number]

/** Defaults of what a spec leaves out. */
export const SCHEDULE_DEFAULTS = {
  zone: 'UTC',
  overlap: 'allow',
  maxQueued: 10,
  catchUp: 'last',
  maxCatchUp: 100,
} as const

/** The shortest `every`; cron counts in seconds too. */
const MIN_EVERY_MS = 1000
const MAX_QUEUED = 1000
const MAX_CATCH_UP = 1000

const timeSchema = z.string().meta({
  examples: ['2026-12-01T08:00:00Z', '2026-12-01T08:00', '2026-12-01'],
})

/** What is no JSON is refused before (`parseSpec`). */
const inputSchema = z.record(z.string(), z.unknown()) as unknown as z.ZodType<JsonObject>

/** The keys of a spec, for those that have more beside them. */
export const specShape = {
  cron: z
    .string()
    .optional()
    .meta({
      description: 'Minute, hour, day of month, month, day of week; seconds may stand before them.',
      examples: ['0 2 * * *', '*/10 * * * * *', '0 9 * * MON-FRI', '@daily'],
    }),
  every: durationSchema
    .optional()
    .meta({ description: 'Instead of cron: so far apart, from 1s, counted from `start`.' }),
  zone: z
    .string()
    .optional()
    .meta({ description: 'IANA time zone of `cron`, `start` and `end`. Default UTC.' }),
  start: timeSchema.optional().meta({ description: 'No tick before it.' }),
  end: timeSchema.optional().meta({ description: 'No tick at it or after it.' }),
  input: inputSchema
    .optional()
    .meta({ description: 'Input of each job; texts may hold "${{ tick.at }}".' }),
  overlap: z.enum(OVERLAPS).optional().meta({
    description: 'While the last job has not ended: post, skip, or queue. Default allow.',
  }),
  maxQueued: z
    .int()
    .min(1)
    .max(MAX_QUEUED)
    .optional()
    .meta({ description: 'With `overlap: queue`: ticks that wait at most. Default 10.' }),
  catchUp: z
    .enum(CATCH_UPS)
    .optional()
    .meta({ description: 'Of ticks that were missed: none, the last one, or all. Default last.' }),
  maxCatchUp: z
    .int()
    .min(1)
    .max(MAX_CATCH_UP)
    .optional()
    .meta({ description: 'With `catchUp: all`: the newest so many. Default 100.' }),
  priority: z
    .int()
    .min(-1000)
    .max(1000)
    .optional()
    .meta({ description: 'Of each job; bigger first. Default 0.' }),
  labels: z
    .record(z.string().min(1).max(63), z.string().max(255))
    .optional()
    .meta({ description: 'Of each job, beside `schedule`.' }),
  postedBy: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'Who posts, for the record. Default: schedule and its name.' }),
} as const

/** Checks of a spec that several of its keys are in. */
export function checkTogether(spec: object, context: z.RefinementCtx): void {
  const given = spec as ScheduleSpec // its keys have passed
  const cronOrEvery = onlyKey({ ...spec }, ['cron', 'every'], 'a schedule', context)
  if (cronOrEvery === 'cron') checkCron(given, context)
  if (cronOrEvery === 'every') checkEvery(given, context)
  const zone = checkZone(given, context)
  for (const key of ['start', 'end'] as const) {
    const text = given[key]
    if (text === undefined || (given.zone !== undefined && zone === undefined)) continue
    const { problem: message, hint } = readTime(text, zone)
    if (message !== undefined) problem(context, [key], { message, got: JSON.stringify(text), hint })
  }
  if (given.maxQueued !== undefined && given.overlap !== 'queue') {
    const hint = 'write overlap: queue, or leave it out'
    problem(context, ['maxQueued'], { message: 'it is for `overlap: queue`', hint })
  }
  if (given.maxCatchUp !== undefined && given.catchUp !== 'all') {
    const hint = 'write catchUp: all, or leave it out'
    problem(context, ['maxCatchUp'], { message: 'it is for `catchUp: all`', hint })
  }
  if (given.input !== undefined) checkInput(given.input, context)
}

/** What keys that do not exist were meant to be. */
export const SPEC_HINTS = {
  interval: 'did you mean "every"?',
  timezone: 'did you mean "zone"?',
  tz: 'did you mean "zone"?',
  timeZone: 'did you mean "zone"?',
  schedule: 'did you mean "cron"?',
  crontab: 'did you mean "cron"?',
  jitter: 'there is no jitter',
}

const specSchema = strict(specShape, SPEC_HINTS).superRefine(checkTogether)

/** When a schedule posts, and what. All but `cron` or `every` has a default. */
export type ScheduleSpec = z.infer<typeof specSchema>

/** Checks any value as a spec. Throws {@link InvalidInputError} with every issue. */
export function parseSpec(value: unknown, subject: string): ScheduleSpec {
  const json = plainJson(value, subject)
  const parsed = specSchema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new InvalidInputError(schemaIssues(parsed.error, json), { subject })
}

function plainJson(value: unknown, subject: string): Json {
  try {
    return toJson(value)
  } catch (error) {
    if (!(error instanceof NotSerialisableError)) throw error
    const { path, reason: message, instead: hint } = error
    throw new InvalidInputError([{ path, message, hint }], { subject, cause: error })
  }
}

/**
 * The first tick of a spec after `now`. Throws {@link InvalidInputError} for a schedule that never fires, or never again, with the
 * reason.
 */
export function firstTick(
  spec: ScheduleSpec,
  options: { readonly now: number; readonly anchorAt: number; readonly subject: string },
): number {
  const { now, anchorAt, subject } = options
  const tick = ticksOf(spec, anchorAt).after(now)
  if (tick !== null) return tick
  throw new InvalidInputError([whyNever(spec, now, anchorAt)], { subject })
}

function whyNever(spec: ScheduleSpec, now: number, anchorAt: number): Issue {
  const zone = zoneOf(spec.zone ?? SCHEDULE_DEFAULTS.zone)
  const at = (text: string): number => (zone === null ? 0 : (readTime(text, zone).ms ?? 0))
  const { start, end, ...always } = spec
  if (start !== undefined && end !== undefined && at(end) <= at(start)) {
    return {
      path: 'end',
      message: 'it would never fire: it ends before it starts',
      expected: `a time after ${start}`,
      got: end,
      hint: 'swap them, or leave one out',
    }
  }
  if (end !== undefined && at(end) <= now) {
    return {
      path: 'end',
      message: 'it would never fire: its end has passed',
      expected: `a time after ${new Date(now).toISOString()}`,
      got: end,
      hint: 'give a later end, or leave it out',
    }
  }
  if (end !== undefined && ticksOf(always, start === undefined ? anchorAt : at(start)).after(now)) {
    return {
      path: 'end',
      message: 'it would never fire: no tick is left before its end',
      got: end,
      hint: 'give a later end, or leave it out',
    }
  }
  return {
    path: spec.cron === undefined ? 'every' : 'cron',
    message: 'it would never fire: no date matches',
    got: JSON.stringify(spec.cron ?? spec.every),
    hint: 'is there such a day in such a month? 30 February is none; the last day of a month is L',
  }
}

function checkCron({ cron = '' }: ScheduleSpec, context: z.RefinementCtx): void {
  const reading = readCron(cron)
  if (reading.pattern !== undefined) return
  const { problem: message, expected, hint } = reading
  problem(context, ['cron'], { message, expected, got: JSON.stringify(cron.slice(0, 80)), hint })
}

function checkEvery({ every = '' }: ScheduleSpec, context: z.RefinementCtx): void {
  const { ms } = readDuration(every)
  if (ms === undefined || ms >= MIN_EVERY_MS) return
  problem(context, ['every'], {
    message: ms === 0 ? 'a schedule cannot tick without a pause' : 'ticks are too close together',
    expected: 'at least 1s',
    got: JSON.stringify(every),
    hint: 'a flow that never ends may loop by itself',
  })
}

function checkZone({ zone }: ScheduleSpec, context: z.RefinementCtx) {
  if (zone === undefined) return undefined
  const found = zoneProblem(zone)
  if (found !== undefined) problem(context, ['zone'], found)
  return zoneOf(zone) ?? undefined
}

function checkInput(input: JsonObject, context: z.RefinementCtx): void {
  if (!isObject(input)) return
  for (const [key, template] of Object.entries(input)) {
    const fail = (message: string): void => problem(context, ['input', key], { message })
    try {
      const { symbols, expressions } = compileTemplate(template)
      const unknown = [...symbols, ...expressions.flatMap(({ variables }) => variables)].find(
        (name) => name !== 'tick',
      )
      if (unknown !== undefined) {
        fail(`an expression knows \`tick\` alone here, not "${unknown}"`)
      }
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      fail(error.message)
    }
  }
}
