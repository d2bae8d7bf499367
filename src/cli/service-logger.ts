/** Logs of processes, through pino: JSON lines, or lines for a person where stderr is a terminal. */
import { pino } from 'pino'
import type { Logger } from '../base/logger.ts'
import { logLine } from './printing/log-line.ts'
import type { LogLevel } from './settings/names.ts'
import type { Terminal } from './terminal.ts'

export function serviceLogger(terminal: Terminal, level: LogLevel): Logger {
  const options = {
    level,
    base: terminal.isLive ? null : { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
    messageKey: 'message',
  }
  const destination = terminal.isLive
    ? { write: (line: string) => terminal.say(logLine(line, terminal.talk)) }
    : pino.destination({ fd: 2, sync: true })
  return pino(options, destination)
}
