import { isRecord } from '../base/codec.ts'
import { InvalidInputError, ExpressionError } from '../base/errors.ts'
import type { JsonObject } from '../base/json.ts'
import { compileTemplate } from '../flow/template.ts'
import { SCHEDULE_DEFAULTS, type ScheduleSpec } from './spec.ts'
import { zoneOf } from './zone.ts'

/** A tick, as the input of its job may speak of it. */
export interface TickOf {
  /** Name of the schedule. */
  readonly name: string
  readonly tick: number
  /** The tick of this schedule that was posted before; null: it is the first one. */
  readonly previous: number | null
}

/**
 * The input of a tick's job: the spec's, its expressions evaluated. They know `tick`: `at` and `previous` (ISO 8601 in UTC; `previous`, the tick
 * that was posted before, is null at first), `epochMs`, `schedule` (the name), and `local`, `date` and `time` in the schedule's zone
 * (`2026-03-29T03:00:00+02:00`, `2026-03-29`, `03:00:00`). Throws {@link InvalidInputError}.
 */
export function tickInput(spec: ScheduleSpec, of: TickOf): JsonObject {
  const { input } = spec
  if (input === undefined) return {}
  const variable = tickVariable(spec, of)
  try {
    const value = compileTemplate(input).evaluate({
      lookup: (symbol) => (symbol === 'tick' ? variable : undefined),
    })
    return isRecord(value) ? value : {}
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    throw new InvalidInputError([{ path: 'input', message: error.message }], {
      subject: `the input of the schedule "${of.name}"`,
      cause: error,
    })
  }
}

function tickVariable(spec: ScheduleSpec, { name, tick, previous }: TickOf): JsonObject {
  const local = (zoneOf(spec.zone ?? SCHEDULE_DEFAULTS.zone) ?? zoneOf('UTC'))?.format(tick) ?? ''
  return {
    schedule: name,
    at: new Date(tick).toISOString(),
    epochMs: tick,
    previous: previous === null ? null : new Date(previous).toISOString(),
    local,
    date: local.slice(0, 10),
    time: local.slice(11, 19),
  }
}
