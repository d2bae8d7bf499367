import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InvalidInputError } from '../../src/base/errors.ts'
import { readScheduleFile } from '../../src/schedule/file.ts'
import { tickInput } from '../../src/schedule/input.ts'
import { firstTick, parseSpec, type ScheduleSpec } from '../../src/schedule/spec.ts'

const NOW = Date.parse('2026-11-21T10:00:00Z')

/** What is said of a spec that is refused. */
function refusal(spec: unknown): string {
  try {
    const parsed = parseSpec(spec, 'it')
    firstTick(parsed, { now: NOW, anchorAt: NOW, subject: 'it' })
  } catch (error) {
    assert.ok(error instanceof InvalidInputError, String(error))
    return error.message
  }
  return 'nothing'
}

describe('a schedule is refused', () => {
  for (const [what, spec, said] of [
    [
      'on 30 February',
      { cron: '0 0 30 2 *' },
      /cron: it would never fire: no date matches.*30 February/,
    ],
    ['on 31 April and June', { cron: '0 0 31 4,6 *' }, /it would never fire/],
    [
      'that ends before it starts',
      { every: '1h', start: '2027-01-02T00:00:00Z', end: '2027-01-01T00:00:00Z' },
      /end: it would never fire: it ends before it starts; expected a time after 2027-01-02.*got 2027-01-01/,
    ],
    [
      'that has ended',
      { cron: '* * * * *', end: '2020-01-01T00:00:00Z' },
      /end: it would never fire: its end has passed; expected a time after 2026-11-21T10:00:00/,
    ],
    [
      'without a tick before its end',
      { cron: '0 0 1 1 *', end: '2026-12-01T00:00:00Z' },
      /no tick is left before its end/,
    ],
    [
      'without a tick between start and end',
      { cron: '0 0 1 1 *', start: '2026-12-01T00:00:00Z', end: '2026-12-31T00:00:00Z' },
      /no tick is left before its end/,
    ],
    [
      'without a pause',
      { every: '0s' },
      /every: a schedule cannot tick without a pause; expected at least 1s/,
    ],
    ['that is too quick', { every: '20ms' }, /every: ticks are too close together/],
    ['every 0', { every: 0 }, /every: .*a duration needs a unit/],
    ['with neither cron nor every', {}, /needs one of cron, every/],
    [
      'with both',
      { cron: '* * * * *', every: '5s' },
      /exactly one of cron, every, this has cron and every/,
    ],
    [
      'with a misspelt zone',
      { cron: '* * * * *', zone: 'Europe/Berln' },
      /did you mean "Europe\/Berlin"\?/,
    ],
    ['with a city as zone', { cron: '* * * * *', zone: 'tokyo' }, /did you mean "Asia\/Tokyo"\?/],
    [
      'with an offset as zone',
      { cron: '* * * * *', zone: '+02:00' },
      /there is no time zone "\+02:00"/,
    ],
    [
      'with a misspelt key',
      { cron: '* * * * *', overlapp: 'skip' },
      /unknown key "overlapp"; did you mean "overlap"\?/,
    ],
    ['with the key of another tool', { crontab: '* * * * *' }, /did you mean "cron"\?/],
    [
      'with a misspelt policy',
      { every: '5s', overlap: 'queu' },
      /expected one of allow, skip, queue, got "queu"; did you mean "queue"\?/,
    ],
    ['with an hour that is none', { cron: '0 25 * * *' }, /cron: 25 is no hour/],
    ['with day 0', { cron: '0 0 0 * *' }, /cron: 0 is no day/],
    ['with four fields', { cron: '* * * *' }, /five or six fields, this has 4 fields/],
    ['with seven', { cron: '* * * * * * 2030' }, /five or six fields, this has 7 fields/],
    [
      'at a nickname that is none',
      { cron: '@reboot' },
      /"@reboot" is no nickname; expected @yearly/,
    ],
    [
      'with a start that is no time',
      { every: '5s', start: 'tomorrow' },
      /start: not a time; got "tomorrow"/,
    ],
    [
      'on a day that is none',
      { every: '5s', start: '2027-02-30', zone: 'UTC' },
      /start: no such time/,
    ],
    [
      'with a local time and no zone',
      { every: '5s', start: '2027-01-01T00:00' },
      /start: a time needs its time zone/,
    ],
    [
      'with a limit of another policy',
      { every: '5s', maxQueued: 5 },
      /maxQueued: it is for `overlap: queue`/,
    ],
    [
      'with an input that knows other symbols',
      { every: '5s', input: { a: '${{ now }}' } },
      /input\.a: an expression knows `tick` alone here, not "now"/,
    ],
    [
      'with an input that is no expression',
      { every: '5s', input: { a: '${{ 1 + }}' } },
      /input\.a: \$\{\{ 1 \+ \}\}/,
    ],
    ['with an input that is no JSON', { every: '5s', input: { a: new Map() } }, /input\.a: a Map/],
  ] as const) {
    it(what, () => assert.match(refusal(spec), said))
  }

  it('only then: these are fine', () => {
    for (const spec of [
      { cron: '0 0 29 2 *' },
      { cron: '*/5 * * * * *', zone: 'europe/berlin' },
      { cron: '@daily', end: '2026-11-22T00:00:01Z' },
      { every: '1s' },
      { every: '365d' },
      { every: '1h', start: '2000-01-01T00:00:00Z' },
    ]) {
      assert.equal(refusal(spec), 'nothing', JSON.stringify(spec))
    }
  })
})

describe('the input of a tick', () => {
  const spec: ScheduleSpec = {
    cron: '0 3 * * *',
    zone: 'America/New_York',
    input: {
      day: '${{ tick.date }}',
      all: '${{ tick }}',
      text: 'at ${{ tick.time }}',
      same: 5,
      not: '$${{ x }}',
    },
  }

  it('may speak of the tick in its zone, and of the one before', () => {
    const tick = Date.parse('2026-03-08T07:00:00Z')
    assert.deepEqual(tickInput(spec, { name: 'n', tick, previous: null }), {
      day: '2026-03-08',
      all: {
        schedule: 'n',
        at: '2026-03-08T07:00:00.000Z',
        epochMs: tick,
        previous: null,
        local: '2026-03-08T03:00:00-04:00',
        date: '2026-03-08',
        time: '03:00:00',
      },
      text: 'at 03:00:00',
      same: 5,
      not: '${{ x }}',
    })
  })
})

describe('a file of schedules', () => {
  it('gives group and schedules, with their lines', () => {
    const text =
      'group: billing\nschedules:\n  nightly:\n    flow: report@2\n    cron: 0 2 * * *\n  poll: { flow: ./poll.yaml, every: 30s }\n'
    assert.deepEqual(readScheduleFile(text, 's.yaml'), {
      group: 'billing',
      schedules: [
        { name: 'nightly', flow: 'report@2', spec: { cron: '0 2 * * *' }, line: 3 },
        { name: 'poll', flow: './poll.yaml', spec: { every: '30s' }, line: 6 },
      ],
    })
  })

  it('says of each problem where it is', () => {
    const text =
      'group: g\nschedules:\n  a:\n    flow: x\n    cron: 0 0 * * *\n    zon: UTC\n  b:\n    every: 5s\n'
    assert.throws(
      () => readScheduleFile(text, 's.yaml'),
      (error) => {
        assert.ok(error instanceof InvalidInputError)
        assert.deepEqual(
          error.issues.map(({ path, line }) => [path, line]),
          [
            ['schedules.a.zon', 6],
            ['schedules.b.flow', 7],
          ],
        )
        assert.match(error.message, /unknown key "zon"; did you mean "zone"\?/)
        return true
      },
    )
  })

  it('needs a group: what it rules over', () => {
    assert.throws(() => readScheduleFile('schedules: {}', 's.yaml'), /group: missing/)
  })
})
