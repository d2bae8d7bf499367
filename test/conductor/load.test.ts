/** Thousands of flows in flight in one process, at a small price each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ParallelEngine } from '../../engines/parallel.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { leakCheck } from '../support/leak-check.ts'
import { behind, freshStore } from '../support/stores.ts'
import {
  ended,
  Gate,
  postFlow,
  registryOf,
  startConductor,
  TASKS,
  type Started,
} from './fixtures.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const ten = () =>
  linear(
    'f',
    Array.from({ length: 10 }, (_, at) => task(`t${at}`, { task: at === 0 ? 'gate' : 'p' })),
  )

test('2,000 flows of ten tasks are in flight at once, without a timer each, and all end', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const ids: string[] = []
  for (let i = 0; i < 2000; i++) ids.push((await postFlow(store, ten())).id)
  const gate = new Gate()
  const registry = registryOf({ ...TASKS, gate: gate.task() })
  collect()
  const before = process.memoryUsage().heapUsed
  const { conductor } = await startConductor(t, store, {
    registry,
    engine: new ParallelEngine({ tasks: registry, concurrency: 10_000 }),
    maxFlows: 2000,
    leaseMs: 60_000,
    onEvent: undefined,
    onJob: undefined,
  })
  await eventually(() => gate.entered.length === 2000, { withinMs: 20_000 })
  assert.equal(conductor.load.flows, 2000)
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  assert.ok(timers < 30, `${timers} timers`)
  collect()
  const perFlow = (process.memoryUsage().heapUsed - before) / 2000
  // With its rows in this store, and its running call.
  assert.ok(perFlow < 20_000, `${Math.round(perFlow)} bytes for each flow`)
  gate.open()
  for (const id of ids) {
    assert.equal((await ended(store, id, { withinMs: 30_000 })).detail.state, 'SUCCESS')
  }
  await eventually(() => conductor.load.flows === 0)
})

for (const kind of ['sqlite', 'postgres'] as const) {
  test(`${kind}: 2,000 flows in flight at once, in few commits`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    const ids: string[] = []
    while (ids.length < 2000) {
      const posted = await Promise.all(
        Array.from({ length: 50 }, () =>
          postFlow(store, linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })])),
        ),
      )
      ids.push(...posted.map((job) => job.id))
    }
    const gate = new Gate()
    const registry = registryOf({ ...TASKS, gate: gate.task() })
    let commits = 0
    const counted = behind(store, (method) => {
      if (method === 'commit') commits++
    })
    const { conductor } = await startConductor(t, counted, {
      registry,
      engine: new ParallelEngine({ tasks: registry, concurrency: 10_000 }),
      maxFlows: 2000,
      leaseMs: 60_000,
    })
    await eventually(() => gate.entered.length === 2000, { withinMs: 60_000 })
    assert.equal(conductor.load.flows, 2000)
    gate.open()
    await eventually(() => conductor.load.flows === 0, { withinMs: 60_000 })
    const last = ids.at(-1)
    if (last !== undefined) await ended(store, last)
    // Of 4,000 tasks.
    assert.ok(commits < 400, `${commits} commits`)
    const left = await store.findJobs({ states: ['UNCLAIMED', 'CLAIMED', 'PARKED', 'TRASHED'] })
    assert.deepEqual(left.jobs, [])
  })
}

test('a conductor whose engine is full leaves jobs to others', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  for (let i = 0; i < 600; i++) await postFlow(store, linear('f', [task('a', { task: 'gate' })]))
  const gates = [new Gate(), new Gate()]
  const started: Started[] = []
  for (const gate of gates) {
    const registry = registryOf({ gate: gate.task() })
    const engine = new ParallelEngine({ tasks: registry, concurrency: 50 })
    started.push(await startConductor(t, store, { registry, engine, pollMs: 100 }))
  }
  await eventually(() => started.reduce((sum, { jobs }) => sum + jobs.length, 0) >= 600)
  for (const { jobs } of started) assert.ok(jobs.length >= 200, `${jobs.length} of 600`)
  for (const gate of gates) gate.open()
})

test('two conductors share the work of one board, each within its room', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const ids: string[] = []
  for (let i = 0; i < 40; i++) {
    ids.push((await postFlow(store, linear('f', [task('a', { task: 'gate' })]))).id)
  }
  const gates = [new Gate(), new Gate()]
  const started = []
  for (const gate of gates) {
    started.push(await startConductor(t, store, { maxFlows: 20, tasks: { gate: gate.task() } }))
  }
  await eventually(() => gates.every((gate) => gate.entered.length === 20))
  for (const gate of gates) gate.open()
  for (const id of ids) assert.equal((await ended(store, id)).job.epoch, 1)
  for (const { jobs } of started) {
    await eventually(() => jobs.filter((event) => event.kind === 'completed').length === 20)
  }
})
