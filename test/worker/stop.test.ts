/** How a worker ends, and what it does while its broker is away. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { Worker, type WorkerOptions } from '../../src/worker/index.ts'
import { eventually } from '../support/eventually.ts'
import { quietPort } from '../support/free-port.ts'
import { leakCheck } from '../support/leak-check.ts'
import { privateRabbitmq, rabbitmq, rabbitmqNodes } from '../support/rabbitmq.ts'
import { act, journal, openGate, resetTasks } from '../support/tasks.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import { recordingLogger, type LogLine } from '../amqp/fixtures.ts'
import { Owner } from './owner.ts'

const broker = await rabbitmq()
const skip = 'missing' in broker ? broker.missing : false
const nodes = rabbitmqNodes()
const skipNodes = 'missing' in nodes ? nodes.missing : false

function createWorker(t: TestContext, owner: Owner, options: Partial<WorkerOptions> = {}): Worker {
  const { url: broker, namespace } = owner
  const worker = new Worker({ broker, namespace, tasks: [act], graceMs: 60_000, ...options })
  t.after(() => worker.stop({ graceMs: 0 }))
  return worker
}

async function setUp(
  t: TestContext,
  options: Partial<WorkerOptions> = {},
): Promise<{ readonly owner: Owner; readonly worker: Worker }> {
  leakCheck(t)
  resetTasks()
  const owner = await Owner.create(t)
  const worker = createWorker(t, owner, options)
  await worker.start()
  return { owner, worker }
}

const WAIT = { does: 'wait', key: 'g', value: 1 }

test(
  'stop takes nothing more, gives back what did not begin, and lets what runs end and answer',
  { skip },
  async (t) => {
    const { owner, worker } = await setUp(t, { concurrency: 2 })
    const running = await owner.send(owner.request({ args: WAIT }))
    const held = await owner.send(owner.request({ again: true }))
    await owner.hears('ask', held)
    await eventually(() => journal.length === 1)
    const stopped = worker.stop()
    await eventually(() => worker.load.held === 0)
    const late = await owner.send(owner.request())
    await owner.holds(2)
    openGate('g')
    await stopped
    await owner.result(running)
    assert.equal((await owner.hears('released', held)).held, true)
    assert.deepEqual(journal, ['start g', 'end g'])
    await owner.holds(2) // the held one and the late one are there for others
    assert.deepEqual(owner.about('failure', late), [])
  },
)

test(
  'what does not end within the grace period is aborted and released, unanswered, to run again elsewhere',
  { skip },
  async (t) => {
    const { owner, worker } = await setUp(t)
    const hangs = await owner.send(owner.request({ args: { does: 'hang', key: 'h' } }))
    const deaf = await owner.send(owner.request({ args: { does: 'hangDeaf', key: 'd' } }))
    const cancelled = await owner.send(owner.request({ args: { does: 'hangDeaf', key: 'c' } }))
    await eventually(() => journal.length === 3)
    await owner.cancel(worker.id, cancelled)
    const before = Date.now()
    await worker.stop({ graceMs: 300 })
    assert.ok(Date.now() - before < 20_000, 'not the time that other workers here are given')
    assert.ok(journal.includes('abort h AbortError'))
    await owner.holds(3)
    for (const request of [hangs, deaf, cancelled]) {
      const released = await owner.hears('released', request)
      assert.deepEqual([released.worker, released.held], [worker.id, false])
    }
    const next = createWorker(t, owner)
    await next.start()
    const ask = await owner.hears('ask', deaf)
    assert.equal(
      ask.calls.every(({ redelivered }) => redelivered),
      true,
    )
    assert.deepEqual(owner.about('failure', hangs), [])
  },
)

test('a second stop aborts at once', { skip }, async (t) => {
  const { owner, worker } = await setUp(t)
  await owner.send(owner.request({ args: { does: 'hang', key: 'h' } }))
  await eventually(() => journal.length === 1)
  const before = Date.now()
  const first = worker.stop({ graceMs: 60_000 })
  const second = worker.stop()
  await Promise.all([first, second])
  assert.ok(Date.now() - before < 20_000)
  await owner.holds(1)
})

test(
  'stop before start is fine, start after stop is refused, and a wrong broker is said',
  { skip },
  async (t) => {
    leakCheck(t)
    const owner = await Owner.create(t)
    const worker = createWorker(t, owner)
    await worker.stop()
    await assert.rejects(worker.start(), { code: 'Closed' })
    for (const [options, reason] of [
      [{ concurrency: 0 }, /concurrency: expected a whole number from 1, got 0/],
      [{ topics: [] }, /topics: expected at least one/],
      [{ topics: ['x'.repeat(151)] }, /topics: expected texts of 1 to 150 bytes/],
      [{ tasks: [] }, /tasks: found no task in it/],
      [{ tasks: undefined }, /a worker needs tasks/],
      [{ broker: '' }, /a worker needs a broker/],
    ] as const) {
      assert.throws(() => createWorker(t, owner, options), { code: 'Usage', message: reason })
    }
  },
)

test('a worker that waits for its broker can be stopped', { skip }, async (t) => {
  leakCheck(t)
  const owner = await Owner.create(t)
  const port = await quietPort()
  const worker = createWorker(t, owner, { broker: `amqp://127.0.0.1:${port}` })
  const started = worker.start()
  started.catch(() => undefined)
  await new Promise((resolve) => setImmediate(resolve))
  const before = Date.now()
  await worker.stop()
  await assert.rejects(started)
  assert.ok(Date.now() - before < 15_000, 'it does not wait for what does not come')
})

test(
  'a lost connection ends no body: it is reported at once, its copy is adopted, its answer comes once',
  { skip },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const owner = await Owner.create(t)
    const url = new URL(owner.url)
    const proxy = await tcpProxy(t, { host: url.hostname, port: Number(url.port) })
    url.host = `127.0.0.1:${proxy.port}`
    const worker = createWorker(t, owner, { broker: url.href })
    await worker.start()
    const args = { ...WAIT }
    const requests = await Promise.all([1, 2, 3].map(() => owner.send(owner.request({ args }))))
    await eventually(() => journal.length === 3)
    const [first = owner.request()] = requests
    await owner.hears('running', first)
    const seen = owner.about('running', first).length
    proxy.cut()
    await owner.holds(3)
    proxy.mend()
    await eventually(() => owner.about('running', first).length > seen, { withinMs: 60_000 })
    await owner.holds(0) // of those that are ready
    openGate('g')
    for (const request of requests) await owner.answer(request)
    await worker.stop()
    assert.equal(await owner.depth(), 0)
    assert.deepEqual(
      owner.messages.filter(({ type }) => type === 'ask'),
      [],
    )
    assert.equal(journal.filter((line) => line === 'start g').length, 3)
  },
)

test(
  'an answer that cannot be published is kept, and published when the broker is back',
  { skip },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const owner = await Owner.create(t)
    const url = new URL(owner.url)
    const proxy = await tcpProxy(t, { host: url.hostname, port: Number(url.port) })
    url.host = `127.0.0.1:${proxy.port}`
    const worker = createWorker(t, owner, { broker: url.href })
    await worker.start()
    const request = await owner.send(owner.request({ args: WAIT }))
    await eventually(() => journal.length === 1)
    proxy.cut()
    openGate('g')
    await eventually(() => journal.length === 2)
    assert.equal(worker.load.running, 1, 'it holds an answer')
    proxy.mend()
    assert.deepEqual(await owner.result(request, 30_000), { value: 1 })
    await eventually(() => worker.load.running === 0, { withinMs: 30_000 })
    await worker.stop()
    assert.equal(await owner.depth(), 0, 'the copy that came back was answered and acknowledged')
    assert.equal(journal.length, 2)
  },
)

test(
  'a call longer than the consumer timeout of its broker goes on, and is answered once',
  { skip: skipNodes },
  async (t) => {
    leakCheck(t)
    resetTasks()
    const node = await privateRabbitmq(t)
    const owner = await Owner.create(t, { space: { url: node.url, namespace: 'long' } })
    await node.setConsumerTimeout(2_000) // of channels to come: the owner's have all the time that they need
    const log: LogLine[] = []
    const worker = createWorker(t, owner, { concurrency: 2, logger: recordingLogger(log) })
    await worker.start()
    const long = await owner.send(owner.request({ args: WAIT }))
    await eventually(() => journal.length === 1)
    await eventually(() => log.some(({ error }) => /acknowledgement .*timed out/.test(error)), {
      withinMs: 60_000,
    })
    // The copy is back: it is adopted as soon as it is here again.
    await eventually(
      async () => {
        const queues = await node.queues()
        const topic = queues.find(({ name }) => name === owner.names.topic('default'))
        return topic?.messages === 1 && topic.ready === 0 && topic.consumers === 1
      },
      { withinMs: 60_000 },
    )
    openGate('g')
    assert.deepEqual(await owner.result(long), { value: 1 })
    const next = await owner.send(owner.request())
    await owner.result(next)
    await worker.stop()
    assert.equal(await owner.depth(), 0)
    assert.equal(journal.filter((line) => line === 'start g').length, 1)
    // One that comes back after the end is given the same answer again.
    const [first, ...others] = owner.about('result', long)
    for (const other of others) assert.deepEqual(other, first)
    assert.ok(others.length <= 1)
  },
)
