import { UsageError } from './errors.ts'

/** The longest duration anywhere: 365 days. */
export const MAX_DURATION_MS = 365 * 24 * 60 * 60 * 1000

const UNITS = [
  ['d', 24 * 60 * 60 * 1000],
  ['h', 60 * 60 * 1000],
  ['m', 60 * 1000],
  ['s', 1000],
  ['ms', 1],
] as const

/** A duration that was read, or what is wrong with it and how to mend it. */
export type DurationReading =
  | { readonly ms: number; readonly problem?: never; readonly hint?: never }
  | { readonly ms?: never; readonly problem: string; readonly hint: string }

/**
 * Reads a duration such as `5s`, `500ms`, `1h30m`, `1.5s`, `7d`: units from big to small, each at most once, 0 to 365
 * days, whole milliseconds. Never throws; a bare number is refused because nobody can tell seconds from milliseconds.
 */
export function readDuration(value: unknown): DurationReading {
  if (typeof value === 'number') {
    return { problem: 'a duration needs a unit', hint: `write ${value}s or ${value}ms` }
  }
  const example = 'write such as 500ms, 5s, 1h30m or 7d'
  if (typeof value !== 'string') return { problem: 'not a duration', hint: example }
  if (/^-?\d+(\.\d+)?$/.test(value) && value.length < 20) {
    return { problem: 'a duration needs a unit', hint: `write ${value}s or ${value}ms` }
  }
  if (value.length > 64) return { problem: 'not a duration', hint: example }
  if (value.startsWith('-')) return { problem: 'a duration cannot be negative', hint: example }
  let ms = 0
  let rest = value
  for (const [unit, size] of UNITS) {
    const match = /^(\d+(?:\.\d+)?)(ms|[dhms])/.exec(rest)
    if (match === null) break
    if (match[2] !== unit) continue
    ms += Number(match[1]) * size
    rest = rest.slice(match[0].length)
  }
  if (rest !== '' || value === '') return { problem: 'not a duration', hint: example }
  const whole = Math.round(ms)
  if (Math.abs(whole - ms) > 1e-6) {
    return { problem: 'a duration is whole milliseconds', hint: `write ${whole}ms` }
  }
  if (whole > MAX_DURATION_MS) {
    return { problem: 'a duration is at most 365 days', hint: 'write at most 365d' }
  }
  return { ms: whole }
}

/** Milliseconds of a duration such as `5s` or `1h30m`. Throws {@link UsageError}; see {@link readDuration}. */
export function parseDuration(text: unknown): number {
  const reading = readDuration(text)
  if (reading.ms !== undefined) return reading.ms
  throw new UsageError(`${reading.problem}, got ${show(text)}`, { hint: reading.hint })
}

/** The shortest text that {@link parseDuration} reads as these milliseconds: `90000` is `1m30s`. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms)
  if (!(rest > 0)) return '0s'
  let text = ''
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return text
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : String(value)
}
