/**
 * Conductors of a ZooKeeper board that stand still for longer than their sessions, at random moments, while others take over: what
 * they wake up with is written nowhere.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ZooKeeperBoard } from '../../jobboard/zookeeper.ts'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { Random } from '../support/random.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import { beginAudit } from './audit.ts'
import { checkJob, linesByJob } from './check-job.ts'
import { PROGRAM, type ProgramOptions } from './conductor-program.ts'
import { followLedger, newLedger, readLedger, type LedgerLine } from './ledger.ts'
import { allEnd, openJobs, underLoad } from './load.ts'
import { longWork, type Work } from './workload.ts'
import { heldBy } from './zookeeper-fleet.ts'

const PAIRS = Number(process.env['ZAGFLOW_TEST_PAIRS'] ?? 2000)
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
const SESSION_MS = 1000
const HELD = 50

test(`conductors stand still for 1.5 to 4 sessions, with ${HELD} jobs each, until ${PAIRS} (job, pause) pairs were seen: no row is of an old epoch, no job ends twice, none is lost`, async (t) => {
  const url = await freshUrl(t, 'postgres')
  if (url === null) return
  const available = await zookeeper()
  if ('missing' in available) {
    t.skip(available.missing)
    return
  }
  const store = await storeAt(t, url)
  const audit = await beginAudit(t, url)
  const { hosts, chroot } = await freshChroot(t)
  const ledger = await newLedger(lastFirst(t))
  const options: ProgramOptions = {
    url,
    ledger,
    board: { servers: hosts, chroot, sessionTimeoutMs: SESSION_MS, scanMs: 1000 },
    // The board is to be the first to notice.
    leaseMs: 6000,
    napMs: 1500,
    parkAfterMs: 60_000,
    maxFlows: 2 * HELD,
    logs: true,
  }
  const running = Array.from({ length: 4 }, () => {
    const conductor = spawnNode(lastFirst(t), PROGRAM, [JSON.stringify(options)])
    lastFirst(t).after(() => void conductor.kill('SIGCONT'))
    return conductor
  })
  for (const conductor of running) await conductor.prints('ready', { withinMs: 60_000 })

  const board = new ZooKeeperBoard({ servers: hosts, chroot })
  lastFirst(t).after(() => board.stop())
  await board.start()
  const lines = followLedger(ledger)
  const random = new Random(SEED)
  const works = new Map<string, Work>()
  let pairs = 0
  let pauses = 0
  let robbed = 0
  const load = { seed: SEED + 1, works, board, open: 6 * HELD, most: 100_000, work: longWork }
  await underLoad(store, load, async () => {
    while (pairs < PAIRS) {
      // Two sleep at a time, two take over.
      const [first, second] = pauses % 4 === 0 ? [0, 1] : [2, 3]
      const sleepers = [running[first], running[second]] as NodeProcess[]
      await eventually(() => sleepers.every(({ pid }) => heldBy(lines(), pid).size >= HELD), {
        withinMs: 180_000,
        everyMs: 50,
      }).catch(async (error: unknown) => {
        const has = running.map(({ pid, stderr }) => {
          return `${pid} has ${heldBy(lines(), pid).size} jobs and said: ${stderr().slice(-2000)}`
        })
        const open = await openJobs(store, 6 * HELD)
        throw new Error(
          `they never had enough to lose, of ${open} open jobs of ${works.size}:\n${has.join('\n')}`,
          { cause: error },
        )
      })
      await Promise.all(
        sleepers.map(async (sleeper) => {
          await sleep(random.below(50))
          sleeper.kill('SIGSTOP')
          const before = heldBy(lines(), sleeper.pid)
          await sleep(SESSION_MS * (1.5 + random.below(2500) / 1000))
          sleeper.kill('SIGCONT')
          // It notices by itself, before anybody tells it.
          await eventually(
            () => {
              const now = heldBy(lines(), sleeper.pid)
              return [...before.keys()].every((job) => now.get(job) !== before.get(job))
            },
            { withinMs: 60_000, everyMs: 50 },
          )
          pairs += before.size
          robbed += countRobbed(lines(), sleeper.pid, before)
        }),
      )
      pauses += 2
    }
  })
  await allEnd(store, running, { withinMs: 120_000 })
  for (const conductor of running) {
    conductor.kill('SIGTERM')
    assert.deepEqual(await conductor.ends(), { code: 0, signal: null }, conductor.stderr())
  }
  const all = readLedger(ledger)
  const perJob = linesByJob(all)
  for (const [id, work] of works) await checkJob(store, id, work, perJob.get(id) ?? [])
  const rows = await audit.check(all)
  t.diagnostic(
    `${pairs} (job, pause) pairs in ${pauses} pauses; ${robbed} jobs were another's when their owner woke; ${works.size} jobs, ${rows} changes of their rows`,
  )
  assert.ok(robbed > pairs / 4, `only ${robbed} jobs were taken over: this has tested little`)
})

/** How many of these were claimed by others before their owner let them go. */
function countRobbed(
  lines: readonly LedgerLine[],
  pid: number,
  before: ReadonlyMap<string, number>,
): number {
  const robbed = new Set<string>()
  for (const line of lines) {
    if (line.what !== 'claimed' || line.pid === pid) continue
    const epoch = before.get(line.job)
    if (epoch !== undefined && line.epoch > epoch) robbed.add(line.job)
  }
  return robbed.size
}
