/** A line of the log, from JSON to what a person reads. Pure. */
import type { Paint } from './paint.ts'
import { pad } from './text.ts'

const LEVELS: { readonly [level: string]: (paint: Paint, text: string) => string } = {
  debug: (paint, text) => paint.dim(text),
  info: (paint, text) => paint.cyan(text),
  warn: (paint, text) => paint.yellow(text),
  error: (paint, text) => paint.red(text),
}

/** `12:30:05 info  the conductor is ready  board=main`; what is no JSON stays as it is. */
export function logLine(line: string, paint: Paint): string {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return line.trimEnd()
  }
  if (typeof parsed !== 'object' || parsed === null) return line.trimEnd()
  const { time, level, message, error, ...rest } = parsed as { readonly [key: string]: unknown }
  const name = typeof level === 'string' ? level : 'info'
  const colour = LEVELS[name] ?? ((_: Paint, text: string) => text)
  const fields = Object.entries(rest).map(([key, value]) => `${key}=${show(value)}`)
  const trouble = messageOf(error)
  return [
    paint.dim(typeof time === 'string' ? time.slice(11, 19) : ''),
    colour(paint, pad(name, 5)),
    typeof message === 'string' ? message : '',
    ...(trouble === undefined ? [] : [paint.red(trouble)]),
    ...(fields.length === 0 ? [] : [paint.dim(fields.join(' '))]),
  ].join(' ')
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function messageOf(error: unknown): string | undefined {
  if (error === undefined) return undefined
  if (typeof error !== 'object' || error === null || !('message' in error)) return show(error)
  return String(error.message)
}
