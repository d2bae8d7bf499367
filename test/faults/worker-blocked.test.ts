/** A broker that blocks publishers while a conductor has thousands of tasks to send: they wait in bounded memory, and all are done. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { postFlow } from '../conductor/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { task, unordered } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { privateRabbitmq, rabbitmqNodes } from '../support/rabbitmq.ts'
import { Fleet } from './fleet.ts'
import { readLedger } from './ledger.ts'
import { allEnd } from './load.ts'

const FLOWS = 50
const TASKS = 100
const BLOCKED_MS = Number(process.env['ZAGFLOW_TEST_BLOCKED_MS'] ?? 8000)
/** What 5,000 tasks may cost, requests and bookkeeping included: 30 kB each. */
const MOST_BYTES = 150 * 1024 * 1024
/** What standing still may cost. */
const MOST_GROWTH_BYTES = 32 * 1024 * 1024

test(`the broker blocks publishers for ${BLOCKED_MS / 1000} s with ${FLOWS * TASKS} tasks in flight: memory is bounded, then all of them run, once`, async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const node = await privateRabbitmq(lastFirst(t))
  const fleet = await Fleet.start(t, {
    store: 'postgres',
    place: { url: node.url, namespace: 'faults' },
    conductors: 1,
    workers: 1,
    napMs: 5,
    conductor: { leaseMs: 60_000, parkAfterMs: 60_000, maxFlows: FLOWS, memoryEveryMs: 100 },
    worker: { concurrency: 200 },
  })
  if (fleet === null) return
  await fleet.ready()
  const { store } = fleet
  const [conductor] = fleet.conductors
  assert.ok(conductor)
  const resident = (): readonly number[] =>
    [...conductor.stdout().matchAll(/^memory (\d+)$/gm)].map(([, bytes]) => Number(bytes))
  const counted = (what: 'begin' | 'running'): number =>
    readLedger(fleet.ledger).filter((line) =>
      what === 'running' ? line.what === 'told' && line.state === 'RUNNING' : line.what === what,
    ).length

  await conductor.prints(/^memory \d+$/m, { withinMs: 60_000 })
  const quiet = Math.max(...resident())
  await node.blockPublishers()
  for (let i = 0; i < FLOWS; i++) {
    const ids = Array.from({ length: TASKS }, (_, at) => task(`a${at}`, { task: 'nap' }))
    await postFlow(store, unordered('f', ids))
  }
  await eventually(() => counted('running') === FLOWS * TASKS, { withinMs: 120_000, everyMs: 200 })
  const blockedFrom = resident().length
  await sleep(BLOCKED_MS)
  const blocked = resident().slice(blockedFrom)
  const begunMeanwhile = counted('begin')
  await node.unblockPublishers()
  await allEnd(store, fleet.processes, { withinMs: 120_000 })

  const keys = readLedger(fleet.ledger).flatMap((line) => (line.what === 'begin' ? [line.key] : []))
  assert.equal(keys.length, FLOWS * TASKS)
  assert.equal(new Set(keys).size, FLOWS * TASKS)
  assert.ok(begunMeanwhile < (FLOWS * TASKS) / 2, 'it was not blocked: this has tested nothing')
  const { jobs } = await store.findJobs({ states: ['COMPLETE'], limit: FLOWS + 1 })
  assert.deepEqual([...new Set(jobs.map(({ detail }) => detail.state))], ['SUCCESS'])
  const mb = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MB`
  const [first, most, highest] = [blocked[0] ?? 0, Math.max(...blocked), Math.max(...resident())]
  t.diagnostic(
    `resident: ${mb(quiet)} before, ${mb(first)} when blocked, ${mb(most)} at most while blocked, ${mb(highest)} at most at all; ${begunMeanwhile} tasks had begun`,
  )
  assert.ok(most - quiet < MOST_BYTES, 'what waits takes too much memory')
  assert.ok(most - first < MOST_GROWTH_BYTES, 'it grows while nothing comes in')
  assert.ok(highest - quiet < 2 * MOST_BYTES)
  await fleet.endAll()
})
