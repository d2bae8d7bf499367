import type { Zone } from './zone.ts'

/** A time that was read, or what is wrong with it. */
export type TimeReading =
  | { readonly ms: number; readonly problem?: never; readonly hint?: never }
  | { readonly ms?: never; readonly problem: string; readonly hint: string }

const TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?)?(Z|[+-]\d\d:\d\d)?$/

/**
 * Reads `2026-12-01T08:00:00Z`, `…+01:00`, or, as local time of the zone, `2026-12-01T08:00` and `2026-12-01`. Without an offset and
 * without a zone it would mean another time on another host, so that `zone: undefined` refuses it.
 */
export function readTime(text: string, zone: Zone | undefined): TimeReading {
  const found = TIME.exec(text)
  const hint =
    'write such as 2026-12-01T08:00:00Z, …+01:00, or without either as local time of `zone`'
  if (found === null) return { problem: 'not a time', hint }
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset] = found
  const numbers = [year, month, day, hour, minute, second].map(Number)
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = numbers
  const wall = Date.UTC(y, mo - 1, d, h, mi, s, Number(fraction.padEnd(3, '0')))
  const back = new Date(wall)
  const isReal =
    back.getUTCMonth() === mo - 1 && back.getUTCDate() === d && h < 24 && mi < 60 && s < 60
  if (!isReal) return { problem: 'no such time', hint }
  if (offset === undefined) {
    if (zone === undefined) {
      return { problem: 'a time needs its time zone', hint: 'add Z, +01:00, or `zone`' }
    }
    return { ms: zone.instantOf(wall) }
  }
  if (found[4] === undefined) return { problem: 'a date has no offset', hint }
  if (offset === 'Z') return { ms: wall }
  const [hours = 0, minutes = 0] = offset.slice(1).split(':').map(Number)
  const length = (hours * 60 + minutes) * 60_000
  return { ms: offset.startsWith('-') ? wall + length : wall - length }
}
