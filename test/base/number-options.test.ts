import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../src/base/errors.ts'
import { millisecondsOption, wholeOption } from '../../src/base/number-options.ts'

const rule = { least: 1, byDefault: 16 }

test('a whole number is what was given, from the least on, or the default', () => {
  assert.equal(wholeOption('places', undefined, rule), 16)
  assert.equal(wholeOption('places', 1, rule), 1)
  assert.equal(wholeOption('places', 2 ** 40, rule), 2 ** 40)
})

test('what is no whole number, or too small, is refused under the name of its option', () => {
  for (const given of [0, -1, 1.5, NaN, Infinity]) {
    assert.throws(
      () => wholeOption('places', given, rule),
      (error) =>
        error instanceof UsageError &&
        error.message.includes(`places: expected a whole number from 1, got ${given}`),
    )
  }
})

test('milliseconds may have parts, and be for ever only where that is an answer', () => {
  const wait = { least: 0, byDefault: 500 }
  assert.equal(millisecondsOption('waitMs', undefined, wait), 500)
  assert.equal(millisecondsOption('waitMs', 0.5, wait), 0.5)
  assert.equal(millisecondsOption('waitMs', Infinity, { ...wait, most: Infinity }), Infinity)
  for (const given of [-1, NaN, Infinity]) {
    assert.throws(
      () => millisecondsOption('waitMs', given, wait),
      (error) =>
        error instanceof UsageError &&
        error.message.includes(`waitMs: expected milliseconds from 0, got ${given}`),
    )
  }
})
