import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delayAfterAttempt } from '../../src/base/backoff.ts'

test('without jitter waits grow by the factor up to the longest', () => {
  const backoff = { delayMs: 1_000, factor: 2, maxDelayMs: 5_000 }
  const waits = [1, 2, 3, 4, 5, 2_000].map((attempt) => delayAfterAttempt(attempt, backoff, 's'))
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000])
  assert.equal(delayAfterAttempt(3, { delayMs: 100 }, 's'), 100)
  assert.equal(delayAfterAttempt(3, {}, 's'), 0)
})

test('jitter takes away up to its share, evenly, and never adds', () => {
  const backoff = { delayMs: 10_000, jitter: 0.2 }
  const waits = Array.from({ length: 5_000 }, (_, seed) =>
    delayAfterAttempt(1, backoff, `seed-${seed}`),
  )
  assert.ok(waits.every((wait) => wait >= 8_000 && wait <= 10_000))
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
  assert.ok(Math.abs(mean - 9_000) < 30, `mean ${mean}`)
  for (let tenth = 0; tenth < 10; tenth++) {
    const low = 8_000 + tenth * 200
    const share = waits.filter((wait) => wait >= low && wait < low + 200).length / waits.length
    assert.ok(share > 0.08 && share < 0.12, `share of the ${tenth}th tenth: ${share}`)
  }
})

test('full jitter stays between nothing and the whole, also at the longest wait', () => {
  const backoff = { delayMs: 1_000, factor: 10, maxDelayMs: 2_000, jitter: 1 }
  const waits = Array.from({ length: 1_000 }, (_, n) => delayAfterAttempt(n + 1, backoff, 'x'))
  assert.ok(waits.every((wait) => wait >= 0 && wait <= 2_000))
  assert.ok(Math.min(...waits) < 200 && Math.max(...waits) > 1_800)
})

test('the same seed and attempt give the same wait; neighbours differ', () => {
  const backoff = { delayMs: 60_000, jitter: 0.5 }
  assert.equal(delayAfterAttempt(2, backoff, 'a'), delayAfterAttempt(2, backoff, 'a'))
  assert.notEqual(delayAfterAttempt(2, backoff, 'a'), delayAfterAttempt(2, backoff, 'b'))
  assert.notEqual(delayAfterAttempt(2, backoff, 'a'), delayAfterAttempt(3, backoff, 'a'))
})
