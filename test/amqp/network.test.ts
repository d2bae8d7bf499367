/** Links through a network that fails: cut, silent, with hosts that are not there. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { UnavailableError } from '../../src/base/errors.ts'
import type { Delivery } from '../../src/amqp/broker-link.ts'
import { controlQueue, queuesOnly } from '../../src/amqp/zagflow-topology.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { eventually } from '../support/eventually.ts'
import { quietPort } from '../support/free-port.ts'
import { leakCheck } from '../support/leak-check.ts'
import { watchStandstills } from '../support/standstill.ts'
import { tcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import {
  collect,
  complaintOf,
  despiteLosses,
  holds,
  linkTo,
  makeLink,
  messageFor,
  ownHost,
  plainQueue,
} from './fixtures.ts'

/** The URL of a proxy before a virtual host of this test alone. */
async function proxied(
  t: TestContext,
): Promise<
  { readonly url: string; readonly direct: string; readonly proxy: TcpProxy } | undefined
> {
  const direct = await ownHost(t)
  if (direct === undefined) return undefined
  const url = new URL(direct)
  const proxy = await tcpProxy(t, { host: url.hostname, port: Number(url.port) })
  url.port = String(proxy.port)
  return { url: url.href, direct, proxy }
}

test('after a cut everything comes back by itself, in order, and publications that were open fail once', async (t) => {
  leakCheck(t)
  const way = await proxied(t)
  if (way === undefined) return
  const { broker } = await linkTo(t, way.url)
  const told: string[] = []
  await broker.declare(plainQueue('q', 'quorum'))
  const got: Delivery[] = []
  broker.consume('q', { prefetch: 10 }, (delivery) => {
    told.push('delivery')
    got.push(delivery)
  })
  broker.onDisconnected((error) => {
    told.push('disconnected')
    assert.ok(error instanceof Error)
  })
  broker.onConnected(async (generation) => {
    told.push(`connected ${generation}`)
    assert.equal(broker.isConnected, true)
    // A listener may use the link; consumers wait for it.
    await broker.publish(messageFor('q', 2))
    told.push('listener done')
  })
  await broker.publish(messageFor('q', 1))
  await eventually(() => got.length === 1)
  way.proxy.cut()
  await eventually(() => !broker.isConnected)
  assert.equal(got[0]?.isOpen, false)
  assert.equal(broker.hasRoom, false)
  got[0]?.ack()
  await assert.rejects(broker.lookAt('q'), UnavailableError)
  const waiting = broker.publish(messageFor('q', 3))
  way.proxy.mend()
  assert.equal(await waiting, 'confirmed')
  await eventually(() => got.length === 4)
  assert.deepEqual(told.slice(0, 4), ['delivery', 'disconnected', 'connected 2', 'listener done'])
  // Message 3 was published first, for it waited in the line.
  const came = got.slice(1).map(({ body, redelivered }) => `${body.toString()} ${redelivered}`)
  assert.deepEqual(came.sort(), ['1 true', '2 false', '3 false'])
  got[0]?.ack()
  got[0]?.bury('too late')
  for (const delivery of got.slice(1)) delivery.ack()
  await holds(broker, 'q', 0)
  assert.equal((await broker.lookAt('zag.dead'))?.messages, 0)
})

test('publications under a cut are each settled once, and what is confirmed is there', async (t) => {
  const way = await proxied(t)
  if (way === undefined) return
  const { broker } = await linkTo(t, way.url)
  const direct = await linkTo(t, way.direct, { namespace: 'other' })
  await broker.declare(plainQueue('q', 'quorum'))
  const confirmed = new Set<number>()
  let failed = 0
  let published = 0
  let isOver = false
  const lane = async (): Promise<void> => {
    while (!isOver) {
      const n = published++
      try {
        assert.equal(await broker.publish(messageFor('q', n)), 'confirmed')
        confirmed.add(n)
      } catch (error) {
        assert.ok(error instanceof UnavailableError)
        failed++
      }
    }
  }
  const lanes = Promise.all(Array.from({ length: 50 }, lane))
  for (let round = 1; round <= 5; round++) {
    const before = confirmed.size
    await eventually(() => confirmed.size > before + 200, { withinMs: 60_000 })
    way.proxy.cut()
    await eventually(() => !broker.isConnected)
    way.proxy.mend()
  }
  isOver = true
  await lanes
  assert.equal(confirmed.size + failed, published)
  const there = collect(direct.broker, 'q', { prefetch: 1000 })
  await eventually(
    () => {
      const found = new Set(there.bodies()) // and of what failed, whatever arrived all the same
      assert.deepEqual(
        [...confirmed].filter((n) => !found.has(n)),
        [],
      )
      return true
    },
    { withinMs: 60_000, everyMs: 50 },
  )
  await holds(direct.broker, 'q', 0)
})

test('a peer that vanished silently is noticed after 2 to 3 heartbeats, and its socket is given up', async (t) => {
  leakCheck(t)
  const way = await proxied(t)
  if (way === undefined) return
  const { broker } = await linkTo(t, way.url, { heartbeatS: 1 })
  await broker.declare(plainQueue('q'))
  await eventually(() => broker.isConnected)
  const still = watchStandstills(t)
  way.proxy.stall()
  const stalledAt = performance.now()
  await assert.rejects(broker.publish(messageFor('q')), UnavailableError)
  assert.equal(broker.isConnected, false)
  const took = still.awakeSince(stalledAt)
  assert.ok(took < 6000, `took ${Math.round(took)} ms`)
  way.proxy.cut()
  way.proxy.mend()
  assert.equal(await despiteLosses(() => broker.publish(messageFor('q'))), 'confirmed')
})

test('stop() ends in time though the peer is silent, and leaves no socket', async (t) => {
  leakCheck(t)
  const way = await proxied(t)
  if (way === undefined) return
  const { broker } = await linkTo(t, way.url)
  await broker.declare(plainQueue('q'))
  way.proxy.stall()
  const open = broker.publish(messageFor('q')).catch((error: unknown) => error)
  const still = watchStandstills(t)
  const startedAt = performance.now()
  await broker.stop()
  assert.ok(still.awakeSince(startedAt) < 6000)
  assert.ok((await open) instanceof UnavailableError)
})

test('hosts are tried in turn until one takes us', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker } = await linkTo(t, [
    `amqp://127.0.0.1:${await quietPort()}`,
    `amqp://127.0.0.1:${await quietPort()}/v,${url}`,
  ])
  assert.equal(broker.isConnected, true)
})

test('when a host goes, the link moves to the next one', async (t) => {
  const way = await proxied(t)
  if (way === undefined) return
  const { broker, log } = await linkTo(t, `${way.url},${way.direct}`)
  await broker.declare(plainQueue('q'))
  let lost = 0
  broker.onDisconnected(() => lost++)
  way.proxy.cut()
  await eventually(() => lost === 1 && broker.isConnected)
  assert.equal(await broker.publish(messageFor('q')), 'confirmed')
  assert.ok(log.some(({ message }) => message === 'the connection to the broker was lost'))
})

test("a queue that dies with its connection is there again, once the broker has noticed the old one's end", async (t) => {
  const way = await proxied(t)
  if (way === undefined) return
  const names = namesOf('zag')
  const { broker } = await linkTo(t, way.url, { heartbeatS: 1 })
  const control = { name: names.control, type: 'direct' } as const
  await broker.declare({ exchanges: [control], ...withoutExchanges() })
  const { has } = collect(broker, names.controlQueue('w'))
  await despiteLosses(
    async () => (await broker.lookAt(names.controlQueue('w')))?.consumers === 1 || undefined,
  )
  way.proxy.stall()
  await eventually(() => !broker.isConnected, { withinMs: 30_000 })
  // The proxy keeps the old connection's far end open: to the broker it lives.
  way.proxy.mend()
  await despiteLosses(async () => {
    const sent = { exchange: names.control, routingKey: 'w', body: '{}', type: 'test' }
    return (await broker.publish(sent)) === 'confirmed' || undefined
  })
  await has(1, { withinMs: 60_000 })

  function withoutExchanges() {
    return { queues: queuesOnly(controlQueue(names, 'w')).queues }
  }
})

test('start() says what is wrong: nobody there, wrong password, wrong virtual host; and no password is shown', async (t) => {
  leakCheck(t)
  const url = await ownHost(t)
  if (url === undefined) return
  const wrongUser = new URL(url)
  wrongUser.password = 'sesame'
  const wrongHost = new URL(url)
  wrongHost.pathname = '/nowhere'
  for (const [urls, expected] of [
    [`amqp://a:sesame@127.0.0.1:${await quietPort()}`, /nobody listens there/],
    [wrongUser.href, /refused the user "guest".*the name or the password is wrong/],
    [wrongHost.href, /refused its virtual host "nowhere".*there is no such virtual host/],
    [`amqp://a:sesame@no-such-host.invalid`, /is not known|EAI_AGAIN|ENOTFOUND/],
  ] as const) {
    const { error, log } = await complaintOf(t, { urls }, expected)
    for (const text of [error.message, error.server, ...log.map((line) => line.error)])
      assert.ok(!text.includes('sesame'), text)
  }
})

test('a host that takes connections and says nothing does not hold start() longer than its time', async (t) => {
  leakCheck(t)
  const way = await proxied(t)
  if (way === undefined) return
  way.proxy.stall()
  const { broker } = makeLink(t, { urls: way.url, connectTimeoutMs: 500 })
  const still = watchStandstills(t)
  const startedAt = performance.now()
  await assert.rejects(broker.start(), UnavailableError)
  assert.ok(still.awakeSince(startedAt) < 3000)
})

/** The method that closes a channel, as it is in its frame: class 20, method 40. */
const CHANNEL_CLOSE = Buffer.from([0, 20, 0, 40])

test('a connection that is lost while a channel is being closed leaves nobody waiting for its answer', async (t) => {
  leakCheck(t)
  const way = await proxied(t)
  if (way === undefined) return
  const { broker } = await linkTo(t, way.url)
  const stalled = way.proxy.stallAt(CHANNEL_CLOSE, 1)
  let isDeclared = false
  const declared = broker.declare(plainQueue('q')).then(() => (isDeclared = true))
  await stalled
  way.proxy.cut()
  await eventually(() => isDeclared || !broker.isConnected)
  way.proxy.mend()
  await eventually(() => isDeclared, { withinMs: 60_000 })
  await declared
})

test('a consumer whose queue is declared again while the connection is lost consumes on the next one', async (t) => {
  leakCheck(t)
  const way = await proxied(t)
  if (way === undefined) return
  const { broker } = await linkTo(t, way.url)
  const direct = await linkTo(t, way.direct, { namespace: 'other' })
  await broker.declare(plainQueue('q'))
  const { has } = collect(broker, 'q')
  await direct.broker.publish(messageFor('q'))
  await has(1)
  // First it closes the channel of its subscription, then that on which it has declared again.
  const stalled = way.proxy.stallAt(CHANNEL_CLOSE, 2)
  await direct.broker.undeclare(['q'], { delete: true })
  await stalled
  way.proxy.cut()
  await eventually(() => !broker.isConnected)
  way.proxy.mend()
  // It is declared by then: what comes before that is told to be unroutable.
  await eventually(() => broker.isConnected, { withinMs: 60_000 })
  assert.equal(await direct.broker.publish(messageFor('q')), 'confirmed')
  await has(2, { withinMs: 60_000 })
})
