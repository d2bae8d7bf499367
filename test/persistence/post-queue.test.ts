import assert from 'node:assert/strict'
import test from 'node:test'
import { uuidV7 } from '../../src/base/ids.ts'
import type { PostedRow } from '../../persistence/dialect.ts'
import { DriverError } from '../../persistence/errors.ts'
import { PostQueue } from '../../persistence/post-queue.ts'
import { postRows, type PostRows } from '../../persistence/post-rows.ts'
import { freshStore } from '../support/stores.ts'
import { documentOf, postOf } from './fixtures.ts'

const rowsOf = (id: string, more: Parameters<typeof postOf>[0] = {}): PostRows =>
  postRows(postOf({ id, ...more }))

/** Takes down what goes together; refuses statements with `bad` in them. */
function recorder(refuse: (ids: readonly string[]) => Error | undefined = () => undefined) {
  const statements: (readonly string[])[] = []
  const queue = new PostQueue(async (all) => {
    const ids = all.map(({ request }) => request.id)
    statements.push(ids)
    await new Promise((resolve) => setImmediate(resolve))
    const error = refuse(ids)
    if (error !== undefined) throw error
    return ids.map((id): PostedRow => ({ created: true, job: id, contentHash: '' }))
  })
  return { queue, statements }
}

test('posts that come at the same time are few statements, and each gets its own answer', async () => {
  const { queue, statements } = recorder()
  const ids = Array.from({ length: 250 }, (_, at) => `job ${at}`)
  const posted = await Promise.all(ids.map((id) => queue.add(rowsOf(id))))
  assert.deepEqual(
    posted.map(({ job }) => job),
    ids,
  )
  assert.deepEqual(
    statements.map(({ length }) => length),
    [1, 1, 100, 100, 48],
  )
  await queue.add(rowsOf('alone'))
  assert.deepEqual(statements.at(-1), ['alone'])
})

test('a post with a key goes alone, for it may wait for the transaction of another one', async () => {
  const { queue, statements } = recorder()
  await Promise.all([
    queue.add(rowsOf('a')),
    queue.add(rowsOf('b')),
    queue.add(rowsOf('c')),
    queue.add(rowsOf('keyed', { key: 'k' })),
    queue.add(rowsOf('d')),
  ])
  assert.deepEqual(statements, [['a'], ['b'], ['keyed'], ['c', 'd']])
})

test('large inputs do not make large statements', async () => {
  const { queue, statements } = recorder()
  const input = { text: 'x'.repeat(400_000) }
  await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => queue.add(rowsOf(id, { input }))))
  assert.deepEqual(
    statements.map(({ length }) => length),
    [1, 1, 2, 2],
  )
})

test('a post that is refused takes no other with it', async () => {
  const { queue } = recorder((ids) =>
    ids.includes('bad') ? new DriverError('refused', 'bad', undefined) : undefined,
  )
  const ends = await Promise.allSettled(
    ['a', 'b', 'c', 'bad', 'd'].map((id) => queue.add(rowsOf(id))),
  )
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  )
})

test('all are told when the database is away, and what comes later is tried', async () => {
  let isAway = true
  const { queue, statements } = recorder(() =>
    isAway ? new DriverError('away', 'no database', undefined) : undefined,
  )
  const ids = Array.from({ length: 50 }, (_, at) => `job ${at}`)
  const ends = await Promise.allSettled(ids.map((id) => queue.add(rowsOf(id))))
  assert.ok(ends.every(({ status }) => status === 'rejected'))
  assert.equal(statements.length, 3, 'nobody waits for each of them')
  isAway = false
  await queue.add(rowsOf('later'))
})

test('on PostgreSQL, jobs posted together are each stored whole, and an id or a key that is taken is found', async (t) => {
  const store = await freshStore(t, 'postgres')
  if (store === null) return
  const requests = Array.from({ length: 120 }, (_, at) =>
    postOf({
      document: documentOf(`flow-${at % 7}`),
      documentHash: `document ${at % 7}`,
      input: { at, text: `"quoted", {braced} \\ and 'näive' ${at}` },
      labels: { tenant: `t${at % 3}`, odd: '{"a"},\\' },
      priority: at - 60,
      ...(at % 10 === 0 ? { delayMs: 60_000 } : {}),
      ...(at % 10 === 1 ? { dueAt: 4_000_000_000_000 } : {}),
      ...(at % 10 === 2 ? { key: `key ${at}`, id: uuidV7() } : {}),
    }),
  )
  const answers = await Promise.all(requests.map((request) => store.post(request)))
  for (const [at, request] of requests.entries()) {
    const found = await store.job(request.id)
    assert.ok(found)
    assert.deepEqual(answers[at], { job: found.job, created: true })
    assert.equal(found.job.flow, `flow-${at % 7}`)
    assert.equal(found.job.priority, at - 60)
    assert.deepEqual(found.job.labels, request.labels)
    assert.deepEqual(found.detail.input, request.input)
    assert.deepEqual(await store.document(request.documentHash), request.document)
    const isParked = at % 10 < 2
    assert.equal(found.job.state, isParked ? 'PARKED' : 'UNCLAIMED')
    if (at % 10 === 0) assert.equal(found.job.dueAt, found.job.createdAt + 60_000)
    if (at % 10 === 1) assert.equal(found.job.dueAt, 4_000_000_000_000)
  }
  const again = await Promise.all([...requests, ...requests].map((request) => store.post(request)))
  assert.ok(again.every(({ created }) => !created))
})
