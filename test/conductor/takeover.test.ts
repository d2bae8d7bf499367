/** One conductor at a time changes a flow, whatever becomes of the one before. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { uuidV7 } from '../../src/base/ids.ts'
import { UnavailableError } from '../../src/base/errors.ts'
import { MemoryBoard, MemoryPostings } from '../../jobboard/memory.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { quickest } from '../support/quickest.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { behind, freshStore, freshUrl, storeAt, STORES } from '../support/stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { journalTasks, type ChildOptions } from './child.ts'
import { ended, Gate, jobWhen, postFlow, startConductor, TASKS } from './fixtures.ts'

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))

async function journalOf(t: TestContext): Promise<string> {
  const file = join(await temporaryFolder(lastFirst(t)), 'journal')
  writeFileSync(file, '')
  return file
}

function lines(journal: string): readonly string[] {
  return readFileSync(journal, 'utf8').split('\n').filter(Boolean)
}

function child(t: TestContext, options: ChildOptions): NodeProcess {
  return spawnNode(lastFirst(t), CHILD, [JSON.stringify(options)])
}

for (const kind of STORES) {
  test(`${kind}: TF-230: a conductor whose job was taken over writes nothing, and leaves it to the other`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    const gate = new Gate()
    const job = await postFlow(store, linear('f', [task('a', { task: 'gate' })]))
    const { conductor, jobs } = await startConductor(t, store, {
      tasks: { gate: gate.task() },
      leaseMs: 60_000,
    })
    await eventually(() => gate.entered.length === 1)
    const { posting, epoch } = (await store.job(job.id))?.job ?? job
    const claimId = uuidV7()
    const [stolen] = await store.adopt([
      { jobId: job.id, posting, epoch: epoch + 1, claimId, conductor: 'thief' },
    ])
    assert.ok(stolen)
    const before = await store.load([job.id])
    gate.open()
    await eventually(() => jobs.at(-1)?.kind === 'lost')
    assert.equal(conductor.load.flows, 0)
    assert.deepEqual(await store.load([job.id]), before)
    const after = await store.job(job.id)
    assert.equal(after?.job.conductor, 'thief')
    assert.equal(after?.job.claimId, claimId)
    assert.equal(after?.detail.state, 'RUNNING')
  })

  test(`${kind}: a lease that cannot be renewed drops all flows in time, and their jobs go on elsewhere`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    let isCut = false
    const cut = behind(store, (method) => {
      if (isCut && method !== 'endProcess')
        throw new UnavailableError('the store', { reason: method })
    })
    const gate = new Gate()
    const tasks = { gate: gate.task() }
    const job = await postFlow(store, linear('f', [task('a', { task: 'gate' })]))
    const first = await startConductor(t, cut, { tasks, leaseMs: 900 })
    // Two thirds of the lease at most since the last renewal was sent; the rest is the machine's slowness.
    await quickest(1500, async () => {
      isCut = false
      await eventually(() => first.conductor.load.flows === 1 && gate.entered.length > 0)
      isCut = true
      const cutAt = performance.now()
      await eventually(() => first.conductor.load.flows === 0)
      return performance.now() - cutAt
    })
    assert.equal(first.jobs.at(-1)?.kind, 'lost')
    const before = gate.entered.length
    const second = await startConductor(t, store, { tasks, leaseMs: 1500 })
    await eventually(() => gate.entered.length > before, { withinMs: 20_000 })
    gate.open()
    const { job: after, detail } = await ended(store, job.id)
    assert.equal(detail.state, 'SUCCESS')
    await eventually(() => second.jobs.at(-1)?.kind === 'completed')
    assert.ok(after.epoch > 1)
    isCut = false
  })

  test(`${kind}: after an outage longer than its lease a conductor goes on with its own jobs`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    let isCut = false
    const cut = behind(store, (method) => {
      if (isCut) throw new UnavailableError('the store', { reason: method })
    })
    const gate = new Gate()
    const job = await postFlow(store, linear('f', [task('a', { task: 'gate' })]))
    const { conductor } = await startConductor(t, cut, {
      tasks: { gate: gate.task() },
      leaseMs: 1500,
    })
    await eventually(() => gate.entered.length > 0)
    isCut = true
    await eventually(() => conductor.load.flows === 0)
    const before = gate.entered.length
    isCut = false
    await eventually(() => gate.entered.length > before, { withinMs: 20_000 })
    gate.open()
    const { job: after, detail } = await ended(store, job.id)
    assert.equal(detail.state, 'SUCCESS')
    // It gave the claim back in order: nobody is on probation for an outage.
    assert.equal(after.probationDeaths, 0)
  })
}

for (const kind of ['sqlite', 'postgres'] as const) {
  // Who stands still for a moment keeps it.
  const leaseMs = 4000

  test(`${kind}: kill -9 costs time only: another conductor goes on where the dead one was`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const journal = await journalOf(t)
    const root = linear('f', [
      task('a', { task: 'note' }),
      task('b', { task: 'nap' }),
      task('c', { task: 'note' }),
    ])
    const job = await postFlow(store, root)
    const first = child(t, { url, name: 'first', journal, leaseMs })
    await eventually(() => lines(journal).length === 2, { withinMs: 15_000 })
    first.kill('SIGKILL')
    await first.ended
    await startConductor(t, store, {
      leaseMs,
      tasks: journalTasks({ journal, name: 'second', napMs: 1 }),
    })
    const { job: after, detail } = await ended(store, job.id, { withinMs: 30_000 })
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(after.epoch, 2)
    const ran = lines(journal).map((line) => line.split(' '))
    assert.deepEqual(
      ran.map(([atom, , who]) => `${atom} ${who}`),
      ['f/a first', 'f/b first', 'f/b second', 'f/c second'],
    )
    // P4: the same call, the same key.
    assert.equal(ran[1]?.[1], ran[2]?.[1])
  })

  test(`${kind}: a conductor that stood still past its lease wakes up fenced, and what it did is not seen`, async (t) => {
    const url = await freshUrl(t, kind)
    if (url === null) return
    const store = await storeAt(t, url)
    const journal = await journalOf(t)
    const ids: string[] = []
    for (let i = 0; i < 5; i++) {
      const root = linear('f', [task('a', { task: 'nap' }), task('b', { task: 'note' })])
      ids.push((await postFlow(store, root)).id)
    }
    const wakeFile = `${journal}.wake`
    const first = child(t, { url, name: 'first', journal, leaseMs, wakeFile })
    await eventually(() => lines(journal).length === 5, { withinMs: 15_000 })
    first.kill('SIGSTOP')
    await startConductor(t, store, {
      leaseMs,
      tasks: journalTasks({ journal, name: 'second', wakeFile: `${wakeFile}.second` }),
    })
    const ofSecond = () => lines(journal).filter((line) => line.endsWith('second'))
    await eventually(() => ofSecond().length === 5, { withinMs: 20_000 })
    // It wakes while the other one works on them: its naps are over at once.
    writeFileSync(wakeFile, '')
    first.kill('SIGCONT')
    await eventually(() => ids.every((id) => first.stdout().includes(`job lost ${id}`)))
    writeFileSync(`${wakeFile}.second`, '')
    for (const id of ids) {
      const { job, detail } = await ended(store, id, { withinMs: 10_000 })
      assert.equal(job.state, 'COMPLETE')
      assert.equal(detail.state, 'SUCCESS')
      assert.equal(job.epoch, 2)
      const history = await store.history(id, {})
      assert.deepEqual(
        history.filter((row) => row.state === 'SUCCESS').map((row) => row.name),
        ['f/a', 'f/b', 'f'],
      )
      assert.ok(first.stdout().includes(`job claimed ${id}`))
    }
    assert.ok(!first.stdout().includes('job completed'))
    assert.ok(!lines(journal).some((line) => line.startsWith('f/b') && line.endsWith('first')))
    const claims = first.stdout().match(/job claimed/g)
    assert.equal(claims?.length, 5)
  })
}

test('sqlite: on one host a killed conductor is known to be dead at once, however long its lease', async (t) => {
  const url = await freshUrl(t, 'sqlite')
  if (url === null) return
  const store = await storeAt(t, url)
  const journal = await journalOf(t)
  const job = await postFlow(store, linear('f', [task('a', { task: 'nap' })]))
  const first = child(t, { url, name: 'first', journal, leaseMs: 600_000 })
  await eventually(() => lines(journal).length === 1, { withinMs: 15_000 })
  const tasks = journalTasks({ journal, name: 'second', napMs: 1 })
  const second = await startConductor(t, store, { leaseMs: 900, tasks })
  await eventually(async () => (await store.processes({ kind: 'conductor' })).length === 2)
  // It lives, so nobody takes its job.
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.deepEqual(second.jobs, [])
  first.kill('SIGKILL')
  await first.ended
  assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
})

test('rows that do not fit their document trash the job, and nobody else is held up', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const odd = await postFlow(store, linear('f', [task('a', { task: 'p' })]))
  const other = await postFlow(store, linear('g', [task('a', { task: 'p' })]))
  const [loaded] = await store.load([odd.id])
  const row = { path: 'f/nobody', kind: 'task', state: 'NONSENSE', attempt: 1 }
  const load: MemoryStore['load'] = async (ids) =>
    (await store.load(ids)).map((flow) =>
      flow.job.id === odd.id ? { ...flow, atoms: [row as never], scopes: [null as never] } : flow,
    )
  assert.ok(loaded)
  const lying = new Proxy(store, {
    get(target, name): unknown {
      const value: unknown = name === 'load' ? load : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  await startConductor(t, lying)
  assert.equal((await ended(store, other.id)).detail.state, 'SUCCESS')
  const { job } = await ended(store, odd.id)
  assert.equal(job.state, 'TRASHED')
  assert.notEqual(job.reason, null)
})

test('the session of a board outside SQL expires: flows are dropped at once and their jobs done again by whoever claims', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const postings = new MemoryPostings()
  const board = new MemoryBoard({ postings })
  await board.start()
  const gate = new Gate()
  const job = await postFlow(store, linear('f', [task('a', { task: 'gate' })]), { board })
  const { jobs } = await startConductor(t, store, { board, tasks: { gate: gate.task() } })
  await eventually(() => gate.entered.length === 1)
  postings.expire(board)
  await eventually(() => jobs.some((event) => event.kind === 'lost'))
  await eventually(() => gate.entered.length === 2)
  gate.open()
  const { job: after } = await ended(store, job.id)
  assert.equal(after.state, 'COMPLETE')
  assert.equal(after.probationDeaths, 0)
  await eventually(() => postings.size === 0)
})

test('a board outside SQL is wiped in mid-run: it costs time only', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const postings = new MemoryPostings()
  const board = new MemoryBoard({ postings })
  await board.start()
  const gate = new Gate()
  const ids: string[] = []
  for (let i = 0; i < 20; i++) {
    const root = linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })])
    ids.push((await postFlow(store, root, { board })).id)
  }
  await startConductor(t, store, {
    board,
    maxFlows: 5,
    tasks: { ...TASKS, gate: gate.task() },
  })
  await eventually(() => gate.entered.length === 5)
  postings.wipe()
  gate.open()
  for (const id of ids) {
    assert.equal((await ended(store, id, { withinMs: 15_000 })).detail.state, 'SUCCESS')
  }
  await eventually(() => postings.size === 0)
})

test('a board that was rebuilt from an older state costs a claim, not a job', async (t) => {
  const store = new MemoryStore()
  const board = new MemoryBoard()
  await board.start()
  const job = await postFlow(store, linear('f', [task('a', { task: 'p' })]))
  // The store knows the job at epoch 3, its node says 0.
  for (let epoch = 1; epoch <= 3; epoch++) {
    const claim = {
      jobId: job.id,
      posting: 1,
      epoch,
      claimId: uuidV7(),
      conductor: `gone-${epoch}`,
    }
    assert.equal((await store.adopt([claim])).length, 1)
  }
  await board.post({ jobId: job.id, posting: 1, priority: 0, createdAt: job.createdAt, epoch: 0 })
  const keepAlive = { id: 'gone-3', kind: 'conductor', name: 'gone-3', host: 'h', pid: 1 } as const
  await store.beat({
    ...keepAlive,
    board: 'main',
    topics: [],
    tasks: [],
    load: {},
    leaseMs: 60_000,
  })
  await startConductor(t, store, { board })
  const { job: after, detail } = await ended(store, job.id)
  assert.equal(detail.state, 'SUCCESS')
  assert.ok(after.epoch > 3)
})

test('what is left on a board of postings that are over is cleared away by whoever meets it', async (t) => {
  const store = new MemoryStore()
  const postings = new MemoryPostings()
  const board = new MemoryBoard({ postings })
  await board.start()
  const job = await postFlow(store, linear('f', [task('a', { task: 'p' })]), { board })
  await startConductor(t, store, { board })
  await ended(store, job.id)
  await eventually(() => postings.size === 0)
  await board.post({ jobId: job.id, posting: 1, priority: 0, createdAt: 1, epoch: 0 })
  await board.post({ jobId: uuidV7(), posting: 1, priority: 0, createdAt: 1, epoch: 0 })
  await eventually(() => postings.size === 0)
  assert.equal((await store.job(job.id))?.job.epoch, 1)
  await jobWhen(store, job.id, ({ job }) => job.state === 'COMPLETE')
})
