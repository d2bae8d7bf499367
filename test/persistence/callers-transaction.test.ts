/** Posting in the transaction of the caller's own data: the job is there if and only if the data is. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { openStore } from '../../persistence/open.ts'
import type { Store, StoreHint } from '../../persistence/store.ts'
import { ConflictError, UsageError } from '../../src/base/errors.ts'
import { eventually } from '../support/eventually.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { DATABASES, testDatabase } from './databases.ts'
import type { TestDatabase } from './databases.ts'
import { postOf } from './fixtures.ts'

interface Bench extends TestDatabase {
  readonly opened: Store
  readonly own: Knex
  readonly orders: string
}

for (const { name, skip } of DATABASES) {
  describe(`posting in the caller's transaction, in ${name}`, { skip }, () => {
    const open = async (t: TestContext, config: Partial<Knex.Config> = {}): Promise<Bench> => {
      const database = await testDatabase(t, name)
      const opened = await database.store()
      const own = database.knex(config)
      const orders = `${database.namespace}orders`
      await own.raw(`create table ${orders} (id text primary key)`)
      return { ...database, opened, own, orders }
    }

    it('posts with the data when it commits, and hints then', async (t) => {
      const { opened, own, orders } = await open(t)
      const hints: StoreHint[] = []
      opened.onHint((hint) => hints.push(hint))
      const posted = await own.transaction(async (transaction) => {
        await transaction(orders).insert({ id: '1' })
        const answer = await opened.post(postOf({ key: 'order 1' }), { transaction })
        assert.deepEqual(hints, [], 'there is nothing to claim yet')
        return answer
      })
      assert.equal(posted.created, true)
      const found = await opened.job('order 1')
      assert.deepEqual(found?.job, posted.job)
      assert.deepEqual(await opened.document(found.detail.document), postOf().document)
      await eventually(() => hints.length === 1)
      assert.deepEqual(hints, [{ kind: 'claimable', board: 'main' }])
    })

    it('posts nothing when the caller rolls back, nor hints', async (t) => {
      const { opened, own, orders } = await open(t)
      const hints: StoreHint[] = []
      opened.onHint((hint) => hints.push(hint))
      await assert.rejects(
        own.transaction(async (transaction) => {
          await transaction(orders).insert({ id: '1' })
          await opened.post(postOf({ key: 'order 1' }), { transaction })
          throw new Error('out of stock')
        }),
        /out of stock/,
      )
      assert.equal(await opened.job('order 1'), null)
      assert.deepEqual((await opened.findJobs({})).jobs, [])
      assert.deepEqual(hints, [])
      assert.equal((await opened.post(postOf({ key: 'order 1' }))).created, true)
    })

    it('posts nothing when the caller dies before its commit', async (t) => {
      const { opened, own, orders, url, namespace } = await open(t)
      const child = spawnNode(t, childFile(), ['crash', url, namespace])
      const { signal } = await child.ended
      assert.equal(signal, 'SIGKILL', child.stderr())
      assert.equal(await opened.job('of a crash'), null)
      assert.deepEqual(await own(orders).select(), [])
      const again = await opened.post(postOf({ key: 'of a crash' }))
      assert.equal(again.created, true)
    })

    it('leaves the transaction usable when the key is taken, by the same or by other content', async (t) => {
      const { opened, own, orders } = await open(t)
      const first = await opened.post(postOf({ key: 'k' }))
      await own.transaction(async (transaction) => {
        const again = await opened.post(postOf({ key: 'k' }), { transaction })
        assert.equal(again.created, false)
        assert.deepEqual(again.job, first.job)
        await assert.rejects(
          opened.post(postOf({ key: 'k', input: { other: true } }), { transaction }),
          ConflictError,
        )
        await transaction(orders).insert({ id: 'after the conflict' })
        await opened.post(postOf({ key: 'k2', delayMs: 60_000 }), { transaction })
      })
      assert.equal((await own(orders).select()).length, 1)
      assert.equal((await opened.job('k2'))?.job.state, 'PARKED')
    })

    it('posts twice in one transaction, also the same twice', async (t) => {
      const { opened, own } = await open(t)
      await own.transaction(async (transaction) => {
        const first = await opened.post(postOf({ key: 'a' }), { transaction })
        const again = await opened.post(postOf({ key: 'a' }), { transaction })
        const other = await opened.post(postOf({ key: 'b' }), { transaction })
        assert.deepEqual([again.created, again.job.id], [false, first.job.id])
        assert.equal(other.created, true)
      })
      assert.equal((await opened.findJobs({})).jobs.length, 2)
    })

    it('minds neither the names nor the answers that the caller lets its knex change', async (t) => {
      const camel = (row: object) => {
        const entries = Object.entries(row as Record<string, unknown>).map(([key, value]) => {
          return [key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), value]
        })
        return Object.fromEntries(entries) as object
      }
      const postProcessResponse = (result: unknown): unknown => {
        if (Array.isArray(result)) return (result as readonly object[]).map(camel)
        const { rows } = result as { readonly rows?: readonly object[] }
        return rows === undefined ? result : { ...Object(result), rows: rows.map(camel) }
      }
      const { opened, own } = await open(t, { postProcessResponse })
      const request = postOf({ key: 'k', labels: { snake_case: 'x' }, traceparent: 't' })
      const posted = await own.transaction((transaction) => opened.post(request, { transaction }))
      assert.deepEqual((await opened.job('k'))?.job, posted.job)
      const again = await own.transaction((transaction) => opened.post(request, { transaction }))
      assert.deepEqual(again, { job: posted.job, created: false })
    })

    it('refuses what is no transaction of such a database', async (t) => {
      const { opened, own } = await open(t)
      for (const transaction of [own, {}, null, 'x', () => undefined]) {
        await assert.rejects(opened.post(postOf(), { transaction }), UsageError)
      }
      const other = name === 'SQLite' ? 'pg' : 'sqlite3'
      const foreign = Object.assign(() => undefined, {
        isTransaction: true,
        client: { dialect: other },
        raw: () => assert.fail('nothing may be written there'),
      })
      await assert.rejects(opened.post(postOf(), { transaction: foreign }), UsageError)
    })

    // SQLite has one writer at a time: there the second begins after the first.
    if (name === 'SQLite') return

    it('makes the second of two posters of one key wait, and then find the job or post it', async (t) => {
      const { opened, own } = await open(t)
      for (const ends of ['commit', 'rollback'] as const) {
        const transaction = await own.transaction()
        const first = await opened.post(postOf({ key: ends }), { transaction })
        const second = opened.post(postOf({ key: ends }))
        await eventually(async () => {
          const { rows } = await own.raw<{ readonly rows: readonly unknown[] }>(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
          )
          return rows.length > 0
        })
        await transaction[ends]()
        const answer = await second
        assert.equal(answer.created, ends === 'rollback')
        if (ends === 'commit') assert.equal(answer.job.id, first.job.id)
      }
    })
  })
}

it('the store in memory takes part in no transaction, and says so', async () => {
  const store = openStore('memory:')
  await assert.rejects(store.post(postOf(), { transaction: {} }), UsageError)
})

function childFile(): string {
  return fileURLToPath(new URL('./child.js', import.meta.url))
}
