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
import { quickest } from '../support/quickest.ts'
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
/** Of tests that wait for its end. */
const SESSION_MS = 6000
/** Of all others: who stands still for a moment loses nothing. */
const LONG_SESSION_MS = 30_000

/** A chroot of the shared server; null where there is none (the test is skipped). */
async function site(t: TestContext, sessionMs = LONG_SESSION_MS): Promise<string | null> {
  const server = await zookeeper()
  if ('missing' in server) {
    t.skip(server.missing)
    return null
  }
  const { url } = await freshChroot(t)
  return `${url}?session=${sessionMs}ms`
}

async function boardAt(t: TestContext, url: string, store: Store): Promise<JobBoard<Claim>> {
  const board = await openBoard(parseBoardUrl(url), { store })
  lastFirst(t).after(() => board.stop())
  await board.start()
  return board
}

async function conductorAt(t: TestContext, url: string, store: Store, more: StartOptions = {}) {
  const board = await boardAt(t, url, store)
  return { board, ...(await startConductor(t, store, { board, leaseMs: 60_000, ...more })) }
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
  const gate = new Gate()
  const tasks = { ...TASKS, gate: gate.task() }
  const conductors = [
    await conductorAt(t, url, store, { name: 'blue', maxFlows: 8, tasks }),
    await conductorAt(t, url, store, { name: 'green', maxFlows: 8, tasks }),
  ]
  const [blue, green] = conductors
  assert.ok(blue && green)
  const root = linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })])
  const ids: string[] = []
  for (let at = 0; at < 50; at++) ids.push((await postFlow(store, root, { board: blue.board })).id)
  for (let at = 0; at < 10; at++) ids.push((await postUnseen(store)).id)
  // Neither is so quick that nothing is left for the other.
  await eventually(() => gate.entered.length === 16, { withinMs: 20_000 })
  gate.open()
  for (const id of ids) {
    const { job, detail } = await ended(store, id, { withinMs: 20_000 })
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(job.epoch, 1)
  }
  const counts = await eventually(() => {
    const each = conductors.map(
      ({ jobs }) => jobs.filter(({ kind }) => kind === 'completed').length,
    )
    assert.equal((each[0] ?? 0) + (each[1] ?? 0), 60)
    return each
  })
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
  // The second one waits for so long in case the first has died.
  const url = await site(t, SESSION_MS)
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
    const board = await site(t, SESSION_MS)
    const url = await freshUrl(t, kind)
    if (board === null || url === null) return
    const store = await storeAt(t, url)
    const folder = await temporaryFolder(lastFirst(t))
    const poster = await boardAt(t, board, store)
    const root = linear('f', [
      task('a', { task: 'note' }),
      task('b', { task: 'nap' }),
      task('c', { task: 'note' }),
    ])
    let round = 0
    const tookMs = await quickest(SESSION_MS + 2000, async () => {
      round += 1
      const journal = join(folder, `journal ${round}`)
      const wakeFile = join(folder, `wake ${round}`)
      writeFileSync(journal, '')
      // The lease in the store alone would take a minute. (SQLite, on one host, sees at once that a process is gone.)
      const start = async (who: string): Promise<NodeProcess> => {
        const name = `${who}${round}`
        const options: ChildOptions = { url, board, name, journal, leaseMs: 60_000, wakeFile }
        const child = spawnNode(lastFirst(t), CHILD, [JSON.stringify(options)])
        await eventually(() => child.stdout().includes('ready'), { withinMs: 20_000 })
        return child
      }
      const children = [await start('one'), await start('two'), await start('three')]
      const killed = children[1]
      assert.ok(killed)
      const ids: string[] = []
      const naps = () => lines(journal).filter((line) => line.startsWith('f/b'))
      const ofKilled = () => naps().filter((line) => line.endsWith(`two${round}`))
      while (ids.length < 30 || (ofKilled().length < 3 && ids.length < 300)) {
        ids.push((await postFlow(store, root, { board: poster })).id)
        // What is claimed on the board, and not in the store yet, is nobody's when its claimer dies.
        if (ids.length >= 30) {
          await eventually(() => naps().length === ids.length, { withinMs: 20_000 })
        }
      }
      const { jobs: own } = await store.findJobs({ states: ['CLAIMED'], limit: 300 })
      const mine = own
        .filter(({ job }) => job.conductor?.startsWith(`two${round}:`))
        .map(({ job }) => job.id)
      assert.ok(mine.length >= 3, `${mine.length} of ${ids.length} flows`)
      killed.kill('SIGKILL')
      const killedAt = performance.now()
      await killed.ended
      const taken = async (): Promise<boolean> => {
        const { jobs } = await store.findJobs({ ids: mine })
        return jobs.some(({ job }) => job.epoch > 1)
      }
      await eventually(taken, { withinMs: 20_000 })
      const sinceMs = performance.now() - killedAt
      writeFileSync(wakeFile, '')
      for (const id of ids) {
        const { detail, job } = await ended(store, id, { withinMs: 30_000 })
        assert.equal(detail.state, 'SUCCESS')
        assert.equal(job.epoch, mine.includes(id) ? 2 : 1)
      }
      for (const child of [children[0], children[2]]) child?.kill('SIGTERM')
      await Promise.all(children.map((child) => child.ended))
      return sinceMs
    })
    t.diagnostic(`takeover began after ${tookMs} ms`)
  })
}

test('SIGTERM hands flows over at once, and the fleet is left', async (t) => {
  const board = await site(t)
  const url = await freshUrl(t, 'sqlite')
  if (board === null || url === null) return
  const store = await storeAt(t, url)
  const journal = join(await temporaryFolder(lastFirst(t)), 'journal')
  writeFileSync(journal, '')
  // They end only when somebody is there who goes on with them.
  const wakeFile = `${journal}.wake`
  const options: ChildOptions = { url, board, name: 'old', journal, leaseMs: 60_000, wakeFile }
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
  await eventually(() => old.stdout().includes('stopping'))
  writeFileSync(wakeFile, '')
  await old.ended
  await eventually(() => jobs.filter(({ kind }) => kind === 'completed').length === 20)
  // What ran when it was told ends first; then there is a moment for handing over. No session or lease runs out so soon.
  assert.ok(performance.now() - at < 15_000, `${performance.now() - at} ms`)
  for (const id of ids) {
    const { job, detail } = await ended(store, id)
    assert.equal(detail.state, 'SUCCESS')
    // More than 2: a claim of the old one that was under way took it once more, and gave it back.
    assert.ok(job.posting >= 2, `posting ${job.posting}`)
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
  const sessionMs = 8000
  const url = `${server.url}/zagflow?session=${sessionMs}ms`
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
  assert.equal((await ended(store, first.id, { withinMs: sessionMs })).detail.state, 'SUCCESS')
  await new Promise((resolve) => setTimeout(resolve, sessionMs + 500))
  assert.equal((await store.job(unseen.id))?.job.state, 'POSTING')
  await server.begin()
  const { detail } = await ended(store, unseen.id, { withinMs: 30_000 })
  assert.equal(detail.state, 'SUCCESS')
  await eventually(() => conductor.load.flows === 0)
  await jobWhen(store, first.id, ({ job }) => job.epoch === 1)
})
