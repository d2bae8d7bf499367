/**
 * Ticks computed slowly and by other means: every minute of a window is shown by Intl, field by field, and compared with sets of numbers.
 * Nothing of src/schedule is used.
 */

/** The fields of a cron expression as sets; null: `*`. */
export interface Fields {
  readonly minutes: readonly number[] | null
  readonly hours: readonly number[] | null
  readonly days: readonly number[] | null
  readonly months: readonly number[] | null
  /** 0 is Sunday. */
  readonly weekdays: readonly number[] | null
}

export function cronText(fields: Fields): string {
  const { minutes, hours, days, months, weekdays } = fields
  return [minutes, hours, days, months, weekdays]
    .map((set) => (set === null ? '*' : set.join(',')))
    .join(' ')
}

const MINUTE = 60_000

/**
 * Ticks from `from` on and before `until`, both whole minutes. A wall time that comes again has ticked already; wall times that are left out
 * tick once, at the first instant after them.
 */
export function slowTicks(fields: Fields, zone: string, from: number, until: number): number[] {
  const found: number[] = []
  // Longer than any repetition, so that what is shown again is known.
  const before = from - 26 * 60 * MINUTE
  let latest = wallAt(zone, before - MINUTE)
  for (let at = before; at < until; at += MINUTE) {
    const wall = wallAt(zone, at)
    let ticks = false
    for (let shown = latest + MINUTE; shown <= wall; shown += MINUTE)
      ticks ||= matches(fields, shown)
    if (wall > latest) latest = wall
    if (ticks && at >= from) found.push(at)
  }
  return found
}

function matches({ minutes, hours, days, months, weekdays }: Fields, wall: number): boolean {
  const date = new Date(wall)
  const is = (set: readonly number[] | null, value: number): boolean => set?.includes(value) ?? true
  if (!is(minutes, date.getUTCMinutes()) || !is(hours, date.getUTCHours())) return false
  if (!is(months, date.getUTCMonth() + 1)) return false
  const isDay = is(days, date.getUTCDate())
  const isWeekday = is(weekdays, date.getUTCDay())
  // As cron has it since ever: either of them, if both are restricted.
  return days !== null && weekdays !== null ? isDay || isWeekday : isDay && isWeekday
}

const formats = new Map<string, Intl.DateTimeFormat>()
const walls = new Map<string, number>()

/** What the wall shows, as if it were UTC. */
export function wallAt(zone: string, at: number): number {
  const key = `${zone} ${at}`
  const wall = walls.get(key) ?? shownAt(zone, at)
  walls.set(key, wall)
  return wall
}

function shownAt(zone: string, at: number): number {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
    formats.set(zone, format)
  }
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
  return Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  )
}
