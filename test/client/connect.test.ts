import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { parseBoardUrl } from '../../src/client/board-url.ts'
import { connect } from '../../src/client/connect.ts'
import { resolveConnect } from '../../src/client/connect-options.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { MigrationNeededError, UsageError } from '../../src/base/errors.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { leakCheck } from '../support/leak-check.ts'
import { lastFirst } from '../support/last-first.ts'
import { freshDatabase, postgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Workshop } from './fixtures.ts'

test('options that do not exist are refused with what was probably meant', async () => {
  const refused = (options: object, message: RegExp) =>
    assert.rejects(connect(options), { code: 'Usage', message })
  await refused({ persistance: 'memory:' }, /no option "persistance"; did you mean "persistence"/)
  await refused({ conductor: { task: [] } }, /no option "task"; did you mean "tasks"/)
  await refused({ conductor: {} }, /needs the tasks/)
  await refused({ persistence: 'mysql://x' }, /not the URL of a store/)
  await refused({ persistence: 5 }, /expected a URL or a store/)
  await refused({ board: 'main' }, /expected sql: or sql:NAME/)
  await refused({ board: 'sql:a b' }, /cannot be the name of a board/)
  await refused({ board: 'sql:run' }, /kept for run/)
  await refused({ pollMs: 0 }, /pollMs/)
  await refused({ persistence: new MemoryStore(), namespace: 'a' }, /has its own/)
})

test('what comes later says so, instead of being ignored', async () => {
  await assert.rejects(connect({ broker: 'amqp://localhost' }), /not supported in this version/)
  await assert.rejects(
    connect({ board: 'zookeeper://h1:2181,h2:2181/zagflow' }),
    /ZooKeeper is not supported in this version/,
  )
  await assert.rejects(
    connect({ environment: { ZAGFLOW_BROKER: 'amqps://a,b' } }),
    /unset ZAGFLOW_BROKER/,
  )
  await assert.rejects(
    connect({
      environment: {},
      persistence: 'memory:',
      conductor: { tasks: [], engine: 'worker-based' as never },
    }),
    /not supported in this version/,
  )
})

test('settings come from the environment, and options win over them', () => {
  const environment = {
    ZAGFLOW_PERSISTENCE: 'postgres://db/zag',
    ZAGFLOW_BOARD: 'sql:night',
    ZAGFLOW_NAMESPACE: 'team_a',
    ZAGFLOW_BROKER: '',
  }
  const given = resolveConnect({ environment })
  assert.equal(given.persistence, 'postgres://db/zag')
  assert.deepEqual(given.board, { kind: 'sql', name: 'night' })
  assert.equal(given.namespace, 'team_a')
  const over = resolveConnect({ environment, persistence: 'memory:', board: 'sql:' })
  assert.equal(over.persistence, 'memory:')
  assert.deepEqual(over.board, { kind: 'sql', name: 'main' })
  const store = new MemoryStore()
  assert.equal(resolveConnect({ environment, persistence: store }).persistence, store)
  const bare = resolveConnect({ environment: {} })
  assert.equal(bare.persistence, 'sqlite:.zagflow/zagflow.db')
  assert.deepEqual(bare.board, parseBoardUrl('sql:'))
})

test('the embedded default makes its own database, and leaves nothing open', async (t) => {
  leakCheck(t)
  const folder = await temporaryFolder(lastFirst(t))
  const file = path.join(folder, '.zagflow', 'zagflow.db')
  const { order, tasks } = new Workshop()
  {
    await using zag = await connect({
      environment: { ZAGFLOW_PERSISTENCE: `sqlite:${file}` },
      conductor: { tasks },
    })
    const job = await zag.post(order, { sku: 'A1' })
    assert.deepEqual(await job.result(), { tracking: 't-r-A1' })
  }
  assert.ok((await fs.stat(file)).size > 0)
})

test('namespaces keep installations in one database apart', async (t) => {
  leakCheck(t)
  const folder = await temporaryFolder(lastFirst(t))
  const persistence = `sqlite:${path.join(folder, 'one.db')}`
  const { order } = new Workshop()
  const counts = []
  for (const namespace of ['a', 'b']) {
    await using zag = await connect({ environment: {}, persistence, namespace })
    await zag.post(order, { sku: namespace })
    counts.push((await zag.jobs()).jobs.length)
  }
  assert.deepEqual(counts, [1, 1])
})

test('a PostgreSQL database that is not prepared says what to do, and nothing stays open', async (t) => {
  const server = await postgres()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const persistence = await freshDatabase(lastFirst(t))
  await assert.rejects(connect({ environment: {}, persistence }), (error) => {
    assert.ok(error instanceof MigrationNeededError)
    assert.match(error.message, /zagflow db migrate/)
    return true
  })
})

test('a conductor that cannot start leaves nothing open', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { tasks } = new Workshop()
  const options = { environment: {}, persistence: store, logger: silentLogger }
  const conductor = { tasks, name: 'only-one', leaseMs: 300 }
  const first = await connect({ ...options, conductor })
  lastFirst(t).after(() => first.close())
  await assert.rejects(connect({ ...options, conductor }), { code: 'Conflict' })
  await assert.rejects(connect({ ...options, conductor: { tasks, concurrency: 0 } }), UsageError)
})
