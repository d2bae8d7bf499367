/** SIGTERM hands everything over: no work is lost, none that can end runs twice, and the process ends in time. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { postFlow } from '../conductor/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { Random } from '../support/random.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { checkJob, linesByJob } from './check-job.ts'
import { PROGRAM, type ProgramOptions } from './conductor-program.ts'
import { newLedger, readLedger } from './ledger.ts'
import { allEnd, tasksEnd, underLoad } from './load.ts'
import type { Work } from './workload.ts'

const RESTARTS = 6
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
/** Of machines that have more to do. */
const SLACK_MS = 10_000

function start(t: TestContext, options: ProgramOptions): NodeProcess {
  return spawnNode(lastFirst(t), PROGRAM, [JSON.stringify(options)])
}

for (const kind of ['sqlite', 'postgres'] as const) {
  test(`${kind}: ${RESTARTS} rolling restarts under load: none is lost, and no task runs twice`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const ledger = await newLedger(lastFirst(t))
    // A lease that nobody loses by being slow: whatever ran twice here would be the fault of a stop.
    const options = {
      url,
      ledger,
      leaseMs: 60_000,
      graceMs: 15_000,
      parkAfterMs: 150,
      maxFlows: 60,
    }
    const random = new Random(SEED)
    const running = [start(t, options), start(t, options)]
    const works = new Map<string, Work>()
    const took: number[] = []
    await underLoad(store, { seed: SEED + 1, works }, async () => {
      for (let restart = 0; restart < RESTARTS; restart++) {
        const leaving = running[restart % 2] as NodeProcess
        await leaving.prints('ready', { withinMs: 60_000 })
        await tasksEnd(ledger, random.below(60))
        const startedAt = performance.now()
        leaving.kill('SIGTERM')
        assert.deepEqual(await leaving.ends(), { code: 0, signal: null }, leaving.stderr())
        took.push(Math.round(performance.now() - startedAt))
        running[restart % 2] = start(t, options)
      }
    })
    await allEnd(store, running)
    for (const ms of took) assert.ok(ms < options.graceMs, `a stop took ${ms} ms`)
    const lines = linesByJob(readLedger(ledger))
    let calls = 0
    for (const [id, work] of works) {
      const findings = await checkJob(store, id, work, lines.get(id) ?? [])
      assert.equal(findings.again, 0, `calls of job ${id} (${work.root.id}) ran twice`)
      calls += findings.calls
    }
    const released = readLedger(ledger).filter(({ what }) => what === 'released').length
    assert.ok(released > 0, 'nothing was handed over: this has tested nothing')
    t.diagnostic(
      `${works.size} jobs, ${calls} calls, ${released} hand-overs; stops took ${took.join(', ')} ms`,
    )
  })

  test(`${kind}: what does not end within the grace period is aborted, and runs again under its key`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const ledger = await newLedger(lastFirst(t))
    const root = linear('f', [task('a', { task: 'work' }), task('b', { task: 'nap' })])
    const { id } = await postFlow(store, root)
    const begun = () =>
      readLedger(ledger).flatMap((line) =>
        line.what === 'begin' && line.atom === 'f/b' ? [line.key] : [],
      )
    const options = { url, ledger, leaseMs: 60_000, graceMs: 1000, napMs: 120_000 }
    const first = start(t, options)
    await eventually(() => begun().length === 1, { withinMs: 60_000 })
    const startedAt = performance.now()
    first.kill('SIGTERM')
    assert.deepEqual(await first.ends(), { code: 0, signal: null }, first.stderr())
    const took = performance.now() - startedAt
    assert.ok(took < options.graceMs + SLACK_MS, `took ${took} ms`)
    assert.ok(readLedger(ledger).some(({ what }) => what === 'aborted'))
    // Handed over in order: it can be claimed at once, and nobody is suspected of anything.
    const handed = (await store.job(id))?.job
    assert.equal(handed?.state, 'UNCLAIMED')
    assert.equal(handed.disorder, false)

    start(t, { ...options, napMs: 10 })
    await allEnd(store, [], { withinMs: 60_000 })
    assert.equal((await store.job(id))?.detail.state, 'SUCCESS')
    assert.equal(begun().length, 2)
    assert.equal(new Set(begun()).size, 1)
    assert.equal((await store.job(id))?.job.epoch, 2)
  })

  test(`${kind}: a second SIGTERM does not wait for the grace period`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const ledger = await newLedger(lastFirst(t))
    const { id } = await postFlow(store, linear('f', [task('b', { task: 'nap' })]))
    const options = { url, ledger, leaseMs: 60_000, graceMs: 120_000, napMs: 120_000 }
    const conductor = start(t, options)
    await eventually(() => readLedger(ledger).some(({ what }) => what === 'begin'), {
      withinMs: 60_000,
    })
    conductor.kill('SIGTERM')
    // Signals that come together are one, so the second waits for the first. That is at work then: nothing is claimed any more.
    await eventually(() => conductor.stdout().includes('stopping'), { withinMs: 60_000 })
    const { id: late } = await postFlow(store, linear('g', [task('a', { task: 'work' })]))
    conductor.kill('SIGTERM')
    const startedAt = performance.now()
    assert.deepEqual(await conductor.ends(), { code: 0, signal: null }, conductor.stderr())
    const took = performance.now() - startedAt
    assert.ok(took < 5000 + SLACK_MS, `took ${took} ms`)
    assert.equal((await store.job(id))?.job.state, 'UNCLAIMED')
    assert.ok(['UNCLAIMED', 'COMPLETE'].includes((await store.job(late))?.job.state ?? ''))
    assert.deepEqual(await store.processes({ kind: 'conductor' }), [])
  })
}
