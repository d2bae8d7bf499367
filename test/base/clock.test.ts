import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { manualClock, realClock } from '../../src/base/clock.ts'

test('a timer of the real clock never fires early', async () => {
  const at = realClock.now() + 20
  const firedAt = await new Promise<number>((resolve) => {
    realClock.setTimer(() => resolve(realClock.now()), at)
  })
  assert.ok(firedAt >= at)
})

test('waits longer than setTimeout can are made in pieces instead of firing at once', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  try {
    let fired = 0
    const weeks = 100 * 24 * 3_600_000
    realClock.setTimer(() => (fired += 1), weeks)
    const cancel = realClock.setTimer(() => assert.fail('was cancelled'), weeks - 1)
    mock.timers.tick(2 ** 31 - 1)
    assert.equal(fired, 0)
    cancel()
    mock.timers.tick(weeks - 2 ** 31)
    assert.equal(fired, 0)
    mock.timers.tick(1)
    assert.equal(fired, 1)
  } finally {
    mock.timers.reset()
  }
})

test('a manual clock fires in order of due time, with what is set meanwhile', () => {
  const clock = manualClock(1_000)
  const seen: string[] = []
  clock.setTimer(() => seen.push(`c@${clock.now()}`), 1_030)
  clock.setTimer(() => {
    seen.push(`a@${clock.now()}`)
    clock.setTimer(() => seen.push(`b@${clock.now()}`), 1_020)
  }, 1_010)
  clock.setTimer(() => seen.push(`a2@${clock.now()}`), 1_010)
  const cancel = clock.setTimer(() => seen.push('cancelled'), 1_015)
  cancel()
  cancel()
  clock.advance(25)
  assert.deepEqual(seen, ['a@1010', 'a2@1010', 'b@1020'])
  assert.equal(clock.now(), 1_025)
  assert.equal(clock.pending, 1)
  assert.equal(clock.advanceToNext(), true)
  assert.equal(clock.now(), 1_030)
  assert.equal(clock.advanceToNext(), false)
  assert.equal(seen.at(-1), 'c@1030')
})
