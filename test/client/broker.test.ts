import assert from 'node:assert/strict'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { connect } from '../../src/client/connect.ts'
import { run } from '../../src/client/run.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { openStore } from '../../persistence/open.ts'
import type { Store } from '../../persistence/store.ts'
import { Worker } from '../../src/worker/worker.ts'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { freshNamespace, rabbitmq, type Namespace } from '../support/rabbitmq.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { keepingLogger, Workshop, type LogLine } from './fixtures.ts'

const SOON = { withinMs: 20_000 }

/** A namespace on the broker, and a database; undefined (and the test skipped) where there is no broker. */
async function cluster(
  t: TestContext,
): Promise<(Namespace & { readonly persistence: string }) | undefined> {
  const broker = await rabbitmq()
  if ('missing' in broker) {
    t.skip(broker.missing)
    return undefined
  }
  const file = path.join(await temporaryFolder(lastFirst(t)), 'zag.db')
  return { ...(await freshNamespace(lastFirst(t))), persistence: `sqlite:${file}` }
}

async function startWorker(t: TestContext, place: Namespace, tasks: unknown): Promise<Worker> {
  const worker = new Worker({ broker: place.url, namespace: place.namespace, tasks })
  lastFirst(t).after(() => worker.stop())
  await worker.start()
  return worker
}

async function startedStore(t: TestContext, url: string): Promise<Store> {
  const store = openStore(url)
  lastFirst(t).after(() => store.stop())
  await store.start()
  return store
}

test('an embedded conductor sends tasks to workers, and leaves nothing open', async (t) => {
  leakCheck(t)
  const place = await cluster(t)
  if (place === undefined) return
  const { url, namespace, persistence } = place
  const { order, tasks, journal } = new Workshop()
  await startWorker(t, place, tasks)
  const settings = { environment: {}, persistence, namespace, broker: url, logger: silentLogger }
  await using zag = await connect({ ...settings, conductor: {} })
  const job = await zag.post(order, { sku: 'A1' })
  assert.deepEqual(await job.result(), { tracking: 't-r-A1' })
  assert.deepEqual(journal, ['reserve A1', 'ship r-A1'])
  const [conductor] = await zag.store.processes({ kind: 'conductor' })
  assert.deepEqual(conductor?.tasks, [])
})

test('a conductor that cannot reach its broker says which, and leaves nothing open', async (t) => {
  leakCheck(t)
  const file = path.join(await temporaryFolder(lastFirst(t)), 'zag.db')
  const broker = await rabbitmq()
  if ('missing' in broker) return t.skip(broker.missing)
  const url = new URL(broker.url)
  url.password = 'wrong-secret'
  await assert.rejects(
    connect({
      environment: {},
      persistence: `sqlite:${file}`,
      broker: url.href,
      conductor: {},
      logger: silentLogger,
    }),
    (error) => {
      assert.ok(error instanceof Error)
      assert.match(error.message, /^amqp:\/\/\S+ cannot be reached: the broker refused the user/)
      assert.doesNotMatch(error.message, /secret/)
      return true
    },
  )
})

test('a job whose tasks no worker serves says so, with the command to start one', async (t) => {
  leakCheck(t)
  const place = await cluster(t)
  if (place === undefined) return
  const { url, namespace, persistence } = place
  const lines: LogLine[] = []
  const { order, reserve, ship } = new Workshop()
  await startWorker(t, place, [reserve])
  const settings = { environment: {}, persistence, namespace, broker: url }
  await using zag = await connect({ ...settings, conductor: {}, logger: keepingLogger(lines) })
  await eventually(async () => (await zag.store.processes({ kind: 'worker' })).length > 0, SOON)
  const job = await zag.post(order, { sku: 'A1' })
  const line = await eventually(
    () => lines.find(({ message }) => message.includes('no worker that lives')),
    SOON,
  )
  assert.match(
    line.message,
    /serves ship \(topic default\), so the job waits.*zagflow worker --tasks/,
  )
  assert.deepEqual(line.fields['missing'], ['ship'])
  await startWorker(t, place, [ship])
  assert.deepEqual(await job.result(), { tracking: 't-r-A1' })
})

test('run() goes over workers, and says what it needs for that', async (t) => {
  leakCheck(t)
  const place = await cluster(t)
  if (place === undefined) return
  const { url: broker, namespace } = place
  const { order, tasks, journal } = new Workshop()
  const store = await startedStore(t, place.persistence)
  const refused = (options: object, message: RegExp) =>
    assert.rejects(run(order, { sku: 'A1' }, options), { code: 'Usage', message })
  await refused({ engine: 'worker-based', store }, /needs a broker/)
  await refused({ broker }, /needs a store in a database/)
  await refused({ broker, store, concurrency: 3 }, /workers have a concurrency/)
  await refused({ broker, store, engine: 'serial' }, /are of the worker-based engine/)
  await refused({ namespace, store }, /are of the worker-based engine/)

  await startWorker(t, place, tasks)
  const outcome = await run(order, { sku: 'A1' }, { broker, namespace, store })
  assert.equal(outcome.state, 'SUCCESS')
  assert.deepEqual(journal, ['reserve A1', 'ship r-A1'])
  const failed = await run(order, { sku: 'A1', quantity: 101 }, { broker, namespace, store })
  assert.equal(failed.state, 'REVERTED')
  assert.equal(journal.at(-1), 'revert reserve A1')
})
