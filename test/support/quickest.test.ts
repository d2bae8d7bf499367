import assert from 'node:assert/strict'
import test from 'node:test'
import { quickest } from './quickest.ts'

test('one try that is in time is enough, and the first such one is the last', async () => {
  const times = [900, 3000, 40, 5]
  assert.equal(await quickest(100, async () => times.shift() ?? 0), 40)
  assert.deepEqual(times, [5])
})

test('what is late every time fails with all its times', async () => {
  const late = quickest(100, async () => 101.2, 3)
  await assert.rejects(late, /at most 100 ms, got 101, 101, 101 ms/)
})
