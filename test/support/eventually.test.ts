import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from './eventually.ts'

test('a condition is looked at until it holds, and its answer is returned', async () => {
  let looks = 0
  const answer = await eventually(() => (++looks === 3 ? 'yes' : undefined), { everyMs: 1 })
  assert.equal(answer, 'yes')
  assert.equal(looks, 3)
})

test('zero and the empty string are answers, because only absence means "not yet"', async () => {
  assert.equal(await eventually(() => 0), 0)
  assert.equal(await eventually(() => ''), '')
})

test('an assertion that holds later is waited for', async () => {
  let value = 0
  await eventually(
    () => {
      assert.equal(++value, 3)
      return true
    },
    { everyMs: 1 },
  )
})

test('the deadline ends the wait with the last answer, so that the reader sees how near it came', async () => {
  await assert.rejects(
    eventually(() => false, { withinMs: 20 }),
    /not so within 20 ms: the last answer was false/,
  )
  await assert.rejects(
    eventually(() => assert.fail('still 2 jobs'), { withinMs: 20 }),
    /not so within 20 ms: still 2 jobs/,
  )
})

test('a process that stands still does not use the deadline up: what is waited for gets its looks', async () => {
  let looks = 0
  const standStill = (): boolean => {
    const until = performance.now() + 700
    while (performance.now() < until);
    return ++looks === 2
  }
  await eventually(standStill, { withinMs: 600, everyMs: 1 })
  looks = -5
  await assert.rejects(
    eventually(standStill, { withinMs: 600, everyMs: 1 }),
    /not so within 600 ms/,
  )
  assert.ok(looks < 0, 'it ends all the same')
})

test('an error of the condition itself ends the wait at once, because it would never mend', async () => {
  let looks = 0
  await assert.rejects(
    eventually(() => {
      looks++
      throw new TypeError('broken')
    }),
    TypeError,
  )
  assert.equal(looks, 1)
})
