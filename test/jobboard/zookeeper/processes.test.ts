/**
 * Boards in processes of their own, on an ensemble whose servers are killed one after the other, and all at once.
 * ZAGFLOW_TEST_POSTINGS=5000 makes a longer run of it.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { quickest } from '../../support/quickest.ts'
import { Random } from '../../support/random.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { spawnNode, type NodeProcess } from '../../support/spawn-node.ts'
import { privateEnsemble, privateZookeeper, zookeeperServers } from '../../support/zookeeper.ts'
import { PROGRAM, type BoardLine, type BoardProgram } from './board-program.ts'
import { insist, postingOf, siteAt } from './boards.ts'

const POSTINGS = Number(process.env['ZAGFLOW_TEST_POSTINGS'] ?? 600)
const [BOARDS, ROUNDS] = POSTINGS >= 5000 ? [10, 40] : [4, 4]
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)

test('while servers are killed and begun again every posting is consumed once, and no claim is held twice', async (t) => {
  const found = zookeeperServers()
  if ('missing' in found) return t.skip(found.missing)
  const folder = await temporaryFolder(t)
  const ensemble = await privateEnsemble(t)
  const random = new Random(SEED)
  const hosts = ensemble.servers.map(({ host, port }) => ({ host, port }))
  const site = siteAt(t, hosts, '/zagflow', { sessionTimeoutMs: 4000 })
  const board = await site.connect()
  const postings = Array.from({ length: POSTINGS }, () => postingOf())
  const processes = Array.from({ length: BOARDS }, (_, at) => {
    const { chroot, sessionTimeoutMs } = site.options
    const program: BoardProgram = {
      board: { servers: hosts, chroot, sessionTimeoutMs },
      name: `c${at}`,
      seed: SEED * 100 + at,
      folder,
      capacity: 10,
    }
    return spawnNode(t, PROGRAM, [JSON.stringify(program)])
  })
  await Promise.all(processes.map((one) => one.prints('ready', { withinMs: 60_000 })))
  const posting = (async () => {
    for (const one of postings) {
      await insist(() => board.post(one))
      await sleep(random.below(20))
    }
  })()
  let kills = 0
  const killing = (async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      // Every fourth time all of them.
      const victims = round % 4 === 0 ? ensemble.servers : [random.pick(ensemble.servers)]
      await Promise.all(victims.map((server) => server.end('kill')))
      kills += victims.length
      await sleep(300 + random.below(2000))
      await Promise.all(victims.map((server) => server.begin({ serving: false })))
      await ensemble.leader()
      await sleep(random.below(1500))
    }
  })()
  const left = async (): Promise<number> => {
    let count = 0
    for await (const _ of board.list()) count++
    return count
  }
  await posting
  await killing
  await eventually(async () => (await insist(left)) === 0, { withinMs: 180_000, everyMs: 500 })
  for (const one of processes) one.kill('SIGTERM')
  await Promise.all(processes.map((one) => one.ends()))
  const verdict = judge(processes)
  t.diagnostic(
    `${POSTINGS} postings, ${BOARDS} boards, ${kills} kills of servers: ${verdict.claims} claims, ` +
      `${verdict.abandoned} given back, ${verdict.lost} lost, ${verdict.refused} refused by the store; longest overlap of two owners ${verdict.overlapMs} ms`,
  )
  assert.deepEqual(verdict.twice, [], 'consumed twice')
  assert.equal(verdict.consumed, POSTINGS)
  assert.deepEqual(verdict.epochs, [], 'epochs that did not grow')
  // Who loses a session hears of it by a timer of his own, unless he stands still.
  assert.ok(verdict.overlapMs < 1000, `${verdict.overlapMs} ms`)
})

test('the name of a process that was killed is free within its session and a second; its claims are others’', async (t) => {
  const found = zookeeperServers()
  if ('missing' in found) return t.skip(found.missing)
  const server = await privateZookeeper(t)
  const sessionTimeoutMs = 2000
  const site = siteAt(t, [server], '/zagflow', { sessionTimeoutMs: 20_000 })
  const board = await site.connect()
  const folder = await temporaryFolder(t)
  let tries = 0
  const joinedMs = await quickest(sessionTimeoutMs + 1000, async () => {
    const name = `c${++tries}`
    const program: BoardProgram = {
      board: {
        servers: [{ host: server.host, port: server.port }],
        chroot: '/zagflow',
        sessionTimeoutMs,
      },
      name,
      seed: tries,
      folder,
      capacity: 10,
    }
    const victim = spawnNode(t, PROGRAM, [JSON.stringify(program)])
    await victim.prints('ready')
    await board.post(postingOf())
    await victim.prints('"claimed"')
    victim.kill('SIGKILL')
    const startedAt = performance.now()
    await board.fleet.leave()
    await board.fleet.join({ id: `${name}:2`, name, capacity: 1 })
    const tookMs = performance.now() - startedAt
    await eventually(async () => {
      const names = (await board.fleet.members()).map((member) => member.id)
      return names.length === 1 && names[0] === `${name}:2`
    })
    return tookMs
  })
  t.diagnostic(`joined after ${joinedMs} ms, with a session of ${sessionTimeoutMs} ms`)
})

function judge(processes: readonly NodeProcess[]) {
  const lines = processes
    .flatMap((one, owner) =>
      one
        .stdout()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => ({ ...(JSON.parse(line) as BoardLine), owner })),
    )
    .sort((a, b) => a.at - b.at)
  const consumed = new Map<string, number>()
  const overAt = new Map<string, number>()
  const ends = new Map<string, number>()
  for (const line of lines) {
    if (line.did === 'ended' || line.did === 'lost') ends.set(line.claimId, line.since)
    if (line.did !== 'consumed') continue
    consumed.set(line.key, (consumed.get(line.key) ?? 0) + 1)
    overAt.set(line.key, line.at)
  }
  const last = new Map<string, BoardLine>()
  const epochs: string[] = []
  const historyOf = (key: string): readonly string[] =>
    lines.filter((line) => line.key === key).map((line) => JSON.stringify(line))
  let overlapMs = 0
  for (const line of lines) {
    if (line.did !== 'claimed') continue
    const before = last.get(line.key)
    // Who stood still since he won it has lost it meanwhile, and is about to hear of that.
    if (before && line.epoch <= before.epoch && line.since < before.at) continue
    last.set(line.key, line)
    if (before === undefined) continue
    // A post that is tried again may come when the posting is over already: the store refuses that one.
    const isOver = (overAt.get(line.key) ?? Infinity) <= line.at
    if (line.epoch <= before.epoch && !isOver) epochs.push(...historyOf(line.key))
    overlapMs = Math.max(overlapMs, (ends.get(before.claimId) ?? Infinity) - line.at)
  }
  const count = (did: BoardLine['did']) => lines.filter((line) => line.did === did).length
  return {
    consumed: consumed.size,
    twice: [...consumed].filter(([, times]) => times > 1).map(([key]) => key),
    claims: count('claimed'),
    abandoned: count('abandoned'),
    lost: count('lost'),
    refused: count('refused'),
    epochs,
    overlapMs,
  }
}
