/** Conductors on a board in ZooKeeper: real servers, real processes. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ConflictError } from '../../src/base/errors.ts'
import { parseBoardUrl } from '../../src/client/board-url.ts'
import { openBoard } from '../../src/client/open-board.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, JobRecord, Store } from '../../persistence/store.ts'
import { GuardedClient } from '../../jobboard/zookeeper/client.ts'
import { removeTree } from '../jobboard/zookeeper/boards.ts'
import { post } from '../persistence/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { document, linear, task } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { freshStore, freshUrl, storeAt } from '../support/stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { freshChroot, privateZookeeper, zookeeper, zookeeperServers } from '../support/zookeeper.ts'
import type { ChildOptions } from './child.ts'
import {
  ended,
  Gate,
  jobWhen,
  postFlow,
  startConductor,
  TASKS,
  type StartOptions,
} from './fixtures.ts'

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))
const SESSION_MS = 4000

/** A chroot of the shared server; null where there is none (the test is skipped). */
async function site(t: TestContext): Promise<string | null> {
  const server = await zookeeper()
  if ('missing' in server) {
    t.skip(server.missing)
    return null
  }
  const { url } = await freshChroot(t)
  return `${url}?session=${SESSION_MS}ms`
}

async function boardAt(t: TestContext, url: string, store: Store): Promise<JobBoard<Claim>> {
  const board = await openBoard(parseBoardUrl(url), { store })
  lastFirst(t).after(() => board.stop())
  await board.start()
  return board
}

async function conductorAt(t: TestContext, url: string, store: Store, more: StartOptions = {}) {
  const board = await boardAt(t, url, store)
  return { board, ...(await startConductor(t, store, { board, leaseMs: 3000, ...more })) }
}

/** Posts a flow that its board does not know. */
function postUnseen(store: Store): Promise<JobRecord> {
  const root = linear('f', [task('a', { task: 'p' })])
  return post(store, { state: 'POSTING', document: document(root, {}), documentHash: 'unseen' })
}

function lines(journal: string): readonly string[] {
  return readFileSync(journal, 'utf8').split('\n').filter(Boolean)
}

test('two conductors share 60 flows of a board in ZooKeeper, one leads, and nothing is left there', async (t) => {
  leakCheck(t)
  const url = await site(t)
  const store = await freshStore(t, 'sqlite')
  if (url === null || store === null) return
  const conductors = [
    await conductorAt(t, url, store, { name: 'blue', maxFlows: 8 }),
    await conductorAt(t, url, store, { name: 'green', maxFlows: 8 }),
  ]
  const [blue, green] = conductors
  assert.ok(blue && green)
  const root = linear('f', [task('a', { task: 'p' }), task('b', { task: 'p' })])
  const ids: string[] = []
  for (let at = 0; at < 50; at++) ids.push((await postFlow(store, root, { board: blue.board })).id)
  for (let at = 0; at < 10; at++) ids.push((await postUnseen(store)).id)
  for (const id of ids) {
    const { job, detail } = await ended(store, id, { withinMs: 20_000 })
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(job.epoch, 1)
  }
  const counts = conductors.map(
    ({ jobs }) => jobs.filter(({ kind }) => kind === 'completed').length,
  )
  assert.equal((counts[0] ?? 0) + (counts[1] ?? 0), 60)
  assert.ok(
    counts.every((count) => count > 5),
    counts.join(' '),
  )
  const { fleet } = blue.board
  assert.deepEqual(
    (await fleet?.members())?.map(({ name }) => name),
    ['blue', 'green'],
  )
  const led = await fleet?.leader()
  assert.ok(
    conductors.some(({ conductor }) => conductor.id === led),
    String(led),
  )
  await eventually(async () => (await fleet?.postings())?.size === 0)
})

test('a second conductor of a name that lives is refused, though it has another database', async (t) => {
  leakCheck(t)
  const url = await site(t)
  const store = await freshStore(t, 'memory')
  const other = await freshStore(t, 'memory')
  if (url === null || store === null || other === null) return
  await conductorAt(t, url, store, { name: 'blue' })
  const board = await boardAt(t, url, other)
  await assert.rejects(
    startConductor(t, other, { board, name: 'blue', leaseMs: 900 }),
    ConflictError,
  )
  assert.deepEqual(await other.processes(), [])
})

test('the tree is wiped in mid-run: the leader posts what is missing, and every flow ends', async (t) => {
  leakCheck(t)
  const url = await site(t)
  const store = await freshStore(t, 'sqlite')
  if (url === null || store === null) return
  const place = parseBoardUrl(url)
  assert.ok(place.kind === 'zookeeper' && typeof place.options.servers !== 'string')
  const client = new GuardedClient({ hosts: place.options.servers, chroot: place.options.chroot })
  lastFirst(t).after(() => client.close())
  await client.start()
  const gate = new Gate()
  const started = { tasks: { ...TASKS, gate: gate.task() }, maxFlows: 4 }
  const { board } = await conductorAt(t, url, store, started)
  const root = linear('f', [task('a', { task: 'gate' })])
  const ids: string[] = []
  for (let at = 0; at < 20; at++) ids.push((await postFlow(store, root, { board })).id)
  await eventually(() => gate.entered.length === 4)
  await removeTree(client, '/boards')
  gate.open()
  for (const id of ids) {
    const { job, detail } = await ended(store, id, { withinMs: 25_000 })
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(job.probationDeaths, 0)
  }
})

for (const kind of ['sqlite', 'postgres'] as const) {
  test(`${kind}: kill -9 of one of three conductors: takeover begins within the session and two seconds`, async (t) => {
    const board = await site(t)
    const url = await freshUrl(t, kind)
    if (board === null || url === null) return
    const store = await storeAt(t, url)
    const journal = join(await temporaryFolder(lastFirst(t)), 'journal')
    writeFileSync(journal, '')
    // The lease in the store alone would take a minute. (SQLite, on one host, sees at once that a process is gone.)
    const start = async (name: string): Promise<NodeProcess> => {
      const options: ChildOptions = { url, board, name, journal, leaseMs: 60_000, napMs: 700 }
      const child = spawnNode(lastFirst(t), CHILD, [JSON.stringify(options)])
      await eventually(() => child.stdout().includes('ready'), { withinMs: 20_000 })
      return child
    }
    const children = [await start('one'), await start('two'), await start('three')]
    const poster = await boardAt(t, board, store)
    const root = linear('f', [
      task('a', { task: 'note' }),
      task('b', { task: 'nap' }),
      task('c', { task: 'note' }),
    ])
    const ids: string[] = []
    for (let at = 0; at < 30; at++) ids.push((await postFlow(store, root, { board: poster })).id)
    const killed = children[1]
    assert.ok(killed)
    await eventually(
      () =>
        lines(journal).filter((line) => line.startsWith('f/b') && line.endsWith('two')).length >= 3,
      { withinMs: 15_000 },
    )
    // What is claimed on the board, and not in the store yet, is nobody's when its claimer dies.
    await eventually(async () => {
      const states = ['POSTING', 'UNCLAIMED'] as const
      return (await store.findJobs({ states, limit: 1 })).jobs.length === 0
    })
    killed.kill('SIGKILL')
    const killedAt = performance.now()
    await killed.ended
    const { jobs: own } = await store.findJobs({
      conductor: undefined,
      states: ['CLAIMED'],
      limit: 100,
    })
    const mine = own.filter(({ job }) => job.conductor?.startsWith('two:')).map(({ job }) => job.id)
    assert.ok(mine.length > 0)
    const taken = async (): Promise<boolean> => {
      const { jobs } = await store.findJobs({ ids: mine })
      return jobs.some(({ job }) => job.epoch > 1)
    }
    await eventually(taken, { withinMs: 15_000 })
    const tookMs = performance.now() - killedAt
    assert.ok(tookMs < SESSION_MS + 2000, `${tookMs} ms`)
    for (const id of ids) {
      const { detail, job } = await ended(store, id, { withinMs: 30_000 })
      assert.equal(detail.state, 'SUCCESS')
      assert.equal(job.epoch, mine.includes(id) ? 2 : 1)
    }
    t.diagnostic(`takeover began after ${Math.round(tookMs)} ms; ${mine.length} flows`)
    for (const child of [children[0], children[2]]) child?.kill('SIGTERM')
    await Promise.all(children.map((child) => child.ended))
  })
}

test('SIGTERM hands flows over at once, and the fleet is left', async (t) => {
  const board = await site(t)
  const url = await freshUrl(t, 'sqlite')
  if (board === null || url === null) return
  const store = await storeAt(t, url)
  const journal = join(await temporaryFolder(lastFirst(t)), 'journal')
  writeFileSync(journal, '')
  const options: ChildOptions = { url, board, name: 'old', journal, leaseMs: 60_000, napMs: 600 }
  const old = spawnNode(lastFirst(t), CHILD, [JSON.stringify(options)])
  await eventually(() => old.stdout().includes('ready'), { withinMs: 20_000 })
  const poster = await boardAt(t, board, store)
  const naps = [1, 2, 3, 4].map((n) => task(`n${n}`, { task: 'nap' }))
  const ids: string[] = []
  for (let at = 0; at < 20; at++) {
    ids.push((await postFlow(store, linear('f', naps), { board: poster })).id)
  }
  await eventually(() => lines(journal).length >= 20, { withinMs: 15_000 })
  const tasks = { nap: { execute: () => 'rested', revert: () => null } }
  const { jobs } = await conductorAt(t, board, store, { name: 'new', tasks })
  old.kill('SIGTERM')
  const at = performance.now()
  await old.ended
  await eventually(() => jobs.filter(({ kind }) => kind === 'completed').length === 20)
  // What ran when it was told ends first; then there is a moment for handing over.
  assert.ok(performance.now() - at < 5000, `${performance.now() - at} ms`)
  for (const id of ids) {
    const { job, detail } = await ended(store, id)
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(job.posting, 2)
    assert.equal(job.disorder, false)
  }
  assert.deepEqual(
    (await poster.fleet?.members())?.map(({ name }) => name),
    ['new'],
  )
})

test('the server goes and comes back: flows go on meanwhile, posts wait in the store, and nobody has to be started again', async (t) => {
  const servers = zookeeperServers()
  if ('missing' in servers) return t.skip(servers.missing)
  const server = await privateZookeeper(lastFirst(t))
  const store = await freshStore(t, 'sqlite')
  if (store === null) return
  const gate = new Gate()
  const url = `${server.url}/zagflow?session=${SESSION_MS}ms`
  const tasks = { ...TASKS, gate: gate.task() }
  const { board, conductor } = await conductorAt(t, url, store, { tasks })
  const first = await postFlow(
    store,
    linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })]),
    { board },
  )
  await eventually(() => gate.entered.length === 1)
  await server.end('kill')
  const unseen = await postUnseen(store)
  gate.open()
  // The session may still stand, so it works on.
  assert.equal((await ended(store, first.id, { withinMs: 3000 })).detail.state, 'SUCCESS')
  await new Promise((resolve) => setTimeout(resolve, SESSION_MS + 500))
  assert.equal((await store.job(unseen.id))?.job.state, 'POSTING')
  await server.begin()
  const { detail } = await ended(store, unseen.id, { withinMs: 20_000 })
  assert.equal(detail.state, 'SUCCESS')
  assert.equal(conductor.load.flows, 0)
  await jobWhen(store, first.id, ({ job }) => job.epoch === 1)
})
