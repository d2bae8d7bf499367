/** `kill -9` of conductors and of workers elsewhere, under load: it costs time, and what was cut short is run again, nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { CALM_TIMES, Fleet, told } from './fleet.ts'
import { readLedger } from './ledger.ts'
import { tasksEnd } from './load.ts'

const KILLS = Number(process.env['ZAGFLOW_TEST_KILLS'] ?? 6)
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)

for (const kind of ['sqlite', 'postgres'] as const) {
  test(`${kind}: ${KILLS} conductors are killed while workers work: every job ends, and each body ran exactly once`, async (t) => {
    const broker = await rabbitmq()
    if ('missing' in broker) return t.skip(broker.missing)
    const fleet = await Fleet.start(t, {
      store: kind,
      place: await freshNamespace(t),
      conductor: { times: CALM_TIMES },
    })
    if (fleet === null) return
    await fleet.under(SEED, async (random) => {
      for (let kill = 0; kill < KILLS; kill++) {
        await tasksEnd(fleet.ledger, random.below(60))
        await sleep(random.below(20))
        await fleet.kill(fleet.conductors, random)
      }
    })
    await fleet.endAll()
    const findings = await fleet.check()
    t.diagnostic(told(findings))
    assert.equal(findings.again, 0, 'its worker lived: nothing had a reason to run again')
    assert.ok(findings.calls > KILLS, 'there was no load: this has tested nothing')
  })
}

for (const kind of ['sqlite', 'postgres'] as const) {
  const kills = Math.ceil(KILLS / 2)
  test(`${kind}: ${kills} workers or more are killed: every job ends, and a task runs again only if its worker died, under the same key`, async (t) => {
    const broker = await rabbitmq()
    if ('missing' in broker) return t.skip(broker.missing)
    const fleet = await Fleet.start(t, { store: kind, place: await freshNamespace(t), workers: 3 })
    if (fleet === null) return
    await fleet.ready()
    await fleet.under(SEED, async (random) => {
      // Bodies are short: some kills meet none.
      for (let kill = 0; kill < kills || (kill < 10 * kills && !wereMet(fleet.ledger)); kill++) {
        await tasksEnd(fleet.ledger, 10 + random.below(60))
        await sleep(random.below(20))
        await fleet.kill(fleet.workers, random)
      }
    })
    await fleet.endAll()
    const findings = await fleet.check()
    t.diagnostic(told(findings))
    assert.ok(findings.again > 0, 'no call was met by a kill: this has tested nothing')
  })
}

/** Whether processes were killed in the middle of bodies, so that calls have to run again. */
function wereMet(ledger: string): boolean {
  const lines = readLedger(ledger)
  const killed = new Set(lines.flatMap((line) => (line.what === 'killed' ? [line.pid] : [])))
  const open = new Set<string>()
  for (const line of lines) {
    if (line.what !== 'begin' && line.what !== 'end' && line.what !== 'aborted') continue
    const body = `${line.pid} ${line.key}`
    if (line.what !== 'begin') open.delete(body)
    else if (killed.has(line.pid)) open.add(body)
  }
  return open.size > 1
}
