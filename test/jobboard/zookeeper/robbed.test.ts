/** What is done to a board behind its back: nodes, trees, sessions, servers and data that go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { leakCheck } from '../../support/leak-check.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'
import { privateZookeeper, zookeeperServers } from '../../support/zookeeper.ts'
import { claimUpTo } from '../claim-up-to.ts'
import {
  boardSite,
  claimOne,
  hear,
  insist,
  keepingLogger,
  postMany,
  postingOf,
  removeTree,
  siteAt,
} from './boards.ts'

test('a wiped tree under living sessions is made again; owners hear that their claims are gone', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const board = await site.connect()
  const other = await site.connect()
  await postMany(board, 3)
  const claim = await claimOne(board, 'c1')
  const heard = hear(board)
  await removeTree(await site.client(), '/boards')
  await eventually(() => heard.some((event) => event.kind === 'lost'))
  assert.deepEqual(
    heard.filter((event) => event.kind === 'lost'),
    [{ kind: 'lost', jobIds: [claim.jobId] }],
  )
  assert.deepEqual(await board.claim('c1', 5), [])
  const posting = postingOf()
  assert.equal(await other.post(posting), true)
  await eventually(() => heard.at(-1)?.kind === 'posted')
  assert.equal((await claimOne(board, 'c1')).jobId, posting.jobId)
  await board.consume(claim)
  await board.abandon(claim)
})

test('a tree that is wiped again and again under claimers hinders nobody', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const board = await site.connect()
  const client = await site.client()
  for (let round = 0; round < 5; round++) {
    const posting = postingOf()
    await Promise.all([removeTree(client, '/boards'), insist(() => board.post(postingOf()))])
    await insist(() => board.post(posting))
    const claims = await eventually(async () => {
      const some = await insist(() => board.claim('c1', 10))
      return some.find((claim) => claim.jobId === posting.jobId)
    })
    await insist(() => board.consume(claims))
  }
})

test('a claim node that was deleted is noticed within the scan: its owner hears of it, others may claim', async (t) => {
  leakCheck(t)
  const site = await boardSite(t, { scanMs: 200 })
  if (site === null) return
  const board = await site.connect()
  const other = await site.connect()
  await postMany(board, 2)
  const [taken, kept] = [await claimOne(board, 'c1'), await claimOne(board, 'c1')]
  const heard = hear(board)
  await (await site.client()).remove(`${site.paths.claims}/${taken.jobId}.1`)
  await eventually(() => heard.some((event) => event.kind === 'lost'))
  assert.deepEqual(
    heard.filter((event) => event.kind === 'lost'),
    [{ kind: 'lost', jobIds: [taken.jobId] }],
  )
  const next = await claimOne(other, 'c2')
  assert.equal(next.jobId, taken.jobId)
  assert.equal(next.epoch, taken.epoch + 1)
  await board.abandon(taken)
  assert.equal((await other.findOwner(taken.jobId))?.claimId, next.claimId)
  assert.equal((await other.findOwner(kept.jobId))?.claimId, kept.claimId)
})

test('a claim that another session holds by now is noticed, though its node is there', async (t) => {
  leakCheck(t)
  const site = await boardSite(t, { scanMs: 60_000 })
  if (site === null) return
  const board = await site.connect()
  const other = await site.connect({ scanMs: 200 })
  await board.post(postingOf())
  const old = await claimOne(board, 'c1')
  await (await site.client()).remove(`${site.paths.claims}/${old.jobId}.1`)
  const next = await eventually(async () => (await other.claim('c2', 1))[0])
  const late = await site.connect({ scanMs: 200 })
  const heardByOther = hear(other)
  await board.abandon(old)
  await late.abandon(old)
  assert.equal((await late.findOwner(old.jobId))?.claimId, next.claimId)
  assert.ok(!heardByOther.some((event) => event.kind === 'lost'))
})

test('a job node that was deleted under a claim: the claim ends all the same', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const board = await site.connect()
  await postMany(board, 2)
  const claims = [await claimOne(board, 'c1'), await claimOne(board, 'c1')] as const
  const client = await site.client()
  await removeTree(client, `${site.paths.jobs}/0`)
  await board.consume(claims[0])
  await board.abandon(claims[1], { epoch: 9 })
  assert.deepEqual((await client.children(site.paths.claims)).names, [])
})

test('a board that does not remember a claim ends it by its name, and gives back only its own', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const board = await site.connect()
  await postMany(board, 3, { priority: -7 })
  const claims = await claimUpTo(board, 'c1', 2)
  const [first, second] = claims
  assert.ok(first !== undefined && second !== undefined)
  const stranger = await site.connect()
  await stranger.consume(first)
  await stranger.abandon(second)
  assert.equal((await stranger.findOwner(second.jobId))?.claimId, second.claimId)
  const client = await site.client()
  await client.remove(`${site.paths.claims}/${second.jobId}.1`)
  await stranger.consume(second)
  assert.equal((await client.children(`${site.paths.jobs}/-7`)).names.length, 1)
})

test('giving back with what the store knows raises the epoch, for whoever claims next', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const board = await site.connect()
  await board.post(postingOf({ epoch: 3 }))
  const claim = await claimOne(board, 'c1')
  assert.equal(claim.epoch, 4)
  await board.abandon(claim, { epoch: 41 })
  const next = await claimOne(board, 'c1')
  assert.equal(next.epoch, 42)
  await board.abandon(next, { epoch: 7 })
  assert.equal((await claimOne(board, 'c1')).epoch, 43)
})

test('a lost session: every claim is lost at once, and the board goes on in a new one', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  const server = site?.hosts[0]
  if (site === null || server === undefined) return
  const proxy = await tcpProxy(t, server)
  const board = await site.connect({
    servers: [{ host: '127.0.0.1', port: proxy.port }],
    sessionTimeoutMs: 3000,
  })
  const other = await site.connect()
  await board.fleet.join({ id: 'c1:1', name: 'c1', capacity: 1 })
  await postMany(board, 2)
  const claim = await claimOne(board, 'c1')
  const heard = hear(board)
  proxy.stall()
  await eventually(() => heard.some((event) => event.kind === 'lost'), { withinMs: 20_000 })
  assert.deepEqual(
    heard.filter((event) => event.kind === 'lost'),
    [{ kind: 'lost', jobIds: 'all' }],
  )
  await assert.rejects(board.claim('c1', 1), { code: 'Unavailable' })
  const all = await eventually(
    async () => {
      const claims = await other.claim('c2', 2)
      return claims.some((one) => one.jobId === claim.jobId) ? claims : null
    },
    { withinMs: 10_000 },
  )
  proxy.cut()
  proxy.mend()
  await insist(() => board.abandon(claim))
  assert.equal(
    (await other.findOwner(claim.jobId))?.claimId,
    all.find((one) => one.jobId === claim.jobId)?.claimId,
  )
  await eventually(async () => (await other.fleet.members()).length === 1)
  await postMany(other, 1)
  await eventually(async () => (await insist(() => board.claim('c1', 5))).length > 0)
})

test('servers that lost all data, and servers that were away: boards go on without a restart', async (t) => {
  const found = zookeeperServers()
  if ('missing' in found) return t.skip(found.missing)
  leakCheck(t)
  const server = await privateZookeeper(t)
  const { logger, lines } = keepingLogger()
  const site = siteAt(t, [server], '/zagflow', { sessionTimeoutMs: 6000, logger })
  const board = await site.connect()
  await board.fleet.join({ id: 'c1:1', name: 'c1', capacity: 1 })
  assert.equal(await board.fleet.lead(), true)
  await postMany(board, 5)
  assert.equal((await claimUpTo(board, 'c1', 2)).length, 2)
  const heard = hear(board)
  await server.wipe()
  await eventually(() => heard.some((event) => event.kind === 'lost' && event.jobIds === 'all'), {
    withinMs: 20_000,
  })
  await insist(() => board.post(postingOf()))
  const claim = await eventually(async () => (await insist(() => board.claim('c1', 5)))[0])
  await eventually(async () => (await insist(() => board.fleet.members())).length === 1)
  assert.equal(await board.fleet.lead(), true)
  await server.end('kill')
  await assert.rejects(board.findOwner('x'), { code: 'Unavailable' })
  assert.equal(await board.fleet.lead(), false)
  await server.begin()
  // The session stands as long as the servers have it.
  await insist(() => board.consume(claim))
  await insist(() => board.post(postingOf()))
  await eventually(async () => (await insist(() => board.claim('c1', 5)))[0])
  assert.deepEqual(
    lines.filter(({ level }) => level === 'error'),
    [],
  )
})
