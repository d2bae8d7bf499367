/** Ten boards on one server: who claims what, how often they are in each other's way, and what the servers send. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import type { ZooKeeperBoard } from '../../../jobboard/zookeeper.ts'
import { eventually } from '../../support/eventually.ts'
import { undisturbed } from '../../support/standstill.ts'
import { zookeeperProxy, type ZookeeperProxy } from '../../support/zookeeper-proxy.ts'
import { boardSite, drain, insist, postMany, postingOf, type BoardSite } from './boards.ts'

interface Fleet {
  readonly boards: readonly ZooKeeperBoard[]
  readonly proxies: readonly ZookeeperProxy[]
  sentBytes(): number
}

async function fleetOf(t: TestContext, site: BoardSite, size: number): Promise<Fleet> {
  const server = site.hosts[0]
  assert.ok(server !== undefined)
  const proxies = await Promise.all(Array.from({ length: size }, () => zookeeperProxy(t, server)))
  const boards = await Promise.all(proxies.map((proxy) => site.connect({ servers: [proxy] })))
  await Promise.all(
    boards.map((board, at) => board.fleet.join({ id: `c${at}:1`, name: `c${at}`, capacity: 100 })),
  )
  await eventually(async () => (await boards[0]?.fleet.members())?.length === size)
  // Each has heard of each by the time that it has looked once more.
  await Promise.all(boards.map((board) => board.claim('nobody', 1)))
  await sleep(200)
  return {
    boards,
    proxies,
    sentBytes: () => proxies.reduce((sum, proxy) => sum + proxy.sentBytes, 0),
  }
}

/** Drains the board as conductors do: up to 100 at a time, consumed after some ms. */
async function work(fleet: Fleet, wanted: number, workMs: number): Promise<readonly number[]> {
  let done = 0
  const claims = await Promise.all(
    fleet.boards.map((board, at) =>
      drain(board, `c${at}`, {
        limit: 100,
        isOver: () => done >= wanted,
        each: async (claim) => {
          if (workMs > 0) await sleep(workMs)
          await insist(() => board.consume(claim))
          done++
        },
      }),
    ),
  )
  const all = claims.flat().map((claim) => claim.jobId)
  assert.equal(new Set(all).size, wanted)
  assert.equal(all.length, wanted)
  return claims.map((some) => some.length)
}

function tries(fleet: Fleet): { readonly won: number; readonly failed: number } {
  const counts = fleet.boards.map((board) => board.counts)
  return {
    won: counts.reduce((sum, one) => sum + one.won, 0),
    failed: counts.reduce((sum, one) => sum + one.beaten + one.gone, 0),
  }
}

test('ten boards share 2,000 postings evenly, and are rarely in each other’s way', async (t) => {
  // Boards that stood still take what others would have taken meanwhile.
  await undisturbed(t, async () => {
    const site = await boardSite(t)
    if (site === null) return
    const fleet = await fleetOf(t, site, 10)
    const poster = await site.connect()
    await postMany(poster, 2000)
    const before = fleet.sentBytes()
    const startedAt = performance.now()
    const shares = await work(fleet, 2000, 0)
    const { won, failed } = tries(fleet)
    const bytes = Math.round((fleet.sentBytes() - before) / won)
    const ms = Math.round(performance.now() - startedAt)
    await Promise.all(fleet.boards.map((board) => board.stop()))
    t.diagnostic(
      `2,000 postings in ${ms} ms; shares ${Math.min(...shares)} to ${Math.max(...shares)}; ` +
        `failed/won ${(failed / won).toFixed(3)}; ${bytes} bytes sent per claim`,
    )
    assert.ok(failed / won <= 0.2, `${failed} of ${won + failed} tries failed`)
    assert.ok(Math.min(...shares) >= 100 && Math.max(...shares) <= 300, shares.join(' '))
  })
})

test('a backlog of 5,000 costs each claim less than 20 kB of what servers send', async (t) => {
  const site = await boardSite(t)
  if (site === null) return
  const fleet = await fleetOf(t, site, 10)
  const poster = await site.connect()
  const before = fleet.sentBytes()
  await postMany(poster, 5000)
  const startedAt = performance.now()
  const shares = await work(fleet, 5000, 50)
  const { won, failed } = tries(fleet)
  const bytes = Math.round((fleet.sentBytes() - before) / won)
  const ms = Math.round(performance.now() - startedAt)
  t.diagnostic(
    `5,000 postings in ${ms} ms; shares ${Math.min(...shares)} to ${Math.max(...shares)}; ` +
      `failed/won ${(failed / won).toFixed(3)}; ${bytes} bytes sent per claim`,
  )
  assert.ok(bytes < 20_000, `${bytes} bytes`)
})

test('on a quiet board each claim costs less than 20 kB of what servers send', async (t) => {
  const site = await boardSite(t)
  if (site === null) return
  const fleet = await fleetOf(t, site, 10)
  const poster = await site.connect()
  const jobs = 20
  const latencies: number[] = []
  const before = fleet.sentBytes()
  let wake = (): void => {}
  let isOver = false
  const conductors = fleet.boards.map(async (board, at) => {
    // As conductors ask: when told that there may be something, and every 500 ms.
    let poke = (): void => {}
    let isPoked = false
    board.watch((event) => {
      if (event.kind !== 'posted') return
      isPoked = true
      poke()
    })
    while (!isOver) {
      isPoked = false
      const claims = await board.claim(`c${at}`, 100)
      for (const claim of claims) {
        wake()
        await sleep(5)
        await board.consume(claim)
      }
      if (isPoked || claims.length > 0) continue
      await Promise.race([sleep(500), new Promise<void>((resolve) => (poke = resolve))])
    }
  })
  for (let job = 0; job < jobs; job++) {
    const claimed = new Promise<void>((resolve) => (wake = resolve))
    const startedAt = performance.now()
    await poster.post(postingOf())
    await claimed
    latencies.push(performance.now() - startedAt)
    await sleep(200)
  }
  isOver = true
  await Promise.all(conductors)
  const { won, failed } = tries(fleet)
  const bytes = Math.round((fleet.sentBytes() - before) / won)
  latencies.sort((a, b) => a - b)
  const shown = [0.5, 0.95].map((part) => latencies[Math.floor(jobs * part)]?.toFixed(1))
  t.diagnostic(
    `one job at a time: ${bytes} bytes sent per claim, failed/won ${(failed / won).toFixed(2)}; ` +
      `from post to claim ${shown[0]} ms (median), ${shown[1]} ms (p95)`,
  )
  assert.equal(won, jobs)
  assert.ok(bytes < 20_000, `${bytes} bytes`)
})
