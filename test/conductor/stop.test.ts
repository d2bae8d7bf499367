/** Stopping hands everything over: nothing is lost, nothing that can end runs twice, nothing is left open. */
import assert from 'node:assert/strict'
import { writeFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../../src/base/errors.ts'
import { MemoryBoard } from '../../jobboard/memory.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Store } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { quickest } from '../support/quickest.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { behind, freshStore, freshUrl, storeAt, STORES } from '../support/stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { journalTasks, type ChildOptions } from './child.ts'
import { conductorOf, ended, Gate, postFlow, startConductor, TASKS } from './fixtures.ts'

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))

for (const kind of STORES) {
  test(`${kind}: TF-224: a stop lets running tasks end, and another conductor runs only what is left`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    const ran: string[] = []
    const gate = new Gate()
    const tasksOf = (who: string) => ({
      gate: gate.task(),
      note: { execute: () => void ran.push(who) },
    })
    const root = linear('f', [task('p1', { task: 'gate' }), task('p2', { task: 'note' })])
    const job = await postFlow(store, root)
    const first = await startConductor(t, store, { tasks: tasksOf('first') })
    await eventually(() => gate.entered.length === 1)
    const stopping = first.conductor.stop()
    gate.open()
    await stopping
    assert.deepEqual(
      first.jobs.map((event) => event.kind),
      ['claimed', 'released'],
    )
    const handed = await store.job(job.id)
    assert.equal(handed?.job.state, 'UNCLAIMED')
    // More than 2: a claim that was under way took it once more, and gave it back.
    assert.ok((handed?.job.posting ?? 0) >= 2)
    assert.equal(handed?.job.disorder, false)
    assert.deepEqual(await store.processes({ kind: 'conductor' }), [])
    await startConductor(t, store, { tasks: tasksOf('second') })
    assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
    assert.deepEqual(ran, ['second'])
    assert.equal(gate.entered.length, 1)
  })

  test(`${kind}: after the grace period what runs is aborted, in time, and runs again under the same key`, async (t) => {
    leakCheck(t)
    let keys: string[] = []
    let aborted = 0
    let isSecond = false
    const tasks = {
      stubborn: {
        execute: async (
          _args: unknown,
          context: { idempotencyKey: string; signal: AbortSignal },
        ) => {
          keys.push(context.idempotencyKey)
          if (isSecond) return 'done'
          await new Promise<void>((resolve) => {
            context.signal.addEventListener('abort', () => {
              aborted++
              resolve()
            })
          })
          throw new Error('aborted')
        },
      },
    }
    const tries: { readonly store: Store; readonly id: string }[] = []
    await quickest(1500, async () => {
      const store = await freshStore(t, kind)
      if (store === null) return 0
      keys = []
      aborted = 0
      const { id } = await postFlow(store, linear('f', [task('a', { task: 'stubborn' })]))
      tries.push({ store, id })
      const first = await startConductor(t, store, { tasks })
      await eventually(() => keys.length === 1)
      const startedAt = performance.now()
      await first.conductor.stop({ graceMs: 600 })
      return performance.now() - startedAt
    })
    const last = tries.at(-1)
    if (last === undefined) return
    const { store, id } = last
    assert.equal(aborted, 1)
    assert.equal((await store.job(id))?.job.state, 'UNCLAIMED')
    isSecond = true
    await startConductor(t, store, { tasks })
    assert.equal((await ended(store, id)).detail.state, 'SUCCESS')
    assert.equal(keys.length, 2)
    assert.equal(keys[0], keys[1])
  })

  test(`${kind}: flows that wait for a time are handed over at once, however long they would wait`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    let tries = 0
    const tasks = {
      later: {
        execute: () => {
          tries++
          throw new Error('not yet')
        },
      },
    }
    const retry = { attempts: 2, delayMs: 30_000 }
    const job = await postFlow(store, linear('f', [task('later', { retry })]))
    const { conductor } = await startConductor(t, store, { tasks })
    await eventually(() => tries === 1)
    const startedAt = performance.now()
    await conductor.stop({ graceMs: 60_000 })
    assert.ok(performance.now() - startedAt < 10_000)
    const after = await store.job(job.id)
    assert.notEqual(after?.job.state, 'CLAIMED')
    assert.equal(after?.job.conductor, null)
  })
}

test('a second stop aborts at once', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const gate = new Gate()
  const job = await postFlow(store, linear('f', [task('a', { task: 'gate' })]))
  const { conductor } = await startConductor(t, store, { tasks: { gate: gate.task() } })
  await eventually(() => gate.entered.length === 1)
  const stopping = conductor.stop({ graceMs: 60_000 })
  await sleep(20)
  const startedAt = performance.now()
  await Promise.all([stopping, conductor.stop()])
  assert.ok(performance.now() - startedAt < 10_000)
  assert.equal((await store.job(job.id))?.job.state, 'UNCLAIMED')
})

test('stop before start is fine, stop twice is fine, start after stop is refused', async (t) => {
  leakCheck(t)
  const { conductor } = conductorOf(t, new MemoryStore())
  await conductor.stop()
  await conductor.stop()
  await assert.rejects(conductor.start(), { name: 'ClosedError' })
})

test('start twice is one start', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { conductor } = await startConductor(t, store)
  await conductor.start()
  assert.equal((await store.processes()).length, 1)
})

test('options that make no sense are refused when it is made', (t) => {
  const store = new MemoryStore()
  const wrong = [
    { maxFlows: 0 },
    { leaseMs: 10 },
    { pollMs: 0 },
    { graceMs: -1 },
    { parkAfterMs: NaN },
    { name: ' ' },
    { maxDeaths: 0.5 },
  ]
  for (const options of wrong) {
    assert.throws(() => conductorOf(t, store, options), { name: 'UsageError' })
  }
})

test('while the store is away a stop ends within its grace period all the same', async (t) => {
  leakCheck(t)
  await quickest(2500, async () => {
    const store = new MemoryStore()
    let isAway = false
    const gate = new Gate()
    const away = behind(store, () => {
      if (isAway) throw new UnavailableError('the store')
    })
    await postFlow(store, linear('f', [task('a', { task: 'gate' })]))
    const { conductor } = await startConductor(t, away, { tasks: { gate: gate.task() } })
    await eventually(() => gate.entered.length === 1)
    isAway = true
    gate.open()
    const startedAt = performance.now()
    await conductor.stop({ graceMs: 1000 })
    return performance.now() - startedAt
  })
})

test('a stop while the store hangs, without an answer, ends within the grace period', async (t) => {
  await quickest(2500, async () => {
    const store = new MemoryStore()
    let isAway = false
    let wake = (): void => {}
    const asleep = new Promise<void>((resolve) => (wake = resolve))
    const gate = new Gate()
    const away = behind(store, () => (isAway ? asleep : undefined))
    await postFlow(store, linear('f', [task('a', { task: 'gate' })]))
    const { conductor } = await startConductor(t, away, { tasks: { gate: gate.task() } })
    await eventually(() => gate.entered.length === 1)
    isAway = true
    gate.open()
    const startedAt = performance.now()
    await conductor.stop({ graceMs: 1000 })
    const tookMs = performance.now() - startedAt
    wake()
    return tookMs
  })
})

test('jobs that were claimed and not begun are handed over too', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const ids: string[] = []
  for (let i = 0; i < 300; i++) {
    ids.push((await postFlow(store, linear('f', [task('a', { task: 'p' })]))).id)
  }
  let loads = 0
  const slow = behind(store, async (method) => {
    if (method === 'load' && ++loads > 1) await sleep(100)
  })
  const { conductor } = await startConductor(t, slow)
  await eventually(() => loads > 1)
  await conductor.stop()
  for (const id of ids) {
    const found = await store.job(id)
    assert.ok(found?.job.state === 'COMPLETE' || found?.job.state === 'UNCLAIMED', found?.job.state)
    assert.equal(found.job.disorder, false)
  }
  await startConductor(t, store)
  for (const id of ids) assert.equal((await ended(store, id)).job.state, 'COMPLETE')
})

test('on a board outside SQL a stop leaves the job there for the next one', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const board = new MemoryBoard()
  await board.start()
  const gate = new Gate()
  const root = linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })])
  const job = await postFlow(store, root, { board })
  const first = await startConductor(t, store, { board, tasks: { ...TASKS, gate: gate.task() } })
  await eventually(() => gate.entered.length === 1)
  const stopping = first.conductor.stop()
  gate.open()
  await stopping
  const entries = []
  for await (const entry of board.list()) entries.push(entry)
  assert.deepEqual(
    entries.map(({ jobId, posting, owner }) => ({ jobId, posting, owner })),
    [{ jobId: job.id, posting: 2, owner: null }],
  )
  await startConductor(t, store, { board, tasks: { ...TASKS, gate: gate.task() } })
  assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
})

test('rolling restarts by SIGTERM under load: nothing is lost, nothing that could end ran twice', async (t) => {
  const url = await freshUrl(t, 'sqlite')
  if (url === null) return
  const store = await storeAt(t, url)
  const journal = join(await temporaryFolder(lastFirst(t)), 'journal')
  writeFileSync(journal, '')
  const ids: string[] = []
  for (let i = 0; i < 40; i++) {
    const nodes = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((id) => task(id, { task: 'nap' }))
    ids.push((await postFlow(store, linear('f', nodes))).id)
  }
  const options: Omit<ChildOptions, 'name'> = {
    url,
    journal,
    leaseMs: 30_000,
    graceMs: 20_000,
    // So long that each of the three finds work, though it takes a while until the one before is told to stop.
    napMs: 1000,
  }
  for (const name of ['one', 'two', 'three']) {
    const running = spawnNode(lastFirst(t), CHILD, [JSON.stringify({ ...options, name })])
    await running.prints('ready', { withinMs: 15_000 })
    await running.prints('job claimed', { withinMs: 15_000 })
    await sleep(50)
    running.kill('SIGTERM')
    assert.deepEqual(await running.ended, { code: 0, signal: null }, running.stderr())
  }
  await startConductor(t, store, { tasks: journalTasks({ journal, name: 'last', napMs: 1 }) })
  for (const id of ids) {
    const { job, detail } = await ended(store, id, { withinMs: 20_000 })
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(job.probationDeaths, 0)
  }
  const lines = readFileSync(journal, 'utf8').split('\n').filter(Boolean)
  const keys = lines.map((line) => line.split(' ')[1])
  assert.equal(new Set(keys).size, 320)
  assert.equal(keys.length, 320)
})
