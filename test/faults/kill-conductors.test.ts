/** `kill -9` of conductors at random moments under load costs time, and nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { Random } from '../support/random.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { checkJob, linesByJob } from './check-job.ts'
import { PROGRAM, type ProgramOptions } from './conductor-program.ts'
import { newLedger, readLedger, writeLine } from './ledger.ts'
import { allEnd, tasksEnd, underLoad } from './load.ts'
import type { Work } from './workload.ts'

const KILLS = Number(process.env['ZAGFLOW_TEST_KILLS'] ?? 25)
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
const CONDUCTORS = 2

for (const kind of ['sqlite', 'postgres'] as const) {
  test(`${kind}: ${KILLS} conductors are killed under load: every job ends as it must, and nothing that was recorded runs again`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const random = new Random(SEED)
    const ledger = await newLedger(lastFirst(t))
    const options: ProgramOptions = { url, ledger, leaseMs: 1000, parkAfterMs: 150, maxFlows: 60 }
    const start = () => spawnNode(lastFirst(t), PROGRAM, [JSON.stringify(options)])
    const running: NodeProcess[] = Array.from({ length: CONDUCTORS }, start)

    const works = new Map<string, Work>()
    await underLoad(store, { seed: SEED + 1, works }, async () => {
      for (let kill = 0; kill < KILLS; kill++) {
        await tasksEnd(ledger, random.below(60))
        await sleep(random.below(20))
        const isReady = (conductor: NodeProcess): boolean => conductor.stdout().includes('ready')
        await eventually(() => running.some(isReady), { withinMs: 60_000 })
        const victim = random.pick(running.filter(isReady))
        writeLine(ledger, { what: 'killed', pid: victim.pid })
        assert.ok(victim.kill('SIGKILL'), `it had ended by itself: ${victim.stderr()}`)
        await victim.ends()
        running[running.indexOf(victim)] = start()
      }
    })
    await allEnd(store, running, { withinMs: 180_000 })
    for (const conductor of running) {
      await conductor.prints('ready', { withinMs: 60_000 })
      conductor.kill('SIGTERM')
    }
    for (const conductor of running) {
      assert.deepEqual(await conductor.ends(), { code: 0, signal: null }, conductor.stderr())
    }

    const lines = linesByJob(readLedger(ledger))
    let again = 0
    let calls = 0
    try {
      for (const [id, work] of works) {
        const findings = await checkJob(store, id, work, lines.get(id) ?? [])
        again += findings.again
        calls += findings.calls
      }
    } catch (error) {
      const replay = `ZAGFLOW_TEST_FIRST_SEED=${SEED} ZAGFLOW_TEST_KILLS=${KILLS} npm run test:files -- kill-conductors`
      throw new Error(`seed ${SEED}; replay with: ${replay}`, { cause: error })
    }
    t.diagnostic(`${works.size} jobs, ${calls} calls, of which ${again} ran again under their key`)
    assert.ok(again > 0, 'no call was met by a kill: this has tested nothing')
  })
}
