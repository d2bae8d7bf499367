/**
 * Local time of IANA zones, both ways. A wall time is what a clock on the wall shows, as the epoch milliseconds that it would be in UTC.
 *
 * Invariants
 * Z1  `instantOf` never goes back: a later wall time is at the same instant or a later one.
 * Z2  A wall time that exists twice is the first of both; one that does not exist is the first instant after the gap.
 */
import { nearest } from '../base/did-you-mean.ts'

const SECOND = 1000
/** Further than any zone has moved its clocks at once (Samoa left out a whole day). */
const AROUND_MS = 36 * 3_600_000

export interface Zone {
  readonly name: string
  /** What the wall shows at an instant. */
  wallAt(ms: number): number
  /** When the wall shows this (Z2). */
  instantOf(wall: number): number
  /**
   * The first wall time that the wall shows at an instant or after it, and has not shown before: another one than `wallAt` only
   * while an hour is repeated.
   */
  freshWallAt(ms: number): number
  /** `2026-03-29T03:00:00+02:00`. */
  format(ms: number): string
}

const zones = new Map<string, Zone>()

/** A zone by its IANA name; null where there is none. The same name gives the same object. */
export function zoneOf(name: string): Zone | null {
  const known = zones.get(name)
  if (known !== undefined) return known
  const offsetAt = offsets(name)
  if (offsetAt === null) return null
  const zone = makeZone(name, offsetAt)
  zones.set(name, zone)
  return zone
}

/** What is wrong with the name of a zone; undefined when nothing is. */
export function zoneProblem(name: string): { message: string; hint: string } | undefined {
  if (zoneOf(name) !== null) return undefined
  const names = Intl.supportedValuesOf('timeZone')
  const asCity = names.find((one) => one.toLowerCase().endsWith(`/${name.toLowerCase()}`))
  const meant = asCity ?? nearest(name, [...names, 'UTC'])
  return {
    message: `there is no time zone ${JSON.stringify(name.slice(0, 60))}`,
    hint:
      meant === undefined
        ? 'write a name of the IANA database, such as Europe/Berlin, or UTC'
        : `did you mean "${meant}"?`,
  }
}

/** How far a zone is ahead of UTC, in ms; null where there is no such zone. */
function offsets(name: string): ((ms: number) => number) | null {
  // Newer versions of Node.js take offsets for zones, older ones do not: every process must read a schedule alike.
  if (!/^[A-Za-z]/.test(name)) return null
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
  } catch {
    return null
  }
  if (/^(etc\/)?(utc|gmt|zulu|uct|universal|greenwich)$/i.test(name)) return () => 0
  return (ms) => {
    const found = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(ms))
    if (found?.[1] === undefined) return 0
    const [, sign, hours, minutes, seconds = '0'] = found
    const length = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
    return (sign === '-' ? -length : length) * SECOND
  }
}

function makeZone(name: string, offsetAt: (ms: number) => number): Zone {
  /** The instant after `before` and up to `after` at which the offset is no longer that of `before`. */
  const transition = (before: number, after: number): number => {
    const offset = offsetAt(before)
    let [low, high] = [Math.floor(before / SECOND), Math.ceil(after / SECOND)]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (offsetAt(middle * SECOND) === offset) low = middle
      else high = middle
    }
    return high * SECOND
  }
  const instantOf = (wall: number): number => {
    const early = offsetAt(wall - AROUND_MS)
    const late = offsetAt(wall + AROUND_MS)
    if (early === late) return wall - early
    const found = [wall - early, wall - late].filter((ms) => ms + offsetAt(ms) === wall)
    if (found.length > 0) return Math.min(...found)
    return transition(wall - Math.max(early, late), wall - Math.min(early, late))
  }
  const zone: Zone = {
    name,
    wallAt: (ms) => ms + offsetAt(ms),
    instantOf,
    freshWallAt(ms) {
      const wall = ms + offsetAt(ms)
      const first = instantOf(wall)
      if (first >= ms) return wall
      const at = transition(first, ms)
      return at + offsetAt(at - SECOND)
    },
    format(ms) {
      const offset = offsetAt(ms)
      const minutes = Math.round(Math.abs(offset) / 60_000)
      const two = (number: number): string => String(number).padStart(2, '0')
      const text = new Date(ms + offset).toISOString().replace(/\.000Z$|Z$/, '')
      return `${text}${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
    },
  }
  return zone
}
