/**
 * A broker that does not answer on a channel, as one without a majority of its hosts does, or changes its mind between two answers:
 * played, for a real one cannot be made to.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { ChannelModel } from 'amqplib'
import { Declarer } from '../../src/amqp/declarer.ts'
import { QueueDesk } from '../../src/amqp/queue-desk.ts'
import { manualClock } from '../../src/base/clock.ts'
import { silentLogger as logger } from '../../src/base/logger.ts'
import { plainQueue } from './fixtures.ts'

/** Opens channels on which nothing is ever answered but their end. */
function silent(): { readonly model: ChannelModel; readonly open: () => number } {
  let open = 0
  const never = () => new Promise<never>(() => {})
  const model = {
    createChannel: async () => {
      open += 1
      const close = async (): Promise<void> => void (open -= 1)
      return { on: () => {}, close, checkQueue: never, assertQueue: never }
    },
  }
  return { model: model as unknown as ChannelModel, open: () => open }
}

/** What becomes of a question, once its time is up. */
async function late(question: Promise<unknown>, clock: ReturnType<typeof manualClock>) {
  const failed = assert.rejects(question, { code: 'Unavailable' })
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve() // its channel is opened
  clock.advance(30_000)
  await failed
}

test('a question about a queue that is not answered leaves no channel: a connection has two thousand', async () => {
  const { model, open } = silent()
  const clock = manualClock(0)
  const desk = new QueueDesk({ model, server: 'here', clock, logger })
  for (let n = 0; n < 3; n += 1) await late(desk.lookAt('q'), clock)
  assert.equal(open(), 0)
})

test('nor does a declaration', async () => {
  const { model, open } = silent()
  const clock = manualClock(0)
  const declarer = new Declarer({ clock, logger })
  for (let n = 0; n < 3; n += 1) await late(declarer.declare(model, plainQueue('q')), clock)
  assert.equal(open(), 0)
})

test('a binding that was refused before the permission came with its exchange is bound: nobody could see that it is missing', async () => {
  let binds = 0
  const model = {
    createChannel: async () => ({
      on: () => {},
      close: async () => {},
      assertQueue: async () => ({}),
      checkExchange: async () => ({}),
      bindQueue: async () => {
        if (binds++ === 0) throw Object.assign(new Error('ACCESS_REFUSED'), { code: 403 })
        return {}
      },
    }),
  }
  const declarer = new Declarer({ clock: manualClock(0), logger })
  const bindings = [{ exchange: 'x', key: 'k' }]
  await declarer.declare(model as unknown as ChannelModel, {
    exchanges: [],
    queues: [{ name: 'q', kind: 'classic', bindings }],
  })
  assert.equal(binds, 2)
})
