/** A flow that kills its conductors ends as a job in the trash; its neighbours do not suffer for it. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { UnavailableError } from '../../src/base/errors.ts'
import { uuidV7 } from '../../src/base/ids.ts'
import { MemoryBoard } from '../../jobboard/memory.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Store } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task, unordered } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { behind, freshUrl, storeAt } from '../support/stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { ended, Gate, jobWhen, postFlow, startConductor, TASKS } from './fixtures.ts'

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))

/** Ends the claim of the only claimable job in disorder: its conductor died. */
async function claimAndDie(store: Store): Promise<void> {
  const conductor = `dead-${uuidV7()}`
  await store.claimJobs({ board: 'main', conductor, claimIds: [uuidV7()] })
  await store.reap('main', { maxDeaths: 5 })
}

for (const kind of ['sqlite', 'postgres'] as const) {
  test(`${kind}: a task that ends its process is trashed after N deaths on probation, and innocents finish`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const journal = join(await temporaryFolder(lastFirst(t)), 'journal')
    writeFileSync(journal, '')
    const innocents: string[] = []
    const rest = () =>
      linear('f', [
        task('a', { task: 'note' }),
        task('b', { task: 'nap' }),
        task('c', { task: 'note' }),
      ])
    for (let i = 0; i < 6; i++) innocents.push((await postFlow(store, rest())).id)
    const poison = await postFlow(store, linear('bad', [task('a', { task: 'poison' })]))
    for (let i = 0; i < 6; i++) innocents.push((await postFlow(store, rest())).id)

    // Who stands still for a moment keeps its lease and its marks. SQLite sees at once who is dead, however long the lease.
    const leaseMs = kind === 'sqlite' ? 20_000 : 2000
    const options = { url, journal, leaseMs, napMs: 150, maxDeaths: 3, probationMs: 10_000 }
    let deaths = 0
    for (let isOver = false; !isOver;) {
      const running = spawnNode(lastFirst(t), CHILD, [
        JSON.stringify({ ...options, name: `child-${deaths}` }),
      ])
      const trashed = jobWhen(store, poison.id, ({ job }) => job.state === 'TRASHED', {
        withinMs: 60_000,
        everyMs: 50,
      }).then(() => 'trashed' as const)
      const end = await Promise.race([running.ended, trashed])
      if (end === 'trashed') {
        for (const id of innocents) await ended(store, id, { withinMs: 20_000 })
        isOver = true
        running.kill('SIGTERM')
        await running.ended
      } else {
        trashed.catch(() => {})
        assert.equal(end.code, 66, running.stderr())
        assert.ok(++deaths < 8, `it has killed ${deaths} conductors`)
      }
    }
    // Once before anybody suspected it, then N times on probation.
    assert.ok(deaths >= 3 && deaths <= 5, `${deaths} deaths`)
    const found = await store.job(poison.id)
    assert.match(found?.job.reason ?? '', /died 3 times/)
    for (const id of innocents) {
      const { job, detail } = await ended(store, id)
      assert.equal(job.state, 'COMPLETE')
      assert.equal(detail.state, 'SUCCESS')
      assert.ok(job.probationDeaths < 3)
    }
    const lines = readFileSync(journal, 'utf8').split('\n').filter(Boolean)
    assert.equal(lines.filter((line) => line.startsWith('bad/')).length, deaths)
  })
}

test('what a conductor died of is loaded apart: others wait until its first call has answered', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const suspect = await postFlow(
    store,
    linear('s', [task('a', { task: 'gate' }), task('b', { task: 'p' })]),
  )
  await claimAndDie(store)
  const other = await postFlow(store, linear('o', [task('a', { task: 'note' })]))
  const gate = new Gate()
  const ran: string[] = []
  await startConductor(t, store, {
    probationMs: 60_000,
    tasks: { ...TASKS, gate: gate.task(), note: { execute: () => void ran.push('note') } },
  })
  await eventually(() => gate.entered.length === 1)
  // Its mark is set again after its first commit: its call runs in this process.
  const marked = await store.job(suspect.id)
  assert.equal(marked?.job.probation, true)
  await sleep(100)
  assert.deepEqual(ran, [])
  gate.open()
  await ended(store, other.id)
  const { job } = await ended(store, suspect.id)
  assert.equal(job.probation, false)
  assert.equal(job.probationDeaths, 0)
  assert.equal(gate.entered.length, 1)
})

test('a long call of a suspect keeps others waiting for a while only, and then does not count', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const suspect = await postFlow(store, linear('s', [task('a', { task: 'gate' })]))
  await claimAndDie(store)
  const other = await postFlow(store, linear('o', [task('a', { task: 'p' })]))
  const gate = new Gate()
  await startConductor(t, store, { probationMs: 150, tasks: { ...TASKS, gate: gate.task() } })
  await eventually(() => gate.entered.length === 1)
  await ended(store, other.id)
  await eventually(async () => (await store.job(suspect.id))?.job.probation === false)
  gate.open()
  assert.equal((await ended(store, suspect.id)).detail.state, 'SUCCESS')
})

test('a suspect that waits for a time, or has ended, holds nobody up', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const ends = await postFlow(store, linear('s', [task('a', { task: 'p' })]))
  await claimAndDie(store)
  const cancelled = await postFlow(store, linear('s', [task('a', { task: 'p' })]))
  await claimAndDie(store)
  await store.mail(cancelled.id, { key: 'c', kind: 'cancel', body: null })
  const other = await postFlow(store, linear('o', [task('a', { task: 'p' })]))
  const startedAt = performance.now()
  await startConductor(t, store, { probationMs: 60_000 })
  for (const { id } of [ends, cancelled, other]) await ended(store, id)
  assert.ok(performance.now() - startedAt < 30_000)
})

test('hundreds of suspects are let through in groups', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const ids: string[] = []
  for (let i = 0; i < 200; i++) {
    ids.push((await postFlow(store, linear('s', [task('a', { task: 'nap' })]))).id)
  }
  const claimIds = ids.map(() => uuidV7())
  await store.claimJobs({ board: 'main', conductor: 'dead', claimIds })
  await store.reap('main', { maxDeaths: 5 })
  const startedAt = performance.now()
  await startConductor(t, store, { tasks: { nap: { execute: () => sleep(100, 1) } } })
  for (const id of ids) assert.equal((await ended(store, id)).detail.state, 'SUCCESS')
  // 200 alone, one after the other, would be 20 s.
  assert.ok(performance.now() - startedAt < 10_000)
})

test('parallel calls of a suspect are all let through, and its aborts too', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const gate = new Gate()
  const nodes = ['a', 'b', 'c'].map((id) => task(id, { task: 'gate' }))
  const suspect = await postFlow(store, unordered('s', nodes))
  await claimAndDie(store)
  await startConductor(t, store, { probationMs: 60_000, tasks: { gate: gate.task() } })
  await eventually(() => gate.entered.length === 3)
  await store.mail(suspect.id, { key: 'c', kind: 'cancel', body: { reason: 'enough' } })
  const { detail } = await ended(store, suspect.id)
  assert.equal(detail.state, 'REVERTED')
})

test('a suspect whose mark cannot be set for a while is not run without it', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const suspect = await postFlow(store, linear('s', [task('a', { task: 'p' })]))
  await claimAndDie(store)
  let failures = 2
  const away = behind(store, (method) => {
    if (method === 'beginProbation' && failures-- > 0) throw new UnavailableError('the store')
  })
  await startConductor(t, away)
  assert.equal((await ended(store, suspect.id)).detail.state, 'SUCCESS')
  assert.ok(failures < 0)
})

test('on a board outside SQL too, deaths on probation trash a job', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const board = new MemoryBoard()
  await board.start()
  const job = await postFlow(store, linear('s', [task('a', { task: 'p' })]), { board })
  // Each owner takes over from one that died on probation, as adoption sees it.
  for (let epoch = 1; epoch <= 6; epoch++) {
    const claim = { jobId: job.id, posting: 1, epoch, claimId: uuidV7(), conductor: 'dying' }
    assert.equal((await store.adopt([claim])).length, 1)
    if (epoch < 6) assert.equal(await store.beginProbation(claim), true)
  }
  const claims = await board.claim('nobody', 1)
  for (const claim of claims) await board.abandon(claim)
  await board.post({ jobId: job.id, posting: 1, priority: 0, createdAt: 1, epoch: 6 })
  const { jobs } = await startConductor(t, store, { board, leaseMs: 600_000 })
  const { job: after } = await ended(store, job.id)
  assert.equal(after.state, 'TRASHED')
  assert.match(after.reason ?? '', /died 5 times/)
  await eventually(() => jobs.at(-1)?.kind === 'trashed')
})
