/**
 * What a broker may be given by anybody: malformed messages and false replies, raw, to every queue, under load. No consumer
 * dies of them, none changes a state, and what is malformed is kept with its reason.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { connect, type ConfirmChannel, type Options } from 'amqplib'
import { namesOf, type Names } from '../../src/amqp/names.ts'
import { tokenOf } from '../../src/protocol/token.ts'
import type { CallKey } from '../../src/protocol/call.ts'
import type { Store } from '../../persistence/store.ts'
import { ended, postFlow } from '../conductor/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { Fleet, told } from './fleet.ts'
import { tasksEnd } from './load.ts'

const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
/** Of one call, as fast as they can be published. */
const PROGRESS_REPORTS = 5000

const JSON_TYPE = 'application/json'

interface Junk {
  readonly name: string
  readonly body: string | Buffer
  readonly properties?: Options.Publish
}

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth)
}

/** A header table that holds itself, so deep. */
function nestedTable(depth: number): Record<string, unknown> {
  let table: Record<string, unknown> = { end: true }
  for (let i = 0; i < depth; i++) table = { t: table }
  return table
}

const json = (name: string, body: string | Buffer, properties: Options.Publish = {}): Junk => ({
  name,
  body,
  properties: { contentType: JSON_TYPE, ...properties },
})

/** No reader of any queue takes one of these. */
const MALFORMED: readonly Junk[] = [
  json('empty', ''),
  json('not-utf8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])),
  json('not-json', '{"v":1,'),
  ...['null', '[]', '"text"', '17', 'true'].map((body) => json(`value-${body}`, body)),
  json('no-members', '{}'),
  json('no-type', '{"v":1}'),
  json('version-0', '{"v":0,"type":"request"}'),
  json('version-999', '{"v":999,"type":"result"}'),
  json('unknown-type', '{"v":1,"type":"constructor"}'),
  json('other-type', '{"v":1,"type":"result"}', { type: 'go' }),
  json('members-missing', '{"v":1,"type":"request","task":"work"}', { type: 'request' }),
  json('deep', `{"v":1,"type":"result","result":${nested(100_000)}}`),
  json('polluting', '{"v":1,"type":"result","__proto__":{"polluted":true},"constructor":{}}'),
  json('huge-number', '{"v":1,"type":"progress","progress":1e400}'),
  json('surrogate', '{"v":1,"type":"result","result":"\\ud800\\u0000"}'),
  { name: 'no-content-type', body: '{"v":1}' },
  { name: 'text', body: '{"v":1}', properties: { contentType: 'text/plain' } },
  { name: 'pickle', body: 'gASV', properties: { contentType: 'application/x-python-serialize' } },
  { name: 'utf-16', body: '{}', properties: { contentType: 'application/json; charset=utf-16' } },
  json('bomb', gzipSync(Buffer.alloc(32 * 1024 * 1024)), { contentEncoding: 'gzip' }),
  json('headers', '{}', {
    headers: {
      yes: true,
      byte: { '!': 'byte', value: 1 },
      double: { '!': 'double', value: 1.5 },
      date: { '!': 'timestamp', value: 1 },
      list: [1, 'two', [3]],
      nothing: null,
      bytes: Buffer.from([0, 255]),
      'x-death': [{ queue: 'q', reason: 'rejected', count: 1000, exchange: '' }],
      'x-delivery-count': 99,
      'x-zagflow-reason': 'forged',
    },
  }),
  json('deep-headers', '{}', { headers: nestedTable(500) }),
  json('long-header', '{}', { headers: { long: 'x'.repeat(40_000) } }),
  json('properties', '[]', {
    priority: 255,
    correlationId: 'x'.repeat(255),
    replyTo: 'amq.gen-forged',
    type: '\u0000',
    appId: 'x',
  }),
]

/** Requests that name everything but a reply queue of ours: answered to nobody, so not run. */
function strayRequests(call: CallKey, token: string): readonly Junk[] {
  const request = {
    v: 1,
    type: 'request',
    ...call,
    token,
    task: 'work',
    topic: 'default',
    flow: 'f',
    attempt: 1,
    args: {},
    priority: 0,
    again: false,
    publishedAt: Date.now(),
    reportEveryMs: 1000,
    askAfterMs: 60_000,
  }
  return ['', 'amq.gen-forged', 'other.replies.x'].map((replyTo) =>
    json(`reply-to-${replyTo}`, JSON.stringify(request), { type: 'request', replyTo }),
  )
}

/** Replies whose senders were not given the request. */
function forgedReplies(call: CallKey, token: string): readonly Junk[] {
  const about = { v: 1, worker: 'w', startedAt: 1 }
  const result = (name: string, key: CallKey, said: string): Junk =>
    json(name, JSON.stringify({ ...about, type: 'result', ...key, token: said, result: 'junk' }))
  const calls = [{ ...call, token: 'guessed', startedAt: 1, redelivered: true, again: true }]
  return [
    result('unknown-job', { ...call, jobId: 'nobody', flowId: 'nobody' }, 'guessed'),
    result('wrong-token', call, 'guessed'),
    result('wrong-call', { ...call, call: call.call + 1 }, token),
    result('wrong-direction', { ...call, direction: 'revert' }, token),
    result('wrong-atom', { ...call, atom: `${call.atom}x` }, token),
    json('wrong-running', JSON.stringify({ v: 1, type: 'running', worker: 'w', calls })),
    json('wrong-ask', JSON.stringify({ v: 1, type: 'ask', worker: 'w', calls })),
    json(
      'wrong-unknown',
      JSON.stringify({
        v: 1,
        type: 'unknown',
        worker: 'w',
        ...call,
        token: 'guessed',
        task: 'work',
      }),
    ),
  ]
}

/** Replies that are right, and late: to be passed over. */
function replays(call: CallKey, token: string): readonly Junk[] {
  const about = { v: 1, worker: 'w', ...call, token }
  const calls = [{ ...call, token, startedAt: 1, redelivered: true, again: false }]
  return [
    json('again', JSON.stringify({ ...about, type: 'result', result: 'junk', startedAt: 1 })),
    json(
      'failed-after-success',
      JSON.stringify({
        ...about,
        type: 'failure',
        failure: { code: 'Error', message: 'junk' },
        outcome: 'failure',
        startedAt: 1,
      }),
    ),
    json('running-after-success', JSON.stringify({ v: 1, type: 'running', worker: 'w', calls })),
    json('ask-after-success', JSON.stringify({ v: 1, type: 'ask', worker: 'w', calls })),
    json('unknown-after-success', JSON.stringify({ ...about, type: 'unknown', task: 'work' })),
    json('progress-after-success', JSON.stringify({ ...about, type: 'progress', progress: 0.5 })),
  ]
}

/** Every queue that somebody reads, by name. */
async function queuesOf(store: Store, names: Names): Promise<Readonly<Record<string, string>>> {
  const workers = await store.processes({ kind: 'worker' })
  const replies = await store.replyQueues()
  return {
    topic: names.topic('default'),
    unclaimed: names.unclaimed,
    announcements: names.announcements,
    timers: names.timers,
    ...Object.fromEntries(workers.map(({ id }, at) => [`control-${at}`, names.controlQueue(id)])),
    ...Object.fromEntries(replies.map(({ queue }, at) => [`replies-${at}`, queue])),
  }
}

async function send(
  channel: ConfirmChannel,
  queue: string,
  messages: readonly Junk[],
): Promise<void> {
  for (const { name, body, properties } of messages) {
    const messageId = `${queue} ${name}`.slice(0, 255)
    channel.sendToQueue(queue, Buffer.from(body), { ...properties, messageId })
  }
  await channel.waitForConfirms()
}

/** Takes all that is in the queue of the dead. */
async function exhume(channel: ConfirmChannel, names: Names): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (;;) {
    const message = await channel.get(names.dead, { noAck: true })
    if (message === false) return found
    const reason: unknown = message.properties.headers?.['x-zagflow-reason']
    assert.equal(typeof reason, 'string', 'it says why')
    found.set(String(message.properties.messageId), String(reason))
  }
}

async function stateOf(store: Store, jobId: string): Promise<unknown> {
  const found = await store.job(jobId)
  assert.ok(found)
  const { updatedAt: _, ...job } = found.job
  const { flowId } = found.job
  return { job, atoms: await store.atoms(flowId), calls: await store.calls(flowId) }
}

test('malformed messages and false replies to every queue, under load: consumers live, no state changes, and what is malformed is kept', async (t) => {
  const broker = await rabbitmq()
  if ('missing' in broker) return t.skip(broker.missing)
  const place = await freshNamespace(t)
  const fleet = await Fleet.start(t, { store: 'postgres', place, conductor: { leaseMs: 60_000 } })
  if (fleet === null) return
  await fleet.ready()
  const { store } = fleet
  const names = namesOf(place.namespace)
  const connection = await connect(place.url)
  lastFirst(t).after(() => connection.close())
  const channel = await connection.createConfirmChannel()

  const { id: jobId, flowId } = await postFlow(store, linear('f', [task('a', { task: 'work' })]))
  await ended(store, jobId, { withinMs: 60_000 })
  const before = await stateOf(store, jobId)
  const call: CallKey = { jobId, flowId, atom: 'f/a', direction: 'execute', call: 1 }
  const token = tokenOf((await store.broker(place.namespace)).secret, call)
  await eventually(async () => (await store.processes({ kind: 'worker' })).length === 2, {
    withinMs: 60_000,
  })
  const queues = await queuesOf(store, names)
  assert.equal(Object.keys(queues).length, 8)

  const expected: string[] = []
  await fleet.under(SEED, async () => {
    await tasksEnd(fleet.ledger, 20)
    for (const [kind, queue] of Object.entries(queues)) {
      const isReplies = kind === 'unclaimed' || kind.startsWith('replies')
      const junk = [
        ...MALFORMED,
        ...(kind === 'topic' ? strayRequests(call, token) : []),
        ...(isReplies ? forgedReplies(call, token) : []),
      ]
      await send(channel, queue, junk)
      expected.push(...junk.map(({ name }) => `${queue} ${name}`.slice(0, 255)))
      if (isReplies) await send(channel, queue, replays(call, token))
      await tasksEnd(fleet.ledger, 5)
    }
    const [replies] = Object.entries(queues).flatMap(([kind, queue]) =>
      kind.startsWith('replies') ? [queue] : [],
    )
    const progress = replays(call, token).slice(-1)
    await send(
      channel,
      replies ?? '',
      Array.from({ length: PROGRESS_REPORTS }, () => progress).flat(),
    )
    await tasksEnd(fleet.ledger, 20)
  })

  const dead = new Map<string, string>()
  await eventually(
    async () => {
      for (const [name, reason] of await exhume(channel, names)) dead.set(name, reason)
      return dead.size >= expected.length
    },
    { withinMs: 60_000, everyMs: 100 },
  ).catch(() => undefined) // what is missing is told below
  assert.deepEqual(
    expected.filter((name) => !dead.has(name)),
    [],
    'it was not kept',
  )
  assert.deepEqual(
    [...dead.keys()].filter((name) => !expected.includes(name)),
    [],
    'it was kept, and nothing was wrong with it',
  )
  assert.deepEqual(await stateOf(store, jobId), before)
  for (const [kind, queue] of Object.entries(queues)) {
    if (kind.startsWith('control')) continue // its worker's alone
    assert.equal((await channel.checkQueue(queue)).messageCount, 0, queue)
  }
  await fleet.endAll()
  const findings = await fleet.check()
  t.diagnostic(`${told(findings)}; ${dead.size} messages were kept with their reasons`)
  assert.equal(findings.again, 0)
})
