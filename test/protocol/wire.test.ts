import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  MAX_BODY_BYTES,
  readAnnounce,
  readControl,
  readReply,
  readRequest,
  readWake,
  writeMessage,
  type Read,
  type Received,
  type WireMessage,
} from '../../src/protocol/wire.ts'
import { Random } from '../support/random.ts'
import { delivered, good, messages, type Body } from './messages.ts'

type Reader = (received: Received) => Read<WireMessage>

const REPLIES = [
  'running',
  'progress',
  'result',
  'failure',
  'unknown',
  'released',
  'ask',
  'barrier',
]
const readers: readonly (readonly [string, Reader, readonly string[]])[] = [
  ['readRequest', readRequest, ['request']],
  ['readReply', readReply, REPLIES],
  ['readControl', readControl, ['go', 'drop', 'cancel', 'report']],
  ['readAnnounce', readAnnounce, ['announce']],
  ['readWake', readWake, ['wake']],
]

function readerOf(type: string): Reader {
  const row = readers.find(([, , types]) => types.includes(type))
  assert.ok(row)
  return row[1]
}

function messageOf(read: Read<WireMessage>): WireMessage {
  assert.ok(read.ok, read.ok ? '' : read.reason)
  return read.message
}

function reasonOf(read: Read<WireMessage>): string {
  assert.ok(!read.ok, 'it was taken for a message')
  return read.reason
}

/** A text that nests `levels` lists. */
function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}

describe('messages that are right', () => {
  for (const [type, message] of Object.entries(messages)) {
    it(`${type}: comes back as it was written`, () => {
      const read = messageOf(readerOf(type)(delivered(message, { type })))
      assert.deepEqual(read, message)
      assert.deepEqual(messageOf(readerOf(type)(delivered(writeMessage(read)))), message)
    })

    it(`${type}: is refused by the readers of other queues, and the reason says what they take`, () => {
      for (const [, reader, types] of readers) {
        if (types.includes(type)) continue
        assert.match(reasonOf(reader(delivered(message))), /this queue takes .*[a-z]/)
      }
    })

    it(`${type}: members that are not known are left out, because later versions add some`, () => {
      const read = messageOf(readerOf(type)(delivered({ ...message, later: { than: 'this' } })))
      assert.deepEqual(read, message)
    })
  }

  for (const contentType of [
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
    'application/json',
  ]) {
    it(`content_type may be ${contentType}`, () => {
      messageOf(readReply(delivered(good('result'), { contentType })))
    })
  }

  for (const contentEncoding of [undefined, '', 'identity']) {
    it(`content_encoding may be ${contentEncoding ?? 'missing'}`, () => {
      messageOf(readReply(delivered(good('result'), { contentEncoding })))
    })
  }

  it('texts beyond ASCII may be escaped, as Python does, or not', () => {
    const result = { thanks: 'Löffel 🥄 日本' }
    const text = JSON.stringify({ ...good('result'), result })
    const escaped = text.replace(/[^\0-\x7f]/g, (unit) => {
      return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
    })
    assert.notEqual(text, escaped)
    for (const body of [text, escaped]) {
      const read = messageOf(readReply(delivered(body)))
      assert.deepEqual(read.type === 'result' && read.result, result)
    }
  })

  it('values may be as deep as the codec lets them be', () => {
    const text = JSON.stringify(good('result')).replace('{"id":"p-1"}', nested(64))
    assert.equal(messageOf(readReply(delivered(text))).type, 'result')
  })
})

const faults: readonly (readonly [string, unknown, Partial<Received>, RegExp])[] = [
  ['an empty body', '', {}, /^the body is empty$/],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, /^the body is not UTF-8$/],
  ['half a surrogate pair as bytes', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), {}, /not UTF-8/],
  ['half a character at the end', Buffer.from([0x22, 0xe2, 0x82]), {}, /not UTF-8/],
  ['a byte order mark', `\ufeff${JSON.stringify(good('result'))}`, {}, /^the body is no JSON: /],
  ['a text that is no JSON', '{"v":1,', {}, /^the body is no JSON: /],
  ['null', 'null', {}, /^the body is null, not a JSON object$/],
  ['a list', '[]', {}, /^the body is a list/],
  ['a number', '1', {}, /^the body is a number/],
  ['an object without anything', '{}', {}, /^the version v is missing; this reads 1$/],
  ['version 0', { ...good('result'), v: 0 }, {}, /^the version v is 0; this reads 1$/],
  ['version 999', { ...good('result'), v: 999 }, {}, /newer Zagflow wrote it; upgrade/],
  ['the version as a text', { ...good('result'), v: '1' }, {}, /^the version v is "1"/],
  [
    'no type',
    { ...good('result'), type: undefined },
    {},
    /^the body's type is missing; this queue/,
  ],
  ['an unknown type', { ...good('result'), type: 'resolt' }, {}, /^the body's type is "resolt"; /],
  ['the type constructor', { ...good('result'), type: 'constructor' }, {}, /type is "constructor"/],
  ['another property type', good('result'), { type: 'ask' }, /^the property type is "ask"/],
  ['content_type missing', good('result'), { contentType: undefined }, /content_type is missing/],
  ['text/plain', good('result'), { contentType: 'text/plain' }, /content_type is "text\/plain"/],
  ['pickle', good('result'), { contentType: 'application/x-python-serialize' }, /content_type is/],
  ['UTF-16', good('result'), { contentType: 'application/json; charset=utf-16' }, /in UTF-8$/],
  ['gzip', gzipSync('{}'), { contentEncoding: 'gzip' }, /content_encoding is "gzip"/],
  ['a bomb', gzipSync(Buffer.alloc(1 << 20)), { contentEncoding: 'gzip' }, /content_encoding/],
  [
    'a body beyond the limit',
    Buffer.alloc(MAX_BODY_BYTES + 1, 0x20),
    {},
    /16777217 bytes; 16777216/,
  ],
  ['a token that is missing', { ...good('result'), token: undefined }, {}, /^"result": token: /],
  ['an empty token', { ...good('result'), token: '' }, {}, /^"result": token: /],
  [
    'a direction that is none',
    { ...good('result'), direction: 'undo' },
    {},
    /^"result": direction: /,
  ],
  ['a call of 0', { ...good('result'), call: 0 }, {}, /^"result": call: /],
  ['a call of 1.5', { ...good('result'), call: 1.5 }, {}, /^"result": call: /],
  [
    'an atom beyond all paths',
    { ...good('result'), atom: 'a'.repeat(3000) },
    {},
    /^"result": atom: /,
  ],
  ['a job that is a list', { ...good('result'), jobId: ['x'] }, {}, /^"result": jobId: /],
  [
    'no result',
    { ...good('result'), result: undefined },
    {},
    /^"result": result: expected a value/,
  ],
  [
    'a start that is no number',
    { ...good('result'), startedAt: '1' },
    {},
    /^"result": startedAt: /,
  ],
  [
    'a start in fractions of ms',
    { ...good('result'), startedAt: 1.5 },
    {},
    /^"result": startedAt: /,
  ],
  ['a failure that is a text', { ...good('failure'), failure: 'x' }, {}, /^"failure": failure: /],
  [
    'a failure without code',
    { ...good('failure'), failure: { message: 'x' } },
    {},
    /failure\.code: /,
  ],
  [
    'an outcome that is none',
    { ...good('failure'), outcome: 'success' },
    {},
    /^"failure": outcome: /,
  ],
  ['progress beyond 1', { ...good('progress'), progress: 1.01 }, {}, /^"progress": progress: /],
  [
    'progress that is infinite',
    '{"v":1,"type":"progress","progress":1e999}',
    {},
    /^"progress": progress: /,
  ],
  ['an ask about nothing', { ...good('ask'), calls: [] }, {}, /^"ask": calls: /],
  [
    'an ask about too much',
    {
      ...good('ask'),
      calls: Array.from({ length: 1001 }, () => (good('ask')['calls'] as Body[])[0]),
    },
    {},
    /^"ask": calls: /,
  ],
  [
    'details with a banned key',
    '{"v":1,"type":"progress","details":{"__proto__":1}}',
    {},
    /__proto__/,
  ],
  ['a member __proto__', '{"v":1,"type":"result","__proto__":{"x":1}}', {}, /member "__proto__"/],
  ['a member constructor', '{"v":1,"type":"result","constructor":1}', {}, /member "constructor"/],
  ['calls deep as a well', `{"v":1,"type":"ask","calls":${nested(1_000_000)}}`, {}, /64 levels/],
  [
    'a banned key, escaped',
    '{"v":1,"type":"ask","calls":[{"\\u005f_proto__":1}]}',
    {},
    /__proto__/,
  ],
  ['\\u0000 in a worker', { ...good('result'), worker: 'a\0b' }, {}, /^"result": worker: .*u0000/],
  [
    'half a pair in an atom',
    { ...good('result'), atom: 'a\ud800' },
    {},
    /^"result": atom: .*surrogate/,
  ],
]

describe('messages that are wrong', () => {
  for (const [what, body, properties, reason] of faults) {
    it(`${what}: is refused with a reason of one short line`, () => {
      const told = reasonOf(readReply(delivered(body, properties)))
      assert.match(told, reason)
      assert.ok(told.length <= 510 && !told.includes('\n'), told)
    })
  }

  it('requests: arguments must be an object, and what nobody may store is refused', () => {
    const request = good('request')
    assert.match(
      reasonOf(readRequest(delivered({ ...request, args: [] }))),
      /args: expected an obj/,
    )
    assert.match(
      reasonOf(readRequest(delivered({ ...request, args: { a: '\0' } }))),
      /args: a: .*0000/,
    )
    assert.match(reasonOf(readRequest(delivered({ ...request, rounds: [{}] }))), /rounds: expected/)
    assert.match(reasonOf(readRequest(delivered({ ...request, args: undefined }))), /args: /)
  })

  it('nothing reaches Object.prototype', () => {
    const before = Object.getOwnPropertyNames(Object.prototype)
    for (const poison of [
      '{"__proto__":{"polluted":1}}',
      '{"constructor":{"prototype":{"polluted":1}}}',
    ]) {
      for (const type of Object.keys(messages)) {
        for (const member of Object.keys(good(type))) {
          const text = JSON.stringify({ ...good(type), [member]: '@' }).replace('"@"', poison)
          for (const [, reader] of readers) reader(delivered(text))
        }
      }
    }
    assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), before)
    assert.equal(({} as Body)['polluted'], undefined)
  })
})

describe('answers that cannot be stored', () => {
  const unstorable: readonly (readonly [string, string, RegExp])[] = [
    ['\\u0000', '{"a":["x\\u0000"]}', /a\[0\]: JSON cannot carry a text with the character/],
    ['half a surrogate pair', '"\\uD83D"', /half a surrogate pair/],
    ['a number beyond all', '{"a":1e999}', /a: JSON cannot carry Infinity/],
    ['a banned key', '{"a":{"constructor":1}}', /a\.constructor: .*the key "constructor"/],
    ['__proto__', '{"__proto__":{"x":1}}', /the key "__proto__"/],
    ['65 levels', nested(65), /more than 64 levels/],
    ['a million levels', nested(1_000_000), /more than 64 levels/],
    ['more than 2 MB', JSON.stringify('x'.repeat(2 * 1024 * 1024)), /more than 2097152 bytes/],
  ]
  for (const [what, value, reason] of unstorable) {
    it(`a result with ${what} is a failure of its call, which would be answered by nobody otherwise`, () => {
      const body = JSON.stringify(good('result')).replace('{"id":"p-1"}', value)
      const read = messageOf(readReply(delivered(body, { type: 'result' })))
      assert.equal(read.type, 'failure')
      assert.ok(read.type === 'failure')
      assert.equal(read.failure.code, 'NotSerialisable')
      assert.match(read.failure.message, reason)
      assert.match(read.failure.message, /^the result that "worker-1" sent: /)
      assert.deepEqual(
        [read.token, read.outcome, read.startedAt],
        [good('result')['token'], 'failure', 1],
      )
    })
  }

  it('a failure keeps its code and a text that can be stored', () => {
    const failure = { code: 'X', message: `a\0b${'é'.repeat(100_000)}`, data: { constructor: 1 } }
    const body = { ...good('failure'), failure: { ...failure, cause: failure } }
    const read = messageOf(readReply(delivered(body)))
    assert.ok(read.type === 'failure')
    assert.equal(read.failure.code, 'X')
    assert.ok(Buffer.byteLength(read.failure.message) <= 4096)
    assert.match(read.failure.message, /^a\ufffdbé+ … \(cut/)
    assert.deepEqual(read.failure.data, { notSerialisable: true })
    assert.deepEqual(read.failure.cause, without(read.failure))
  })

  it('causes without end are cut', () => {
    let text = '{"code":"X","message":"m"}'
    for (let at = 0; at < 10_000; at++) text = `{"code":"X","message":"m","cause":${text}}`
    const body = JSON.stringify({ ...good('failure'), failure: '@' }).replace('"@"', text)
    const read = messageOf(readReply(delivered(body)))
    assert.ok(read.type === 'failure')
    let causes = 0
    for (let at = read.failure.cause; at !== undefined; at = at.cause) causes += 1
    assert.equal(causes, 8)
  })
})

function without(failure: { readonly cause?: unknown }): Body {
  const { cause: _, ...rest } = failure
  return rest
}

describe('random bytes and messages with random faults', () => {
  it('never make a reader throw, and what it takes it takes again', () => {
    const random = new Random(20_261_121)
    const types = Object.keys(messages)
    let taken = 0
    for (let round = 0; round < 20_000; round++) {
      const type = random.pick(types)
      const received = broken(random, type)
      const read = readerOf(type)(received)
      if (!read.ok) {
        assert.ok(read.reason.length > 0 && read.reason.length <= 510, read.reason)
        continue
      }
      taken += 1
      const again = readerOf(type)(delivered(writeMessage(read.message)))
      assert.deepEqual(messageOf(again), read.message)
    }
    assert.ok(taken > 500 && taken < 15_000, `${taken} were taken`)
  })
})

/** A good message with something changed at random: a value, a member, or a byte. */
function broken(random: Random, type: string): Received {
  const body = structuredClone(good(type))
  const members = Object.keys(body)
  const member = random.pick(members)
  switch (random.below(4)) {
    case 0:
      body[member] = junk(random, 0)
      break
    case 1:
      delete body[member]
      break
    case 2:
      body[random.pick(['constructor', 'x', 'prototype', 'toString'])] = junk(random, 0)
      break
    default: {
      const bytes = Buffer.from(JSON.stringify(body))
      const at = random.below(bytes.length)
      bytes[at] = random.below(256)
      return delivered(random.chance(0.2) ? bytes.subarray(0, at) : bytes)
    }
  }
  return delivered(body)
}

function junk(random: Random, depth: number): unknown {
  if (depth < 4 && random.chance(0.4)) {
    const values = Array.from({ length: random.below(4) }, () => junk(random, depth + 1))
    if (random.chance(0.5)) return values
    return Object.fromEntries(values.map((value) => [random.pick(['a', 'code', 'message']), value]))
  }
  return random.pick([null, true, 0, -1, 1.5, 1e300, '', 'x', '\0', '\udc00', 'execute', 'never'])
}
