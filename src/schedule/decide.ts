/**
 * What becomes of a schedule at a moment: which ticks are posted, which wait, which are given up, and when it is looked at again.
 *
 * Invariants
 * D1  Each tick is decided about once: what `decide` returns moves `nextAt` behind all ticks that it decided about.
 * D2  Ticks are posted in order; one that waits goes before later ones.
 * D3  A tick is missed if nobody posted it within {@link ON_TIME_MS}, or if it came while the schedule was paused.
 * D4  The work is bounded, however long nobody looked: at most {@link COUNTED} missed ticks are counted, and at most {@link AT_ONCE} posted
 *     by one decision; the next one goes on.
 */
import type { Ticks } from './ticks.ts'
import { SCHEDULE_DEFAULTS, type ScheduleSpec } from './spec.ts'

/** A tick that is posted so late was not missed, whatever the policy: processes restart, databases fail over. */
export const ON_TIME_MS = 10_000
/** Missed ticks that are counted one by one; more are counted as so many. */
export const COUNTED = 1000
/** Ticks that one decision posts. */
export const AT_ONCE = 50

/** How a schedule stands. Times in epoch ms. */
export interface ScheduleState {
  /** The first tick that nobody has decided about; null: there is none. */
  readonly nextAt: number | null
  /** Ticks that wait for the last job to end, oldest first. */
  readonly queued: readonly number[]
  /** Ticks before it came while the schedule was paused. */
  readonly missedBefore: number | null
  /** Whether the last job that it posted has not ended. */
  readonly isBusy: boolean
}

export interface Decision {
  /** Ticks to post, oldest first. */
  readonly post: readonly number[]
  readonly nextAt: number | null
  readonly queued: readonly number[]
  /** Ticks that were given up because the last job had not ended. */
  readonly skipped: number
  /** Ticks that were given up because nobody could post them in time. */
  readonly missed: number
}

/** Decides about all ticks up to `now` of a schedule that is not paused. */
export function decide(
  spec: ScheduleSpec,
  ticks: Ticks,
  state: ScheduleState,
  now: number,
): Decision {
  const due = dueTicks(spec, ticks, state, now)
  const overlap = spec.overlap ?? SCHEDULE_DEFAULTS.overlap
  switch (overlap) {
    case 'allow': {
      const [now, later] = [due.chosen.slice(0, AT_ONCE), due.chosen[AT_ONCE]]
      // What waits is of a policy that queued.
      const post = [...state.queued, ...now]
      return { post, nextAt: later ?? due.nextAt, queued: [], skipped: 0, missed: due.missed }
    }
    case 'skip': {
      // Of a policy that queued.
      const left = state.queued.length
      const first = state.isBusy ? undefined : due.chosen[0]
      const post = first === undefined ? [] : [first]
      const skipped = left + due.chosen.length - post.length
      return { post, nextAt: due.nextAt, queued: [], skipped, missed: due.missed }
    }
    case 'queue': {
      const waiting = [...state.queued, ...due.chosen]
      const post = state.isBusy ? [] : waiting.splice(0, 1)
      const room = spec.maxQueued ?? SCHEDULE_DEFAULTS.maxQueued
      const skipped = Math.max(0, waiting.length - Math.max(room, state.queued.length))
      const queued = skipped === 0 ? waiting : waiting.slice(0, -skipped)
      return { post, nextAt: due.nextAt, queued, skipped, missed: due.missed }
    }
  }
}

interface Due {
  readonly chosen: readonly number[]
  readonly missed: number
  readonly nextAt: number | null
}

/** The ticks up to `now` that the catch-up policy keeps. */
function dueTicks(spec: ScheduleSpec, ticks: Ticks, state: ScheduleState, now: number): Due {
  const { nextAt, missedBefore } = state
  if (nextAt === null || nextAt > now) return { chosen: [], missed: 0, nextAt }
  const inTimeFrom = Math.max(now - ON_TIME_MS, missedBefore ?? -Infinity)
  const inTime: number[] = []
  for (let tick = ticks.after(Math.max(inTimeFrom, nextAt) - 1); tick !== null && tick <= now;) {
    inTime.push(tick)
    tick = ticks.after(tick)
  }
  const missed = missedTicks(ticks, nextAt, Math.min(inTimeFrom, now + 1))
  const kept = keptOf(spec, missed, inTime.length > 0)
  return {
    chosen: [...kept, ...inTime],
    missed: missed.length - kept.length,
    nextAt: ticks.after(now),
  }
}

/** The newest ticks from `from` on and before `until`, at most {@link COUNTED}, oldest first. */
function missedTicks(ticks: Ticks, from: number, until: number): readonly number[] {
  const found: number[] = []
  for (let tick = ticks.before(until); tick !== null && tick >= from;) {
    found.push(tick)
    if (found.length >= COUNTED) break
    tick = ticks.before(tick)
  }
  return found.reverse()
}

function keptOf(
  spec: ScheduleSpec,
  missed: readonly number[],
  hasInTime: boolean,
): readonly number[] {
  const catchUp = spec.catchUp ?? SCHEDULE_DEFAULTS.catchUp
  switch (catchUp) {
    case 'none':
      return []
    case 'last':
      // A tick that is on time stands for those before it.
      return hasInTime ? [] : missed.slice(-1)
    case 'all':
      return missed.slice(-(spec.maxCatchUp ?? SCHEDULE_DEFAULTS.maxCatchUp))
  }
}
