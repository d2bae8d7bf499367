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
import { quickest } from '../support/quickest.ts'
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

test('what is wrong with a board in ZooKeeper is said before anything is opened, and no password with it', async () => {
  const refused = async (options: object, message: RegExp) => {
    await assert.rejects(connect({ environment: {}, ...options }), (error) => {
      assert.ok(error instanceof UsageError, String(error))
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  }
  const board = 'zookeeper://u:secret@127.0.0.1:1/zagflow'
  await refused({ board: 'zookeeper://' }, /expected at least one host/)
  await refused({ board: `${board}?bord=x` }, /"bord" is not known; did you mean/)
  await refused({ board: `${board}?board=a%20b` }, /cannot be the name of a board/)
  await refused({ board: `${board}?board=run` }, /kept for run/)
  await refused({ board, persistence: 'memory:' }, /what is on the board does not/)
  await refused({ board, zookeeper: { tls: {} } }, /does not use TLS/)
  await refused({ board, zookeeper: { pasword: 'secret' } }, /no option "pasword"/)
  await refused({ board: 'sql:', zookeeper: { user: 'u' } }, /the board is not/)
  await refused({ board: 'zookeeper://h', zookeeper: { user: 'u' } }, /a user and no password/)
  const environment = { ZAGFLOW_ZOOKEEPER_CA: '/ca.pem', ZAGFLOW_BOARD: 'zookeeper+tls://h' }
  await refused({ environment }, /only the command line reads files of certificates/)
})

test('the URL of a board in ZooKeeper says where it is, and is shown without who may use it', () => {
  const place = parseBoardUrl('zookeeper://u:secret@a,b:2182/zag?board=orders&session=5s')
  assert.ok(place.kind === 'zookeeper')
  assert.equal(place.shown, 'zookeeper://a:2181,b:2182/zag?board=orders')
  const { options } = place
  assert.equal(options.user, 'u')
  assert.equal(options.chroot, '/zag')
  assert.equal(options.name, 'orders')
  assert.equal(options.sessionTimeoutMs, 5000)
  assert.equal(options.tls, undefined)
  const other = parseBoardUrl('zookeeper+tls://u:secret@a', { user: 'v', password: 'w' })
  assert.ok(other.kind === 'zookeeper')
  assert.deepEqual([other.options.user, other.options.password, other.options.tls], ['v', 'w', {}])
  const { board } = resolveConnect({
    environment: {
      ZAGFLOW_BOARD: 'zookeeper://a',
      ZAGFLOW_ZOOKEEPER_USER: 'x',
      ZAGFLOW_ZOOKEEPER_PASSWORD: 'y',
    },
    zookeeper: { password: 'z' },
  })
  assert.ok('kind' in board && board.kind === 'zookeeper')
  assert.deepEqual([board.options.user, board.options.password], ['x', 'z'])
})

test('who posts where nobody listens gets his job in a moment, and it waits for its board', async (t) => {
  leakCheck(t)
  const { order } = new Workshop()
  await quickest(2500, async () => {
    const store = new MemoryStore()
    await using zag = await connect({
      environment: {},
      persistence: store,
      board: 'zookeeper://127.0.0.1:1/zagflow',
      logger: silentLogger,
    })
    const at = performance.now()
    const first = await zag.post(order, { sku: 'A1' })
    const second = await zag.post(order, { sku: 'A2' })
    const tookMs = performance.now() - at
    for (const { id } of [first, second]) {
      assert.equal((await store.job(id))?.job.state, 'POSTING')
    }
    return tookMs
  })
})

test('what does not go with a broker, or without one, is said before anything is opened', async (t) => {
  const folder = await temporaryFolder(lastFirst(t))
  const file = path.join(folder, 'none.db')
  const place = { environment: {}, persistence: `sqlite:${file}` }
  const broker = 'amqp://user:secret@127.0.0.1:1/vhost'
  const refused = async (options: object, message: RegExp) => {
    await assert.rejects(connect({ ...place, ...options }), (error) => {
      assert.ok(error instanceof UsageError, String(error))
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  }
  await refused({ broker: 'http://user:secret@host' }, /expected amqp:\/\/ or amqps:\/\//)
  await refused({ broker: 'amqp://user:secret@a,b' }, /names several hosts: a,b/)
  await refused({ environment: { ZAGFLOW_BROKER: 'amqps://a,b' } }, /names several hosts/)
  await refused({ broker, namespace: 'a b' }, /namespace/)
  await refused({ tls: {} }, /certificates are for a broker, and there is none/)
  await refused({ broker, conductor: { tasks: [] } }, /runs no tasks: workers do; leave out/)
  await refused(
    { broker, conductor: { concurrency: 5 } },
    /workers have a concurrency of their own/,
  )
  await refused({ broker, conductor: { engine: 'parallel' } }, /conductor needs the tasks/)
  await refused(
    { broker, conductor: { engine: 'fast' } },
    /expected serial, parallel, worker-based/,
  )
  await refused({ conductor: { engine: 'worker-based' } }, /needs a broker/)
  await refused({ broker, persistence: 'memory:', conductor: {} }, /memory: ends with this process/)
  await assert.rejects(fs.stat(file), { code: 'ENOENT' })
})

test('who only posts opens no connection to the broker', async (t) => {
  leakCheck(t)
  const { order } = new Workshop()
  await using zag = await connect({
    environment: {},
    persistence: new MemoryStore(),
    // Nobody listens there.
    broker: 'amqp://127.0.0.1:1',
    logger: silentLogger,
  })
  const job = await zag.post(order, { sku: 'A1' })
  assert.equal((await job.state()).state, 'UNCLAIMED')
})

test('tasks run here for who says so, whatever broker is set', async (t) => {
  leakCheck(t)
  const { order, tasks } = new Workshop()
  await using zag = await connect({
    environment: { ZAGFLOW_BROKER: 'amqp://127.0.0.1:1' },
    persistence: new MemoryStore(),
    conductor: { engine: 'parallel', tasks },
    logger: silentLogger,
  })
  const job = await zag.post(order, { sku: 'A1' })
  assert.deepEqual(await job.result(), { tracking: 't-r-A1' })
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
  // The first one lives for a while, whoever stands still; the second waits as long as its own lease.
  const conductor = { tasks, name: 'only-one', leaseMs: 300 }
  const first = await connect({ ...options, conductor: { ...conductor, leaseMs: 60_000 } })
  lastFirst(t).after(() => first.close())
  await assert.rejects(connect({ ...options, conductor }), { code: 'Conflict' })
  await assert.rejects(connect({ ...options, conductor: { tasks, concurrency: 0 } }), UsageError)
})
