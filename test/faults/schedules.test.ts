/** `kill -9` of conductors just when ticks are posted: each tick has one job, none is lost, and all of them end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectedTo } from '../client/fixtures.ts'
import { flow } from '../../src/flow/flow.ts'
import { task } from '../../src/flow/task.ts'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { Random } from '../support/random.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { PROGRAM, type ProgramOptions } from './conductor-program.ts'
import { newLedger } from './ledger.ts'
import { allEnd } from './load.ts'

const KILLS = Number(process.env['ZAGFLOW_TEST_KILLS'] ?? 10)
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
const SCHEDULES = 25
const CONDUCTORS = 3

/** As the conductors have it. */
const work = task('work', { execute: () => undefined, revert: () => undefined })
const ticking = flow('ticking', {}, [work])

for (const kind of ['sqlite', 'postgres'] as const) {
  test(`${kind}: of ${CONDUCTORS} conductors ${KILLS} are killed while they post ticks: each tick has one job`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const zag = await connectedTo(t, store)
    const random = new Random(SEED)
    const ledger = await newLedger(lastFirst(t))
    const options: ProgramOptions = { url, ledger, leaseMs: 1000, maxFlows: 60, logs: true }
    const start = () => spawnNode(lastFirst(t), PROGRAM, [JSON.stringify(options)])
    const running: NodeProcess[] = Array.from({ length: CONDUCTORS }, start)
    for (const one of running) await one.prints('ready', { withinMs: 60_000 })
    const names = Array.from({ length: SCHEDULES }, (_, at) => `s${at}`)
    for (const name of names) {
      const spec = { flow: ticking, every: '1s', catchUp: 'all', maxCatchUp: 1000 } as const
      await zag.schedule(name, spec)
    }
    for (let kill = 0; kill < KILLS; kill += 1) {
      // All tick at whole seconds.
      const now = await store.now()
      await sleep(1000 - (now % 1000) + random.below(120))
      const victim = random.pick(running.filter((one) => one.stdout().includes('ready')))
      assert.ok(victim.kill('SIGKILL'), `it had ended by itself: ${victim.stderr()}`)
      await victim.ends()
      running[running.indexOf(victim)] = start()
      await eventually(() => running.filter((one) => one.stdout().includes('ready')).length >= 2, {
        withinMs: 60_000,
      })
    }
    const after = (await store.now()) + 2000
    await eventually(
      async () => (await zag.schedules()).every((one) => (one.lastTickAt ?? 0) > after),
      { withinMs: 60_000 },
    )
    for (const name of names) await (await zag.schedule(name)).pause()
    await allEnd(store, running, { withinMs: 90_000 })
    let ticks = 0
    let latest = 0
    for (const status of await zag.schedules()) {
      const jobs = (await store.scheduleJobs('main', status.name, 10_000)).toReversed()
      const found = jobs.map(({ job }) => job.scheduledFor)
      const expected: number[] = []
      for (let at = status.anchorAt + 1000; at <= (status.lastTickAt ?? 0); at += 1000) {
        expected.push(at)
      }
      assert.deepEqual(found, expected, `${status.name}: each tick has one job, and none is lost`)
      assert.deepEqual([status.posted, status.missed, status.skipped], [expected.length, 0, 0])
      assert.ok(jobs.every(({ job }) => job.state === 'COMPLETE'))
      ticks += jobs.length
      for (const { job } of jobs) {
        latest = Math.max(latest, job.createdAt - (job.scheduledFor ?? 0))
      }
    }
    t.diagnostic(`${ticks} ticks of ${SCHEDULES} schedules, the latest was ${latest} ms late`)
    for (const one of running) {
      await one.prints('ready', { withinMs: 30_000 })
      one.kill('SIGTERM')
    }
    for (const one of running) {
      assert.deepEqual(await one.ends(), { code: 0, signal: null }, one.stderr())
    }
  })
}
