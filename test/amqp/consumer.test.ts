import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery } from '../../src/amqp/broker-link.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { collect, holds, linkTo, messageFor, ownHost, plainQueue } from './fixtures.ts'

test('no more deliveries come than the prefetch, until some are settled', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q', 'quorum'))
  await Promise.all([1, 2, 3, 4, 5].map((n) => broker.publish(messageFor('q', n))))
  const { deliveries, has } = collect(broker, 'q', { prefetch: 2, acknowledge: false })
  await has(2)
  await holds(broker, 'q', 3)
  assert.equal(deliveries.length, 2)
  deliveries[0]?.ack()
  deliveries[0]?.ack()
  deliveries[0]?.requeue()
  await has(3)
  await holds(broker, 'q', 2)
  assert.equal(deliveries.length, 3)
})

test('what is given back comes again and says so', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q', 'quorum'))
  const redelivered: boolean[] = []
  broker.consume('q', { prefetch: 10 }, (delivery) => {
    redelivered.push(delivery.redelivered)
    if (delivery.redelivered) delivery.ack()
    else delivery.requeue()
  })
  await broker.publish(messageFor('q'))
  await eventually(() => redelivered.length === 2)
  assert.deepEqual(redelivered, [false, true])
})

test('the prefetch of a quorum queue can grow and shrink', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q', 'quorum'))
  await Promise.all(Array.from({ length: 20 }, (_, n) => broker.publish(messageFor('q', n))))
  const got: Delivery[] = []
  const consumption = broker.consume('q', { prefetch: 1 }, (delivery) => got.push(delivery))
  await eventually(() => got.length === 1)
  consumption.setPrefetch(5)
  await eventually(() => got.length === 6)
  consumption.setPrefetch(2)
  for (const delivery of got.splice(0)) delivery.ack()
  await eventually(() => got.length === 2)
  await holds(broker, 'q', 12)
  assert.equal(got.length, 2)
  // Those from before can still be settled.
  for (const delivery of got.splice(0)) delivery.ack()
  await eventually(() => got.length === 2)
  await consumption.close()
  await holds(broker, 'q', 12)
})

test('after cancel() nothing more comes, and what is here can be settled; after close() it is given back', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q'))
  await Promise.all([1, 2].map((n) => broker.publish(messageFor('q', n))))
  const got: Delivery[] = []
  const consumption = broker.consume('q', { prefetch: 2 }, (delivery) => got.push(delivery))
  await eventually(() => got.length === 2)
  await consumption.cancel()
  await broker.publish(messageFor('q', 3))
  got[0]?.ack()
  await holds(broker, 'q', 1)
  assert.equal(got.length, 2)
  assert.equal(got[1]?.isOpen, true)
  await consumption.close()
  await consumption.close()
  assert.equal(got[1]?.isOpen, false)
  got[1]?.ack()
  await holds(broker, 'q', 2)
})

test('a reader that throws loses nothing: the message is put to the dead ones, and the next comes', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker, log } = await linkTo(t, url)
  await broker.declare(plainQueue('q'))
  const bodies: string[] = []
  broker.consume('q', { prefetch: 1 }, (delivery) => {
    bodies.push(delivery.body.toString())
    if (bodies.length === 1) throw new Error('cannot read this')
    delivery.ack()
  })
  await broker.publish(messageFor('q', 1))
  await broker.publish(messageFor('q', 2))
  await eventually(() => bodies.length === 2)
  const dead = collect(broker, 'zag.dead')
  await dead.has(1)
  assert.match(String(dead.deliveries[0]?.headers['x-zagflow-reason']), /cannot read this/)
  assert.ok(log.some(({ level, error }) => level === 'error' && error === 'cannot read this'))
  await holds(broker, 'q', 0)
})

test('a buried message keeps its properties and its bytes, and gets new headers', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  // A queue that lets messages die at once, so that the one that comes has been dead before.
  const dying = {
    'x-message-ttl': 0,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'q',
  }
  const first = { name: 'dying', kind: 'classic', arguments: dying, bindings: [] } as const
  await broker.declare(plainQueue('q'))
  await broker.declare({ exchanges: [], queues: [first] })
  const given = { messageId: 'm', correlationId: 'c', replyTo: 'r', type: 'odd' }
  const before = Date.now()
  broker.consume('q', { prefetch: 1 }, (delivery) => {
    assert.ok(delivery.headers['x-death'])
    delivery.bury('it is odd')
    delivery.bury('twice')
    delivery.ack()
  })
  await broker.publish({ ...messageFor('dying'), ...given, body: '{"odd":', headers: { own: 1 } })
  const { deliveries, has } = collect(broker, 'zag.dead')
  await has(1)
  const [dead] = deliveries
  assert.ok(dead)
  assert.equal(dead.body.toString(), '{"odd":')
  assert.deepEqual(
    [dead.messageId, dead.correlationId, dead.replyTo, dead.type, dead.contentType],
    ['m', 'c', 'r', 'odd', 'application/json'],
  )
  const { 'x-zagflow-at': at, ...headers } = dead.headers
  assert.deepEqual(headers, { 'x-zagflow-reason': 'it is odd', 'x-zagflow-queue': 'q' })
  assert.ok(typeof at === 'number' && at >= before && at <= Date.now())
  await holds(broker, 'q', 0)
  assert.equal(deliveries.length, 1)
})

test('a message is buried even if somebody deleted the queue of the dead', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  const other = (await linkTo(t, url, { namespace: 'other' })).broker
  await broker.declare(plainQueue('q'))
  await other.undeclare(['zag.dead'], { delete: true })
  assert.equal(await broker.lookAt('zag.dead'), null)
  broker.consume('q', { prefetch: 1 }, (delivery) => delivery.bury('no use'))
  await broker.publish(messageFor('q'))
  await holds(broker, 'zag.dead', 1)
  await holds(broker, 'q', 0)
})

test('a queue that is deleted is declared and consumed again, and its reader is told', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  const other = (await linkTo(t, url, { namespace: 'other' })).broker
  const spec = { name: 'q', kind: 'quorum', bindings: [{ exchange: 'x', key: 'k' }] } as const
  await broker.declare({ exchanges: [{ name: 'x', type: 'direct' }], queues: [spec] })
  let deleted = 0
  const got: Delivery[] = []
  broker.consume('q', { prefetch: 1, onDeleted: () => deleted++ }, (delivery) => {
    got.push(delivery)
  })
  await broker.publish(messageFor('q', 1))
  await eventually(() => got.length === 1)
  for (let round = 1; round <= 2; round++) {
    await other.undeclare(['q'], { delete: true })
    await eventually(() => deleted === round)
    await eventually(async () => (await broker.lookAt('q'))?.consumers === 1, { everyMs: 50 })
    assert.equal(got[0]?.isOpen, false)
    got.shift()?.ack()
    assert.equal(
      await broker.publish({ ...messageFor('k', 2), exchange: 'x' }),
      'confirmed',
      'the binding is there again',
    )
    await eventually(() => got.length === 1)
  }
})

test('a queue that is not there yet is waited for', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  const { deliveries, has } = collect(broker, 'late')
  await eventually(async () => (await broker.lookAt('late')) === null)
  await broker.declare(plainQueue('late'))
  await broker.publish(messageFor('late'))
  await has(1)
  assert.equal(deliveries[0]?.queue, 'late')
})

test('of two links only one reads a queue with a single active consumer, and the other takes over', async (t) => {
  leakCheck(t)
  const url = await ownHost(t)
  if (url === undefined) return
  const one = (await linkTo(t, url)).broker
  const two = (await linkTo(t, url)).broker
  const only = { 'x-single-active-consumer': true }
  const queue = { name: 'q', kind: 'quorum', arguments: only, bindings: [] } as const
  for (const broker of [one, two]) await broker.declare({ exchanges: [], queues: [queue] })
  const first = collect(one, 'q')
  await eventually(async () => (await one.lookAt('q'))?.consumers === 1)
  const second = collect(two, 'q')
  for (let n = 0; n < 30; n++) await two.publish(messageFor('q', n))
  await first.has(30)
  assert.equal(second.deliveries.length, 0)
  await one.stop()
  await two.publish(messageFor('q', 'later'))
  await second.has(1)
  assert.deepEqual(second.bodies(), ['later'])
})
