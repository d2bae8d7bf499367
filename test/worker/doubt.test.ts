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
  const worker = new Worker({ broker, namespace, tasks: [act], graceMs: 5_000, ...options })
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
  const ask = await owner.hears('ask', requests[9] as RequestMessage)
  assert.equal(ask.calls.length, 10)
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

test(
  'a redelivered copy runs in a process of its own: what it does to that, it does to nobody else',
  { skip },
  async (t) => {
    const { owner, worker } = await setUp(t, { modules: [MODULE], soloProcesses: 2 })
    const neighbours: RequestMessage[] = []
    for (let at = 0; at < 15; at++) neighbours.push(await owner.send(owner.request({ args: WAIT })))
    await eventually(() => journal.length === 15)
    let goes = 0
    owner.onAsk = () => (++goes <= 3 ? 'go' : 'drop')
    await worker.stop({ graceMs: 1 })
    resetTasks()
    // Fifteen come back, redelivered; a killer is among them.
    const killer = await owner.send(owner.request({ args: { does: 'exit', count: 9 } }))
    await owner.holdAndLose()
    owner.onAsk = (call) => {
      if (call.atom !== killer.atom) return 'go'
      return ++goes <= 3 ? 'go' : 'drop'
    }
    goes = 0
    const next = await startWorker(t, owner, { modules: [MODULE], soloProcesses: 2 })
    const fresh = await owner.send(owner.request())
    assert.deepEqual(await owner.result(fresh), { value: fresh.args['value'] })
    openGate('g')
    await eventually(() => goes >= 4, { withinMs: 30_000 })
    const holds = owner
      .about('ask', killer)
      .flatMap(({ calls }) =>
        calls.filter(({ atom }) => atom === killer.atom).map(({ hold }) => hold),
      )
    assert.ok(
      new Set(holds).size >= 3,
      `each time it came back it is another holding: ${holds.join()}`,
    )
    assert.equal(owner.about('result', killer).length + owner.about('failure', killer).length, 0)
    assert.equal(next.load.concurrency, 16, 'this process lives')
  },
)
