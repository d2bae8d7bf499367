/** Conductors of a board outside the store: one of them fills it, all of them claim, and none has to be there. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ConflictError, UnavailableError } from '../../src/base/errors.ts'
import { uuidV7 } from '../../src/base/ids.ts'
import { MemoryBoard, MemoryPostings, type MemoryPostingsOptions } from '../../jobboard/memory.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { JobRecord, Store } from '../../persistence/store.ts'
import { REST_MS } from '../../src/conductor/leader.ts'
import { post } from '../persistence/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { document, linear, task } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { quickest } from '../support/quickest.ts'
import { behind, freshStore, STORES } from '../support/stores.ts'
import {
  ended,
  Gate,
  jobWhen,
  postFlow,
  startConductor,
  TASKS,
  type StartOptions,
} from './fixtures.ts'

const FLOW = linear('f', [task('a', { task: 'p' })])

async function boardOf(t: TestContext, postings: MemoryPostings): Promise<MemoryBoard> {
  const board = new MemoryBoard({ postings })
  await board.start()
  lastFirst(t).after(() => board.stop())
  return board
}

/** A store, a place for postings, and conductors on it. Their leases are long: who stands still for a moment loses nothing. */
async function world(t: TestContext, store: Store, options: MemoryPostingsOptions = {}) {
  const postings = new MemoryPostings(options)
  const start = async (more: StartOptions = {}) => {
    const board = await boardOf(t, postings)
    const started = await startConductor(t, store, { board, leaseMs: 60_000, ...more })
    return { ...started, board }
  }
  return { postings, start }
}

/** Posts a flow that its board does not know yet, as after a poster whose board was away. */
async function postUnseen(
  store: Store,
  { tenant, priority }: { readonly tenant?: string; readonly priority?: number } = {},
): Promise<JobRecord> {
  const whole = document(FLOW, {})
  return post(store, {
    state: 'POSTING',
    document: whole,
    documentHash: 'fleet',
    priority,
    labels: tenant === undefined ? {} : { tenant },
  })
}

function leaderOf(started: { readonly board: MemoryBoard }): Promise<string | null> {
  return started.board.fleet.leader()
}

for (const kind of STORES) {
  test(`${kind}: a window of 5 is filled by priority, then tenants in turn, then age`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    const names = new Map<string, string>()
    for (const [tenant, count] of [
      ['a', 30],
      ['b', 12],
      ['c', 3],
    ] as const) {
      for (let at = 1; at <= count; at++) {
        names.set((await postUnseen(store, { tenant })).id, `${tenant}${at}`)
      }
    }
    for (let at = 1; at <= 5; at++)
      names.set((await postUnseen(store, { priority: 9 })).id, `!${at}`)
    // Nobody is taken for a poster that is showing them just now.
    await eventually(async () => {
      const next = await store.nextPostings('main', { limit: 100, restMs: REST_MS })
      return next.filter(({ priority }) => priority === 9).length === 5
    })
    const { start, postings } = await world(t, store, { window: 5 })
    const seen: string[] = []
    let most = 0
    const { jobs } = await start({
      maxFlows: 1,
      onJob: (event) => {
        if (event.kind === 'claimed') seen.push(names.get(event.job) ?? '?')
        most = Math.max(most, postings.size)
      },
    })
    await eventually(() => seen.length === 50, { withinMs: 30_000 })
    assert.deepEqual(jobs, [])
    // Five that wait, and the one that is worked on.
    assert.ok(most <= 6, `${most} postings`)
    assert.deepEqual(seen.slice(0, 5), ['!1', '!2', '!3', '!4', '!5'])
    const rest = seen.slice(5)
    // Each has its turn: those of c and b are not behind the 30 of a.
    const last = (tenant: string) => rest.findLastIndex((name) => name.startsWith(tenant))
    assert.ok(last('c') < 15, rest.join(' '))
    assert.ok(last('b') < 35, rest.join(' '))
    for (const tenant of ['a', 'b', 'c']) {
      const own = rest.filter((name) => name.startsWith(tenant))
      // Of a tenant by age; within the window the board goes by age too.
      assert.deepEqual(
        own,
        own.toSorted((x, y) => Number(x.slice(1)) - Number(y.slice(1))),
      )
    }
  })

  test(`${kind}: a job that its poster could not post, or that is due, is posted by the leader within a moment`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    const { start } = await world(t, store)
    const first = await start()
    await eventually(async () => (await leaderOf(first)) === first.conductor.id)
    await quickest(REST_MS + 1500, async () => {
      const at = performance.now()
      const job = await postUnseen(store)
      await ended(store, job.id)
      return performance.now() - at
    })
    const delayed = await postFlow(store, FLOW, { board: first.board, delayMs: 300 })
    const { job: after } = await ended(store, delayed.id)
    assert.equal(after.posting, 2)
  })

  test(`${kind}: jobs of a conductor that is gone from board and store go on under their claim's next epoch, in disorder`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, kind)
    if (store === null) return
    const { start, postings } = await world(t, store)
    const gate = new Gate()
    const tasks = { gate: gate.task() }
    const board = await boardOf(t, postings)
    const job = await postFlow(store, linear('f', [task('a', { task: 'gate' })]), { board })
    // A process that was killed: its claim is adopted, and nothing more comes of it.
    const [claim] = await board.claim('dead', 1)
    assert.ok(claim)
    assert.equal((await store.adopt([claim])).length, 1)
    assert.equal(await store.beginProbation(claim), true)
    await store.beat({
      id: 'dead',
      kind: 'conductor',
      name: 'dead',
      host: 'elsewhere',
      pid: 1,
      board: 'main',
      topics: [],
      tasks: [],
      load: {},
      leaseMs: 60_000,
    })
    await start({ tasks })
    assert.equal((await store.job(job.id))?.job.conductor, 'dead')
    postings.expire(board, { unheard: true })
    await eventually(() => gate.entered.length === 1)
    const { job: taken } = await jobWhen(store, job.id, ({ job }) => job.conductor !== 'dead')
    // The claim's end in disorder counts, though the lease in the store has not run out.
    assert.equal(taken.posting, 1)
    assert.equal(taken.epoch, 2)
    assert.equal(taken.probationDeaths, 1)
    gate.open()
    assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
  })
}

test('one conductor leads; when it stops, or its session ends, another one does', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { start, postings } = await world(t, store)
  let all = [await start()]
  const leader = async () => {
    const [any] = all
    const led = any === undefined ? null : await leaderOf(any)
    return all.find(({ conductor }) => conductor.id === led)
  }
  await eventually(leader)
  await quickest(2000, async () => {
    while (all.length < 3) all.push(await start())
    const first = await eventually(leader)
    all = all.filter((one) => one !== first)
    const at = performance.now()
    await first.conductor.stop()
    await eventually(leader)
    return performance.now() - at
  })
  const lost = await eventually(leader)
  const other = all.find((one) => one !== lost)
  assert.ok(other)
  postings.cut(lost.board)
  postings.expire(lost.board)
  await eventually(async () => (await leaderOf(other)) === other.conductor.id)
  const job = await postUnseen(store)
  await ended(store, job.id)
  postings.mend(lost.board)
  await eventually(async () => (await other.board.fleet.members()).length === 2)
})

test('who cannot reach the store resigns, and the others go on', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  let isCut = false
  const cut = behind(store, (method) => {
    if (isCut && method !== 'endProcess')
      throw new UnavailableError('the store', { reason: method })
  })
  const { postings, start } = await world(t, cut)
  const first = await start({ leaseMs: 900 })
  await eventually(async () => (await leaderOf(first)) === first.conductor.id)
  const otherBoard = await boardOf(t, postings)
  const second = await startConductor(t, store, { board: otherBoard, leaseMs: 60_000 })
  isCut = true
  await eventually(async () => (await otherBoard.fleet.leader()) === second.conductor.id, {
    withinMs: 8000,
  })
  const job = await postUnseen(store)
  await ended(store, job.id)
  isCut = false
})

test('a wiped board is filled again at once by its leader, with claims and all', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { start, postings } = await world(t, store)
  const gate = new Gate()
  const first = await start({ maxFlows: 4, tasks: { ...TASKS, gate: gate.task() } })
  await eventually(async () => (await leaderOf(first)) === first.conductor.id)
  const root = linear('f', [task('a', { task: 'gate' })])
  const ids: string[] = []
  for (let at = 0; at < 40; at++) ids.push((await postFlow(store, root, { board: first.board })).id)
  await eventually(() => gate.entered.length === 4)
  postings.wipe()
  gate.open()
  for (const id of ids) {
    const { detail } = await ended(store, id, { withinMs: 15_000 })
    assert.equal(detail.state, 'SUCCESS')
  }
  await eventually(() => postings.size === 0)
})

test('what the board lost of jobs that wait is found by comparing, and goes before what came later', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { start, postings } = await world(t, store, { window: 10 })
  const board = await boardOf(t, postings)
  const old: string[] = []
  for (let at = 0; at < 10; at++) old.push((await postFlow(store, FLOW, { board })).id)
  postings.wipe()
  for (let at = 0; at < 30; at++) await postUnseen(store)
  const order: string[] = []
  await start({
    maxFlows: 1,
    onJob: (event) => event.kind === 'completed' && void order.push(event.job),
  })
  await eventually(() => order.length === 40, { withinMs: 20_000 })
  // The first window may have been filled before the comparison; the old ones come right behind it.
  const places = old.map((id) => order.indexOf(id))
  assert.ok(Math.max(...places) < 30, places.join(' '))
})

test('a job stays POSTING as long as there is no room for it, and a smaller priority finds none before it', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { start } = await world(t, store, { window: 2 })
  const gate = new Gate()
  const root = linear('f', [task('a', { task: 'gate' })])
  const { board } = await start({ maxFlows: 2, tasks: { ...TASKS, gate: gate.task() } })
  for (let at = 0; at < 2; at++) await postFlow(store, root, { board })
  await eventually(() => gate.entered.length === 2)
  // What is claimed takes no room; these two take all of it.
  for (let at = 0; at < 2; at++) await postFlow(store, root, { board })
  const low = await postUnseen(store)
  assert.equal(
    await board.post({ jobId: uuidV7(), posting: 1, priority: 0, createdAt: 1, epoch: 0 }),
    false,
  )
  // Nobody is taken for its poster any more; a few looks of the leader later it still waits.
  await eventually(async () => {
    return (await store.nextPostings('main', { limit: 1, restMs: REST_MS })).length > 0
  })
  await new Promise((resolve) => setTimeout(resolve, 400))
  assert.equal((await store.job(low.id))?.job.state, 'POSTING')
  gate.open()
  assert.equal((await ended(store, low.id)).detail.state, 'SUCCESS')
})

test('a second conductor of a name that lives is refused, and leaves nothing behind', async (t) => {
  leakCheck(t)
  const { start, postings } = await world(t, new MemoryStore(), { sessionMs: 50 })
  await start({ name: 'blue' })
  const board = await boardOf(t, postings)
  // Another database: only the board can tell.
  const store = new MemoryStore()
  await assert.rejects(
    startConductor(t, store, { board, name: 'blue', leaseMs: 900 }),
    ConflictError,
  )
  assert.deepEqual(await store.processes(), [])
  assert.equal((await board.fleet.members()).length, 1)
})

test('cut from the board alone, a conductor works on what it has, drops it when it is lost, and comes back by itself', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { start, postings } = await world(t, store)
  const gate = new Gate()
  const tasks = { ...TASKS, gate: gate.task() }
  const { board, jobs, conductor } = await start({ tasks })
  const slow = await postFlow(store, linear('f', [task('a', { task: 'gate' })]), { board })
  await eventually(() => gate.entered.length === 1)
  postings.cut(board)
  const unseen = await postUnseen(store)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(conductor.load.flows, 1)
  assert.equal((await store.job(unseen.id))?.job.state, 'POSTING')
  postings.expire(board)
  postings.mend(board)
  await eventually(() => jobs.some((event) => event.kind === 'lost'))
  await eventually(() => gate.entered.length === 2)
  gate.open()
  for (const job of [slow, unseen]) {
    const { detail, job: after } = await ended(store, job.id)
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(after.probationDeaths, 0)
  }
  await eventually(() => postings.size === 0)
})

test('a flow that ends while the board is cut off is taken off it once it is back', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { start, postings } = await world(t, store)
  const gate = new Gate()
  const { board } = await start({ tasks: { gate: gate.task() } })
  const job = await postFlow(store, linear('f', [task('a', { task: 'gate' })]), { board })
  await eventually(() => gate.entered.length === 1)
  postings.cut(board)
  gate.open()
  assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
  assert.equal(postings.size, 1)
  postings.mend(board)
  await eventually(() => postings.size === 0)
})

test('a conductor that stops hands 90 flows over at once, in order, and the others go on with them', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { start } = await world(t, store)
  const gate = new Gate()
  const root = linear('f', [
    task('a', { task: 'p' }),
    task('b', { task: 'p' }),
    task('c', { task: 'gate' }),
  ])
  const tasks = { ...TASKS, gate: gate.task() }
  const first = await start({ tasks, graceMs: 10_000 })
  const ids: string[] = []
  for (let at = 0; at < 90; at++) ids.push((await postFlow(store, root, { board: first.board })).id)
  await eventually(() => gate.entered.length === 90, { withinMs: 20_000 })
  const second = await start({ tasks })
  const stopping = first.conductor.stop({ graceMs: 30_000 })
  // What runs is aborted at once, and there is time to hand all of it over.
  void first.conductor.stop()
  await eventually(() => second.conductor.load.flows === 90, { withinMs: 20_000 })
  await stopping
  gate.open()
  for (const id of ids) {
    const { job, detail } = await ended(store, id)
    assert.equal(detail.state, 'SUCCESS')
    assert.equal(job.posting, 2)
    assert.equal(job.disorder, false)
  }
})

test('a job of a newer version is left to newer conductors, on boards outside the store too', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const { start, postings } = await world(t, store)
  const { board, logs } = await start()
  const newer = { document: { format: 99 } }
  const job = await postFlow(store, FLOW, { board, ...newer })
  await jobWhen(store, job.id, ({ job }) => job.state === 'PARKED' && job.reason !== null)
  await eventually(() => logs.some(({ message }) => message.includes('newer conductor')))
  // It is not on the board while it waits, and is posted anew when it is due.
  await eventually(() => postings.size === 0)
  await jobWhen(store, job.id, ({ job }) => job.posting > 1)
})

test("claims that cannot be adopted because the store is away from here are soon others'", async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  let isCut = false
  const cut = behind(store, (method) => {
    // It claims, and loses the store before it adopts.
    if (method === 'adopt') isCut = true
    if (isCut && method !== 'endProcess')
      throw new UnavailableError('the store', { reason: method })
  })
  const { start, postings } = await world(t, cut)
  await start({ name: 'cut', leaseMs: 900 })
  const board = await boardOf(t, postings)
  const job = await postUnseen(store)
  await board.post({ jobId: job.id, posting: 1, priority: 0, createdAt: job.createdAt, epoch: 0 })
  await eventually(() => isCut)
  await startConductor(t, store, { board, leaseMs: 60_000 })
  assert.equal((await ended(store, job.id, { withinMs: 10_000 })).detail.state, 'SUCCESS')
  isCut = false
})

test('a board in SQL takes in what was posted for another kind of board', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const job = await postUnseen(store)
  await startConductor(t, store, { leaseMs: 900 })
  assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
})
