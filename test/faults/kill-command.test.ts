import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from '../../src/index.ts'
import { freshDatabase, postgres } from '../support/postgres.ts'
import { lastFirst } from '../support/last-first.ts'
import { Random } from '../support/random.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { openStore } from '../../persistence/index.ts'
import { journey } from './command-tasks.ts'
import { newLedger, readLedger } from './ledger.ts'

const command = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const tasks = fileURLToPath(new URL('./command-tasks.js', import.meta.url))
const JOBS = 60
const KILLS = 8

/** Starts `zagflow conductor`, and says when it is ready. */
async function startConductor(t: TestContext, url: string): Promise<NodeProcess> {
  const args = [
    'conductor',
    '--tasks',
    tasks,
    '--lease',
    '1s',
    '--max-flows',
    '8',
    '--log',
    'silent',
  ]
  const conductor = spawnNode(lastFirst(t), command, args, { ZAGFLOW_PERSISTENCE: url })
  await conductor.prints(/\n/, { withinMs: 60_000 })
  return conductor
}

async function killUnderLoad(t: TestContext, url: string): Promise<void> {
  const seed = Date.now() % 100_000
  t.diagnostic(`seed ${seed}`)
  const random = new Random(seed)
  const ledger = await newLedger(lastFirst(t))
  const zag = await connect({ persistence: url, environment: {} })
  t.after(() => zag.close())
  const jobs = await Promise.all(
    Array.from({ length: JOBS }, (_, n) => zag.post(journey, { ledger }, { key: `job ${n}` })),
  )

  let conductor = await startConductor(t, url)
  for (let kill = 0; kill < KILLS; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 50 + random.below(400)))
    conductor.kill('SIGKILL')
    await conductor.ends()
    conductor = await startConductor(t, url)
  }
  const signal = AbortSignal.timeout(120_000)
  for (const job of jobs) assert.equal((await job.outcome({ signal })).state, 'SUCCESS')
  conductor.kill('SIGTERM')
  assert.deepEqual(await conductor.ends(), { code: 0, signal: null }, conductor.stderr())

  const ended = new Map<string, number>()
  const began = new Map<string, number>()
  for (const line of readLedger(ledger)) {
    if (line.what !== 'begin' && line.what !== 'end') continue
    const counts = line.what === 'begin' ? began : ended
    counts.set(line.key, (counts.get(line.key) ?? 0) + 1)
  }
  // Every call kept its first key: no failure was ever recorded, so no second call was made.
  assert.equal(began.size, JOBS * 4)
  assert.equal(ended.size, JOBS * 4)
  for (const key of began.keys()) assert.match(key, /#execute\.1$/)
  const repeated = [...began.values()].reduce((sum, count) => sum + count - 1, 0)
  t.diagnostic(`${repeated} of ${began.size} tasks began again`)
  // At most what was running when a process died begins again: 8 flows of 2 tasks at once, at each kill.
  assert.ok(repeated <= KILLS * 16, `${repeated} tasks began again`)
}

describe('kill -9 of `zagflow conductor` under load', () => {
  it('loses no job and repeats only what was running, on SQLite', async (t) => {
    await killUnderLoad(t, `sqlite:${path.join(await temporaryFolder(t), 'zagflow.db')}`)
  })

  it('loses no job and repeats only what was running, on PostgreSQL', async (t) => {
    const server = await postgres()
    if ('missing' in server) return t.skip(server.missing)
    const url = await freshDatabase(t)
    const store = openStore(url)
    await store.migrate()
    await store.stop()
    await killUnderLoad(t, url)
  })
})
