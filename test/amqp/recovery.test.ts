/** Links to a broker of a test's own, which is killed, wiped, blocked and paused. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { UnavailableError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { Broker } from '../../src/amqp/broker.ts'
import { Wakeups } from '../../src/amqp/delays.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { baseTopology } from '../../src/amqp/zagflow-topology.ts'
import type { Delivery } from '../../src/amqp/broker-link.ts'
import { eventually } from '../support/eventually.ts'
import { privateRabbitmq, rabbitmqNodes, type RabbitmqNode } from '../support/rabbitmq.ts'
import { watchStandstills } from '../support/standstill.ts'
import { collect, despiteLosses, holds, linkTo, messageFor, plainQueue } from './fixtures.ts'

const SOON = { withinMs: 60_000, everyMs: 50 }

/** A node for all parts of a test, since each takes seconds to start; undefined where there is none. */
async function node(t: TestContext): Promise<RabbitmqNode | undefined> {
  const nodes = rabbitmqNodes()
  if (!('missing' in nodes)) return privateRabbitmq(t)
  t.skip(nodes.missing)
  return undefined
}

/** Publishes numbers until it is told to stop, and keeps what became of each. */
function publishing(broker: Broker, queue: string, lanes: number) {
  const confirmed = new Set<number>()
  let published = 0
  let failed = 0
  let isOver = false
  const lane = async (): Promise<void> => {
    while (!isOver) {
      const n = published++
      try {
        const answer = await broker.publish(messageFor(queue, n))
        assert.equal(answer, 'confirmed')
        confirmed.add(n)
      } catch (error) {
        assert.ok(error instanceof UnavailableError, String(error))
        failed++
      }
    }
  }
  const running = Promise.all(Array.from({ length: lanes }, lane))
  return {
    confirmed,
    async stop(): Promise<{ readonly published: number; readonly failed: number }> {
      isOver = true
      await running
      return { published, failed }
    },
  }
}

test('a broker of our own', async (t) => {
  const server = await node(t)
  if (server === undefined) return

  await t.test(
    'kill -9 and restart: every publication is settled once, what was confirmed is there, consumers and delays come back',
    async (t) => {
      const { broker } = await linkTo(t, server.url)
      const reader = await linkTo(t, server.url, { namespace: 'reader' })
      await broker.declare(plainQueue('q', 'quorum'))
      const { bodies } = collect(reader.broker, 'q', { prefetch: 200 })
      const wakeups = new Wakeups(broker, namesOf('zag'), silentLogger)
      const woken: string[] = []
      wakeups.onDue(({ jobId, dueAt }) => {
        assert.ok(Date.now() >= dueAt - 100, 'a wake-up was early')
        woken.push(jobId)
      })
      await wakeups.start()
      const inMs = 4000
      await Promise.all(
        [1, 2, 3].map((n) => {
          const dueAt = Date.now() + inMs
          return wakeups.at({ board: 'b', jobId: `job ${n}`, dueAt }, inMs)
        }),
      )
      const generations: number[] = []
      broker.onConnected((generation) => void generations.push(generation))
      const flood = publishing(broker, 'q', 40)
      await eventually(() => flood.confirmed.size > 300, SOON)
      await server.settle()
      await server.kill()
      await eventually(() => !broker.isConnected, SOON)
      await server.start()
      const before = flood.confirmed.size
      await eventually(() => flood.confirmed.size > before + 300, SOON)
      const { published, failed } = await flood.stop()
      assert.equal(flood.confirmed.size + failed, published)
      assert.deepEqual(generations, [2])
      await eventually(() => {
        const found = new Set(bodies()) // and of what failed, whatever arrived all the same
        assert.deepEqual(
          [...flood.confirmed].filter((n) => !found.has(n)),
          [],
        )
        return true
      }, SOON)
      await eventually(() => new Set(woken).size === 3, SOON)
    },
  )

  await t.test('an orderly stop and start is survived as well', async (t) => {
    // A start takes its time on a busy machine.
    const { broker } = await linkTo(t, server.url, { publishTimeoutMs: 120_000 })
    await broker.declare(plainQueue('orderly', 'quorum'))
    const { has } = collect(broker, 'orderly')
    await server.stop()
    await eventually(() => !broker.isConnected, SOON)
    const waiting = broker.publish(messageFor('orderly'))
    await server.start()
    assert.equal(await waiting, 'confirmed')
    await has(1, SOON)
  })

  await t.test('a wiped virtual host gets its whole topology again', async (t) => {
    const { broker } = await linkTo(t, server.url)
    const names = namesOf('zag')
    await broker.declare(baseTopology(names))
    await broker.declare(plainQueue('wiped', 'quorum'))
    const { has } = collect(broker, 'wiped')
    await eventually(async () => (await broker.lookAt('wiped'))?.consumers === 1, SOON)
    let generation = 0
    broker.onConnected((now) => void (generation = now))
    await server.wipe()
    await eventually(() => generation >= 2, SOON)
    assert.notEqual(await broker.lookAt(names.unclaimed), null)
    assert.equal(await broker.publish(messageFor('wiped')), 'confirmed')
    await has(1, SOON)
  })

  await t.test('connections that an operator closes come back', async (t) => {
    const { broker } = await linkTo(t, server.url)
    let generation = 1
    broker.onConnected((now) => void (generation = now))
    assert.ok((await server.closeConnections()) >= 2)
    await eventually(() => generation >= 2, SOON)
  })

  await t.test(
    'while the broker blocks publishers there is no room, acknowledgements go on, and afterwards all is confirmed',
    async (t) => {
      const { broker } = await linkTo(t, server.url, { window: 100, publishTimeoutMs: 60_000 })
      await broker.declare(plainQueue('blocked'))
      await Promise.all([1, 2, 3].map((n) => broker.publish(messageFor('blocked', n))))
      await server.blockPublishers()
      t.after(() => server.unblockPublishers())
      // The broker says that it blocks only once something is published.
      const published = [broker.publish(messageFor('blocked', 4))]
      await eventually(() => !broker.hasRoom, SOON)
      for (let n = 5; n < 5000; n++) published.push(broker.publish(messageFor('blocked', n)))
      const { has } = collect(broker, 'blocked', { prefetch: 1 })
      await has(3, SOON)
      assert.equal(broker.isConnected, true)
      let hadRoom = false
      broker.onRoom(() => (hadRoom = true))
      await server.unblockPublishers()
      assert.deepEqual(new Set(await Promise.all(published)), new Set(['confirmed']))
      assert.equal(broker.hasRoom, true)
      assert.equal(hadRoom, true)
      await has(4999, SOON)
    },
  )

  await t.test(
    'what waits while publishers are blocked fails at its deadline; what was sent does not',
    async (t) => {
      // Long enough for the broker to say that it blocks, short enough to wait for.
      const { broker } = await linkTo(t, server.url, { publishTimeoutMs: 2000 })
      await broker.declare(plainQueue('late'))
      await server.blockPublishers()
      t.after(() => server.unblockPublishers())
      const sent = broker.publish(messageFor('late', 'sent'))
      await eventually(() => !broker.hasRoom, SOON)
      await assert.rejects(
        broker.publish(messageFor('late', 'waits')),
        /could not be sent, and was not/,
      )
      await server.unblockPublishers()
      assert.equal(await sent, 'confirmed')
      await holds(broker, 'late', 1, SOON)
    },
  )

  await t.test(
    'a broker that stands still is noticed, and its answers are waited for again',
    async (t) => {
      const { broker } = await linkTo(t, server.url, { heartbeatS: 1 })
      await broker.declare(plainQueue('still'))
      await eventually(() => broker.isConnected, SOON)
      const still = watchStandstills(t)
      server.pause()
      try {
        const pausedAt = performance.now()
        await eventually(() => !broker.isConnected, { withinMs: 30_000 })
        assert.ok(still.awakeSince(pausedAt) < 6000)
      } finally {
        server.resume()
      }
      assert.equal(await despiteLosses(() => broker.publish(messageFor('still'))), 'confirmed')
    },
  )

  await t.test(
    'a user who may not declare uses what is there, and hears what is not',
    async (t) => {
      const owner = await linkTo(t, server.url)
      await owner.broker.declare(plainQueue('given', 'quorum'))
      const none = '<<"^$">>'
      await server.evaluate(`
      rabbit_auth_backend_internal:add_user(<<"modest">>, <<"secret">>, <<"test">>),
      rabbit_auth_backend_internal:set_permissions(<<"modest">>, <<"/">>, ${none}, <<".*">>, <<".*">>, <<"test">>).`)
      const url = new URL(server.url)
      url.username = 'modest'
      url.password = 'secret'
      const { broker } = await linkTo(t, url.href)
      await broker.declare(plainQueue('given', 'quorum'))
      const { has } = collect(broker, 'given')
      assert.equal(await broker.publish(messageFor('given')), 'confirmed')
      await has(1, SOON)
      await assert.rejects(
        broker.declare(plainQueue('not-given')),
        /the queue "not-given" is not there, and the user may not declare it/,
      )
      assert.equal(broker.isConnected, true)
    },
  )

  await t.test(
    'a delivery that outlasts the consumer timeout comes again, and the link lives',
    async (t) => {
      await server.setConsumerTimeout(1500)
      const { broker } = await linkTo(t, server.url)
      await broker.declare(plainQueue('long', 'quorum'))
      let lost = 0
      broker.onDisconnected(() => lost++)
      const first: Delivery[] = []
      const again: boolean[] = []
      const bodies: unknown[] = []
      broker.consume('long', { prefetch: 100 }, (delivery) => {
        bodies.push(JSON.parse(delivery.body.toString()))
        if (first.length === 0) {
          first.push(delivery)
          return
        }
        // At once: it, too, would be taken back after a while.
        again.push(delivery.redelivered, delivery.isOpen, first[0]?.isOpen ?? true)
        first[0]?.ack()
        delivery.ack()
      })
      await broker.publish(messageFor('long', 'first'))
      await eventually(() => again.length > 0, SOON)
      assert.deepEqual(again.slice(0, 3), [true, true, false])
      await holds(broker, 'long', 0, SOON)
      assert.equal(await broker.publish(messageFor('long', 'next')), 'confirmed')
      await eventually(() => bodies.includes('next'), SOON)
      assert.equal(lost, 0)
    },
  )
})
