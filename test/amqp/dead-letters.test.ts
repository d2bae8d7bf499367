import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { connect, type ConfirmChannel } from 'amqplib'
import { OperatorLink } from '../../src/amqp/operator-link.ts'
import { namesOf, type Names } from '../../src/amqp/names.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import { PROTOCOL_VERSION } from '../../src/protocol/messages.ts'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'

interface Site {
  readonly names: Names
  readonly link: OperatorLink
  readonly channel: ConfirmChannel
  /** Puts a letter that came from that queue. */
  put(
    body: string | Buffer,
    options?: { readonly queue?: string; readonly at?: number },
  ): Promise<void>
}

async function site(t: TestContext): Promise<Site | undefined> {
  const broker = await rabbitmq()
  if ('missing' in broker) {
    t.skip(broker.missing)
    return undefined
  }
  leakCheck(t)
  const { url, namespace } = await freshNamespace(lastFirst(t))
  const names = namesOf(namespace)
  const model = await connect(url)
  lastFirst(t).after(() => model.close())
  const channel = await model.createConfirmChannel()
  await channel.assertQueue(names.dead, { arguments: { 'x-queue-type': 'quorum' } })
  await channel.assertQueue(names.topic('default'), { arguments: { 'x-queue-type': 'quorum' } })
  const link = await OperatorLink.open({ urls: url, namespace })
  lastFirst(t).after(() => link.close())
  return {
    names,
    link,
    channel,
    async put(body, { queue = names.topic('default'), at = 1 } = {}) {
      const content = typeof body === 'string' ? Buffer.from(body) : body
      channel.publish('', names.dead, content, {
        contentType: 'application/json',
        messageId: 'm',
        persistent: true,
        headers: {
          'x-zagflow-reason': 'no use',
          'x-zagflow-queue': queue,
          'x-zagflow-at': at,
          traceparent: 'kept',
        },
      })
      await channel.waitForConfirms()
    },
  }
}

/** Waits until a queue says that it has so many messages: for a moment it may say that it has none. */
async function holds(link: OperatorLink, queue: string, messages: number): Promise<void> {
  await eventually(async () => (await link.lookAt(queue))?.messages === messages)
}

function request(publishedAt: number): string {
  const key = { jobId: 'j', flowId: 'f', atom: 'a', direction: 'execute' as const, call: 1 }
  return JSON.stringify({
    v: PROTOCOL_VERSION,
    type: 'request',
    ...key,
    token: callKeyText(key),
    task: 'a',
    topic: 'default',
    flow: 'f',
    attempt: 1,
    args: {},
    priority: 0,
    again: false,
    publishedAt,
    reportEveryMs: 10_000,
    askAfterMs: 60_000,
  })
}

test('letters that are only looked at stay, in their order, with the same ids', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put } = found
  for (let at = 1; at <= 30; at += 1) await put(`${at}`, { at })
  const look = async (): Promise<readonly (string | number | undefined)[]> => {
    const seen: (string | number | undefined)[] = []
    const report = await link.deadLetters.read((letter) => {
      seen.push(letter.id, letter.at)
      return 'keep'
    })
    assert.equal(report.inQueue, 30)
    return seen
  }
  const first = await look()
  assert.deepEqual(await look(), first)
  assert.deepEqual(
    first.filter((one) => typeof one === 'number'),
    Array.from({ length: 30 }, (_, index) => index + 1),
  )
  const few = await link.deadLetters.read(() => 'keep', { limit: 3 })
  assert.equal(few.lookedAt, 3)
})

test('a letter goes back as it was, without what was written about its death', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put, channel, names } = found
  const body = Buffer.from([0, 255, 254, 1])
  await put(body)
  await put('another')
  const report = await link.deadLetters.read((letter) =>
    letter.body.equals(body) ? 'requeue' : 'keep',
  )
  assert.deepEqual(report, { inQueue: 2, lookedAt: 2, removed: 0, requeued: 1, stayed: [] })
  const back = await channel.get(names.topic('default'), { noAck: true })
  assert.ok(back !== false)
  assert.deepEqual(back.content, body)
  const { headers } = back.properties
  assert.equal(back.properties.messageId, 'm')
  assert.equal(back.properties.deliveryMode, 2)
  assert.equal(headers?.['traceparent'], 'kept')
  assert.equal(headers?.['x-zagflow-reason'], undefined)
  await holds(link, names.dead, 1)
})

test('a letter whose queue is gone, or is none of ours, stays', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put, channel, names } = found
  const other = await channel.assertQueue('', { exclusive: true })
  await put('one', { queue: names.topic('gone') })
  await put('two', { queue: other.queue })
  await put('three', { queue: names.dead })
  const { requeued, stayed } = await link.deadLetters.read(() => 'requeue')
  assert.equal(requeued, 0)
  assert.deepEqual(
    stayed.map(({ why }) => /is gone$|not of this namespace$/.test(why)),
    [true, true, true],
  )
  assert.equal((await channel.checkQueue(other.queue)).messageCount, 0)
  await holds(link, names.dead, 3)
})

test('a reply whose queue is gone goes to those that nobody claims', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put, channel, names } = found
  await channel.assertExchange(names.unrouted, 'fanout')
  await channel.assertExchange(names.replies, 'direct', { alternateExchange: names.unrouted })
  await channel.assertQueue(names.unclaimed)
  await channel.bindQueue(names.unclaimed, names.unrouted, '')
  await put('reply', { queue: names.replyQueue('gone') })
  assert.equal((await link.deadLetters.read(() => 'requeue')).requeued, 1)
  await holds(link, names.unclaimed, 1)
})

test('a young request that goes back is marked, so that its owner is asked before it starts', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put, channel, names } = found
  await put(request(Date.now()))
  await put(request(Date.now() - 10 * 60_000))
  assert.equal((await link.deadLetters.read(() => 'requeue')).requeued, 2)
  const marks: unknown[] = []
  for (let left = 2; left > 0; left -= 1) {
    const back = await channel.get(names.topic('default'), { noAck: true })
    assert.ok(back !== false)
    marks.push((JSON.parse(back.content.toString()) as { readonly again: unknown }).again)
  }
  assert.deepEqual(marks, [true, false], 'the old one is asked about because of its age')
})

test('what is removed is gone, and no more', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put, names } = found
  await put('one')
  await put('two')
  const { removed } = await link.deadLetters.read(({ body }) =>
    body.toString() === 'one' ? 'remove' : 'keep',
  )
  assert.equal(removed, 1)
  await holds(link, names.dead, 1)
  assert.equal(await link.lookAt(names.topic('never')), null)
})

test('an operator whose link is lost in the middle loses no letter', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put, channel, names } = found
  for (let at = 1; at <= 20; at += 1) await put(`${at}`, { at })
  let seen = 0
  await assert.rejects(
    link.deadLetters.read(() => {
      seen += 1
      if (seen === 10) void link.close()
      return 'requeue'
    }),
  )
  const bodies = new Set<string>()
  const take = async (queue: string): Promise<void> => {
    for (let next = await channel.get(queue, { noAck: true }); next !== false;) {
      bodies.add(next.content.toString())
      next = await channel.get(queue, { noAck: true })
    }
  }
  // The broker gives back what was unsettled when it sees that the connection is gone.
  await eventually(async () => {
    for (const queue of [names.dead, names.topic('default')]) await take(queue)
    return bodies.size === 20
  })
})

test('who looks again at once sees all that was kept', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put, names } = found
  for (let at = 1; at <= 50; at += 1) await put(`${at}`, { at })
  let late = 0 // a broker that stands still for a moment may count none
  for (let round = 0; round < 20; round += 1) {
    const { lookedAt } = await link.deadLetters.read(() => 'keep', { limit: 10 })
    assert.equal(lookedAt, 10)
    if ((await link.lookAt(names.dead))?.messages === 50) continue
    late += 1
    await holds(link, names.dead, 50)
  }
  assert.ok(late <= 2, `${late} of 20 times something was missing`)
})

test('a letter about a call that no database can have is about none, so that nobody asks one', async (t) => {
  const found = await site(t)
  if (found === undefined) return
  const { link, put } = found
  const key = { jobId: 'j', flowId: 'f', atom: 'a', direction: 'execute', call: 1 }
  for (const junk of [{ call: 2 ** 31 }, { jobId: 'j\0' }, { atom: '\ud800' }, {}])
    await put(JSON.stringify({ ...key, ...junk }))
  const calls: unknown[] = []
  await link.deadLetters.read((letter) => {
    calls.push(letter.call)
    return 'keep'
  })
  assert.deepEqual(calls, [undefined, undefined, undefined, key])
})
