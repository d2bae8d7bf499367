/** Many processes post the same job at the same time: there is one, and everybody hears of that one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { lastFirst } from '../support/last-first.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import type { PosterOptions } from './poster-program.ts'

const PROCESSES = 10
const POSTS = 100
const POSTER = fileURLToPath(new URL('./poster-program.js', import.meta.url))

test(`${PROCESSES * POSTS} posts with one key from ${PROCESSES} processes: one job, equal answers; other input under that key is a conflict`, async (t) => {
  const url = await freshUrl(t, 'postgres')
  if (url === null) return
  const available = await zookeeper()
  if ('missing' in available) return t.skip(available.missing)
  const store = await storeAt(t, url)
  const { url: board } = await freshChroot(t)
  const run = async (options: Omit<PosterOptions, 'persistence' | 'board'>) => {
    const given: PosterOptions = { persistence: url, board, ...options }
    const poster = spawnNode(lastFirst(t), POSTER, [JSON.stringify(given)])
    assert.deepEqual(
      await poster.ends({ withinMs: 180_000 }),
      { code: 0, signal: null },
      poster.stderr(),
    )
    assert.match(poster.stdout(), /^\{[^\n]*\}$/)
    return JSON.parse(poster.stdout()) as { readonly ids: string[]; readonly errors: string[] }
  }
  const answers = await Promise.all(
    Array.from({ length: PROCESSES }, () => run({ key: 'order 1', n: 1, count: POSTS })),
  )
  const ids = new Set(answers.flatMap((answer) => answer.ids))
  assert.ok(answers.flatMap((answer) => answer.ids).length >= PROCESSES * POSTS)
  assert.equal(ids.size, 1)
  assert.deepEqual(
    answers.flatMap((answer) => answer.errors),
    [],
  )
  const other = await run({ key: 'order 1', n: 2, count: 5 })
  assert.deepEqual(other.ids, [])
  assert.deepEqual([...new Set(other.errors)], ['ConflictError'])
  const { jobs } = await store.findJobs({ limit: 10 })
  assert.equal(jobs.length, 1)
  assert.equal(jobs[0]?.job.state, 'UNCLAIMED')
})
