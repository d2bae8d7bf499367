/** What may have been started elsewhere: asked about, run alone, adopted, cancelled. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { Worker, type WorkerOptions } from '../../src/worker/index.ts'
import type { RequestMessage } from '../../src/protocol/messages.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { rabbitmq } from '../support/rabbitmq.ts'
import { act, journal, openGate, resetTasks } from '../support/tasks.ts'
import { Owner } from './owner.ts'

const broker = await rabbitmq()
const skip = 'missing' in broker ? broker.missing : false
const MODULE = new URL('../support/tasks.js', import.meta.url).href

async function startWorker(
  t: TestContext,
  owner: Owner,
  options: Partial<WorkerOptions> = {},
): Promise<Worker> {
  const { url: broker, namespace } = owner
  const worker = new Worker({ broker, namespace, tasks: [act], graceMs: 60_000, ...options })
  t.after(() => worker.stop({ graceMs: 0 }))
  await worker.start()
  return worker
}

async function setUp(
  t: TestContext,
  options: Partial<WorkerOptions> = {},
): Promise<{ readonly owner: Owner; readonly worker: Worker }> {
  leakCheck(t)
  resetTasks()
  const owner = await Owner.create(t)
  return { owner, worker: await startWorker(t, owner, options) }
}

const WAIT = { does: 'wait', key: 'g' }

for (const [why, over] of [
  ['is marked again', { again: true }],
  ['is old', { publishedAt: Date.now() - 61_000 }],
] as const) {
  test(`a copy that ${why} asks, and starts only when it is told`, { skip }, async (t) => {
    const { owner, worker } = await setUp(t)
    const request = await owner.send(owner.request(over))
    const ask = await owner.hears('ask', request)
    assert.equal(ask.worker, worker.id)
    const [call] = ask.calls
    assert.deepEqual([call?.redelivered, call?.again, call?.hold], [false, 'again' in over, 1])
    assert.deepEqual([journal, worker.load.held], [[], 1])
    await owner.go(worker.id, request)
    assert.deepEqual(await owner.result(request), { value: 1 })
  })
}

test('many questions are one message', { skip }, async (t) => {
  const owner = await Owner.create(t)
  const requests: RequestMessage[] = []
  for (let at = 0; at < 10; at++) requests.push(await owner.send(owner.request({ again: true })))
  await startWorker(t, owner)
  for (const request of requests) await owner.hears('ask', request)
  // Those that come late, because the broker stood still meanwhile, are asked about in another.
  const asks = owner.messages.filter(({ type }) => type === 'ask')
  assert.ok(asks.length <= 3, `${asks.length} messages`)
})

test(
  'a second go starts nothing again, nor does one that comes after a drop',
  { skip },
  async (t) => {
    const { owner, worker } = await setUp(t)
    const args = { ...WAIT, key: 'twice' }
    const twice = await owner.send(owner.request({ again: true, args }))
    await owner.hears('ask', twice)
    await owner.go(worker.id, twice, twice)
    await owner.go(worker.id, twice)
    const dropped = await owner.send(owner.request({ again: true }))
    await owner.hears('ask', dropped)
    await owner.drop(worker.id, dropped)
    await owner.go(worker.id, dropped)
    await eventually(async () => (await owner.depth()) === 0 || worker.load.held === 0)
    openGate('twice')
    await owner.answer(twice)
    await owner.go(worker.id, twice, dropped)
    const last = await owner.send(owner.request())
    await owner.answer(last)
    assert.deepEqual(
      journal.filter((line) => line.startsWith('start')),
      ['start twice', 'start '],
    )
    assert.deepEqual(
      owner.about('failure', dropped).length + owner.about('result', dropped).length,
      0,
    )
    assert.equal(owner.about('result', twice).length, 1)
  },
)

test(
  'another copy of what runs here is adopted: one body, one answer, no question',
  { skip },
  async (t) => {
    const { owner, worker } = await setUp(t)
    const request = await owner.send(owner.request({ args: WAIT }))
    await eventually(() => journal.length === 1)
    await owner.send({ ...request, again: true })
    await owner.send({ ...request, again: true })
    const marker = await owner.send(owner.request())
    await owner.answer(marker)
    openGate('g')
    await owner.answer(request)
    await worker.stop()
    assert.equal(await owner.depth(), 0, 'all copies are acknowledged')
    assert.deepEqual(owner.about('ask', request), [])
    assert.equal(owner.about('result', request).length, 1)
    assert.deepEqual(journal.filter((line) => line === 'start g').length, 1)
  },
)

test('a copy of what ended here lately is answered with the same answer', { skip }, async (t) => {
  const { owner } = await setUp(t)
  const request = await owner.send(owner.request())
  await owner.answer(request)
  await owner.send({ ...request, again: true })
  await eventually(() => owner.about('result', request).length === 2)
  const [first, second] = owner.about('result', request)
  assert.deepEqual(first, second)
  assert.equal(journal.length, 2, 'start and end of one body')
})

test('a cancel aborts what runs, and is answered for what did not begin', { skip }, async (t) => {
  const { owner, worker } = await setUp(t, { concurrency: 1 })
  const running = await owner.send(owner.request({ args: { does: 'hang', key: 'h' } }))
  await eventually(() => journal.length === 1)
  await owner.cancel(worker.id, running)
  const { failure, outcome } = await owner.failure(running)
  assert.deepEqual(
    [failure.code, failure.message, outcome],
    ['Cancelled', 'not wanted any more', 'failure'],
  )
  const held = await owner.send(owner.request({ again: true }))
  await owner.hears('ask', held)
  await owner.cancel(worker.id, held)
  const answer = await owner.failure(held)
  assert.deepEqual([answer.failure.code, answer.outcome], ['Cancelled', 'unknown'])
  await worker.stop()
  assert.equal(await owner.depth(), 0)
  assert.equal(journal.filter((line) => line.startsWith('start')).length, 1)
})

test(
  'a body that is deaf to a cancel is answered for, and its place is free',
  { skip },
  async (t) => {
    const { owner, worker } = await setUp(t, { abortGraceMs: 50 })
    const request = await owner.send(owner.request({ args: { does: 'hangDeaf' } }))
    await eventually(() => journal.length === 1)
    await owner.cancel(worker.id, request)
    const { failure, outcome } = await owner.failure(request)
    assert.deepEqual([failure.code, outcome], ['Cancelled', 'unknown'])
    await eventually(() => worker.load.running === 0)
  },
)

/** A request whose last holder died. */
async function sendRedelivered(
  owner: Owner,
  over: Partial<RequestMessage>,
): Promise<RequestMessage> {
  const request = await owner.send(owner.request(over))
  await owner.holdAndLose()
  return request
}

test(
  'a redelivered copy runs in a process of its own, and harms nobody else',
  { skip },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const owner = await Owner.create(t)
    const killer = await sendRedelivered(owner, { args: { does: 'exit', count: 9 } })
    let asked = 0
    owner.onAsk = (call) => (callsAgain(call.hold) ? 'go' : 'drop')
    const callsAgain = (hold: number | undefined): boolean => {
      asked = Math.max(asked, hold ?? 0)
      return asked <= 2
    }
    const worker = await startWorker(t, owner, { modules: [MODULE] })
    const neighbours: RequestMessage[] = []
    for (let at = 0; at < 15; at++) neighbours.push(await owner.send(owner.request({ args: WAIT })))
    await eventually(() => journal.length === 15)
    await eventually(() => asked === 3 && worker.load.held === 0, { withinMs: 60_000 })
    const holds = owner.about('ask', killer).flatMap(({ calls }) => calls.map(({ hold }) => hold))
    assert.deepEqual(
      [...new Set(holds)],
      [1, 2, 3],
      'each time its copy came back is another holding',
    )
    assert.deepEqual(owner.about('failure', killer), [], 'its owner counts and decides')
    openGate('g')
    for (const neighbour of neighbours) await owner.result(neighbour)
    await worker.stop()
    assert.equal(await owner.depth(), 0)
  },
)

test(
  'a call in a process of its own answers, hears aborts and has limits as any other',
  { skip },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const owner = await Owner.create(t)
    const told = await sendRedelivered(owner, { args: { does: 'progress', count: 1, value: 'v' } })
    const worker = await startWorker(t, owner, { modules: [MODULE], abortGraceMs: 100 })
    owner.onAsk = () => 'go'
    assert.deepEqual(await owner.result(told), { value: 'v' })
    assert.equal(owner.about('progress', told).length, 2)
    await worker.stop()
    const spins = await sendRedelivered(owner, { args: { does: 'spin' }, timeoutMs: 100 })
    const next = await startWorker(t, owner, { modules: [MODULE], abortGraceMs: 100 })
    const spun = await owner.failure(spins)
    assert.deepEqual([spun.failure.code, spun.outcome], ['TimedOut', 'unknown'])
    await next.stop()
    const hangs = await sendRedelivered(owner, { args: { does: 'hang' } })
    const last = await startWorker(t, owner, { modules: [MODULE], abortGraceMs: 60_000 })
    await owner.hears('running', hangs)
    await owner.cancel(last.id, hangs)
    const { failure, outcome } = await owner.failure(hangs)
    assert.deepEqual([failure.code, outcome], ['Cancelled', 'failure'])
    assert.deepEqual(journal, [], 'nothing of it happened in this process')
  },
)

test(
  'where no module is known a redelivered copy runs among others, once its owner says go',
  { skip },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const owner = await Owner.create(t)
    const request = await sendRedelivered(owner, {})
    owner.onAsk = () => 'go'
    await startWorker(t, owner)
    await owner.result(request)
    assert.equal(journal.length, 2, 'start and end, in this process')
  },
)

test(
  'a module that a process of its own cannot load does not keep its tasks from running',
  { skip },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const owner = await Owner.create(t)
    const request = await sendRedelivered(owner, {})
    owner.onAsk = () => 'go'
    await startWorker(t, owner, { modules: ['file:///nowhere/tasks.js'] })
    await owner.result(request)
    assert.equal(journal.length, 2)
  },
)
