/** Operations whose outcome is unknown: the connection is lost with the request, or with its answer. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { BoardClaim } from '../../../jobboard/jobboard.ts'
import type { ZooKeeperBoard } from '../../../jobboard/zookeeper.ts'
import { eventually } from '../../support/eventually.ts'
import { leakCheck } from '../../support/leak-check.ts'
import { Random } from '../../support/random.ts'
import {
  zookeeperProxy,
  type ZookeeperLoss,
  type ZookeeperOperation,
  type ZookeeperProxy,
} from '../../support/zookeeper-proxy.ts'
import { boardSite, claimOne, hear, insist, postMany, postingOf, type BoardSite } from './boards.ts'

const unavailable = { name: 'ZooKeeperUnavailableError' }

/** A site, a board behind a proxy that loses what it is told to lose, and one that is not. */
async function open(t: TestContext): Promise<{
  readonly site: BoardSite
  readonly proxy: ZookeeperProxy
  readonly board: ZooKeeperBoard
  readonly other: ZooKeeperBoard
} | null> {
  leakCheck(t)
  const site = await boardSite(t)
  const server = site?.hosts[0]
  if (site === null || server === undefined) return null
  const proxy = await zookeeperProxy(t, server)
  const board = await site.connect({ servers: [proxy] })
  return { site, proxy, board, other: await site.connect() }
}

/** Loses the next one of these. */
function loseNext(proxy: ZookeeperProxy, operation: ZookeeperOperation, what: ZookeeperLoss): void {
  proxy.lose((seen) => {
    if (seen !== operation) return null
    proxy.lose(undefined)
    return what
  })
}

async function idsOn(board: ZooKeeperBoard): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const entry of board.list()) ids.push(entry.jobId)
  return ids
}

for (const what of ['request', 'reply'] as const) {
  test(`a post that loses its ${what} makes one posting all the same`, async (t) => {
    const at = await open(t)
    if (at === null) return
    await at.board.post(postingOf())
    const posting = postingOf()
    loseNext(at.proxy, 'create', what)
    await insist(() => at.board.post(posting))
    assert.equal(at.proxy.losses, 1)
    assert.deepEqual((await idsOn(at.other)).slice(1), [posting.jobId])
  })

  test(`a claim that loses its ${what} is told when it is known, and returned once`, async (t) => {
    const at = await open(t)
    if (at === null) return
    const { board, other, proxy, site } = at
    const posting = postingOf()
    await board.post(posting)
    loseNext(proxy, 'transaction', what)
    const [early] = await board.claim('c1', 1)
    // From now on: that there is something to try may have been told before.
    const heard = hear(board)
    assert.equal(proxy.losses, 1)
    // Mostly it is known only later; who asks again just then is given it.
    if (early === undefined) await eventually(() => heard.some((event) => event.kind === 'posted'))
    const claim = early ?? (await claimOne(board, 'c1'))
    assert.equal(claim.jobId, posting.jobId)
    // It was carried out where only its answer was lost.
    assert.equal(claim.epoch, 1)
    assert.equal(board.counts.doubtful, 1)
    assert.deepEqual(await board.claim('c1', 5), [])
    assert.equal((await other.findOwner(posting.jobId))?.claimId, claim.claimId)
    const client = await site.client()
    const stat = await client.exists(`${site.paths.claims}/${posting.jobId}.1`)
    assert.equal(stat?.ephemeralOwner, (await board.status()).session.id)
  })

  test(`consuming and abandoning are tried again where their ${what} was lost, and harm nobody`, async (t) => {
    const at = await open(t)
    if (at === null) return
    const { board, other, proxy } = at
    await postMany(board, 2)
    const [over, back] = [await claimOne(board, 'c1'), await claimOne(board, 'c1')]
    loseNext(proxy, 'transaction', what)
    await assert.rejects(board.consume(over), unavailable)
    await insist(() => board.consume(over))
    loseNext(proxy, 'transaction', what)
    await assert.rejects(board.abandon(back), unavailable)
    await insist(() => board.abandon(back))
    assert.equal(proxy.losses, 2)
    const next = await eventually(async () => (await other.claim('c2', 5))[0])
    assert.equal(next.jobId, back.jobId)
    assert.ok(next.epoch > back.epoch)
    await board.abandon(back)
    assert.equal((await other.findOwner(back.jobId))?.claimId, next.claimId)
  })
}

test('a claim that is found when nobody asks any more is given back to others', async (t) => {
  const at = await open(t)
  if (at === null) return
  const { session } = await at.board.status()
  await at.board.post(postingOf())
  loseNext(at.proxy, 'transaction', 'reply')
  // Who asks again just when it is found is given it; then nobody has to be told.
  for (let [early] = await at.board.claim('c1', 1); early !== undefined;) {
    await at.board.consume(early)
    await at.board.post(postingOf())
    loseNext(at.proxy, 'transaction', 'reply')
    ;[early] = await at.board.claim('c1', 1)
  }
  const claim = await eventually(async () => (await at.other.claim('c2', 1))[0])
  assert.equal(claim.epoch, 2, 'the first one was made, and its answer lost')
  assert.equal((await at.board.status()).session.id, session.id, 'no session has ended')
})

test('under random losses of requests and answers every posting is consumed once, and none is held unknown to its owner', async (t) => {
  leakCheck(t)
  const site = await boardSite(t)
  const server = site?.hosts[0]
  if (site === null || server === undefined) return
  const random = new Random(7)
  const wanted = new Set<string>()
  const consumed = new Map<string, number>()
  const holders = new Map<string, BoardClaim>()
  let losses = 0
  let twice = false
  await Promise.all(
    [1, 2, 3, 4, 5].map(async (n) => {
      const proxy = await zookeeperProxy(t, server)
      const board = await site.connect({ servers: [proxy] })
      board.watch((event) => {
        if (event.kind !== 'lost') return
        for (const [key, claim] of holders) {
          if (claim.conductor !== `c${n}`) continue
          if (event.jobIds === 'all' || event.jobIds.includes(claim.jobId)) holders.delete(key)
        }
      })
      proxy.lose((operation) => {
        if (operation !== 'create' && operation !== 'transaction') return null
        const drawn = random.next()
        return drawn < 0.04 ? 'request' : drawn < 0.12 ? 'reply' : null
      })
      for (let i = 0; i < 60; i++) {
        const posting = postingOf()
        wanted.add(posting.jobId)
        await insist(() => board.post(posting))
      }
      while (consumed.size < 300 && !twice) {
        const claims = await insist(() => board.claim(`c${n}`, 5))
        for (const claim of claims) {
          twice ||= holders.has(claim.jobId)
          holders.set(claim.jobId, claim)
        }
        for (const claim of claims) {
          if (holders.get(claim.jobId) !== claim) continue
          const isGivenBack = random.chance(0.2)
          // Others may have it as soon as the servers know.
          holders.delete(claim.jobId)
          if (isGivenBack) await insist(() => board.abandon(claim))
          else {
            await insist(() => board.consume(claim))
            consumed.set(claim.jobId, (consumed.get(claim.jobId) ?? 0) + 1)
          }
        }
      }
      proxy.lose(undefined)
      losses += proxy.losses
    }),
  )
  t.diagnostic(`${losses} losses`)
  assert.ok(losses >= 50)
  assert.ok(!twice, 'a posting was held by two')
  assert.deepEqual(new Set(consumed.keys()), wanted)
  assert.ok([...consumed.values()].every((times) => times === 1))
  const client = await site.client()
  await eventually(async () => (await client.children(site.paths.claims)).names.length === 0)
  assert.deepEqual((await client.children(`${site.paths.jobs}/0`)).names, [])
})
