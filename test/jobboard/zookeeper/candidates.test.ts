import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Candidates, type Candidate } from '../../../jobboard/zookeeper/candidates.ts'
import { jobName } from '../../../jobboard/zookeeper/names.ts'

const T = 1_000_000_000

const nameOf = (id: string, createdAt = 0): string => jobName({ jobId: id, posting: 1, createdAt })
const ids = (candidates: readonly Candidate[]): readonly string[] =>
  candidates.map(({ jobId }) => jobId)

function listed(candidates: Candidates, priority: number, names: readonly string[], now = T) {
  return candidates.listed(priority, names, { stamp: candidates.stamp(), now })
}

/** Postings that are mine, and those of the other member, in the order of their names. */
function shared(count: number) {
  const candidates = new Candidates()
  candidates.setMembers('me', ['me', 'you'])
  const names = Array.from({ length: count }, (_, at) => nameOf(`j${at}`, at))
  listed(candidates, 0, names)
  const mine = ids(candidates.take(count, T, { onlyMine: true }))
  const all = names.map((_, at) => `j${at}`)
  return { candidates, names, mine, others: all.filter((id) => !mine.includes(id)) }
}

test('the highest bucket comes first, then age; what was taken is not given again', () => {
  const candidates = new Candidates()
  listed(candidates, -1, [nameOf('e', 1)])
  listed(candidates, 10, [nameOf('b', 9), nameOf('a', 3)])
  listed(candidates, 9, [nameOf('d', 5), nameOf('c', 5)])
  assert.deepEqual(ids(candidates.take(1, T)), ['a'])
  assert.deepEqual(ids(candidates.take(3, T)), ['b', 'c', 'd'])
  assert.deepEqual(ids(candidates.take(3, T)), ['e'])
  assert.deepEqual(candidates.take(3, T), [])
  assert.equal(candidates.size, 5)
})

test('what is freed, or added here, keeps its place by age', () => {
  const candidates = new Candidates()
  listed(candidates, 0, [nameOf('a', 1), nameOf('c', 3)])
  const [a] = candidates.take(1, T)
  assert.ok(a !== undefined)
  const name = nameOf('b', 2)
  candidates.add({ ...a, jobId: 'b', key: 'b.1', name, place: `0/${name}` }, T)
  candidates.free(a, T)
  candidates.free(a, T)
  assert.deepEqual(ids(candidates.take(9, T)), ['a', 'b', 'c'])
})

test('a listing stands over what was known before it began, and under what was changed here since', () => {
  const candidates = new Candidates()
  listed(candidates, 0, [nameOf('a'), nameOf('b')])
  const stamp = candidates.stamp()
  const [a] = candidates.take(1, T)
  assert.ok(a !== undefined)
  candidates.remove(a.place)
  const fresh = { ...a, jobId: 'x', key: 'x.1', name: nameOf('x'), place: `0/${nameOf('x')}` }
  candidates.add(fresh, T)
  // Sent before both, it still shows a, and not yet x; b is gone.
  const change = candidates.listed(0, [nameOf('a'), nameOf('c')], { stamp, now: T })
  assert.deepEqual(ids(change.removed), ['b'])
  assert.equal(change.added, 1)
  assert.deepEqual(ids(candidates.take(9, T)), ['c', 'x'])
  // Sent after: it is right.
  listed(candidates, 0, [nameOf('a')])
  assert.deepEqual(ids(candidates.take(9, T)), ['a'])
  assert.equal(candidates.size, 1)
})

test('claims that are listed are tried by nobody; when they are gone their postings are free again', () => {
  const candidates = new Candidates()
  listed(candidates, 0, [nameOf('a', 1), nameOf('b', 2), nameOf('c', 3)])
  const at = () => ({ stamp: candidates.stamp(), now: T })
  candidates.listedClaims(new Set(['a.1', 'junk']), at())
  const early = at()
  const [b] = candidates.take(1, T)
  assert.equal(b?.jobId, 'b')
  // What is ours, or was changed since, is not a listing's business.
  candidates.listedClaims(new Set(), at())
  assert.deepEqual(ids(candidates.take(9, T)), ['a', 'c'])
  candidates.listedClaims(new Set(), early)
  assert.deepEqual(candidates.take(9, T), [])
})

test('names that are none are told, and are no candidates', () => {
  const candidates = new Candidates()
  const change = listed(candidates, 0, ['junk', nameOf('a')])
  assert.deepEqual(change.malformed, ['junk'])
  assert.equal(candidates.size, 1)
})

test('postings of others are left alone until they are ripe, and do not let lower ones pass then', () => {
  const { candidates, mine, others } = shared(40)
  assert.ok(mine.length > 8 && others.length > 8)
  assert.deepEqual(candidates.take(9, T + 149), [])
  assert.equal(candidates.nextRipeAt(T), T + 150)
  listed(candidates, -1, [nameOf('low')], T)
  assert.deepEqual(candidates.take(9, T + 150, { onlyMine: true }), [])
  const [first, ...more] = candidates.take(9, T + 150)
  assert.deepEqual([first?.jobId, more], [others[0], []])
})

test('who takes postings of others takes more with each that it wins, and waits when it is beaten', () => {
  const { candidates, others } = shared(80)
  const now = T + 1000
  const one = candidates.take(50, now)
  assert.equal(one.length, 1)
  for (const candidate of one) candidates.won(candidate)
  const two = candidates.take(50, now)
  assert.deepEqual(ids(two), others.slice(1, 3))
  const [won, lost] = two
  assert.ok(won !== undefined && lost !== undefined)
  candidates.won(won)
  candidates.beaten(lost, now, true)
  assert.deepEqual(candidates.take(50, now), [])
  assert.equal(candidates.nextRipeAt(now), now + 150)
  assert.equal(candidates.take(50, now + 150).length, 1)
})

test('alone, or unknown to others, a member tries everything at once', () => {
  for (const members of [[], ['me']]) {
    const { candidates } = shared(20)
    candidates.setMembers('me', members)
    const all = candidates.take(99, T)
    assert.equal(all.length + shared(20).mine.length, 20)
  }
})

test('what waits for long passes to the next member with the next listing', () => {
  const { candidates, names, mine, others } = shared(40)
  const free = candidates.take(99, T + 29_000)
  assert.equal(free.length, 1)
  // An odd turn of two members: what was the other's is mine.
  const later = (Math.floor(T / 60_000) + 1) * 60_000 + 30_000
  listed(candidates, 0, names, later)
  const taken = ids(candidates.take(99, later, { onlyMine: true }))
  assert.deepEqual(taken, others.slice(1))
  assert.ok(mine.every((id) => !taken.includes(id)))
})
