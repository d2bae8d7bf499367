import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../src/base/errors.ts'
import { delayTopology } from '../../src/amqp/delays.ts'
import { namesOf } from '../../src/amqp/names.ts'
import {
  baseTopology,
  controlQueue,
  markerQueue,
  queuesOnly,
  replyQueue,
  topicQueue,
} from '../../src/amqp/zagflow-topology.ts'
import { eventually } from '../support/eventually.ts'
import { collect, holds, linkTo, messageFor, ownHost, plainQueue } from './fixtures.ts'

const names = namesOf('zag')

test("Zagflow's topology can be declared again and again, by everybody, and routes as it says", async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const links = [(await linkTo(t, url)).broker, (await linkTo(t, url)).broker]
  for (const broker of [...links, ...links]) {
    await broker.declare(baseTopology(names))
    await broker.declare(
      queuesOnly(
        topicQueue(names, 'default'),
        replyQueue(names, 'c1'),
        markerQueue(names, 'b8a6a3e8'),
      ),
    )
    await broker.declare(delayTopology(names, 20))
  }
  const [one, two] = links
  assert.ok(one && two)
  await one.declare(queuesOnly(controlQueue(names, 'w1')))
  const send = (exchange: string, routingKey: string) =>
    two.publish({ exchange, routingKey, body: '{}', type: 'test' })
  assert.equal(await send(names.requests, 'default'), 'confirmed')
  assert.equal(await send(names.requests, 'nobody'), 'unroutable')
  assert.equal(await send(names.replies, names.replyQueue('c1')), 'confirmed')
  assert.equal(await send(names.replies, names.announcements), 'confirmed')
  assert.equal(await send(names.replies, names.replyQueue('gone')), 'confirmed')
  assert.equal(await send(names.control, 'w1'), 'confirmed')
  assert.equal(await send(names.control, 'w2'), 'unroutable')
  assert.equal(await send(names.dead, ''), 'confirmed')
  for (const queue of [
    names.topic('default'),
    names.replyQueue('c1'),
    names.announcements,
    names.unclaimed,
    names.dead,
  ]) {
    await holds(two, queue, 1)
  }
  assert.deepEqual(await two.lookAt(names.marker('b8a6a3e8')), { messages: 0, consumers: 0 })
  await one.stop()
  await eventually(async () => (await send(names.control, 'w1')) === 'unroutable')
})

test('a request that is refused too often goes to the dead ones, not away', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(baseTopology(names))
  await broker.declare(queuesOnly(topicQueue(names, 'default')))
  let count = 0
  broker.consume(names.topic('default'), { prefetch: 1 }, (delivery) => {
    count++
    delivery.requeue()
  })
  await broker.publish({ exchange: names.requests, routingKey: 'default', body: '1', type: 'x' })
  await holds(broker, names.dead, 1, { withinMs: 60_000 })
  assert.equal(count, 101)
})

test('a queue that exists with other arguments is named with the argument, is used as it is, and keeps nothing else away', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const other = (await linkTo(t, url, { namespace: 'other' })).broker
  await other.declare({
    exchanges: [],
    queues: [{ name: 'q', kind: 'classic', arguments: { 'x-message-ttl': 5000 }, bindings: [] }],
  })
  const { broker, log } = await linkTo(t, url)
  const topology = {
    exchanges: [{ name: 'x', type: 'direct' }],
    queues: [
      { name: 'q', kind: 'classic', bindings: [{ exchange: 'x', key: 'q' }] },
      { name: 'after', kind: 'classic', bindings: [{ exchange: 'x', key: 'after' }] },
    ],
  } as const
  await assert.rejects(broker.declare(topology), (error) => {
    return (
      error instanceof UsageError &&
      /the queue "q" exists on the broker and is another: its argument x-message-ttl/.test(
        error.message,
      )
    )
  })
  assert.ok(log.some(({ level, error }) => level === 'error' && error.includes('x-message-ttl')))
  assert.equal(broker.isConnected, true)
  for (const key of ['q', 'after']) {
    assert.equal(await broker.publish({ ...messageFor(key), exchange: 'x' }), 'confirmed')
  }
  const { has } = collect(broker, 'q')
  await has(1)
})

test('one name for two things is refused before the broker is asked', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q', 'quorum'))
  await assert.rejects(broker.declare(plainQueue('q', 'classic')), UsageError)
  await broker.declare({ exchanges: [{ name: 'x', type: 'direct' }], queues: [] })
  await assert.rejects(
    broker.declare({ exchanges: [{ name: 'x', type: 'fanout' }], queues: [] }),
    UsageError,
  )
})

for (const kind of ['classic', 'quorum'] as const) {
  test(`a ${kind} queue is deleted only if empty and unused, where that was asked, and keeps its bindings else`, async (t) => {
    const url = await ownHost(t)
    if (url === undefined) return
    const { broker } = await linkTo(t, url)
    const queue = { name: 'q', kind, bindings: [{ exchange: 'x', key: 'k' }] } as const
    const topology = { exchanges: [{ name: 'x', type: 'direct' }], queues: [queue] } as const
    const send = () => broker.publish({ ...messageFor('k'), exchange: 'x' })
    const careful = { delete: true, ifEmpty: true, ifUnused: true }
    await broker.declare(topology)
    await send()
    await broker.undeclare(['q'], careful)
    await holds(broker, 'q', 1)
    assert.equal(await send(), 'confirmed')
    await broker.declare(topology)
    const { has } = collect(broker, 'q')
    await has(2)
    await holds(broker, 'q', 0)
    await broker.undeclare(['q'], careful)
    await eventually(async () => (await broker.lookAt('q'))?.consumers === 1)
    assert.equal(await send(), 'confirmed')
    await broker.undeclare(['missing'], careful)
    await broker.undeclare(['q'], { delete: false })
    assert.notEqual(await broker.lookAt('q'), null)
  })

  test(`an empty, unused ${kind} queue is deleted`, async (t) => {
    const url = await ownHost(t)
    if (url === undefined) return
    const { broker } = await linkTo(t, url)
    await broker.declare(plainQueue('q', kind))
    await broker.undeclare(['q'], { delete: true, ifEmpty: true, ifUnused: true })
    assert.equal(await broker.lookAt('q'), null)
  })
}

test('the broker says its version and what it can', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  assert.match(broker.broker?.version ?? '', /^\d+\.\d+\.\d+/)
  assert.equal(broker.broker?.product, 'RabbitMQ')
})
