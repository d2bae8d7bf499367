import { toJson } from '../base/codec.ts'
import { toFailure } from '../base/failure.ts'
import type { JsonObject } from '../base/json.ts'
import type { Logger, LogFields } from '../base/logger.ts'
import type { LOG_LEVELS, FromThread } from './thread-messages.ts'

/** A logger of a thread or process whose lines are written by whoever started it. */
export function remoteLogger(say: (message: FromThread) => void, bound: LogFields = {}): Logger {
  const at =
    (level: (typeof LOG_LEVELS)[number]) =>
    (fields: LogFields, message: unknown): void =>
      say({
        kind: 'log',
        level,
        fields: carried({ ...bound, ...fields }),
        message: String(message),
      })
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => remoteLogger(say, { ...bound, ...fields }),
  }
}

/** Fields as JSON; one that JSON cannot carry as its text. */
function carried(fields: LogFields): JsonObject {
  const out: { [field: string]: JsonObject[string] } = {}
  for (const [name, value] of Object.entries(fields)) {
    try {
      out[name] = toJson(value instanceof Error ? toFailure(value) : value)
    } catch {
      out[name] = typeof value
    }
  }
  return out
}
