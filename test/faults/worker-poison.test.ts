/** A task that kills its process, among neighbours that do not: it is found out, and they are not harmed for good. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ended, postFlow } from '../conductor/fixtures.ts'
import { linear, task } from '../support/flows.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { Fleet } from './fleet.ts'
import { readLedger } from './ledger.ts'

const DELIVERY_LIMIT = 5
const NEIGHBOURS = 15

test(`a task kills its process among ${NEIGHBOURS} neighbours: after ${DELIVERY_LIMIT} starts its flow is reverted with WorkerLost, theirs succeed`, async (t) => {
  const broker = await rabbitmq()
  if ('missing' in broker) return t.skip(broker.missing)
  const fleet = await Fleet.start(t, {
    store: 'postgres',
    place: await freshNamespace(t),
    conductors: 1,
    workers: 1,
    napMs: 400,
    conductor: { leaseMs: 60_000, parkAfterMs: 60_000, times: { deliveryLimit: DELIVERY_LIMIT } },
    worker: { concurrency: NEIGHBOURS + 1 },
  })
  if (fleet === null) return
  await fleet.ready()
  const { store } = fleet
  const flow = (id: string, name: string) => linear(id, [task('a', { task: name })])
  const neighbours = []
  for (let i = 0; i < NEIGHBOURS; i++) neighbours.push(await postFlow(store, flow(`f${i}`, 'nap')))
  const poison = await postFlow(store, flow('poison', 'crash'))

  // Whoever watches over workers starts it again.
  const [worker] = fleet.workers
  assert.ok(worker)
  assert.deepEqual(await worker.ends(), { code: null, signal: 'SIGKILL' })
  fleet.workers[0] = fleet.startWorker()

  for (const { id } of neighbours) {
    const { detail } = await ended(store, id, { withinMs: 120_000 })
    assert.equal(detail.state, 'SUCCESS')
  }
  const { job, detail } = await ended(store, poison.id, { withinMs: 120_000 })
  assert.equal(detail.state, 'REVERTED')
  const calls = await store.calls(job.flowId)
  const executed = calls.filter(({ direction }) => direction === 'execute')
  assert.deepEqual(
    executed.map(({ outcome, failure }) => [outcome, failure?.code, failure?.retryable]),
    [['unknown', 'WorkerLost', false]],
  )
  // It is not known how far it came, so it is undone.
  assert.deepEqual(
    calls.filter(({ direction }) => direction === 'revert').map(({ outcome }) => outcome),
    ['success'],
  )
  const begun = readLedger(fleet.ledger).flatMap((line) => (line.what === 'begin' ? [line] : []))
  const ofPoison = begun.filter((line) => line.job === job.id && line.direction === 'execute')
  assert.equal(ofPoison.length, DELIVERY_LIMIT)
  assert.equal(new Set(ofPoison.map(({ key }) => key)).size, 1)
  assert.equal(new Set(ofPoison.map(({ pid }) => pid)).size, DELIVERY_LIMIT)
  // They were with it when it took the worker along, and never again.
  for (const { id } of neighbours) {
    const count = begun.filter((line) => line.job === id).length
    assert.ok(count >= 1 && count <= 2, `a neighbour began ${count} times`)
  }
  assert.ok(fleet.workers[0].stdout().includes('ready'))
  await fleet.endAll()
})
