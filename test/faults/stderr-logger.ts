import type { Logger } from '../../src/base/logger.ts'

const log = (level: string) => (fields: object, message: string) =>
  void process.stderr.write(
    `${level} ${message} ${JSON.stringify(fields, (_, value: unknown) => said(value))}\n`,
  )
const said = (value: unknown): unknown => (value instanceof Error ? value.message : value)

/** Warnings and errors, a line each, to stderr. */
export const stderrLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: log('warn'),
  error: log('error'),
  child: () => stderrLogger,
}
