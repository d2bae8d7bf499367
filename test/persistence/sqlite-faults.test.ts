/** What SQLite, its file and its drivers can do to a store. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import sqlite3 from 'sqlite3'
import { knexStore } from '../../persistence/knex.ts'
import { loadDriver } from '../../persistence/drivers.ts'
import { openStore } from '../../persistence/open.ts'
import { name, sql } from '../../persistence/sql.ts'
import { sqlite } from '../../persistence/sqlite.ts'
import { manualClock, realClock } from '../../src/base/clock.ts'
import { UnavailableError, UsageError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { lastFirst } from '../support/last-first.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { DATABASES, testDatabase } from './databases.ts'
import { atomOf, callOf, changeOf, claim, historyOf, post, resultOf } from './fixtures.ts'

/** A store whose dialect is at hand too. */
async function openBench(t: TestContext) {
  const hooks = lastFirst(t)
  const file = path.join(await temporaryFolder(hooks), 'zagflow.db')
  const dialect = sqlite({
    file,
    driver: 'sqlite3',
    prefix: 'zagflow_',
    synchronous: 'FULL',
    clock: realClock,
    logger: silentLogger,
  })
  const store = knexStore(dialect)
  hooks.after(() => store.stop())
  await store.start()
  return { store, dialect, file }
}

type Answer = (error: Error | null, rows: unknown) => void

/** The next statement over `sqlite3` that begins with `beginning` fails with `code`, having been carried out or not. */
function failOnce(
  t: TestContext,
  beginning: string,
  code: string,
  fails: 'before it is done' | 'after it was done',
): { readonly hasFailed: boolean } {
  const fault = { hasFailed: false }
  const { prototype } = sqlite3.Statement
  const original: unknown = Reflect.get(prototype, 'all')
  const restore = () => Reflect.set(prototype, 'all', original)
  if (typeof original !== 'function') throw new Error('expected a method')
  t.after(restore)
  Reflect.set(prototype, 'all', function (this: { sql: string }, ...args: unknown[]): unknown {
    const answer = args.at(-1) as Answer
    if (!this.sql.startsWith(beginning)) return Reflect.apply(original, this, args) as unknown
    restore()
    fault.hasFailed = true
    const error = Object.assign(new Error(`${code}: injected`), { code })
    if (fails === 'before it is done') return answer(error, undefined)
    const wrapped: Answer = (own) => answer(own ?? error, undefined)
    return Reflect.apply(original, this, [...args.slice(0, -1), wrapped]) as unknown
  })
  return fault
}

describe('a store in SQLite', () => {
  for (const [fails, code] of [
    ['after it was done', 'SQLITE_IOERR'],
    ['before it is done', 'SQLITE_FULL'],
    ['before it is done', 'SQLITE_BUSY'],
  ] as const) {
    it(`commits once when COMMIT fails with ${code} ${fails} (S3)`, async (t) => {
      const { store } = await openBench(t)
      await post(store)
      const claimed = await claim(store)
      const fault = failOnce(t, 'commit', code, fails)
      const change = changeOf(claimed, {
        historySeq: 1,
        atoms: [atomOf('f/a')],
        calls: [callOf('f/a')],
        results: [resultOf('f/a', 1)],
        history: [historyOf(1)],
      })
      assert.deepEqual(await store.commit([change]), [{ kind: 'committed' }])
      assert.equal(fault.hasFailed, true)
      const [flow] = await store.load([claimed.jobId])
      assert.equal(flow?.job.revision, 1)
      assert.equal(flow.atoms.length, 1)
      assert.equal((await store.history(claimed.jobId, {})).length, 1)
    })
  }

  it('writes nothing of a commit when its disk is full, says so, and goes on when there is room', async (t) => {
    const { store, dialect } = await openBench(t)
    await post(store)
    const claimed = await claim(store)
    const [row] = await dialect.database.run(name('pragma page_count'))
    await dialect.database.run(name(`pragma max_page_count = ${String(row?.['page_count'])}`))
    const atoms = Array.from({ length: 500 }, (_, at) => atomOf(`f/${at}`))
    await assert.rejects(store.commit([changeOf(claimed, { atoms })]), (error) => {
      assert.ok(error instanceof UnavailableError)
      assert.match(error.message, /SQLITE_FULL/)
      return true
    })
    assert.deepEqual((await store.load([claimed.jobId]))[0]?.atoms, [])
    await dialect.database.run(name('pragma max_page_count = 1000000'))
    assert.deepEqual(await store.commit([changeOf(claimed, { atoms })]), [{ kind: 'committed' }])
  })

  it('waits for another process that is writing', async (t) => {
    const { store, file } = await openBench(t)
    await post(store)
    const claimed = await claim(store)
    const other = sqlite({
      file,
      driver: 'sqlite3',
      prefix: 'zagflow_',
      synchronous: 'FULL',
      clock: realClock,
      logger: silentLogger,
    })
    await other.database.start()
    t.after(() => other.database.stop())
    let committing: Promise<unknown> | undefined
    await other.database.transaction(async (executor) => {
      await executor.run(sql`update zagflow_jobs set reason = ${'mine'}`)
      committing = store.commit([changeOf(claimed)])
      const first = await Promise.race([
        committing,
        new Promise((resolve) => setTimeout(resolve, 100, 'waits')),
      ])
      assert.equal(first, 'waits')
    })
    assert.deepEqual(await committing, [{ kind: 'committed' }])
  })

  it('trashes the flow of a batch whose values cannot be stored, and commits the others (S4)', async (t) => {
    const { store } = await openBench(t)
    const bad = [
      { atoms: [atomOf('f/a', { state: null as unknown as 'RUNNING' })] },
      { results: [resultOf('f/a', 1), resultOf('f/a', 2)] },
      { results: [resultOf('f/a', BigInt(1) as unknown as number)] },
    ]
    const claims = []
    for (let at = 0; at < bad.length * 2; at += 1) {
      await post(store)
      claims.push(await claim(store))
    }
    const outcomes = await store.commit(
      claims.map((claimed, at) => {
        return changeOf(claimed, { atoms: [atomOf('f/a')], ...(at % 2 === 0 ? {} : bad[at >> 1]) })
      }),
    )
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      bad.flatMap(() => ['committed', 'trashed']),
    )
  })

  it('blames no flow for what an operator has to mend', async (t) => {
    const { store, dialect } = await openBench(t)
    await post(store)
    const claimed = await claim(store)
    const { database } = dialect
    await database.run(name('alter table zagflow_atoms rename to elsewhere'))
    const change = changeOf(claimed, { atoms: [atomOf('f/a')] })
    await assert.rejects(store.commit([change]), UnavailableError)
    await database.run(name('alter table elsewhere rename to zagflow_atoms'))
    assert.deepEqual(await store.commit([change]), [{ kind: 'committed' }])
  })

  it('waits for the disk at each commit, unless it is told not to', async (t) => {
    const { dialect, file } = await openBench(t)
    const [row] = await dialect.database.run(name('pragma synchronous'))
    assert.equal(row?.['synchronous'], 2)
    const [journal] = await dialect.database.run(name('pragma journal_mode'))
    assert.equal(journal?.['journal_mode'], 'wal')
    const other = sqlite({
      file,
      driver: 'sqlite3',
      prefix: 'zagflow_',
      synchronous: 'NORMAL',
      clock: realClock,
      logger: silentLogger,
    })
    await other.database.start()
    t.after(() => other.database.stop())
    assert.equal((await other.database.run(name('pragma synchronous')))[0]?.['synchronous'], 1)
  })

  it('says which file it cannot open', async (t) => {
    const folder = await temporaryFolder(t)
    const store = openStore(`sqlite:${folder}`)
    await assert.rejects(store.start(), (error) => {
      assert.ok(error instanceof UnavailableError)
      assert.ok(error.message.startsWith(`sqlite:${folder} cannot be reached: SQLITE_CANTOPEN`))
      return true
    })
    await store.stop()
  })

  it('deletes documents a day after nothing names them', async (t) => {
    const clock = manualClock(Date.now())
    const store = openStore('sqlite::memory:', { clock })
    t.after(() => store.stop())
    await store.start()
    await post(store)
    const claimed = await claim(store)
    await store.commit([changeOf(claimed, { job: { state: 'COMPLETE' }, mailRead: 0 })])
    clock.advance(2_000)
    assert.deepEqual(await store.prune({ olderThanMs: 1_000 }), { jobs: 1, documents: 0 })
    clock.advance(24 * 3_600_000)
    await store.registerFlow('kept', { kept: true }, 'hash')
    clock.advance(24 * 3_600_000)
    assert.deepEqual(await store.prune({ olderThanMs: 1_000, dryRun: true }), {
      jobs: 0,
      documents: 2,
    })
    assert.deepEqual(await store.prune({ olderThanMs: 1_000 }), { jobs: 0, documents: 2 })
    assert.deepEqual(await store.document('hash'), { kept: true })
  })
})

describe('a driver that cannot be loaded', () => {
  it('is named, with the command that installs it', async () => {
    await assert.rejects(loadDriver('no-such-driver'), (error) => {
      assert.ok(error instanceof UsageError)
      assert.equal(
        error.message,
        'the driver "no-such-driver" is not installed; run: npm install no-such-driver',
      )
      return true
    })
  })
})

for (const { name: database, skip } of DATABASES) {
  describe(`namespaces in ${database}`, { skip }, () => {
    it('keep stores apart that share a database', async (t) => {
      const { store, namespace } = await testDatabase(t, database)
      const one = await store()
      const other = await store({ namespace: `${namespace}other` })
      const { id } = await post(one, { key: 'k' })
      assert.equal(await other.job(id), null)
      assert.deepEqual(
        await other.claimJobs({ board: 'main', conductor: 'c', claimIds: ['x'] }),
        [],
      )
      await post(other, { key: 'k', input: {} })
      assert.equal((await one.findJobs({})).jobs.length, 1)
    })

    it('are refused where they could not be part of a name', async () => {
      for (const namespace of [
        '',
        'A',
        '1a',
        'a-b',
        'a b',
        'a"',
        `a${'b'.repeat(30)}`,
        'ä',
        "a'; --",
      ]) {
        assert.throws(() => openStore('memory:', { namespace }), UsageError)
      }
    })
  })
}
