/** How conductors of a board know of each other: names, members, one leader, room in the window. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostname } from 'node:os'
import { ConflictError } from '../../../src/base/errors.ts'
import { eventually } from '../../support/eventually.ts'
import { leakCheck } from '../../support/leak-check.ts'
import { undisturbed } from '../../support/standstill.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'
import { claimUpTo } from '../claim-up-to.ts'
import { privateZookeeper, zookeeperServers } from '../../support/zookeeper.ts'
import { boardSite, claimOne, keepingLogger, postMany, postingOf, siteAt } from './boards.ts'

const sessionTimeoutMs = 1000

test('who joins is seen by all of the board, and by nobody of another; who leaves is not any more', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const [first, second, elsewhere] = await Promise.all([
    site.connect(),
    site.connect(),
    site.connect({ name: 'ma:in/ä' }),
  ])
  let changes = 0
  const stop = first.fleet.onMembers(() => void changes++)
  await first.fleet.join({ id: 'a:1', name: 'a', capacity: 5 })
  await second.fleet.join({ id: 'b b:1', name: 'b b/é', capacity: 7 })
  await elsewhere.fleet.join({ id: 'x:1', name: 'a', capacity: 1 })
  await eventually(() => changes >= 2)
  assert.deepEqual(await second.fleet.members(), [
    { id: 'a:1', name: 'a', capacity: 5 },
    { id: 'b b:1', name: 'b b/é', capacity: 7 },
  ])
  assert.deepEqual(await elsewhere.fleet.members(), [{ id: 'x:1', name: 'a', capacity: 1 }])
  await second.fleet.join({ id: 'b b:1', name: 'b b/é', capacity: 7 })
  const before = changes
  await second.fleet.leave()
  await second.fleet.leave()
  await eventually(() => changes > before)
  assert.deepEqual(
    (await first.fleet.members()).map(({ name }) => name),
    ['a'],
  )
  stop()
  const after = changes
  await second.fleet.join({ id: 'c:1', name: 'c', capacity: 1 })
  await eventually(async () => (await first.fleet.members()).length === 2)
  assert.equal(changes, after)
})

test('a second one of a name that lives is refused after one session, and told where the first one is', async (t) => {
  leakCheck(t)
  // The first one is to live: its session outlasts what a busy machine stands still for.
  const livingMs = 3000
  const site = await boardSite(t, { sessionTimeoutMs: livingMs })
  if (site === null) return
  let tries = 0
  await undisturbed(t, async () => {
    const [name, id] = [`a${++tries}`, `a${tries}:1`]
    const [first, second] = [await site.connect(), await site.connect()]
    await first.fleet.join({ id, name, capacity: 5 })
    const startedAt = performance.now()
    await assert.rejects(second.fleet.join({ id: `${name}:2`, name, capacity: 5 }), (error) => {
      assert.ok(error instanceof ConflictError)
      assert.ok(error.message.includes(`host ${hostname()}, process ${process.pid}, id ${id}`))
      return true
    })
    const tookMs = performance.now() - startedAt
    assert.ok(tookMs >= livingMs && tookMs < 10 * livingMs, `${tookMs} ms`)
    await second.fleet.join({ id: `b${tries}:1`, name: `b${tries}`, capacity: 5 })
  })
})

test('the name of one whose session ended without a word is free when servers have ended it', async (t) => {
  leakCheck(t)
  const site = await boardSite(t, { sessionTimeoutMs })
  const server = site?.hosts[0]
  if (site === null || server === undefined) return
  const proxy = await tcpProxy(t, server)
  const first = await site.connect({ servers: [{ host: '127.0.0.1', port: proxy.port }] })
  await first.fleet.join({ id: 'a:1', name: 'a', capacity: 5 })
  const second = await site.connect()
  const startedAt = performance.now()
  proxy.stall()
  await second.fleet.join({ id: 'a:2', name: 'a', capacity: 5 })
  const tookMs = performance.now() - startedAt
  t.diagnostic(`${Math.round(tookMs)} ms with a session of ${sessionTimeoutMs} ms`)
  assert.deepEqual(
    (await second.fleet.members()).map(({ id }) => id),
    ['a:2'],
  )
})

test('the name of one that has just died is free, though servers look for ended sessions every two seconds only, as they do by default', async (t) => {
  const found = zookeeperServers()
  if ('missing' in found) return t.skip(found.missing)
  leakCheck(t)
  const server = await privateZookeeper(t, { settings: { tickTime: '2000' } })
  const site = siteAt(t, [server], '/zagflow', { sessionTimeoutMs })
  const second = await site.connect({ sessionTimeoutMs: 20_000 })
  for (let tries = 0; tries < 3; tries++) {
    const name = `a${tries}`
    const proxy = await tcpProxy(t, server)
    const first = await site.connect({ servers: [{ host: '127.0.0.1', port: proxy.port }] })
    await first.fleet.join({ id: `${name}:1`, name, capacity: 5 })
    // Its session may end at any time between two looks.
    await sleep(700 * tries)
    proxy.stall()
    await second.fleet.leave()
    await second.fleet.join({ id: `${name}:2`, name, capacity: 5 })
    proxy.cut()
    await first.stop()
  }
})

test('after a lost session a member registers again by itself', async (t) => {
  leakCheck(t)
  const { logger } = keepingLogger()
  const site = await boardSite(t, { sessionTimeoutMs, logger })
  const server = site?.hosts[0]
  if (site === null || server === undefined) return
  const proxy = await tcpProxy(t, server)
  const board = await site.connect({ servers: [{ host: '127.0.0.1', port: proxy.port }] })
  const other = await site.connect()
  await board.fleet.join({ id: 'a:1', name: 'a', capacity: 5 })
  const { session } = await other.status()
  assert.ok(session.id !== null)
  proxy.cut()
  await eventually(async () => (await other.fleet.members()).length === 0, { withinMs: 10_000 })
  proxy.mend()
  await eventually(async () => (await other.fleet.members()).length === 1, { withinMs: 10_000 })
})

test('one leads at a time, until it resigns, stops or loses its session', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const boards = await Promise.all([site.connect(), site.connect(), site.connect()])
  await Promise.all(
    boards.map((board, at) => board.fleet.join({ id: `c${at}:1`, name: `c${at}`, capacity: 1 })),
  )
  assert.equal(await boards[0].fleet.leader(), null)
  for (let round = 0; round < 3; round++) {
    const led = await Promise.all(boards.map((board) => board.fleet.lead()))
    assert.equal(led.filter(Boolean).length, 1)
    const at = led.indexOf(true)
    assert.equal(await boards[0].fleet.leader(), `c${at}:1`)
    assert.deepEqual(await Promise.all(boards.map((board) => board.fleet.lead())), led)
    await boards[(at + 1) % 3]?.fleet.resign()
    assert.equal(await boards[at]?.fleet.lead(), true)
    await boards[at]?.fleet.resign()
    assert.equal(await boards[0].fleet.leader(), null)
  }
  assert.equal(await boards[0].fleet.lead(), true)
  await boards[0].stop()
  assert.equal(await boards[1].fleet.lead(), true)
})

test('what the board shows is told as job and posting', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const board = await site.connect()
  assert.deepEqual(await board.fleet.postings(), new Set())
  const posted = [
    ...(await postMany(board, 3)),
    ...(await postMany(board, 2, { priority: -4 })),
    ...(await postMany(board, 1, { jobId: 'an odd/one.2', posting: 12 })),
  ]
  const shown = () => new Set(posted.map(({ jobId, posting }) => `${jobId}.${posting}`))
  assert.deepEqual(await board.fleet.postings(), shown())
  const claim = await claimOne(board, 'c1')
  assert.deepEqual(await board.fleet.postings(), shown())
  await board.consume(claim)
  posted.splice(
    posted.findIndex(({ jobId }) => jobId === claim.jobId),
    1,
  )
  assert.deepEqual(await board.fleet.postings(), shown())
  for (const wrong of [1.5, 2 ** 60]) {
    await assert.rejects(board.post(postingOf({ priority: wrong })), { name: 'UsageError' })
  }
})

test('a posting finds room while fewer than the window stand at its priority and above', async (t) => {
  leakCheck(t)
  const site = await boardSite(t, { window: 5 })
  if (site === null) return
  const [board, other] = [await site.connect(), await site.connect()]
  await postMany(board, 3)
  await postMany(board, 1, { priority: -1 })
  assert.equal(await board.fleet.room(0), 2)
  assert.equal(await other.fleet.room(-1), 1)
  assert.equal(await other.fleet.room(1), 5)
  assert.equal(await board.post(postingOf({ priority: -1 })), true)
  assert.equal(await board.post(postingOf({ priority: -1 })), false)
  assert.equal(await board.post(postingOf({ priority: -1 })), false)
  // Unimportant ones never keep important ones out.
  assert.equal(await board.post(postingOf({ priority: 9 })), true)
  assert.equal(await board.post(postingOf()), true)
  assert.equal(await board.post(postingOf()), false)
  // What others made, claimed and ended is known a second later. However many are worked on, the job that they wait for is not kept out.
  const claims = await claimUpTo(board, 'c1', 2)
  assert.equal(claims.length, 2)
  await eventually(() => board.post(postingOf()))
  assert.equal(await board.post(postingOf()), true)
  for (const claim of claims) await board.consume(claim)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.equal(await board.post(postingOf()), false)
  const { postings, window } = await board.status()
  assert.deepEqual(window, { size: 5, used: 7 })
  assert.deepEqual(postings, [
    { priority: 0, count: 5 },
    { priority: -1, count: 2 },
  ])
})

test('buckets that stay empty are removed by the leader, and made again when they are needed', async (t) => {
  leakCheck(t)
  const site = await boardSite(t, { scanMs: 20 })
  if (site === null) return
  const board = await site.connect()
  const client = await site.client()
  for (const priority of [1, 2, 3]) await postMany(board, 1, { priority })
  const kept = await claimOne(board, 'c1')
  for (const claim of await claimUpTo(board, 'c1', 2)) await board.consume(claim)
  await eventually(async () => {
    await board.fleet.postings()
    return (await client.children(site.paths.jobs)).names.join(' ') === '3'
  })
  await board.consume(kept)
  for (const priority of [1, 2]) await postMany(board, 1, { priority })
  await eventually(async () => (await board.claim('c1', 1))[0])
})
