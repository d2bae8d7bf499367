/** PostgreSQL goes away under load, in every way that there is: it costs time, and no process has to be started again. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { lastFirst } from '../support/last-first.ts'
import { findPostgres, startPostgres } from '../support/postgres-server.ts'
import { postgres } from '../support/postgres.ts'
import { Random } from '../support/random.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { tcpProxy } from '../persistence/tcp-proxy.ts'
import { checkJob, linesByJob } from './check-job.ts'
import { PROGRAM, type ProgramOptions } from './conductor-program.ts'
import { newLedger, readLedger } from './ledger.ts'
import { allEnd, tasksEnd, underLoad } from './load.ts'
import type { Work } from './workload.ts'

const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)

interface Outage {
  /** Where conductors reach the database. */
  readonly url: string
  /** Where the test does, when it is there. */
  readonly direct: string
  readonly times: number
  readonly leaseMs: number
  /** Takes the database away, and brings it back. */
  readonly strike: (at: number) => Promise<void>
}

/** Two conductors under load, while the database goes away now and then. How often each call began, and the conductors' logs. */
async function survive(
  t: TestContext,
  { url, direct, times, leaseMs, strike }: Outage,
): Promise<{ readonly again: number; readonly logs: readonly string[] }> {
  const store = await storeAt(t, direct)
  const ledger = await newLedger(lastFirst(t))
  const options: ProgramOptions = {
    url,
    ledger,
    leaseMs,
    parkAfterMs: 150,
    maxFlows: 60,
    logs: true,
  }
  const running = [1, 2].map(() => spawnNode(lastFirst(t), PROGRAM, [JSON.stringify(options)]))
  for (const conductor of running) await conductor.prints('ready', { withinMs: 60_000 })
  const works = new Map<string, Work>()
  const random = new Random(SEED)
  await underLoad(store, { seed: SEED + 1, works }, async () => {
    for (let at = 0; at < times; at++) {
      await tasksEnd(ledger, 10 + random.below(40))
      await strike(at)
    }
  })
  await allEnd(store, running)
  const lines = linesByJob(readLedger(ledger))
  let again = 0
  let calls = 0
  for (const [id, work] of works) {
    const findings = await checkJob(store, id, work, lines.get(id) ?? [])
    again += findings.again
    calls += findings.calls
  }
  t.diagnostic(`${works.size} jobs, ${calls} calls, of which ${again} ran again under their key`)
  for (const conductor of running) {
    conductor.kill('SIGTERM')
    assert.deepEqual(await conductor.ends(), { code: 0, signal: null }, conductor.stderr())
  }
  return { again, logs: running.map(({ stderr }) => stderr()) }
}

/** Attempts that failed, as conductors say: every one of them is logged. */
function attempts(log: string): number {
  return log.split('\n').filter((line) => line.includes('trying again')).length
}

for (const how of ['fast', 'kill'] as const) {
  test(`the server is ${how === 'fast' ? 'stopped' : 'killed'} and started again under load: every job ends, and nobody asks in a hot loop`, async (t) => {
    const there = await postgres()
    if ('missing' in there) return t.skip(there.missing)
    if (findPostgres() === undefined) return t.skip('no PostgreSQL here that could be stopped')
    const server = await startPostgres()
    lastFirst(t).after(() => server.stop())
    const times = 2
    const awayMs = 2000
    let goneMs = 0
    const { again, logs } = await survive(t, {
      url: server.url,
      direct: server.url,
      times,
      // Nobody loses a claim by this outage, so nothing has a cause to run again.
      leaseMs: 60_000,
      async strike() {
        const goneAt = performance.now()
        await server.end(how)
        await sleep(awayMs)
        await server.begin()
        goneMs += performance.now() - goneAt
      },
    })
    assert.equal(again, 0)
    for (const log of logs) {
      // Some loops ask, each a few times a second at most, and less and less. On a busy machine a server takes its time to begin.
      const most = Math.max(times * 60, goneMs / 50)
      assert.ok(attempts(log) <= most, `${attempts(log)} attempts:\n${log.slice(-2000)}`)
      assert.ok(attempts(log) > 0, 'it has not noticed: this has tested nothing')
    }
  })
}

for (const how of ['cut', 'silent', 'answers lost'] as const) {
  test(`the connections are ${how === 'answers lost' ? 'there, but answers on them are lost' : how}: every job ends, and nothing runs again`, async (t) => {
    const direct = await freshUrl(t, 'postgres')
    if (direct === null) return
    const proxy = await tcpProxy(lastFirst(t), direct)
    const { again } = await survive(t, {
      url: proxy.url,
      direct,
      times: how === 'cut' ? 5 : 3,
      leaseMs: 60_000,
      async strike() {
        if (how !== 'cut') proxy.swallowAnswers()
        if (how !== 'answers lost') proxy.refuse(true)
        // What was asked until now may have been done; its answer is lost with the connection.
        await sleep(how === 'silent' ? 1500 : 100)
        proxy.cut()
        if (how === 'cut') await sleep(700)
        proxy.refuse(false)
      },
    })
    assert.equal(again, 0)
  })
}
