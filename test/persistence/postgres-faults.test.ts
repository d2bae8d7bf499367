/** What only PostgreSQL can do to a store: answers that are lost, connections that break, values that it refuses. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { Client } from 'pg'
import { openStore } from '../../persistence/open.ts'
import { postgres as dialectOf } from '../../persistence/postgres.ts'
import { name } from '../../persistence/sql.ts'
import { migrations } from '../../persistence/migrations/index.ts'
import type { Store } from '../../persistence/store.ts'
import { InvalidInputError, MigrationNeededError, UnavailableError } from '../../src/base/errors.ts'
import { uuidV7 } from '../../src/base/ids.ts'
import { eventually } from '../support/eventually.ts'
import { freshDatabase, postgres } from '../support/postgres.ts'
import { atomOf, callOf, changeOf, claim, historyOf, post, postOf, resultOf } from './fixtures.ts'
import type { TcpProxy } from './tcp-proxy.ts'
import { tcpProxy } from './tcp-proxy.ts'

const server = await postgres()
let database: Promise<string> | undefined
let benches = 0

interface Bench {
  /** Connected through the proxy. */
  readonly store: Store
  readonly proxy: TcpProxy
  /** Connected to the server itself. */
  readonly direct: Store
  readonly client: Client
  readonly prefix: string
}

describe('a store in PostgreSQL', { skip: 'missing' in server ? server.missing : false }, () => {
  it('takes a commit as done whose answer was lost with its connection (S3)', async (t) => {
    const { store, proxy, direct } = await openBench(t)
    await post(store)
    const claimed = await claim(store)
    proxy.swallowAnswers()
    const committing = store.commit([
      changeOf(claimed, {
        historySeq: 1,
        atoms: [atomOf('f/a')],
        calls: [callOf('f/a')],
        results: [resultOf('f/a', 1)],
        history: [historyOf(1)],
      }),
    ])
    await eventually(async () => (await direct.job(claimed.jobId))?.job.revision === 1)
    proxy.cut()
    assert.deepEqual(await committing, [{ kind: 'committed' }])
    assert.equal((await direct.history(claimed.jobId, {})).length, 1)
    assert.equal((await direct.job(claimed.jobId))?.job.revision, 1)
  })

  it('gives up a connection that does not answer, and commits over another one', async (t) => {
    const { store, proxy, direct } = await openBench(t, { statementTimeoutMs: 1500 })
    await post(store)
    const claimed = await claim(store)
    proxy.swallowAnswers()
    const outcomes = await store.commit([changeOf(claimed, { atoms: [atomOf('f/a')] })])
    assert.deepEqual(outcomes, [{ kind: 'committed' }])
    assert.equal((await direct.job(claimed.jobId))?.job.revision, 1)
  })

  it('loses no claim, post or mail whose answer was lost', async (t) => {
    const { store, proxy, direct, client, prefix } = await openBench(t)
    const lostAnswer = async <T>(work: () => Promise<T>, isDone: () => Promise<unknown>) => {
      await store.now() // a connection is open
      proxy.swallowAnswers()
      const working = work()
      await eventually(async () => Boolean(await isDone()))
      proxy.cut()
      return working
    }
    const request = postOf({ key: 'k' })
    const { job } = await lostAnswer(
      () => store.post(request),
      () => direct.job(request.id),
    )
    assert.equal(job.id, request.id)
    const claimIds = [uuidV7()]
    const [claimed] = await lostAnswer(
      () => store.claimJobs({ board: 'main', conductor: 'c1', claimIds }),
      async () => (await direct.job(job.id))?.job.state === 'CLAIMED',
    )
    assert.equal(claimed?.jobId, job.id)
    assert.equal(claimed.epoch, 1)
    await lostAnswer(
      () => store.mail(job.id, { key: 'm', kind: 'cancel', body: null }),
      async () => (await direct.mailOf(job.id)).count,
    )
    assert.deepEqual(
      (await direct.mailOf(job.id)).mail.map(({ key, count }) => [key, count]),
      [['m', 1]],
    )
    const { rows } = await client.query(`select count(*)::int as jobs from ${prefix}jobs`)
    assert.deepEqual(rows, [{ jobs: 1 }])
  })

  it('goes on after the server ended its sessions', async (t) => {
    const { store, client, direct } = await openBench(t)
    await post(store)
    const claimed = await claim(store)
    await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
    )
    assert.deepEqual(await store.commit([changeOf(claimed)]), [{ kind: 'committed' }])
    assert.equal((await direct.job(claimed.jobId))?.job.revision, 1)
  })

  it('says that the database is away, and goes on when it is back', async (t) => {
    const { store, proxy } = await openBench(t)
    await post(store)
    const claimed = await claim(store)
    proxy.refuse(true)
    proxy.cut()
    await assert.rejects(store.commit([changeOf(claimed)]), (error) => {
      assert.ok(error instanceof UnavailableError)
      assert.match(error.message, /^postgres:\/\/[^:]*@127\.0\.0\.1:\d+\/\w+ cannot be reached/)
      return true
    })
    proxy.refuse(false)
    assert.deepEqual(await store.commit([changeOf(claimed)]), [{ kind: 'committed' }])
  })

  it('ends retries at once when it is stopped', async (t) => {
    const { store, proxy } = await openBench(t)
    await store.now()
    proxy.refuse(true)
    proxy.cut()
    const asking = assert.rejects(store.now())
    await store.stop()
    await asking
  })

  it('trashes the flow of a batch whose values the server refuses, and commits the others (S4)', async (t) => {
    const { store } = await openBench(t)
    const bad = [
      { atoms: [atomOf('f/\0')] },
      { history: [historyOf(1, { name: 'x\0' })], historySeq: 1 },
      { atoms: [atomOf('f/a', { attempt: 2 ** 40 })] },
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
    for (const [at, { jobId }] of claims.entries()) {
      const [flow] = await store.load([jobId])
      assert.equal(flow?.job.state, at % 2 === 0 ? 'CLAIMED' : 'TRASHED')
      assert.equal(flow.atoms.length, at % 2 === 0 ? 1 : 0)
      assert.equal(flow.job.revision, 1)
      if (at % 2 === 1) assert.match(flow.job.reason ?? '', /^the database refused its rows: ./)
    }
  })

  it('blames no flow for what an operator has to mend', async (t) => {
    const { store, client, prefix } = await openBench(t)
    await post(store)
    const claimed = await claim(store)
    await client.query(`alter table ${prefix}atoms rename to ${prefix}elsewhere`)
    const change = changeOf(claimed, { atoms: [atomOf('f/a')] })
    await assert.rejects(store.commit([change]), UnavailableError)
    await client.query(`alter table ${prefix}elsewhere rename to ${prefix}atoms`)
    assert.deepEqual(await store.commit([change]), [{ kind: 'committed' }])
  })

  it('waits for the row of a job that somebody else holds, and no longer than it says', async (t) => {
    const { store, client, prefix } = await openBench(t)
    await post(store)
    const claimed = await claim(store)
    await client.query('begin')
    await client.query(`select 1 from ${prefix}jobs for update`)
    const committing = store.commit([changeOf(claimed)])
    await eventually(async () => {
      const { rows } = await client.query(
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'zagflow'",
      )
      return rows.length > 0
    })
    await client.query('commit')
    assert.deepEqual(await committing, [{ kind: 'committed' }])
  })

  it('lets no session hold locks for long (F16)', async (t) => {
    const { store } = await openBench(t)
    await store.now()
    const url = await database
    const { database: own } = dialectOf({ url: url ?? '', prefix: 'x_', statementTimeoutMs: 7_000 })
    await own.start()
    t.after(() => own.stop())
    const show = async (setting: string) => {
      const [row] = await own.run(name(`show ${setting}`))
      return row?.[setting]
    }
    assert.equal(await show('statement_timeout'), '7s')
    assert.equal(await show('lock_timeout'), '2s')
    assert.equal(await show('idle_in_transaction_session_timeout'), '5s')
    assert.equal(await show('tcp_keepalives_idle'), '10')
    assert.equal(await show('jit'), 'off')
  })

  it('never changes the schema by itself, and names the command that does', async (t) => {
    const url = await (database ??= freshDatabase({ after }))
    const store = openStore(url, { namespace: 'never_migrated' })
    t.after(() => store.stop())
    await assert.rejects(store.start(), (error) => {
      assert.ok(error instanceof MigrationNeededError)
      assert.match(error.message, /has no schema yet, expected \d{3}_\w+; run: zagflow db migrate/)
      return true
    })
    assert.deepEqual(await store.schemaStatus(), {
      applied: [],
      pending: migrations.map((migration) => migration.name),
    })
    assert.deepEqual(await store.migrate(), {
      applied: migrations.map((migration) => migration.name),
      pending: [],
    })
    await store.start()
    assert.deepEqual((await store.findJobs({})).jobs, [])
  })

  it('refuses texts that the server could not take, before it is asked (S9)', async (t) => {
    const { store } = await openBench(t)
    const { id } = await post(store)
    await assert.rejects(store.post(postOf({ key: 'a\0' })), InvalidInputError)
    await assert.rejects(store.post(postOf({ labels: { 'a\uD800': 'b' } })), InvalidInputError)
    await assert.rejects(store.post(postOf({ key: 'x'.repeat(1_001) })), InvalidInputError)
    await assert.rejects(store.post(postOf({ priority: 2 ** 31 })), InvalidInputError)
    await assert.rejects(store.post(postOf({ delayMs: 0.5 })), InvalidInputError)
    await assert.rejects(store.post(postOf({ input: { a: '\0' } })), InvalidInputError)
    await assert.rejects(store.findJobs({ key: '\0' }), InvalidInputError)
    await assert.rejects(store.findJobs({ limit: 0 }), InvalidInputError)
    await assert.rejects(store.job('\0'), InvalidInputError)
    await assert.rejects(store.mail(id, { key: '\0', kind: 'signal', body: 1 }), InvalidInputError)
  })
})

async function openBench(
  t: TestContext,
  options: { readonly statementTimeoutMs?: number } = {},
): Promise<Bench> {
  const url = await (database ??= freshDatabase({ after }))
  const namespace = `faults${(benches += 1)}`
  const proxy = await tcpProxy(t, url)
  const direct = openStore(url, { namespace })
  const store = openStore(proxy.url, { namespace, ...options })
  const client = new Client({ connectionString: url })
  t.after(async () => {
    await Promise.all([direct.stop(), store.stop(), client.end()])
  })
  await client.connect()
  await direct.migrate()
  await Promise.all([direct.start(), store.start()])
  return { store, proxy, direct, client, prefix: `${namespace}_` }
}
