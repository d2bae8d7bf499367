import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'node:test'
import { undisturbed, watchStandstills } from './standstill.ts'

/** Lets nothing else run. */
function stand(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('what this process stood still for is not counted, at once and later, and waiting is', async (t) => {
  const still = watchStandstills(t)
  const startedAt = performance.now()
  await sleep(50)
  stand(400)
  assert.ok(still.between(startedAt) >= 390, 'asked before anything else ran again')
  const stoodUntil = performance.now()
  await sleep(50)
  assert.ok(still.between(startedAt) >= 390)
  const awakeMs = still.awakeSince(startedAt)
  assert.ok(awakeMs >= 90 && awakeMs <= performance.now() - startedAt - 390, `${awakeMs} ms`)
  const half = still.between(stoodUntil - 200, stoodUntil)
  assert.ok(half >= 199 && half <= 201, `${half} ms of a part of it`)
})

test('what fails is run again if this process stood still meanwhile, and not too often', async (t) => {
  let runs = 0
  const answer = await undisturbed(t, async () => {
    runs++
    if (runs === 1) stand(300)
    assert.equal(runs, 2)
    return 'done'
  })
  assert.equal(answer, 'done')
  const always = undisturbed(
    t,
    async () => {
      runs++
      stand(300)
      throw new TypeError('always')
    },
    { tries: 2 },
  )
  await assert.rejects(always, TypeError)
  assert.equal(runs, 4)
})

test('a failure of a process that was awake is one', async (t) => {
  let runs = 0
  let wasAwake = false
  // Until this very process was not held up by others.
  for (let left = 5; left > 0 && !wasAwake; left--) {
    const still = watchStandstills(t)
    const startedAt = performance.now()
    runs = 0
    const failing = undisturbed(t, async () => {
      runs++
      await sleep(5)
      throw new TypeError('wrong')
    })
    await assert.rejects(failing, TypeError)
    wasAwake = still.between(startedAt) === 0
  }
  assert.equal(runs, 1)
})
