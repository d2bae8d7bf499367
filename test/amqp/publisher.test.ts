import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClosedError, UnavailableError, UsageError } from '../../src/base/errors.ts'
import { eventually } from '../support/eventually.ts'
import { quietPort } from '../support/free-port.ts'
import { leakCheck } from '../support/leak-check.ts'
import { collect, holds, linkTo, makeLink, messageFor, ownHost, plainQueue } from './fixtures.ts'

test('what no queue takes is told as unroutable, among thousands that are confirmed', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q'))
  const answers = await Promise.all(
    // Bodies are the same on purpose: a return must find its own publication.
    Array.from({ length: 3000 }, (_, n) => broker.publish(messageFor(n % 3 === 0 ? 'none' : 'q'))),
  )
  assert.deepEqual(
    answers,
    answers.map((_, n) => (n % 3 === 0 ? 'unroutable' : 'confirmed')),
  )
  await holds(broker, 'q', 2000)
})

test('messages are sent in the order in which they were published, through a full window', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url, { window: 7 })
  await broker.declare(plainQueue('q'))
  const published = Array.from({ length: 500 }, (_, n) => broker.publish(messageFor('q', n)))
  assert.equal(broker.hasRoom, false)
  await Promise.all(published)
  assert.equal(broker.hasRoom, true)
  const { bodies, has } = collect(broker, 'q')
  await has(500)
  assert.deepEqual(
    bodies(),
    published.map((_, n) => n),
  )
})

test('listeners are told when there is room again', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url, { window: 2 })
  await broker.declare(plainQueue('q'))
  let told = 0
  const forget = broker.onRoom(() => told++)
  const published = Promise.all([1, 2, 3].map((n) => broker.publish(messageFor('q', n))))
  assert.equal(told, 0)
  await published
  assert.ok(told >= 1)
  forget()
  const before = told
  await Promise.all([1, 2, 3].map((n) => broker.publish(messageFor('q', n))))
  assert.equal(told, before)
})

test('a message that the broker refuses is told to its publisher alone', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  const limits = { 'x-max-length': 1, 'x-overflow': 'reject-publish' }
  const full = { name: 'full', kind: 'classic', arguments: limits, bindings: [] } as const
  await broker.declare({ exchanges: [], queues: [full] })
  assert.equal(await broker.publish(messageFor('full')), 'confirmed')
  await assert.rejects(broker.publish(messageFor('full')), (error) => {
    return error instanceof UnavailableError && /refused a message for \/full/.test(error.message)
  })
  await broker.declare(plainQueue('q'))
  assert.equal(await broker.publish(messageFor('q')), 'confirmed')
})

test('a channel that the broker closes fails what is open on it, and the next publications go on', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker, log } = await linkTo(t, url)
  await broker.declare(plainQueue('q'))
  let isLost = false
  broker.onDisconnected(() => (isLost = true))
  const settled = await Promise.allSettled([
    broker.publish({ ...messageFor('q'), exchange: 'missing' }),
    ...Array.from({ length: 100 }, () => broker.publish(messageFor('q'))),
  ])
  assert.equal(settled.length, 101)
  const [first] = settled
  assert.ok(first?.status === 'rejected' && first.reason instanceof UnavailableError)
  assert.match(first.reason.message, /nobody knows whether the message arrived.*missing/)
  assert.equal(await broker.publish(messageFor('q')), 'confirmed')
  assert.equal(isLost, false, 'the connection is not lost with a channel')
  assert.ok(log.some(({ level, error }) => level === 'error' && error.includes('missing')))
})

test('what AMQP cannot carry is refused to its publisher, and harms no other', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q'))
  const long = 'ä'.repeat(200)
  const bad = [
    broker.publish(messageFor(long)),
    broker.publish({ ...messageFor('q'), replyTo: long }),
    broker.publish({ ...messageFor('q'), headers: { big: 'x'.repeat(100_000) } }),
  ]
  const good = broker.publish({ ...messageFor('q'), messageId: long, correlationId: long })
  for (const publication of bad) await assert.rejects(publication, UsageError)
  assert.equal(await good, 'confirmed')
  const { deliveries, has } = collect(broker, 'q')
  await has(1)
  assert.equal(deliveries[0]?.messageId, undefined, 'an id that does not fit is left out')
})

test('properties, headers and expiration arrive as they were given', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q'))
  await broker.publish({ ...messageFor('q', 'gone'), expirationMs: 0 })
  const given = { messageId: 'm', correlationId: 'c', replyTo: 'r' }
  await broker.publish({
    ...messageFor('q', 'ü'),
    ...given,
    headers: { 'x-h': 1, s: 'é', b: true },
  })
  const { deliveries, bodies, has } = collect(broker, 'q')
  await has(1)
  assert.deepEqual(bodies(), ['ü'])
  const [got] = deliveries
  assert.ok(got)
  assert.deepEqual(
    [got.type, got.contentType, got.messageId, got.correlationId, got.replyTo, got.queue],
    ['test', 'application/json', 'm', 'c', 'r', 'q'],
  )
  assert.deepEqual({ ...got.headers }, { 'x-h': 1, s: 'é', b: true })
  assert.equal(got.redelivered, false)
})

test('a large message arrives whole', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url)
  await broker.declare(plainQueue('q'))
  const text = 'x'.repeat(5_000_000)
  assert.equal(await broker.publish(messageFor('q', text)), 'confirmed')
  const { bodies, has } = collect(broker, 'q')
  await has(1, { withinMs: 20_000 })
  assert.equal(bodies()[0], text)
})

test('a publication waits for a link that does not stand, and fails at its deadline', async (t) => {
  leakCheck(t)
  const { broker } = makeLink(t, {
    urls: `amqp://127.0.0.1:${await quietPort()}`,
    publishTimeoutMs: 200,
  })
  const starting = broker.start().catch((error: unknown) => error)
  assert.equal(broker.isConnected, false)
  assert.equal(broker.hasRoom, false)
  await assert.rejects(broker.publish(messageFor('q')), (error) => {
    return error instanceof UnavailableError && /could not be sent.*200 ms/.test(error.message)
  })
  await broker.stop()
  assert.ok((await starting) instanceof ClosedError)
})

test('after stop() nothing is published, and what was open is settled', async (t) => {
  leakCheck(t)
  const url = await ownHost(t)
  if (url === undefined) return
  const stopped = async () => {
    const { broker } = await linkTo(t, url, { window: 5 })
    await broker.declare(plainQueue('q'))
    const published = Array.from({ length: 50 }, (_, n) => broker.publish(messageFor('q', n)))
    await broker.stop()
    await broker.stop()
    return { broker, settled: await Promise.allSettled(published) }
  }
  let { broker, settled } = await stopped()
  for (let times = 1; settled.some(({ status }) => status === 'rejected'); times += 1) {
    // It does not wait for ever for a broker that stands still, but that is not to happen every time.
    for (const one of settled)
      assert.ok(one.status === 'fulfilled' || one.reason instanceof UnavailableError)
    assert.ok(times < 4, 'some were not confirmed')
    ;({ broker, settled } = await stopped())
  }
  await assert.rejects(broker.publish(messageFor('q')), ClosedError)
  await assert.rejects(broker.start(), ClosedError)
  await assert.rejects(broker.declare(plainQueue('p')), ClosedError)
  await assert.rejects(broker.lookAt('q'), ClosedError)
})

test('the memory of publications is bounded by the window while the broker gets them', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, url, { window: 50 })
  await broker.declare(plainQueue('q'))
  let most = 0
  let open = 0
  const lane = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) {
      if (!broker.hasRoom) await eventually(() => broker.hasRoom, { everyMs: 1 })
      most = Math.max(most, ++open)
      await broker.publish(messageFor('q', n))
      open--
    }
  }
  await Promise.all(Array.from({ length: 200 }, lane))
  assert.ok(most <= 200, `at most ${most} at once`)
  await holds(broker, 'q', 4000)
})
