import assert from 'node:assert/strict'
import test from 'node:test'
import { sharePrefetch } from '../../src/worker/share-prefetch.ts'

/** Topics as [unsettled, prefetch]. */
function shares(
  places: number,
  ...topics: readonly (readonly [number, number])[]
): readonly number[] {
  return sharePrefetch(
    places,
    topics.map(([unsettled, prefetch]) => ({ unsettled, prefetch })),
  )
}

test('one topic has all places', () => {
  assert.deepEqual(shares(16, [0, 1]), [16])
  assert.deepEqual(shares(16, [16, 16]), [16])
})

test('idle topics share evenly', () => {
  assert.deepEqual(shares(16, [0, 1], [0, 1]), [8, 8])
  assert.deepEqual(shares(7, [0, 1], [0, 1], [0, 1]), [3, 2, 2])
})

test('a topic that fills its share gets what others do not use, and they keep one place each', () => {
  assert.deepEqual(shares(16, [8, 8], [0, 8]), [15, 1])
  assert.deepEqual(shares(16, [8, 8], [3, 8]), [13, 3])
})

test('a topic that wakes up waits until places are settled, and then has its half', () => {
  assert.deepEqual(shares(16, [15, 15], [1, 1]), [8, 1])
  assert.deepEqual(shares(16, [10, 10], [6, 6]), [8, 6])
  assert.deepEqual(shares(16, [8, 8], [8, 8]), [8, 8])
})

test('places that are taken by calls that the broker does not count are given to nobody', () => {
  assert.deepEqual(shares(4, [0, 16]), [4])
  assert.deepEqual(shares(0, [0, 16]), [1], 'AMQP reads 0 as no limit')
})

test('each topic has one delivery at least, however few places there are', () => {
  assert.deepEqual(shares(1, [1, 1], [0, 1], [0, 1]), [1, 1, 1])
})

test('what may be here together never is more than the places, whatever the load is', () => {
  for (let a = 0; a <= 8; a++) {
    for (let b = 0; b <= 8 - a; b++) {
      const [first = 0, second = 0] = shares(8, [a, Math.max(a, 1)], [b, Math.max(b, 4)])
      const most = Math.max(first, a) + Math.max(second, b)
      assert.ok(most <= 8 || first === 1 || second === 1, `${a} ${b}: ${first} ${second}`)
      assert.ok(first >= 1 && second >= 1)
    }
  }
})
