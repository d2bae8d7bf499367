/** What others put into a board's tree. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uuidV7 } from '../../../src/base/ids.ts'
import { jobName } from '../../../jobboard/zookeeper/names.ts'
import { eventually } from '../../support/eventually.ts'
import { leakCheck } from '../../support/leak-check.ts'
import { boardSite, claimOne, keepingLogger, postMany, postingOf } from './boards.ts'

const contents: readonly (readonly [what: string, data: Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['no JSON', Buffer.from('{"v":1,')],
  ['a list', Buffer.from('[]')],
  ['null', Buffer.from('null')],
  ['binary', Buffer.from([0, 255, 254, 128, 10])],
  ['no epoch', Buffer.from('{"v":1,"at":1}')],
  ['a huge epoch', Buffer.from('{"v":1,"epoch":1e300,"at":1}')],
  ['the last epoch', Buffer.from(`{"v":1,"epoch":${Number.MAX_SAFE_INTEGER},"at":1}`)],
  ['an epoch below 0', Buffer.from('{"v":1,"epoch":-1,"at":1}')],
  ['an epoch of text', Buffer.from('{"v":1,"epoch":"1","at":1}')],
  ['no version', Buffer.from('{"epoch":1,"at":1}')],
  ['500 kB', Buffer.alloc(500_000, 'x')],
]

test('job nodes that cannot be read are put aside with what stands in them; every other job is claimed', async (t) => {
  leakCheck(t)
  const { logger, lines } = keepingLogger()
  const site = await boardSite(t, { logger })
  if (site === null) return
  const board = await site.connect()
  const client = await site.client()
  const good = await postMany(board, 5)
  // Older than the good ones, so that they are tried first.
  const names = contents.map((_, at) => jobName({ jobId: uuidV7(), posting: 1, createdAt: at }))
  await Promise.all(
    contents.map(([, data], at) => client.create(`${site.paths.jobs}/0/${names[at]}`, data)),
  )
  const claims: string[] = []
  await eventually(async () => {
    const some = await board.claim('c1', 50)
    claims.push(...some.map((claim) => claim.jobId))
    return claims.length === good.length
  })
  assert.deepEqual(new Set(claims), new Set(good.map((posting) => posting.jobId)))
  await eventually(async () => {
    const { aside } = await board.status()
    assert.deepEqual(aside, { count: contents.length, moved: contents.length, left: 0 })
    return true
  })
  assert.equal(lines.filter(({ message }) => /malformed/.test(message)).length, contents.length)
  const kept = (await client.children(site.paths.aside)).names
  for (const [at, [what, data]] of contents.entries()) {
    const name = kept.find((one) => one.startsWith(names[at] ?? '?'))
    assert.ok(name !== undefined, what)
    assert.deepEqual((await client.get(`${site.paths.aside}/${name}`)).data, data, what)
  }
  assert.equal((await client.children(`${site.paths.jobs}/0`)).names.length, good.length)
})

test('nodes with names that are none, in all places, stop nobody', async (t) => {
  leakCheck(t)
  const { logger, lines } = keepingLogger()
  const site = await boardSite(t, { logger })
  if (site === null) return
  const board = await site.connect()
  const client = await site.client()
  await postMany(board, 1)
  const { jobs, claims } = site.paths
  const empty = Buffer.alloc(0)
  for (const path of [
    ...['junk', '1.5', '007', '99999999999999999999', '-0', ' '].map((name) => `${jobs}/${name}`),
    ...['junk', 'x-y.1', '00000000a-.1', '00000000a-a.0', '00000000a-a', '00000000a-%zz.1'].map(
      (name) => `${jobs}/0/${name}`,
    ),
    ...['junk', 'a.0', '.1', '%zz.1'].map((name) => `${claims}/${name}`),
    '/conductors',
    '/conductors/junk',
    '/conductors/main:%zz',
    '/conductors/main:someone',
  ]) {
    await client.create(path, empty)
  }
  // A bucket's name that is none, with something below: it cannot be moved, and is left alone.
  await client.create(`${jobs}/deep`, empty)
  await client.create(`${jobs}/deep/er`, empty)
  await board.fleet.join({ id: 'c1:1', name: 'c1', capacity: 1 })
  // The member that is none may be the one to try first.
  const claim = await eventually(async () => (await board.claim('c1', 1))[0])
  assert.equal((await board.fleet.postings()).size, 1)
  assert.deepEqual(
    (await board.fleet.members()).map((member) => member.name),
    ['c1'],
  )
  const listed: string[] = []
  for await (const entry of board.list()) listed.push(entry.jobId)
  assert.deepEqual(listed, [claim.jobId])
  await eventually(async () => {
    await board.claim('c1', 1)
    const { moved, left } = (await board.status()).aside
    return moved === 12 && left === 1
  })
  assert.equal(lines.filter(({ level }) => level === 'error').length, 1)
  await board.consume(claim)
})

test('a claim that belongs to no session does not keep its job for ever: the leader removes it', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const client = await site.client()
  const { logger, lines } = keepingLogger()
  const board = await site.connect({ logger, scanMs: 50 })
  const posting = postingOf()
  await board.post(posting)
  await client.create(`${site.paths.claims}/${posting.jobId}.1`, Buffer.from('junk'))
  assert.deepEqual(await board.claim('c1', 1), [])
  assert.equal(await board.findOwner(posting.jobId), null)
  await client.create(site.paths.promoter, Buffer.from('junk'))
  assert.equal(await board.fleet.lead(), true)
  const claim = await eventually(async () => {
    await board.fleet.postings()
    return (await board.claim('c1', 1))[0]
  })
  assert.equal(claim.jobId, posting.jobId)
  assert.equal(lines.filter(({ level }) => level === 'warn').length, 2)
})

test('what a newer version wrote is left alone, and nodes below a job node do not keep it from ending', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const board = await site.connect()
  const client = await site.client()
  const newer = jobName({ jobId: uuidV7(), posting: 1, createdAt: 1 })
  const posting = postingOf()
  await board.post(posting)
  const { jobs } = site.paths
  await client.create(`${jobs}/0/${newer}`, Buffer.from('{"v":2,"epoch":{}}'))
  const name = jobName(posting)
  await client.set(`${jobs}/0/${name}`, Buffer.from('{"v":1,"epoch":0,"at":1,"colour":"red"}'))
  await client.create(`${jobs}/0/${name}/below`, Buffer.alloc(0))
  const claim = await claimOne(board, 'c1')
  assert.equal(claim.jobId, posting.jobId)
  const { data } = await client.get(`${jobs}/0/${name}`)
  assert.deepEqual(JSON.parse(data.toString()), { v: 1, epoch: 1, at: 1, colour: 'red' })
  await board.consume(claim)
  assert.deepEqual((await client.children(`${jobs}/0`)).names, [newer])
})

test('nodes that belong to somebody else are refused by the servers: the rest goes on', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  if (site === null) return
  const theirs = await site.connect({ user: 'them', password: 'secret' })
  const ours = await site.connect({ name: 'other' })
  await theirs.post(postingOf())
  const board = await site.connect()
  await assert.rejects(board.claim('c1', 1), { code: 'Unavailable', message: /user and password/ })
  await assert.rejects(board.post(postingOf()), { code: 'Unavailable', message: /NO_AUTH/ })
  await ours.claim('c1', 1).catch(() => {})
  assert.equal((await theirs.claim('c1', 1)).length, 1)
})
