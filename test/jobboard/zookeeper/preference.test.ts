import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uuidV7 } from '../../../src/base/ids.ts'
import {
  distanceOf,
  hashText,
  rankOf,
  ripeAt,
  turnOf,
} from '../../../jobboard/zookeeper/preference.ts'

const names = Array.from({ length: 10 }, (_, at) => `host-${at}`)
const keys = Array.from({ length: 2000 }, () => `${uuidV7()}.1`)

/** Ranks of all members for each key. */
function ranks(members: readonly string[]): readonly (readonly number[])[] {
  const hashes = members.map(hashText)
  return keys.map((key) =>
    hashes.map((me, at) =>
      rankOf(hashText(key), me, [...hashes.slice(0, at), ...hashes.slice(at + 1)]),
    ),
  )
}

test('each posting has one preferred member, and an order of all others, the same for everybody', () => {
  for (const row of ranks(names)) {
    assert.deepEqual(
      [...row].sort((a, b) => a - b),
      names.map((_, at) => at),
    )
  }
})

test('members prefer nearly as many postings each', () => {
  const shares = names.map((_, at) => ranks(names).filter((row) => row[at] === 0).length)
  assert.ok(Math.min(...shares) > 140 && Math.max(...shares) < 260, shares.join(' '))
})

test('a member that goes passes its own postings to their second ones, and moves no others', () => {
  const before = ranks(names)
  const after = ranks(names.slice(0, 9))
  for (const [at, row] of before.entries()) {
    const gone = row[9] === 0
    const preferred = row.indexOf(gone ? 1 : 0)
    assert.equal(after[at]?.indexOf(0), preferred)
  }
})

test('others wait by their rank, three steps at most; after half a minute it is the next one’s turn', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 9].map((distance) => ripeAt(distance, 1000)),
    [1000, 1150, 1300, 1450, 1450],
  )
  const seenAt = 90_000
  const at = (listedAt: number, rank: number) => distanceOf(rank, 3, { seenAt, listedAt })
  assert.deepEqual(
    [0, 1, 2].map((rank) => at(seenAt + 29_999, rank)),
    [0, 1, 2],
  )
  for (const listedAt of [120_000, 150_000, 180_000]) {
    const turn = turnOf(listedAt) % 3
    assert.deepEqual([0, 1, 2].map((rank) => at(listedAt, rank)).indexOf(0), turn)
  }
  assert.equal(distanceOf(0, 1, { seenAt, listedAt: 1e9 }), 0)
})
