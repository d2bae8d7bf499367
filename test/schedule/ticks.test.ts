import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { nextTicks, ticksOf, type Ticks } from '../../src/schedule/ticks.ts'
import { zoneOf } from '../../src/schedule/zone.ts'
import { cronText, slowTicks, type Fields } from './slow-ticks.ts'

const RUNS = Number(process.env['ZAGFLOW_TEST_RUNS'] ?? 100)
const DAY = 86_400_000

/** Zones whose clocks go forward and back in many ways, and days on which something happens. */
const PLACES = [
  ['Europe/Berlin', '2026-03-29', '2026-10-25'],
  ['America/New_York', '2026-03-08', '2026-11-01'],
  ['Australia/Lord_Howe', '2026-04-05', '2026-10-04'], // half an hour
  ['America/Santiago', '2026-04-05', '2026-09-06'], // at midnight
  ['Africa/Cairo', '2026-04-24', '2026-10-30'], // at midnight, the last hour of the day before again
  ['Asia/Kathmandu', '2026-06-01', '2026-12-31'], // +05:45, never changes
  ['Pacific/Apia', '2011-12-30', '2026-01-01'], // a day that never was
  ['Africa/Casablanca', '2026-02-15', '2026-03-22'], // for Ramadan
  ['UTC', '2024-02-29', '2026-12-31'],
] as const

const some = (from: number, to: number) =>
  fc.option(
    fc
      .uniqueArray(fc.integer({ min: from, max: to }), { minLength: 1, maxLength: 6 })
      .map((set) => set.toSorted((a, b) => a - b)),
    { nil: null },
  )

const fieldsOf: fc.Arbitrary<Fields> = fc.record({
  minutes: some(0, 59),
  hours: fc.oneof(some(0, 23), some(0, 4)),
  days: some(1, 31),
  months: fc.constant(null),
  weekdays: some(0, 6),
})

describe('ticks of cron', () => {
  it('are those of a slow computation by Intl, around every change of clocks', () => {
    fc.assert(
      fc.property(
        fieldsOf,
        fc.constantFrom(...PLACES),
        fc.boolean(),
        fc.integer({ min: 0, max: 1439 }),
        (fields, [zone, spring, autumn], isSpring, minute) => {
          const middle = Date.parse(`${isSpring ? spring : autumn}T00:00:00Z`) + minute * 60_000
          const [from, until] = [middle - DAY, middle + DAY]
          const expected = slowTicks(fields, zone, from, until)
          const ticks = ticksOf({ cron: cronText(fields), zone }, 0)
          const shown = (list: readonly number[]) => list.map((at) => zoneOf(zone)?.format(at))
          assert.deepEqual(shown(forward(ticks, from - 1, until)), shown(expected))
          assert.deepEqual(shown(backward(ticks, from, until)), shown(expected))
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('are the same whoever asks, and from when: each moment knows the next and the last tick', () => {
    fc.assert(
      fc.property(
        fieldsOf,
        fc.constantFrom(...PLACES),
        fc.array(fc.integer({ min: 0, max: 2 * DAY }), { minLength: 20, maxLength: 20 }),
        (fields, [zone, , autumn], offsets) => {
          const from = Date.parse(`${autumn}T00:00:00Z`) - DAY
          const ticks = ticksOf({ cron: cronText(fields), zone }, 0)
          const all = forward(ticks, from - DAY, from + 3 * DAY)
          for (const offset of offsets) {
            const at = from + offset
            const next = all.find((tick) => tick > at)
            if (next !== undefined) assert.equal(ticks.after(at), next)
            const last = all.findLast((tick) => tick < at)
            if (last !== undefined) assert.equal(ticks.before(at), last)
          }
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('that do not exist are at the first instant after the gap, once', () => {
    const shown = local({ cron: '0,15,30 2 * * *', zone: 'Europe/Berlin' }, '2026-03-28T12:00Z', 4)
    assert.deepEqual(shown, [
      '2026-03-29T03:00:00+02:00',
      '2026-03-30T02:00:00+02:00',
      '2026-03-30T02:15:00+02:00',
      '2026-03-30T02:30:00+02:00',
    ])
  })

  it('that exist twice run once, where they are first', () => {
    const shown = local({ cron: '30 2 * * *', zone: 'Europe/Berlin' }, '2026-10-24T12:00Z', 2)
    assert.deepEqual(shown, ['2026-10-25T02:30:00+02:00', '2026-10-26T02:30:00+01:00'])
  })

  it('that are frequent pause while an hour is repeated, by the same rule', () => {
    const shown = local({ cron: '*/20 * * * *', zone: 'Europe/Berlin' }, '2026-10-25T00:15Z', 4)
    assert.deepEqual(shown, [
      '2026-10-25T02:20:00+02:00',
      '2026-10-25T02:40:00+02:00',
      '2026-10-25T03:00:00+01:00',
      '2026-10-25T03:20:00+01:00',
    ])
  })

  it('may be seconds, and one asked for in a repeated hour is found at once', () => {
    const ticks = ticksOf({ cron: '*/10 * * * * *', zone: 'Europe/Berlin' }, 0)
    const inFold = Date.parse('2026-10-25T01:00:00.500Z')
    assert.equal(ticks.after(inFold), Date.parse('2026-10-25T02:00:00Z'))
    assert.equal(ticks.before(inFold), Date.parse('2026-10-25T00:59:50Z'))
    assert.deepEqual(
      nextTicks(ticks, Date.parse('2026-07-01T00:00:03.400Z'), 3).map((at) => at % 60_000),
      [10_000, 20_000, 30_000],
    )
  })

  it('know leap years', () => {
    const shown = local({ cron: '0 12 29 2 *' }, '2096-01-01T00:00Z', 2)
    assert.deepEqual(shown, ['2096-02-29T12:00:00+00:00', '2104-02-29T12:00:00+00:00'])
  })

  it('know the last day of a month, weekdays near a day, and the nth weekday', () => {
    const first = (cron: string) => local({ cron }, '2026-02-10T00:00Z', 1)[0]?.slice(0, 10)
    assert.equal(first('0 0 L * *'), '2026-02-28')
    assert.equal(first('0 0 15W * *'), '2026-02-16', 'the 15th is a Sunday')
    assert.equal(first('0 0 * * FRI#2'), '2026-02-13')
    assert.equal(first('@monthly'), '2026-03-01')
  })
})

describe('ticks of every', () => {
  it('stand at whole multiples from the start, whenever they are asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }),
        fc.boolean(),
        (seconds, offset, hasStart) => {
          const start = Date.parse('2026-03-29T00:00:00Z')
          const at = start + offset
          const ticks = ticksOf(
            { every: `${seconds}s`, ...(hasStart ? { start: '2026-03-29T00:00:00Z' } : {}) },
            start,
          )
          const [next, last] = [ticks.after(at), ticks.before(at)]
          assert.ok(next !== null && next > at)
          assert.equal((next - start) % (seconds * 1000), 0)
          const least = hasStart ? start : start + seconds * 1000
          assert.ok(next >= least && (next === least || next - seconds * 1000 <= at))
          if (last === null) assert.ok(at <= least)
          else assert.ok(last < at && last >= least && last + seconds * 1000 >= at)
        },
      ),
    )
  })

  it('stand from start on and before end', () => {
    const spec = {
      every: '1h',
      start: '2026-01-01T00:00:00Z',
      end: '2026-01-01T03:00:00Z',
    } as const
    const ticks = ticksOf(spec, 0)
    assert.deepEqual(
      forward(ticks, 0, Number.MAX_SAFE_INTEGER).map((at) => new Date(at).getUTCHours()),
      [0, 1, 2],
    )
    assert.equal(ticks.before(Date.parse('2027-01-01T00:00:00Z')), Date.parse('2026-01-01T02:00Z'))
    assert.equal(ticks.before(Date.parse('2026-01-01T00:00:00Z')), null)
  })

  it('with start and end in local time of the zone', () => {
    const spec = {
      cron: '0 * * * *',
      zone: 'Asia/Tokyo',
      start: '2026-01-01',
      end: '2026-01-01T02:00',
    }
    assert.deepEqual(local(spec, '2020-01-01T00:00Z', 9), [
      '2026-01-01T00:00:00+09:00',
      '2026-01-01T01:00:00+09:00',
    ])
  })
})

function local(
  spec: Parameters<typeof ticksOf>[0],
  from: string,
  count: number,
): readonly (string | undefined)[] {
  const zone = zoneOf(spec.zone ?? 'UTC')
  return nextTicks(ticksOf(spec, 0), Date.parse(from), count).map((at) => zone?.format(at))
}

function forward(ticks: Ticks, after: number, until: number): readonly number[] {
  const found: number[] = []
  for (let tick = ticks.after(after); tick !== null && tick < until; tick = ticks.after(tick)) {
    found.push(tick)
  }
  return found
}

function backward(ticks: Ticks, from: number, before: number): readonly number[] {
  const found: number[] = []
  for (let tick = ticks.before(before); tick !== null && tick >= from; tick = ticks.before(tick)) {
    found.unshift(tick)
  }
  return found
}
