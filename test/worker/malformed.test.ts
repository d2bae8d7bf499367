/** Whatever is published raw to a worker's queues: each is put aside with a reason, and the worker serves on. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { writeMessage } from '../../src/protocol/wire.ts'
import { Worker } from '../../src/worker/index.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { rabbitmq } from '../support/rabbitmq.ts'
import { act, journal, resetTasks } from '../support/tasks.ts'
import { Owner, type Raw } from './owner.ts'

const broker = await rabbitmq()
const skip = 'missing' in broker ? broker.missing : false

function deep(levels: number): string {
  return `${'['.repeat(levels)}${']'.repeat(levels)}`
}

/** What is wrong, how it is published, and what the reason says. */
function cases(owner: Owner): readonly (readonly [string, Raw, RegExp])[] {
  const good = writeMessage(owner.request())
  const changed = (over: object): Buffer =>
    Buffer.from(JSON.stringify({ ...(JSON.parse(good) as object), ...over }))
  return [
    ['an empty body', { body: Buffer.alloc(0) }, /empty/],
    ['bytes that are no UTF-8', { body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }, /UTF-8/],
    ['no JSON', { body: Buffer.from('{"v":1') }, /JSON/],
    ['a list', { body: Buffer.from('[]') }, /object/],
    ['null', { body: Buffer.from('null') }, /object/],
    ['another shape', { body: Buffer.from('{"v":1,"type":"request"}') }, /request/],
    ['text/plain', { contentType: 'text/plain' }, /content_type/],
    ['pickle', { contentType: 'application/x-python-serialize' }, /content_type/],
    ['no content type', { contentType: undefined as never }, /content_type/],
    ['UTF-16', { contentType: 'application/json; charset=utf-16' }, /content_type/],
    [
      'a gzip bomb',
      { body: gzipSync(Buffer.alloc(1_000_000)), contentEncoding: 'gzip' },
      /content_encoding/,
    ],
    ['an unknown type', { body: changed({ type: 'launch' }), type: 'launch' }, /type/],
    ['two types', { type: 'result' }, /type/],
    ['a message for conductors', { body: changed({ type: 'result' }), type: 'result' }, /type/],
    ['version 0', { body: changed({ v: 0 }) }, /v/],
    ['version 999', { body: changed({ v: 999 }) }, /v/],
    ['no reply_to', { replyTo: undefined as never }, /reply_to/],
    ['an empty reply_to', { replyTo: '' }, /reply_to/],
    ['direct reply-to', { replyTo: 'amq.rabbitmq.reply-to.g2dkAA' }, /reply_to/],
    ['another queue as reply_to', { replyTo: `${owner.namespace}.topic.default` }, /reply_to/],
    [
      '1,000 levels',
      { body: Buffer.from(`{"v":1,"type":"request","args":{"a":${deep(1_000)}}}`) },
      /levels|deep/,
    ],
    [
      '__proto__',
      { body: Buffer.from(good.replace('"args":{', '"args":{"__proto__":{"polluted":true},')) },
      /__proto__/,
    ],
    ['NUL', { body: changed({ args: { does: 'succeed', value: 'a\0b' } }) }, /u0000/],
    ['a call that is no number', { body: changed({ call: '1' }) }, /call/],
    ['a negative time', { body: changed({ publishedAt: -1 }) }, /publishedAt/],
    ['no token', { body: changed({ token: undefined }) }, /token/],
    ['a megabyte as a name', { body: changed({ task: 'x'.repeat(1_000_000) }) }, /task/],
  ] as const
}

test(
  'what is no request is put aside with a reason, nothing of it runs, and the worker serves on',
  { skip },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const owner = await Owner.create(t)
    const worker = new Worker({ broker: owner.url, namespace: owner.namespace, tasks: [act] })
    t.after(() => worker.stop({ graceMs: 0 }))
    await worker.start()
    const all = cases(owner)
    for (const [what, raw, reason] of all) {
      const before = owner.buried.length
      await owner.send(owner.request(), raw)
      const buried = await eventually(() => owner.buried[before]).catch((cause: unknown) => {
        throw new Error(`${what} was not put aside`, { cause })
      })
      assert.match(buried.reason, reason, what)
    }
    assert.equal(owner.buried.length, all.length, 'each once')
    assert.deepEqual(journal, [], 'nothing ran')
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
    const request = await owner.send(owner.request(), {
      priority: 255,
      correlationId: 'of somebody else',
      expiration: '60000',
      headers: {
        'x-death': [{ queue: 'forged', count: 99, reason: 'rejected' }],
        table: { nested: { list: [1, 'two', null, true, 4.5] } },
        long: 'x'.repeat(60_000),
      },
    })
    await owner.result(request)
    await worker.stop()
    assert.equal(await owner.depth(), 0)
  },
)

test(
  'what is no word of an owner is put aside, and the next word is heard',
  { skip },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const owner = await Owner.create(t)
    const worker = new Worker({ broker: owner.url, namespace: owner.namespace, tasks: [act] })
    t.after(() => worker.stop({ graceMs: 0 }))
    await worker.start()
    const words: readonly (readonly [string, string])[] = [
      ['', 'go'],
      ['{"v":1,"type":"go","calls":[]}', 'go'],
      ['{"v":1,"type":"go"}', 'go'],
      ['{"v":2,"type":"go","calls":[]}', 'go'],
      ['{"v":1,"type":"request"}', 'request'],
    ]
    for (const [text, type] of words)
      await owner.publish(owner.names.control, worker.id, text, { type })
    await eventually(() => owner.buried.length === words.length)
    const request = await owner.send(owner.request({ again: true }))
    await owner.hears('ask', request)
    await owner.go(worker.id, owner.request({ atom: 'order/nowhere' }))
    await owner.cancel(worker.id, owner.request({ atom: 'constructor' }))
    await owner.go(worker.id, request)
    await owner.result(request)
  },
)
