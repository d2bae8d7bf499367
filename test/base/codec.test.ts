import assert from 'node:assert/strict'
import { test } from 'node:test'
import vm from 'node:vm'
import { canonicalJson, formatPath, toJson, type CodecLimits } from '../../src/base/codec.ts'
import { NotSerialisableError } from '../../src/base/errors.ts'

const prototypeKeys = Reflect.ownKeys(Object.prototype).length

function refusal(value: unknown, limits?: CodecLimits): NotSerialisableError {
  try {
    toJson(value, limits)
  } catch (error) {
    assert.ok(error instanceof NotSerialisableError, String(error))
    assert.equal(Reflect.ownKeys(Object.prototype).length, prototypeKeys)
    return error
  }
  return assert.fail('the value was accepted')
}

test('plain values come out equal and fresh', () => {
  const value = { a: [1, 'x', null, true, { b: -1.5e300 }], '': {}, é: '😀', n: 9007199254740993 }
  const json = toJson(value)
  assert.deepEqual(json, value)
  assert.notEqual(json, value)
  assert.deepEqual(toJson(Object.assign(Object.create(null), { a: 1 })), { a: 1 })
  assert.deepEqual(toJson(vm.runInNewContext('({ a: [1, { b: 2 }] })')), { a: [1, { b: 2 }] })
})

test('undefined is null as a whole, left out as a property, refused in a list', () => {
  assert.equal(toJson(undefined), null)
  assert.deepEqual(toJson({ a: undefined, b: 1 }), { b: 1 })
  assert.equal(refusal({ list: [1, undefined] }).path, 'list[1]')
  // eslint-disable-next-line no-sparse-arrays
  assert.equal(refusal([1, , 2]).path, '[1]')
  assert.equal(refusal(new Array(4_000_000_000)).path, '[0]')
})

test('-0 is 0 everywhere', () => {
  assert.ok(Object.is(toJson(-0), 0))
  assert.deepEqual(toJson({ a: [-0] }), { a: [0] })
})

test('what JSON cannot carry is refused with its place and what to write instead', () => {
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [() => 1, /function/],
    [Symbol('s'), /symbol/],
    [10n, /BigInt.*Number\(value\)/],
    [Number.NaN, /NaN/],
    [Number.POSITIVE_INFINITY, /Infinity/],
    [new Date(0), /toISOString/],
    [new Map(), /Object\.fromEntries/],
    [new Set(), /\[\.\.\.set\]/],
    [Buffer.from('a'), /base64/],
    [new Uint8Array(1), /base64/],
    [new ArrayBuffer(1), /base64/],
    [Promise.resolve(1), /await it/],
    [new Error('e'), /throw it/],
    [/x/, /instance of RegExp/],
    [new (class Money {})(), /instance of Money/],
    [Object.create({ inherited: 1 }), /instance of/],
    ['a\u0000b', /u0000/],
    ['\ud800', /surrogate/],
    ['x\udc00y', /surrogate/],
    [{ 'a\u0000': 1 }, /u0000/],
    [JSON.parse('{"__proto__": {"polluted": 1}}'), /"__proto__"/],
    [{ constructor: 1 }, /"constructor"/],
    [{ prototype: 1 }, /"prototype"/],
  ]
  for (const [value, reason] of refused) {
    const error = refusal({ orders: [{}, { item: value }] })
    assert.match(error.message, reason)
    assert.match(error.path, /^orders\[1\]\.item/)
    assert.ok(error.instead.length > 0)
    assert.match(refusal(value).message, reason)
  }
})

test('whole surrogate pairs pass', () => {
  assert.equal(toJson('a😀b'), 'a😀b')
})

test('a value that contains itself is refused as such, whatever the way round', () => {
  const loop: { [key: string]: unknown } = { a: 1 }
  loop['self'] = { deeper: [loop] }
  assert.match(refusal(loop).message, /contains itself/)
  const wide: unknown[] = []
  wide.push(wide, wide, wide)
  assert.match(refusal(wide).message, /contains itself/)
})

test('the same object twice is no cycle, and expanding it is bounded', () => {
  const shared = { a: 1 }
  assert.deepEqual(toJson([shared, shared]), [{ a: 1 }, { a: 1 }])
  let bomb: unknown = 'lol'
  for (let level = 0; level < 40; level++) bomb = Array.from({ length: 10 }, () => bomb)
  assert.match(refusal(bomb).message, /bytes/)
})

test('depth and size are limited, exactly', () => {
  let nested: unknown = 1
  for (let level = 0; level < 64; level++) nested = [nested]
  assert.doesNotThrow(() => toJson(nested))
  assert.match(refusal([nested]).message, /more than 64 levels/)
  let endless: unknown = []
  for (let level = 0; level < 100_000; level++) endless = [endless]
  assert.match(refusal(endless).message, /levels/)

  for (const text of [
    'x'.repeat(98),
    'é'.repeat(49),
    '\n'.repeat(49),
    '\u0001'.repeat(16) + 'ab',
  ]) {
    assert.equal(Buffer.byteLength(JSON.stringify(text)), 100)
    assert.doesNotThrow(() => toJson(text, { maxBytes: 100 }))
    assert.match(refusal(text, { maxBytes: 99 }).message, /more than 99 bytes/)
  }
  assert.match(refusal('x'.repeat(3_000_000)).message, /2097152 bytes/)
  assert.match(refusal({ [`k${'x'.repeat(3_000_000)}`]: 1 }).message, /bytes/)
  const many = Object.fromEntries(Array.from({ length: 1_000_000 }, (_, index) => [`k${index}`, 1]))
  assert.match(refusal(many).message, /bytes/)
})

test('getters and Proxies that throw are refused with their place', () => {
  const thrower = {
    get secret(): never {
      throw new Error('no')
    },
  }
  const error = refusal({ a: [thrower] })
  assert.equal(error.path, 'a[0].secret')
  assert.ok(error.cause instanceof Error)
  const traps = new Proxy(
    {},
    {
      ownKeys(): never {
        throw new Error('no keys')
      },
    },
  )
  assert.match(refusal({ proxy: traps }).message, /Proxy/)
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  assert.match(refusal([revoked.proxy]).message, /Proxy/)
})

test('toJSON is never called', () => {
  const money = { amount: 1, toJSON: (): never => assert.fail('toJSON was called') }
  assert.match(refusal(money).message, /a function/)
})

test('a thenable is refused because its `then` is a function', () => {
  // eslint-disable-next-line unicorn/no-thenable
  assert.equal(refusal({ then: () => {} }).path, 'then')
})

test('canonical texts do not depend on the order of keys', () => {
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: 'x' }], a: 1e21 }),
    '{"a":1e+21,"b":[1,{"c":"x","d":null}]}',
  )
  assert.equal(canonicalJson({ 10: 1, 9: 2, a: 3 }), '{"10":1,"9":2,"a":3}')
  assert.equal(canonicalJson(toJson({ b: -0, a: undefined })), '{"b":0}')
})

test('paths read as a program would write them', () => {
  assert.equal(formatPath(['linear', 1, 'task']), 'linear[1].task')
  assert.equal(formatPath(['with', 'my key', 0]), 'with["my key"][0]')
  assert.equal(formatPath([]), '')
})
