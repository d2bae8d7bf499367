/** A conductor that stands still past its lease while others take over: what it wakes up with is written nowhere. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import knex from 'knex'
import { Client } from 'pg'
import { postFlow } from '../conductor/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { Random } from '../support/random.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import type { Store } from '../../persistence/store.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { checkJob, linesByJob } from './check-job.ts'
import { PROGRAM, type ProgramOptions } from './conductor-program.ts'
import { newLedger, readLedger, type LedgerLine } from './ledger.ts'
import { allEnd, tasksEnd, underLoad } from './load.ts'
import type { Work } from './workload.ts'

const PAUSES = 4
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
const LEASE_MS = 1000

function start(t: TestContext, options: ProgramOptions): NodeProcess {
  const conductor = spawnNode(lastFirst(t), PROGRAM, [JSON.stringify(options)])
  // One that is stopped does not end by itself, whatever becomes of the test.
  lastFirst(t).after(() => void conductor.kill('SIGCONT'))
  return conductor
}

for (const kind of ['sqlite', 'postgres'] as const) {
  test(`${kind}: ${PAUSES} times the owner stands still, others take over, and it wakes up: no row is of an old epoch`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const ledger = await newLedger(lastFirst(t))
    const options = { url, ledger, leaseMs: LEASE_MS, parkAfterMs: 150, maxFlows: 60, logs: true }
    const random = new Random(SEED)
    const running = [start(t, options), start(t, options)]
    for (const conductor of running) await conductor.prints('ready', { withinMs: 60_000 })
    const works = new Map<string, Work>()
    let robbed = 0
    await underLoad(store, { seed: SEED + 1, works }, async () => {
      for (let pause = 0; pause < PAUSES; pause++) {
        const sleeper = running[pause % 2] as NodeProcess
        const held = await robbedWhileAsleep(store, url, ledger, sleeper, random)
        await eventually(
          () => {
            const still = heldBy(readLedger(ledger), sleeper.pid)
            return [...held].every((job) => !still.has(job))
          },
          { withinMs: 60_000, everyMs: 50 },
        )
        robbed += held.size
      }
    })
    await allEnd(store, running)
    const lines = linesByJob(readLedger(ledger))
    for (const [id, work] of works) {
      await checkJob(store, id, work, lines.get(id) ?? [])
    }
    for (const conductor of running) {
      conductor.kill('SIGTERM')
      assert.deepEqual(await conductor.ends(), { code: 0, signal: null }, conductor.stderr())
    }
    t.diagnostic(
      `${works.size} jobs, ${robbed} of them taken over from a conductor that stood still`,
    )
    assert.ok(robbed > 0, 'nobody stood still with work: this has tested nothing')
  })
}

test('postgres: a conductor that is stopped while its commit waits for a lock holds nobody up for longer than the database lets it', async (t) => {
  const url = await freshUrl(t, 'postgres')
  if (url === null) return
  const store = await storeAt(t, url)
  const ledger = await newLedger(lastFirst(t))
  const { id } = await postFlow(
    store,
    linear('f', [task('a', { task: 'nap' }), task('b', { task: 'work' })]),
  )
  const locker = new Client({ connectionString: url })
  await locker.connect()
  lastFirst(t).after(() => locker.end())
  // The lock comes while it naps, also on a machine that stands still for a while.
  const options = { url, ledger, leaseMs: LEASE_MS, napMs: 6000 }
  const first = start(t, options)
  await eventually(() => readLedger(ledger).some(({ what }) => what === 'begin'), {
    withinMs: 60_000,
  })
  await locker.query('begin')
  await locker.query('select 1 from zagflow_jobs where id = $1 for update', [id])
  const waiting = async (): Promise<number> => {
    const { rows } = await locker.query<{ readonly query: string }>(
      `select query from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    )
    return rows.length
  }
  await eventually(async () => (await waiting()) > 0, { withinMs: 30_000 })
  first.kill('SIGSTOP')
  // The statement of a client that does not answer ends by itself: lock_timeout.
  await eventually(async () => (await waiting()) === 0, { withinMs: 20_000 })
  await locker.query('rollback')
  start(t, { ...options, napMs: 50 })
  await allEnd(store, [])
  first.kill('SIGCONT')
  await eventually(() => !heldBy(readLedger(ledger), first.pid).has(id), { withinMs: 60_000 })
  const found = await store.job(id)
  assert.equal(found?.detail.state, 'SUCCESS')
  const begins = readLedger(ledger).flatMap((line) => (line.what === 'begin' ? [line.atom] : []))
  assert.equal(begins.filter((atom) => atom === 'f/b').length, 1)
  const { rows } = await locker.query<{ readonly count: string }>(
    `select count(*) from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()`,
  )
  assert.equal(Number(rows[0]?.count), 0)
})

/**
 * Stops a conductor until all that it had is others': then it has stood still past its lease, whatever the machine does besides.
 * On SQLite it may be stopped while it holds the lock of the file, and nobody can do anything (a stated limit): then it goes on at
 * once, and it is tried again.
 */
async function robbedWhileAsleep(
  store: Store,
  url: string,
  ledger: string,
  sleeper: NodeProcess,
  random: Random,
): Promise<ReadonlySet<string>> {
  for (let attempt = 1; ; attempt++) {
    await tasksEnd(ledger, random.below(30))
    await eventually(() => heldBy(readLedger(ledger), sleeper.pid).size > 0, { withinMs: 30_000 })
    sleeper.kill('SIGSTOP')
    const held = heldBy(readLedger(ledger), sleeper.pid)
    try {
      if (!(await isWritable(url))) continue
      await eventually(
        async () => {
          const { jobs } = await store.findJobs({ ids: [...held], limit: 1000 })
          return jobs.every(({ job }) => job.conductor === null || !isOf(job.conductor, sleeper))
        },
        { withinMs: 60_000, everyMs: 50 },
      )
      if (held.size > 0) return held
      if (attempt === 200) throw new Error('it never stood still with work and without the lock')
    } finally {
      sleeper.kill('SIGCONT')
    }
  }
}

/** Whether a database can be written: nobody holds the lock of an SQLite file for longer than a commit takes. */
async function isWritable(url: string): Promise<boolean> {
  if (!url.startsWith('sqlite:')) return true
  const connection = { filename: url.slice('sqlite:'.length) }
  const db = knex({ client: 'sqlite3', connection, useNullAsDefault: true })
  try {
    await db.raw('pragma busy_timeout = 1000')
    await db.raw('begin immediate')
    await db.raw('rollback')
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'SQLITE_BUSY') return false
    throw error
  } finally {
    await db.destroy()
  }
}

/** Conductors name themselves after host and process. */
function isOf(conductor: string, { pid }: NodeProcess): boolean {
  return conductor.includes(`-${pid}-`)
}

/** Jobs that a process has claimed and not let go. */
function heldBy(lines: readonly LedgerLine[], pid: number): ReadonlySet<string> {
  const held = new Set<string>()
  for (const line of lines) {
    if (line.pid !== pid || !('job' in line)) continue
    if (line.what === 'claimed') held.add(line.job)
    else if (isEnd(line)) held.delete(line.job)
  }
  return held
}

function isEnd({ what }: LedgerLine): boolean {
  return ['lost', 'released', 'parked', 'completed', 'trashed'].includes(what)
}
