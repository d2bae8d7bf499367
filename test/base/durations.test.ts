import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDuration, parseDuration, readDuration } from '../../src/base/durations.ts'
import { UsageError } from '../../src/base/errors.ts'

test('durations are texts with units, from big to small', () => {
  const good: readonly (readonly [string, number])[] = [
    ['500ms', 500],
    ['5s', 5_000],
    ['0s', 0],
    ['1m', 60_000],
    ['1h30m', 5_400_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['1.5s', 1_500],
    ['0.1s', 100],
    ['365d', 31_536_000_000],
  ]
  for (const [text, ms] of good) assert.equal(parseDuration(text), ms, text)
})

test('a bare number is refused, with both ways to write it', () => {
  assert.equal(readDuration(5).hint, 'write 5s or 5ms')
  assert.equal(readDuration('5').hint, 'write 5s or 5ms')
  assert.throws(
    () => parseDuration(5),
    (error) => error instanceof UsageError && /write 5s or 5ms/.test(error.message),
  )
})

test('everything else is refused', () => {
  const bad = [
    '',
    ' 5s',
    '5 s',
    '5S',
    '-5s',
    '30m1h',
    '1s1s',
    '5sec',
    's',
    '1.0001ms',
    '366d',
    '1e9s',
    'Infinity',
    'NaN',
    '5s ',
    '99999999999999999999d',
    'x'.repeat(1_000_000),
    null,
    undefined,
    {},
    [],
    Number.NaN,
    true,
    '٣s',
    '5m5',
  ]
  for (const text of bad)
    assert.notEqual(readDuration(text).problem, undefined, JSON.stringify(text)?.slice(0, 50))
})

test('what is written reads back', () => {
  for (const ms of [0, 1, 999, 1_000, 90_000, 93_784_005, 31_536_000_000]) {
    assert.equal(parseDuration(formatDuration(ms)), ms)
  }
  assert.equal(formatDuration(90_000), '1m30s')
})
