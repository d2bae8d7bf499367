/**
 * The ticks of a schedule: the instants at which it posts.
 *
 * Invariants
 * T1  A tick depends on the spec and the anchor alone, never on when it is asked for: whoever computes it gets the same.
 * T2  Ticks stand from `start` on and before `end`.
 * T3  Cron: each matching wall time of the zone is one instant. One that is repeated counts once, where it is shown first; those that are
 *     left out are all at the first instant after the gap, which is one tick.
 * T4  `every`: start (or anchor) plus whole multiples. Nothing drifts, and clock changes mean nothing to it.
 */
import { readDuration } from '../base/durations.ts'
import { readCron, type CronPattern } from './cron.ts'
import type { ScheduleSpec } from './spec.ts'
import { readTime } from './time.ts'
import { zoneOf, type Zone } from './zone.ts'

export interface Ticks {
  /** The first tick after an instant; null: there is none. */
  after(ms: number): number | null
  /** The last tick before an instant; null: there is none. */
  before(ms: number): number | null
}

/**
 * The ticks of a spec that {@link checkSpec} passed.
 * @param anchorAt where `every` without `start` counts from: the first tick is one interval later
 */
export function ticksOf(spec: ScheduleSpec, anchorAt: number): Ticks {
  const zone = zoneOf(spec.zone ?? 'UTC') ?? utc()
  const start = timeOf(spec.start, zone)
  const end = timeOf(spec.end, zone)
  const all =
    spec.every === undefined
      ? cronTicks(readCron(spec.cron ?? '').pattern, zone)
      : everyTicks(readDuration(spec.every).ms ?? 0, start ?? anchorAt, start === undefined ? 1 : 0)
  return {
    after(ms) {
      const tick = all.after(start === undefined ? ms : Math.max(ms, start - 1))
      return tick === null || (end !== undefined && tick >= end) ? null : tick
    },
    before(ms) {
      const tick = all.before(end === undefined ? ms : Math.min(ms, end))
      return tick === null || (start !== undefined && tick < start) ? null : tick
    },
  }
}

/** The next ticks after an instant, at most `count`. */
export function nextTicks(ticks: Ticks, ms: number, count: number): readonly number[] {
  const found: number[] = []
  for (let tick = ticks.after(ms); tick !== null && found.length < count;) {
    found.push(tick)
    tick = ticks.after(tick)
  }
  return found
}

function everyTicks(everyMs: number, from: number, first: number): Ticks {
  if (!(everyMs > 0)) return NEVER
  const tick = (count: number): number => from + count * everyMs
  return {
    after: (ms) => tick(Math.max(first, Math.floor((ms - from) / everyMs) + 1)),
    before(ms) {
      const count = Math.ceil((ms - from) / everyMs) - 1
      return count < first ? null : tick(count)
    },
  }
}

function cronTicks(pattern: CronPattern | undefined, zone: Zone): Ticks {
  if (pattern === undefined) return NEVER
  const second = (ms: number): number => Math.floor(ms / 1000) * 1000
  return {
    after(ms) {
      const fresh = zone.freshWallAt(ms)
      // What the wall has shown until now was ticked when it was shown first.
      let wall = fresh === zone.wallAt(ms) ? second(fresh) : fresh - 1000
      for (;;) {
        const next = pattern.next(wall)
        if (next === null) return null
        const tick = zone.instantOf(next)
        if (tick > ms) return tick
        wall = next
      }
    },
    before(ms) {
      let wall = zone.freshWallAt(ms)
      if (wall % 1000 !== 0) wall = second(wall) + 1000
      for (;;) {
        const previous = pattern.previous(wall)
        if (previous === null) return null
        const tick = zone.instantOf(previous)
        if (tick < ms) return tick
        wall = previous
      }
    },
  }
}

const NEVER: Ticks = { after: () => null, before: () => null }

function timeOf(text: string | undefined, zone: Zone): number | undefined {
  return text === undefined ? undefined : readTime(text, zone).ms
}

function utc(): Zone {
  const zone = zoneOf('UTC')
  if (zone === null) throw new Error('expected UTC to be a time zone')
  return zone
}
