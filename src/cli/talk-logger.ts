import type { LogFields, Logger } from '../base/logger.ts'
import { LOG_LEVELS, type LogLevel } from './settings/names.ts'
import type { Terminal } from './terminal.ts'

/** A logger for commands that a person waits for: each line is talk. Services log with pino. */
export function talkLogger(terminal: Terminal, least: LogLevel, fields: LogFields = {}): Logger {
  const say =
    (level: Exclude<LogLevel, 'silent'>) =>
    (more: LogFields, message: string): void => {
      if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return
      const all = Object.entries({ ...fields, ...more }).filter(([, value]) => value !== undefined)
      const shown = all.map(([key, value]) => `${key}=${show(value)}`).join(' ')
      const { talk } = terminal
      const label = { debug: 'debug', info: 'info', warn: 'warning', error: 'error' }[level]
      const colour = { debug: talk.dim, info: talk.cyan, warn: talk.yellow, error: talk.red }[level]
      terminal.say(`${colour(label)}: ${message}${shown === '' ? '' : talk.dim(` (${shown})`)}`)
    }
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: (more) => talkLogger(terminal, least, { ...fields, ...more }),
  }
}

function show(value: unknown): string {
  if (value instanceof Error) return value.message
  if (typeof value === 'object' && value !== null) return JSON.stringify(value)
  return String(value)
}
