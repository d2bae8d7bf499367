import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  AT_ONCE,
  COUNTED,
  decide,
  ON_TIME_MS,
  type ScheduleState,
} from '../../src/schedule/decide.ts'
import { CATCH_UPS, OVERLAPS, type ScheduleSpec } from '../../src/schedule/spec.ts'
import { ticksOf } from '../../src/schedule/ticks.ts'

const MINUTE = 60_000
const every = (spec: Partial<ScheduleSpec> = {}): ScheduleSpec => ({ every: '1m', ...spec })
const state = (over: Partial<ScheduleState> = {}): ScheduleState => {
  return { nextAt: MINUTE, queued: [], missedBefore: null, isBusy: false, ...over }
}
/** Ticks are whole minutes. */
const at = (spec: ScheduleSpec, over: Partial<ScheduleState>, now: number) => {
  const made = decide(spec, ticksOf(spec, 0), state(over), now)
  const minutes = (list: readonly number[]) => list.map((tick) => tick / MINUTE)
  return {
    ...made,
    post: minutes(made.post),
    queued: minutes(made.queued),
    nextAt: (made.nextAt ?? NaN) / MINUTE,
  }
}

describe('what becomes of ticks', () => {
  it('is nothing before the first one', () => {
    assert.deepEqual(at(every(), {}, MINUTE - 1), {
      post: [],
      nextAt: 1,
      queued: [],
      skipped: 0,
      missed: 0,
    })
  })

  it('is that one on time is posted, whatever the policy, also when it is a little late', () => {
    for (const catchUp of CATCH_UPS) {
      for (const late of [0, ON_TIME_MS]) {
        const { post, nextAt, missed } = at(every({ catchUp }), {}, MINUTE + late)
        assert.deepEqual([post, nextAt, missed], [[1], 2, 0])
      }
    }
  })

  it('is said by catchUp where they were missed: none, the last, or all up to a number', () => {
    const now = 10 * MINUTE + 30_000
    const made = (spec: Partial<ScheduleSpec>) => {
      const { post, missed, nextAt } = at(every(spec), {}, now)
      assert.equal(nextAt, 11)
      return [post, missed]
    }
    assert.deepEqual(made({ catchUp: 'none' }), [[], 10])
    assert.deepEqual(made({ catchUp: 'last' }), [[10], 9])
    assert.deepEqual(made({}), [[10], 9], 'the last one is the default')
    assert.deepEqual(made({ catchUp: 'all' }), [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0])
    assert.deepEqual(made({ catchUp: 'all', maxCatchUp: 3 }), [[8, 9, 10], 7])
  })

  it('is that one on time stands for those that were missed, unless all are wanted', () => {
    const now = 5 * MINUTE + 1000
    assert.deepEqual(at(every({ catchUp: 'last' }), {}, now).post, [5])
    assert.deepEqual(at(every({ catchUp: 'none' }), {}, now).post, [5])
    assert.deepEqual(at(every({ catchUp: 'all', maxCatchUp: 2 }), {}, now).post, [3, 4, 5])
  })

  it('is that those of a pause are missed, however short it was', () => {
    const now = 2 * MINUTE + 2000
    const paused = { nextAt: 2 * MINUTE, missedBefore: 2 * MINUTE + 1000 }
    assert.deepEqual(at(every({ catchUp: 'none' }), paused, now).post, [])
    assert.deepEqual(at(every({ catchUp: 'last' }), paused, now).post, [2])
    assert.equal(at(every({ catchUp: 'none' }), paused, now).missed, 1)
  })

  it('is that they are skipped and counted while the last job runs, if so wanted', () => {
    const spec = every({ overlap: 'skip', catchUp: 'all' })
    const busy = at(spec, { isBusy: true }, 3 * MINUTE)
    assert.deepEqual([busy.post, busy.skipped, busy.nextAt], [[], 3, 4])
    const free = at(spec, {}, 3 * MINUTE)
    assert.deepEqual([free.post, free.skipped, free.nextAt], [[1], 2, 4])
  })

  it('is that they wait in order, up to a number, if so wanted', () => {
    const spec = every({ overlap: 'queue', maxQueued: 2, catchUp: 'all' })
    const busy = at(spec, { isBusy: true }, 4 * MINUTE)
    assert.deepEqual([busy.post, busy.queued, busy.skipped], [[], [1, 2], 2])
    const queued = [MINUTE, 2 * MINUTE]
    const ended = at(spec, { nextAt: 5 * MINUTE, queued }, 4 * MINUTE)
    assert.deepEqual([ended.post, ended.queued, ended.skipped], [[1], [2], 0])
    const both = at(spec, { nextAt: 5 * MINUTE, queued }, 5 * MINUTE)
    assert.deepEqual(
      [both.post, both.queued, both.skipped],
      [[1], [2, 5], 0],
      'the oldest goes first',
    )
  })

  it('is that what waited under another policy is posted or given up', () => {
    const queued = [MINUTE, 2 * MINUTE]
    const later = { nextAt: 9 * MINUTE, queued, isBusy: true }
    assert.deepEqual(at(every({ overlap: 'allow' }), later, 5 * MINUTE).post, [1, 2])
    assert.equal(at(every({ overlap: 'skip' }), later, 5 * MINUTE).skipped, 2)
    const fewer = at(every({ overlap: 'queue', maxQueued: 1 }), later, 5 * MINUTE)
    assert.deepEqual([fewer.queued, fewer.skipped], [[1, 2], 0], 'what waits already may wait')
  })

  it('costs the same after a year as after an hour (D4)', () => {
    const spec: ScheduleSpec = {
      cron: '* * * * * *',
      zone: 'Europe/Berlin',
      catchUp: 'all',
      maxCatchUp: 60,
    }
    const started = performance.now()
    const now = Date.parse('2027-01-01T00:00:00Z')
    const made = decide(spec, ticksOf(spec, 0), state({ nextAt: now - 365 * 86_400_000 }), now)
    assert.equal(made.missed, COUNTED - 60)
    assert.equal(made.post.length, AT_ONCE)
    assert.ok(performance.now() - started < 20_000)
    const rest = decide(spec, ticksOf(spec, 0), state({ nextAt: made.nextAt }), now)
    assert.deepEqual([rest.post.length, rest.missed], [60 - AT_ONCE + ON_TIME_MS / 1000 + 1, 0])
    assert.ok((made.post.at(-1) ?? 0) < (rest.post[0] ?? 0))
  })

  it('is decided once for each, in order, whenever and however often somebody looks (D1, D2)', () => {
    const looks = fc.array(fc.tuple(fc.integer({ min: 1, max: 200_000 }), fc.boolean()), {
      minLength: 1,
      maxLength: 60,
    })
    const specs = fc.record({
      every: fc.constantFrom('1s', '7s', '1m'),
      overlap: fc.constantFrom(...OVERLAPS),
      catchUp: fc.constantFrom(...CATCH_UPS),
    })
    fc.assert(
      fc.property(specs, looks, fc.integer({ min: 1, max: 20 }), (spec, all, limit) => {
        const whole: ScheduleSpec = {
          ...spec,
          ...(spec.overlap === 'queue' ? { maxQueued: limit } : {}),
          ...(spec.catchUp === 'all' ? { maxCatchUp: limit } : {}),
        }
        const ticks = ticksOf(whole, 0)
        const posted: number[] = []
        let [now, given, known] = [0, 0, state({ nextAt: ticks.after(0) })]
        for (const [later, isBusy] of all) {
          now += later
          const made = decide(whole, ticks, { ...known, isBusy }, now)
          posted.push(...made.post)
          given += made.skipped + made.missed
          if (whole.overlap !== 'allow') assert.ok(made.post.length <= (isBusy ? 0 : 1))
          assert.ok(made.queued.length <= limit)
          const { nextAt, queued } = made
          known = { nextAt, queued, missedBefore: null, isBusy }
        }
        assert.deepEqual(
          posted,
          [...new Set(posted)].toSorted((a, b) => a - b),
        )
        for (const tick of posted) assert.equal(ticks.after(tick - 1), tick)
        const due = countUntil(ticks, known.nextAt ?? 0)
        assert.equal(
          posted.length + given + known.queued.length,
          due,
          'none is lost, none is twice',
        )
      }),
      { numRuns: 300 },
    )
  })
})

function countUntil(ticks: ReturnType<typeof ticksOf>, until: number): number {
  let count = 0
  for (let tick = ticks.after(0); tick !== null && tick < until; tick = ticks.after(tick))
    count += 1
  return count
}
