/** SIGTERM of conductors and of workers elsewhere, in turn and under load: nothing is lost, and what can end in time runs once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { CALM_TIMES, Fleet, told } from './fleet.ts'
import { readLedger } from './ledger.ts'
import { tasksEnd } from './load.ts'

const RESTARTS = Number(process.env['ZAGFLOW_TEST_RESTARTS'] ?? 4)
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
const GRACE_MS = 15_000

test(`${RESTARTS} rolling restarts of conductors and of workers under load: none is lost, and no task runs twice`, async (t) => {
  const broker = await rabbitmq()
  if ('missing' in broker) return t.skip(broker.missing)
  const fleet = await Fleet.start(t, {
    store: 'postgres',
    place: await freshNamespace(t),
    // A lease that nobody loses by being slow: whatever ran twice here would be the fault of a stop.
    conductor: { leaseMs: 60_000, graceMs: GRACE_MS, times: CALM_TIMES },
    worker: { graceMs: GRACE_MS },
  })
  if (fleet === null) return
  await fleet.ready()
  const took = { conductors: new Array<number>(), workers: new Array<number>() }
  await fleet.under(SEED, async (random) => {
    for (let restart = 0; restart < RESTARTS; restart++) {
      await tasksEnd(fleet.ledger, random.below(60))
      const [conductor, worker] = [fleet.conductors[restart % 2], fleet.workers[restart % 2]]
      assert.ok(conductor && worker)
      took.workers.push(await fleet.end(worker))
      fleet.workers[restart % 2] = fleet.startWorker()
      await tasksEnd(fleet.ledger, random.below(30))
      took.conductors.push(await fleet.end(conductor))
      fleet.conductors[restart % 2] = fleet.startConductor()
    }
  })
  await fleet.endAll()
  for (const ms of [...took.conductors, ...took.workers]) {
    assert.ok(ms < GRACE_MS, `a stop took ${ms} ms`)
  }
  const findings = await fleet.check()
  const released = readLedger(fleet.ledger).filter(({ what }) => what === 'released').length
  t.diagnostic(
    `${told(findings)}; ${released} hand-overs; stops of conductors took ${took.conductors.join(', ')} ms, of workers ${took.workers.join(', ')} ms`,
  )
  assert.equal(findings.again, 0)
  assert.ok(released > 0, 'nothing was handed over: this has tested nothing')
})
