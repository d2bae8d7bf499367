import type { LogFields, Logger } from '../base/logger.ts'

/** Says warnings and errors on stderr, one line each: what a service sees that gave no logger. */
export function consoleLogger(fields: LogFields = {}): Logger {
  const say = (level: 'warning' | 'error', more: LogFields, message: string): void => {
    const all = Object.entries({ ...fields, ...more }).filter(([, value]) => value !== undefined)
    const shown = all.map(([key, value]) => `${key}=${show(value)}`).join(' ')
    console.error(`zagflow ${level}: ${message}${shown === '' ? '' : ` (${shown})`}`)
  }
  return {
    debug() {},
    info() {},
    warn: (more, message) => say('warning', more, message),
    error: (more, message) => say('error', more, message),
    child: (more) => consoleLogger({ ...fields, ...more }),
  }
}

function show(value: unknown): string {
  if (value instanceof Error) return value.message
  if (typeof value === 'object' && value !== null) return JSON.stringify(value)
  return String(value)
}
