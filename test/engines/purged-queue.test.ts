/** What an operator does who emptied a topic's queue by hand: the marker is deleted, and conductors send again what nobody runs. */
import assert from 'node:assert/strict'
import test from 'node:test'
import amqp from 'amqplib'
import { WorkerBasedEngine } from '../../engines/worker-based.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { Broker } from '../../src/amqp/broker.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { flow, run, task } from '../../src/index.ts'
import { Worker } from '../../src/worker/index.ts'
import { eventually } from '../support/eventually.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'

test('after a purge nothing comes until the marker is deleted; then what waited is sent again, and what runs does not run twice', async (t) => {
  const server = await rabbitmq()
  if ('missing' in server) return t.skip(server.missing)
  const { url, namespace } = await freshNamespace(t)
  const names = namesOf(namespace)
  const store = new MemoryStore()
  await store.start()
  t.after(() => store.stop())
  const link = new Broker({ urls: url, namespace })
  t.after(() => link.stop())
  await link.start()
  const engine = new WorkerBasedEngine({
    link,
    store,
    board: 'main',
    reportEveryMs: 200,
    graceMs: 100,
    markerEveryMs: 100,
  })
  t.after(() => engine.stop())
  await engine.start()

  const starts: string[] = []
  let end = (): void => {}
  const ended = new Promise<void>((resolve) => (end = resolve))
  const runs = task('runs', { execute: () => (starts.push('runs'), ended) })
  const waits = task('waits', { topic: 'late', execute: () => void starts.push('waits') })
  const both = flow('f', { kind: 'unordered' }, [runs, waits])
  await using worker = new Worker({ broker: url, namespace, tasks: runs })
  await worker.start()
  const outcome = run(both, {}, { engine, store })
  await eventually(async () => (await link.lookAt(names.topic('late')))?.messages === 1)
  await eventually(() => engine.status().calls.some(({ state }) => state === 'running'))

  const connection = await amqp.connect(url)
  t.after(() => connection.close())
  const channel = await connection.createChannel()
  await channel.purgeQueue(names.topic('late'))
  await using late = new Worker({ broker: url, namespace, tasks: waits, topics: ['late'] })
  await late.start()
  const looks = Date.now() + 1000
  await eventually(() => Date.now() > looks)
  assert.deepEqual(starts, ['runs'], 'a purge is not noticed')

  const { marker } = await store.broker(namespace)
  await channel.deleteQueue(names.marker(marker))
  await eventually(() => starts.includes('waits'), { withinMs: 20_000 })
  end()
  assert.equal((await outcome).state, 'SUCCESS')
  assert.deepEqual(starts, ['runs', 'waits'])
})
