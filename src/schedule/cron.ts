/** Cron expressions, parsed and stepped by croner: over wall times alone, so that the rule for daylight saving is ours (`ticks.ts`). */
import { Cron } from 'croner'

export interface CronPattern {
  /** The first matching wall time after this one, in whole seconds; null: there is none, ever. */
  next(wall: number): number | null
  /** The last matching wall time before this one. */
  previous(wall: number): number | null
}

/** A pattern, or what is wrong with the text and how to mend it. */
export type CronReading =
  | { readonly pattern: CronPattern; readonly problem?: never }
  | {
      readonly pattern?: never
      readonly problem: string
      readonly expected: string
      readonly hint: string
    }

const NICKNAMES = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']
const EXPECTED = 'minute hour day-of-month month day-of-week, perhaps with seconds before them'
const known = new Map<string, CronReading>()
const KEPT = 10_000

/** Reads a cron expression of five fields, or of six with seconds first, or a nickname such as `@daily`. Never throws. */
export function readCron(text: string): CronReading {
  const before = known.get(text)
  if (before !== undefined) return before
  if (known.size >= KEPT) known.clear()
  const reading = read(text.trim())
  known.set(text, reading)
  return reading
}

function read(text: string): CronReading {
  const isNickname = text.startsWith('@')
  const fail = (problem: string, hint: string): CronReading => {
    return { problem, expected: isNickname ? NICKNAMES.join(', ') : EXPECTED, hint }
  }
  const fields = text.split(/\s+/).length
  if (isNickname && !NICKNAMES.includes(text.toLowerCase())) {
    return fail(`${JSON.stringify(text.slice(0, 40))} is no nickname`, 'such as @daily')
  }
  if (!isNickname && fields !== 5 && fields !== 6) {
    const got = text === '' ? 'nothing' : `${fields} field${fields === 1 ? '' : 's'}`
    const every =
      'write such as "0 2 * * *" (each day at 02:00) or "*/10 * * * * *" (each 10 seconds)'
    return fail(`a cron expression has five or six fields, this has ${got}`, every)
  }
  if (text.length > 500) return fail('longer than 500 characters', 'divide it into schedules')
  let cron: Cron
  try {
    // With an offset of zero croner calculates; with a zone it would apply a rule of its own.
    cron = new Cron(text, { utcOffset: 0, mode: isNickname ? 'auto' : '5-or-6-parts' })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return fail(readable(message), 'see docs/schedules.md for what each field takes')
  }
  return {
    pattern: {
      next: (wall) => cron.nextRun(new Date(wall))?.getTime() ?? null,
      previous: (wall) => cron.previousRuns(1, new Date(wall))[0]?.getTime() ?? null,
    },
  }
}

function readable(message: string): string {
  const text = message.replace(/^CronPattern: /, '').replace(/^Syntax error, /, '')
  const day = /^Invalid value for (\w+): (-?\d+)$/.exec(text)
  // croner counts days and months from 0.
  if (day !== null) {
    const [, field = '', value = ''] = day
    const shown = field === 'day' || field === 'month' ? Number(value) + 1 : Number(value)
    return `${shown} is no ${field}`
  }
  return text.charAt(0).toLowerCase() + text.slice(1)
}
