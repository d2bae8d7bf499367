import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashJson, uuidV5, uuidV7 } from '../../src/base/ids.ts'

const V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('ids of version 7 are well formed, carry the time and strictly grow', () => {
  const start = Date.now()
  const ids = Array.from({ length: 20_000 }, () => uuidV7())
  for (const id of ids) assert.match(id, V7)
  assert.deepEqual(ids.toSorted(), ids)
  assert.equal(new Set(ids).size, ids.length)
  const ms = Number.parseInt((ids[0] ?? '').replace('-', '').slice(0, 12), 16)
  assert.ok(ms >= start && ms <= Date.now())
})

test('ids grow within one millisecond and when the clock goes back', () => {
  const late = Date.now() + 1_000_000
  const ids = [
    ...Array.from({ length: 10_000 }, () => uuidV7(late)),
    uuidV7(late - 500_000),
    uuidV7(1),
  ]
  assert.deepEqual(ids.toSorted(), ids)
  assert.equal(new Set(ids).size, ids.length)
})

test('ids of version 5 are those of the RFC', () => {
  const dns = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
  assert.equal(uuidV5(dns, 'www.example.com'), '2ed6657d-e927-568b-95e1-2665a8aea6a2')
  assert.throws(() => uuidV5('no uuid', 'x'), RangeError)
})

test('the hash of a value does not depend on the order of its keys', () => {
  assert.equal(hashJson({ a: 1, b: [2] }), hashJson({ b: [2], a: 1 }))
  assert.notEqual(hashJson({ a: 1 }), hashJson({ a: 2 }))
  assert.equal(hashJson(null), '74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b')
})
