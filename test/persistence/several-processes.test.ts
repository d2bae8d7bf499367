/** Several processes on one database. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { migrations } from '../../persistence/migrations/index.ts'
import { spawnNode } from '../support/spawn-node.ts'
import type { TestDatabase } from './databases.ts'
import { DATABASES, testDatabase } from './databases.ts'
import { post } from './fixtures.ts'

/** The last line that each of them printed, as JSON. */
async function together(
  t: TestContext,
  { url, namespace }: TestDatabase,
  verb: string,
  count: number,
): Promise<readonly unknown[]> {
  const file = fileURLToPath(new URL('./child.js', import.meta.url))
  const moment = String(Date.now() + 1_500)
  const children = Array.from({ length: count }, () => {
    return spawnNode(t, file, [verb, url, namespace, moment])
  })
  return Promise.all(
    children.map(async (child) => {
      const { code } = await child.ended
      assert.equal(code, 0, child.stderr())
      return JSON.parse(child.stdout().trim().split('\n').at(-1) ?? '') as unknown
    }),
  )
}

for (const { name, skip } of DATABASES) {
  describe(`several processes on one database, in ${name}`, { skip }, () => {
    it('post one job for each key, and all get the same answer (S7)', async (t) => {
      const database = await testDatabase(t, name)
      const store = await database.store()
      const answers = (await together(t, database, 'post', 10)) as (readonly [string, boolean])[][]
      for (let n = 0; n < 20; n += 1) {
        const ofKey = answers.map((list) => list[n])
        assert.equal(new Set(ofKey.map((one) => one?.[0])).size, 1)
        assert.equal(ofKey.filter((one) => one?.[1]).length, 1)
      }
      assert.equal((await store.findJobs({})).jobs.length, 20)
    })

    it('share the work, and no job is worked on by two', async (t) => {
      const database = await testDatabase(t, name)
      const store = await database.store()
      for (let n = 0; n < 60; n += 1) await post(store)
      const done = (await together(t, database, 'work', 4)) as string[][]
      assert.equal(done.flat().length, 60)
      assert.equal(new Set(done.flat()).size, 60)
      for (const id of done.flat()) {
        const history = await store.history(id, {})
        assert.deepEqual(
          history.map(({ seq }) => seq),
          [1, 2, 3],
        )
        assert.equal(new Set(history.map((row) => row.name)).size, 1)
        assert.equal((await store.job(id))?.job.state, 'COMPLETE')
      }
    })

    it('migrate at once, and one does it', async (t) => {
      const database = await testDatabase(t, name)
      const statuses = await together(t, database, 'migrate', 5)
      for (const status of statuses) {
        assert.deepEqual(status, {
          applied: migrations.map((migration) => migration.name),
          pending: [],
        })
      }
      assert.deepEqual((await (await database.store()).findJobs({})).jobs, [])
    })
  })
}
