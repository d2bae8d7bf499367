import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Parking } from '../../../engines/drive/parking.ts'
import { manualClock } from '../../../src/base/clock.ts'
import type { Run } from '../../../src/machine/run.ts'
import type { Engine } from '../../../engines/engine.ts'

/** When a flow that is parked for its calls is looked after. */
function lookedAfter(flowId: string): number {
  const parking = new Parking({
    run: {
      inflight: 1,
      waiting: 0,
      atoms: { unsettled: () => [] },
      scopes: new Map(),
    } as unknown as Run,
    flowId,
    engine: { canPark: () => true } as unknown as Engine,
    clock: manualClock(1000),
    parkAfterMs: 60_000,
    isQuiet: () => true,
    onWish: () => {},
  })
  const change = parking.change()
  assert.ok(change?.state === 'PARKED')
  assert.equal(change.parkedFor, 'task')
  return (change.dueAt ?? 0) - 1000
}

test('flows that are parked together for their calls are looked after one by one, each at a time that follows from its id', () => {
  const times = Array.from({ length: 1000 }, (_, n) => lookedAfter(`flow ${n}`))
  for (const ms of times) assert.ok(ms >= 600_000 && ms <= 750_000, `${ms} ms`)
  assert.ok(new Set(times.map((ms) => Math.floor(ms / 10_000))).size >= 15, 'they are not spread')
  assert.equal(lookedAfter('flow 7'), times[7])
})
