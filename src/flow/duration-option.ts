import { readDuration } from '../base/durations.ts'
import { UsageError } from '../base/errors.ts'
import { describe } from './document.ts'

/** A duration with its unit: `500ms`, `5s`, `1h30m`, `7d`; at most 365 days. A bare number is refused. */
export type Duration =
  `${number}${'ms' | 's' | 'm' | 'h' | 'd'}` | `${number}${'s' | 'm' | 'h' | 'd'}${number}${string}`

/** Milliseconds of a duration that an option has. Throws {@link UsageError} that names the option. */
export function toMs(duration: unknown, where: string): number {
  const reading = readDuration(duration)
  if (reading.ms !== undefined) return reading.ms
  throw new UsageError(`${where} is ${describe(duration)}: ${reading.problem}`, {
    hint: reading.hint,
  })
}
