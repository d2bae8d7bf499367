/** Which reply queues are read, and what becomes of those that nobody needs. */
import assert from 'node:assert/strict'
import test from 'node:test'
import amqp from 'amqplib'
import { resolveWorkerBased } from '../../engines/worker-based/options.ts'
import { ReplyQueues } from '../../engines/worker-based/reply-queues.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { BrokerLink } from '../../src/amqp/broker-link.ts'
import { Broker } from '../../src/amqp/broker.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { eventually } from '../support/eventually.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'

const names = namesOf('f')

/** Those of one engine, over that link, with one queue of a conductor that is gone. */
async function queuesOver(link: BrokerLink, own: string, orphan: string) {
  const store = new MemoryStore()
  await store.start()
  const beat = { kind: 'conductor', name: 'me', host: 'h', pid: 1, board: 'main' } as const
  await store.beat({ ...beat, id: 'me', topics: [], tasks: [], load: {}, leaseMs: 600_000 })
  await store.keepReplyQueue(orphan, 'gone')
  const queues = new ReplyQueues({
    resolved: resolveWorkerBased({ link, store, board: 'main' }),
    names: namesOf(link.namespace),
    own,
    reader: () => () => {},
    inUse: () => new Set(),
  })
  await queues.start('me')
  return { queues, store }
}

test('a forgotten reply queue that somebody still reads is deleted later: nobody else would know of it', async (t) => {
  const server = await rabbitmq()
  if ('missing' in server) return t.skip(server.missing)
  const { url, namespace } = await freshNamespace(t)
  const link = new Broker({ urls: url, namespace })
  t.after(() => link.stop())
  await link.start()
  const { replyQueue } = namesOf(namespace)
  const orphan = replyQueue('gone')
  const { queues, store } = await queuesOver(link, replyQueue('me'), orphan)
  t.after(() => queues.stop())
  queues.sweep()
  await eventually(async () => ((await link.lookAt(orphan))?.consumers ?? 0) === 1)

  const connection = await amqp.connect(url)
  t.after(() => connection.close())
  const channel = await connection.createChannel()
  const { consumerTag } = await channel.consume(orphan, () => {})
  await eventually(async () => {
    queues.sweep()
    const isForgotten = !(await store.replyQueues()).some(({ queue }) => queue === orphan)
    return isForgotten && (await link.lookAt(orphan))?.consumers === 1
  })
  await channel.cancel(consumerTag)
  await eventually(async () => {
    queues.sweep()
    return (await link.lookAt(orphan)) === null
  })
})

test('a reply queue that could not be declared is no part of later connections, except the own one, which is tried again', async (t) => {
  const declared: string[] = []
  const undeclared: string[] = []
  const consumed: string[] = []
  const [own, orphan] = [names.replyQueue('me'), names.replyQueue('gone')]
  const consumption = { setPrefetch() {}, cancel: async () => {}, close: async () => {} }
  const link: Pick<BrokerLink, 'namespace' | 'declare' | 'undeclare' | 'lookAt' | 'consume'> = {
    namespace: 'f',
    async declare({ queues: [queue] }) {
      const name = queue?.name ?? ''
      declared.push(name)
      const refused = name === orphan || declared.filter((each) => each === own).length === 1
      if (refused) throw new Error('no queue')
    },
    undeclare: async (queues) => void undeclared.push(...queues),
    lookAt: async () => ({ messages: 1, consumers: 1 }),
    consume(queue) {
      consumed.push(queue)
      return consumption
    },
  }
  const { queues } = await queuesOver(link as BrokerLink, own, orphan)
  t.after(() => queues.stop())
  await eventually(() => declared.includes(own))
  assert.ok(!consumed.includes(own))
  queues.sweep()
  await eventually(() => consumed.includes(own) && undeclared.includes(orphan))
  assert.ok(!undeclared.includes(own))
  assert.ok(!consumed.includes(orphan))
})
