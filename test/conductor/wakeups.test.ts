/** Hints from outside that jobs are due: given when a flow is parked, taken by the promoter. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manualClock } from '../../src/base/clock.ts'
import { Handover } from '../../src/conductor/handover.ts'
import { resolveConductor, type ConductorWakeups } from '../../src/conductor/options.ts'
import { Promoter } from '../../src/conductor/promoter.ts'
import { Repeater } from '../../src/conductor/repeat.ts'
import { StoreClock } from '../../src/conductor/store-clock.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Claim } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { leakCheck } from '../support/leak-check.ts'
import { freshStore, STORES } from '../support/stores.ts'
import { ended, postFlow, registryOf, startConductor } from './fixtures.ts'

/** Hints by hand. */
function byHand(): ConductorWakeups & {
  readonly asked: { jobId: string; dueAt: number; delayMs: number }[]
  readonly listeners: Set<() => void>
} {
  const listeners = new Set<() => void>()
  const asked: { jobId: string; dueAt: number; delayMs: number }[] = []
  return {
    asked,
    listeners,
    at: (jobId, dueAt, delayMs) => void asked.push({ jobId, dueAt, delayMs }),
    onDue(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

for (const name of STORES) {
  test(`${name}: a flow that is parked until a time asks for a wake-up then, by the store's clock`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, name)
    if (store === null) return
    let tries = 0
    const tasks = {
      second: {
        execute: () => {
          if (++tries < 2) throw new Error('not yet')
          return tries
        },
      },
    }
    const wakeups = byHand()
    const delayMs = 2000
    const retry = { attempts: 3, delayMs }
    const before = await store.now()
    const job = await postFlow(store, linear('f', [task('second', { retry })]), {})
    const { conductor } = await startConductor(t, store, { tasks, wakeups, parkAfterMs: 100 })
    await eventually(() => wakeups.asked.length === 1)
    const [asked] = wakeups.asked
    assert.ok(asked)
    assert.equal(asked.jobId, job.id)
    assert.ok(asked.delayMs >= 0 && asked.delayMs <= delayMs, `in ${asked.delayMs} ms`)
    assert.ok(asked.dueAt > before && asked.dueAt <= (await store.now()) + delayMs)
    const { detail } = await ended(store, job.id)
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(wakeups.listeners.size, 1)
    await conductor.stop()
    assert.equal(wakeups.listeners.size, 0, 'nobody listens after stop()')
  })
}

test('a wake-up makes the promoter look at once, not at its next turn', async () => {
  const store = new MemoryStore()
  await store.start()
  let looks = 0
  const nextDue = store.nextDue.bind(store)
  store.nextDue = (board) => {
    looks++
    return nextDue(board)
  }
  // Its timers never fire: this clock stands still.
  const clock = manualClock()
  const wakeups = byHand()
  const resolved = resolveConductor({
    store,
    board: new SqlBoard<Claim>({ store }),
    engine: new ParallelEngine({ tasks: registryOf({}) }),
    clock,
    wakeups,
  })
  const promoter = new Promoter({
    resolved,
    clock: new StoreClock(store, clock),
    handover: new Handover(store, resolved.board, new Repeater(clock, resolved.logger)),
    onClaimable: () => {},
    isAllowed: () => true,
    mayPromote: () => true,
  })
  promoter.start()
  await eventually(() => looks === 1)
  for (let round = 2; round < 5; round++) {
    for (const listener of wakeups.listeners) listener()
    await eventually(() => looks === round)
  }
  await promoter.stop()
  assert.equal(wakeups.listeners.size, 0)
  await store.stop()
})
