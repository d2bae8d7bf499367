/** Ten conductors on one board: work is shared evenly, and that of one that dies is taken over soon. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { quickest } from '../support/quickest.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import { writeLine } from './ledger.ts'
import { longWork } from './workload.ts'
import { ZooKeeperFleet } from './zookeeper-fleet.ts'

const CONDUCTORS = 10
const JOBS = 300
const SESSION_MS = 2000
const ALLOWED_MS = SESSION_MS + 2000

test(`${CONDUCTORS} conductors share ${JOBS} jobs evenly; after kill -9 of one its jobs are taken over within the session and two seconds`, async (t) => {
  const available = await zookeeper()
  if ('missing' in available) return t.skip(available.missing)
  const fleet = await ZooKeeperFleet.start(t, {
    servers: await freshChroot(t),
    conductors: CONDUCTORS,
    sessionMs: SESSION_MS,
    program: { leaseMs: 20_000, napMs: 500, parkAfterMs: 60_000, maxFlows: 100 },
  })
  if (fleet === null) return
  let begunAfterMs = Infinity
  await fleet.under(
    1,
    async () => {
      await eventually(() => fleet.works.size >= JOBS / 2, { withinMs: 180_000 })
      begunAfterMs = await quickest(ALLOWED_MS, () => killOne(fleet), 3)
      await eventually(() => fleet.works.size >= JOBS, { withinMs: 240_000 })
    },
    { open: 120, most: 4 * JOBS, work: longWork },
  )
  const claims = fleet.processes.map(({ pid }) => {
    return fleet.lines().filter((line) => line.what === 'claimed' && line.pid === pid).length
  })
  await fleet.endAll()
  await fleet.check()
  t.diagnostic(
    `claims of each conductor: ${claims.join(', ')}; takeover began ${begunAfterMs} ms after the kill`,
  )
  const fair = fleet.works.size / CONDUCTORS
  assert.ok(Math.min(...claims) >= fair / 3, `one had hardly anything: ${claims.join(', ')}`)
  assert.ok(Math.max(...claims) <= fair * 3, `one had most of it: ${claims.join(', ')}`)
})

/** Kills a conductor that has jobs; how long it takes until another one has claimed one of these, in ms. */
async function killOne(fleet: ZooKeeperFleet): Promise<number> {
  const [victim] = fleet.conductors
  assert.ok(victim)
  await eventually(() => fleet.held(victim.process).size > 0, { withinMs: 30_000, everyMs: 5 })
  writeLine(fleet.ledger, { what: 'killed', pid: victim.process.pid })
  const killedAt = performance.now()
  victim.process.kill('SIGKILL')
  await victim.process.ends()
  fleet.conductors.shift()
  const lost = fleet.held(victim.process)
  assert.ok(lost.size > 0)
  const isTakenOver = (): boolean =>
    fleet
      .lines()
      .some((line) => line.what === 'claimed' && line.epoch > (lost.get(line.job) ?? Infinity))
  await eventually(isTakenOver, { withinMs: 30_000, everyMs: 20 })
  return performance.now() - killedAt
}
