/** A task that is longer than its workers live: each is stopped in good order before the body ends, time and again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ended, postFlow } from '../conductor/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { Fleet } from './fleet.ts'
import { readLedger } from './ledger.ts'

const DELIVERY_LIMIT = 2
const RESTARTS = 3
const HOUR_MS = 3_600_000

test(`${RESTARTS} restarts of the worker under one long task, which is allowed ${DELIVERY_LIMIT} starts: it runs again under its key, and succeeds`, async (t) => {
  const broker = await rabbitmq()
  if ('missing' in broker) return t.skip(broker.missing)
  const fleet = await Fleet.start(t, {
    store: 'postgres',
    place: await freshNamespace(t),
    conductors: 1,
    workers: 1,
    napMs: HOUR_MS,
    conductor: { leaseMs: 60_000, times: { deliveryLimit: DELIVERY_LIMIT } },
    worker: { graceMs: 300 },
  })
  if (fleet === null) return
  await fleet.ready()
  const { store } = fleet
  const job = await postFlow(store, linear('long', [task('a', { task: 'nap' })]))
  const begun = () =>
    readLedger(fleet.ledger).flatMap((line) => (line.what === 'begin' ? [line] : []))
  for (let restart = 1; restart <= RESTARTS; restart++) {
    await eventually(() => begun().length === restart, { withinMs: 60_000 })
    // Every other time its flow is parked when the worker goes, and a conductor has to be woken by what it says.
    if (restart % 2 === 0) {
      const isParked = async () => (await store.job(job.id))?.job.state === 'PARKED'
      await eventually(isParked, { withinMs: 60_000 })
    }
    const [worker, conductor] = [fleet.workers[0], fleet.conductors[0]]
    assert.ok(worker && conductor)
    await fleet.end(worker)
    if (restart === RESTARTS - 1) {
      await fleet.end(conductor)
      fleet.conductors[0] = fleet.startConductor()
    }
    fleet.workers[0] = fleet.startWorker(restart === RESTARTS ? 1 : HOUR_MS)
  }
  const { detail } = await ended(store, job.id, { withinMs: 60_000 })
  assert.equal(detail.state, 'SUCCESS')
  assert.equal(begun().length, RESTARTS + 1)
  assert.equal(new Set(begun().map(({ key }) => key)).size, 1)
  await fleet.endAll()
})
