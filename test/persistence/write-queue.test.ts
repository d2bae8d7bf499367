import assert from 'node:assert/strict'
import test from 'node:test'
import { DriverError } from '../../persistence/errors.ts'
import { sql, type Executor } from '../../persistence/sql.ts'
import { WriteQueue } from '../../persistence/write-queue.ts'

/** Counts transactions; `isAway` makes the next ones fail. */
class Transactions {
  count = 0
  isAway = false

  async transaction<T>(work: (executor: Executor) => Promise<T>): Promise<T> {
    this.count++
    await new Promise((resolve) => setImmediate(resolve))
    if (this.isAway) throw new DriverError('away', 'no database', undefined)
    return work({ run: async () => [] })
  }
}

test('writes that wait at the same time are one transaction, and one that comes alone does not wait', async () => {
  const database = new Transactions()
  const queue = new WriteQueue(database)
  const write = (value: number) => queue.run(async () => value)
  assert.deepEqual(await Promise.all(Array.from({ length: 50 }, (_, at) => write(at))), [
    ...Array(50).keys(),
  ])
  assert.equal(database.count, 2, 'the first one, then all others')
  assert.equal(await write(7), 7)
  assert.equal(database.count, 3)
})

test('a write that fails takes no other with it', async () => {
  const database = new Transactions()
  const queue = new WriteQueue(database)
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, (_, at) =>
      queue.run(async (executor) => {
        await executor.run(sql`select 1`)
        if (at === 5) throw new Error('refused')
        return at
      }),
    ),
  )
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? result.value : 'refused')),
    [0, 1, 2, 3, 4, 'refused', 6, 7, 8, 9],
  )
})

test('all that wait are told when the database is away, and what comes later is tried', async () => {
  const database = new Transactions()
  const queue = new WriteQueue(database)
  database.isAway = true
  const results = await Promise.allSettled([1, 2, 3].map((at) => queue.run(async () => at)))
  assert.ok(results.every(({ status }) => status === 'rejected'))
  assert.equal(database.count, 2, 'nobody waits for each of them')
  database.isAway = false
  assert.equal(await queue.run(async () => 4), 4)
})
