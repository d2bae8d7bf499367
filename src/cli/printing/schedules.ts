/** Schedules as a table, and one of them with its ticks and jobs. Pure. */
import type { ScheduleState, ScheduleStatus } from '../../client/schedule.ts'
import { SCHEDULE_DEFAULTS, type ScheduleSpec } from '../../schedule/spec.ts'
import { zoneOf } from '../../schedule/zone.ts'
import type { JobSummary } from '../../../persistence/store.ts'
import { shortest, stateText } from './jobs.ts'
import type { Paint } from './paint.ts'
import { table } from './table.ts'
import { age, count, elapsed, pad, plainText } from './text.ts'

/** The table, by name. */
export function scheduleTable(
  schedules: readonly ScheduleStatus[],
  now: number,
  { paint, columns }: { readonly paint: Paint; readonly columns: number },
): string {
  return table(
    schedules,
    [
      { title: 'SCHEDULE', cell: ({ name }) => name },
      { title: 'GROUP', cell: ({ group }) => plainText(group ?? '') },
      { title: 'FLOW', cell: ({ flow, reference }) => reference ?? flow },
      { title: 'WHEN', cell: ({ spec }) => whenText(spec) },
      { title: 'STATE', cell: (one) => stateWord(one, paint) },
      { title: 'NEXT', cell: (one) => (one.state === 'active' ? inText(one.nextAt, now) : '') },
      { title: 'LAST', cell: (one) => (one.lastTickAt === null ? '' : age(now - one.lastTickAt)) },
      { title: 'POSTED', cell: ({ posted }) => String(posted) },
      { title: 'QUEUED', cell: ({ queued }) => some(queued.length) },
      { title: 'SKIPPED', cell: ({ skipped }) => some(skipped) },
      { title: 'MISSED', cell: ({ missed }) => some(missed) },
      { title: 'PROBLEM', cell: ({ problem }) => plainText(problem ?? ''), isWide: true },
    ],
    columns,
    (text) => paint.bold(text),
  )
}

export interface ScheduleTextOptions {
  /** Of the database's clock, epoch ms. */
  readonly now: number
  readonly ticks: readonly number[]
  readonly jobs: readonly JobSummary[]
  /** Whether a conductor lives that posts its ticks. */
  readonly isServed: boolean
  readonly paint: Paint
}

/** All that a person asks of a schedule. */
export function scheduleText(status: ScheduleStatus, options: ScheduleTextOptions): string {
  const { now, ticks, jobs, isServed, paint } = options
  const { spec } = status
  const facts: (readonly [string, string])[] = [
    ['state', stateWord(status, paint)],
    ...(status.problem === null
      ? []
      : [['problem', paint.red(plainText(status.problem))] as const]),
    ['flow', status.reference ?? `${status.flow} (a document of its own)`],
    ['when', whenText(spec)],
    ...optional('start', spec.start),
    ...optional('end', spec.end),
    ['overlap', withNumber(spec.overlap, 'overlap', 'queue', spec.maxQueued, 'maxQueued')],
    ['catch-up', withNumber(spec.catchUp, 'catchUp', 'all', spec.maxCatchUp, 'maxCatchUp')],
    ...optional('group', status.group),
    ...optional('priority', spec.priority),
    ...optional('labels', labelText(spec)),
    ...(spec.input === undefined
      ? []
      : [['input', plainText(JSON.stringify(spec.input))] as const]),
    ['ticks', countsText(status)],
  ]
  const widest = Math.max(...facts.map(([name]) => name.length))
  const lines = [
    paint.bold(status.name),
    ...facts.map(([name, text]) => `  ${paint.dim(pad(name, widest))}  ${text}`),
  ]
  if (status.queued.length > 0) {
    lines.push('', paint.bold('waiting for the last job to end'))
    for (const line of tickLines(status, status.queued.slice(0, 5), now)) lines.push(`  ${line}`)
  }
  if (ticks.length > 0) {
    lines.push('', paint.bold(status.state === 'paused' ? 'next ticks, if resumed' : 'next ticks'))
    for (const line of tickLines(status, ticks, now)) lines.push(`  ${line}`)
  }
  if (jobs.length > 0) lines.push('', paint.bold('last jobs'), jobLines(status, jobs, now, paint))
  if (status.state === 'paused') lines.push('', `Go on: zagflow schedule resume ${status.name}`)
  else if (!isServed && status.state === 'active') {
    lines.push('', 'No conductor lives, so nobody posts its ticks: zagflow conductor')
  }
  return lines.join('\n')
}

/** Ticks in the schedule's zone: `2026-11-22 02:30:00 +01:00  in 15h`. */
export function tickLines(
  { spec }: Pick<ScheduleStatus, 'spec'>,
  ticks: readonly number[],
  now: number,
): readonly string[] {
  return ticks.map((tick) => `${localText(spec, tick)}  ${inText(tick, now)}`)
}

/** The same for programs. */
export function scheduleData(status: ScheduleStatus): { readonly [key: string]: unknown } {
  const { name, group, state, flow, reference, spec, problem, queued } = status
  const { nextAt, lastTickAt, lastJobId, posted, skipped, missed, createdAt, updatedAt } = status
  return {
    name,
    group,
    state,
    flow,
    reference,
    cron: spec.cron ?? null,
    every: spec.every ?? null,
    zone: spec.zone ?? SCHEDULE_DEFAULTS.zone,
    nextAt,
    lastTickAt,
    lastJobId,
    queued,
    posted,
    skipped,
    missed,
    problem,
    createdAt,
    updatedAt,
  }
}

function jobLines(
  { spec }: ScheduleStatus,
  jobs: readonly JobSummary[],
  now: number,
  paint: Paint,
): string {
  const length = shortest(jobs.map(({ job }) => job.id))
  const text = table(
    jobs,
    [
      { title: 'TICK', cell: ({ job }) => localText(spec, job.scheduledFor ?? job.createdAt) },
      { title: 'JOB', cell: ({ job }) => job.id.slice(0, length) },
      { title: 'STATE', cell: (one) => stateText(one, now, paint) },
      { title: 'LATE', cell: ({ job }) => lateText(job.createdAt - (job.scheduledFor ?? 0)) },
      {
        title: 'TOOK',
        cell: ({ job }) => (job.endedAt === null ? '' : elapsed(job.endedAt - job.createdAt)),
      },
    ],
    Number.POSITIVE_INFINITY,
    (title) => paint.dim(title),
  )
  return text.replace(/^/gm, '  ')
}

function whenText({ cron, every, zone = SCHEDULE_DEFAULTS.zone }: ScheduleSpec): string {
  return cron === undefined ? `every ${every}` : `${cron} ${zone}`
}

function stateWord(status: ScheduleStatus, paint: Paint): string {
  const colours: { readonly [State in ScheduleState]: (text: string) => string } = {
    active: paint.green,
    paused: paint.yellow,
    ended: paint.dim,
  }
  return status.problem === null ? colours[status.state](status.state) : paint.red('stuck')
}

function countsText({ posted, skipped, missed, queued }: ScheduleStatus): string {
  const parts = [
    `${posted} posted`,
    ...(queued.length > 0 ? [`${queued.length} waiting`] : []),
    ...(skipped > 0 ? [`${skipped} skipped (the last job had not ended)`] : []),
    ...(missed > 0 ? [`${missed} missed (nobody could post them in time)`] : []),
  ]
  return parts.join(', ')
}

function withNumber<Name extends 'overlap' | 'catchUp'>(
  value: string | undefined,
  name: Name,
  word: string,
  number: number | undefined,
  limit: 'maxQueued' | 'maxCatchUp',
): string {
  const policy = value ?? SCHEDULE_DEFAULTS[name]
  if (policy !== word) return policy
  return `${policy}, at most ${count(number ?? SCHEDULE_DEFAULTS[limit], 'tick')}`
}

function localText(spec: ScheduleSpec, ms: number): string {
  const text = zoneOf(spec.zone ?? SCHEDULE_DEFAULTS.zone)?.format(ms) ?? new Date(ms).toISOString()
  return text.replace('T', ' ').replace(/([+-]\d\d:\d\d)$/, ' $1')
}

function inText(ms: number | null, now: number): string {
  if (ms === null) return ''
  return ms > now ? `in ${elapsed(ms - now)}` : `${age(now - ms)} ago`
}

function lateText(ms: number): string {
  return ms < 0 ? '' : elapsed(ms)
}

function labelText({ labels }: ScheduleSpec): string | undefined {
  if (labels === undefined || Object.keys(labels).length === 0) return undefined
  return plainText(
    Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(' '),
  )
}

function optional(
  name: string,
  value: string | number | null | undefined,
): readonly (readonly [string, string])[] {
  return value === undefined || value === null ? [] : [[name, plainText(String(value))]]
}

function some(number: number): string {
  return number === 0 ? '' : String(number)
}
