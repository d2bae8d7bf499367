/** Cancels that meet work which waits, and delays one after the other: what is cancelled never starts, and no delay is short. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, jobWhen, postFlow } from '../conductor/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { Fleet, type FleetOptions } from './fleet.ts'
import { readLedger, type LedgerLine } from './ledger.ts'

const ASK_AFTER_MS = 300
const PARK_AFTER_MS = 2000
/** Where a cancel has to come before the retry does, however slow the machine is: mail is read once a second. */
const LONG_PARK_AFTER_MS = 6000
/** What the engine adds for clocks of hosts that differ. */
const CLOCKS_MS = 10_000

async function small(t: TestContext, options: Partial<FleetOptions> = {}): Promise<Fleet | null> {
  const broker = await rabbitmq()
  if ('missing' in broker) {
    t.skip(broker.missing)
    return null
  }
  const fleet = await Fleet.start(t, {
    store: 'postgres',
    place: await freshNamespace(t),
    conductors: 1,
    workers: 1,
    conductor: { leaseMs: 60_000, parkAfterMs: PARK_AFTER_MS, times: { askAfterMs: ASK_AFTER_MS } },
    ...options,
  })
  await fleet?.ready()
  return fleet
}

function begun(fleet: Fleet, job: string, direction = 'execute'): readonly LedgerLine[] {
  return readLedger(fleet.ledger).filter(
    (line) => line.what === 'begin' && line.job === job && line.direction === direction,
  )
}

test('a cancel during the delay before a retry leaves nothing that can start, whether the flow waits in memory or is parked', async (t) => {
  const fleet = await small(t, {
    conductor: { leaseMs: 60_000, parkAfterMs: LONG_PARK_AFTER_MS },
  })
  if (fleet === null) return
  const { store } = fleet
  for (const delayMs of [LONG_PARK_AFTER_MS - 500, LONG_PARK_AFTER_MS + 1000]) {
    const retry = { attempts: 3, delayMs }
    const { id } = await postFlow(store, linear('f', [task('a', { task: 'fail', retry })]))
    await eventually(() => begun(fleet, id).length > 0, { withinMs: 60_000 })
    const state = delayMs > LONG_PARK_AFTER_MS ? 'PARKED' : 'CLAIMED'
    await eventually(
      async () => {
        const found = await store.job(id)
        const [atom] = await store.atoms(found?.job.flowId ?? '')
        return found?.job.state === state && atom?.state === 'RETRYING'
      },
      { withinMs: 30_000 },
    )
    await store.mail(id, { key: 'cancel', kind: 'cancel', body: { reason: 'not needed' } })
    const { detail } = await ended(store, id, { withinMs: 60_000 })
    assert.equal(detail.state, 'REVERTED')
    await sleep(delayMs + 500)
    assert.equal(begun(fleet, id).length, 1, 'it began after it was cancelled')
    assert.equal(begun(fleet, id, 'revert').length, 1)
  }
  await fleet.endAll()
})

test('a cancel of work that no worker takes ends the flow, and who takes the request later is told to forget it', async (t) => {
  const fleet = await small(t, { workers: 0 })
  if (fleet === null) return
  const { store } = fleet
  const { id } = await postFlow(store, linear('f', [task('a', { task: 'work', revert: false })]))
  await jobWhen(store, id, ({ detail }) => detail.state === 'RUNNING', { withinMs: 60_000 })
  await sleep(500) // it is published by then, or soon: both are to end well
  const startedAt = performance.now()
  await store.mail(id, { key: 'cancel', kind: 'cancel', body: { reason: 'not needed' } })
  const { job, detail } = await ended(store, id, { withinMs: 60_000 })
  const took = performance.now() - startedAt
  assert.equal(detail.state, 'REVERTED')
  assert.ok(took < ASK_AFTER_MS + CLOCKS_MS + 20_000, `took ${took} ms`)
  const calls = await store.calls(job.flowId)
  assert.deepEqual(
    calls.map(({ direction, failure }) => [direction, failure?.code]),
    [['execute', 'Cancelled']],
  )

  fleet.workers.push(fleet.startWorker())
  await eventually(() => readLedger(fleet.ledger).some(({ what }) => what === 'refused'), {
    withinMs: 60_000,
  })
  assert.deepEqual(begun(fleet, id), [])
  await fleet.endAll()
})

test('ten delayed retries of one task come one after the other, none of them early', async (t) => {
  const fleet = await small(t)
  if (fleet === null) return
  const { store } = fleet
  // The first are waited for in memory, the last ones parked.
  const retry = { attempts: 11, delayMs: 100, factor: 1.5, maxDelayMs: 2500 }
  const { id } = await postFlow(store, linear('f', [task('a', { task: 'fail', retry })]))
  const { job, detail } = await ended(store, id, { withinMs: 60_000 })
  assert.equal(detail.state, 'REVERTED')
  assert.equal(begun(fleet, id).length, 11)
  const calls = (await store.calls(job.flowId))
    .filter(({ direction }) => direction === 'execute')
    .sort((a, b) => a.call - b.call)
  assert.equal(calls.length, 11)
  for (const [at, call] of calls.entries()) {
    const before = calls[at - 1]
    if (before === undefined) continue
    const delayMs = Math.min(100 * 1.5 ** (at - 1), 2500)
    const waited = call.startedAt - before.endedAt
    assert.ok(waited >= Math.floor(delayMs), `retry ${at} came after ${waited} of ${delayMs} ms`)
  }
  await fleet.endAll()
})
