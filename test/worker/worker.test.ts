import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { Worker, type WorkerOptions } from '../../src/worker/index.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { rabbitmq } from '../support/rabbitmq.ts'
import {
  act,
  compute,
  journal,
  noop,
  openGate,
  patient,
  resetTasks,
  whereAmI,
} from '../support/tasks.ts'
import { Owner } from './owner.ts'

const broker = await rabbitmq()
const skip = 'missing' in broker ? broker.missing : false

/** A worker of this process, and its owner. */
async function setUp(
  t: TestContext,
  options: Partial<WorkerOptions> = {},
): Promise<{ readonly owner: Owner; readonly worker: Worker }> {
  leakCheck(t)
  resetTasks()
  const owner = await Owner.create(t, { topics: options.topics ?? ['default'] })
  const worker = await startWorker(t, owner, options)
  return { owner, worker }
}

async function startWorker(
  t: TestContext,
  owner: Owner,
  options: Partial<WorkerOptions> = {},
): Promise<Worker> {
  const { url, namespace } = owner
  const tasks = [act, compute, noop, patient, whereAmI]
  const worker = new Worker({ broker: url, namespace, tasks, graceMs: 60_000, ...options })
  t.after(() => worker.stop({ graceMs: 0 }))
  await worker.start()
  return worker
}

test('a request is run and answered, and its copy is gone after that', { skip }, async (t) => {
  const { owner, worker } = await setUp(t)
  const request = await owner.send(owner.request({ args: { does: 'tell' } }))
  const answer = await owner.answer(request)
  assert.equal(answer.worker, worker.id)
  assert.deepEqual(await owner.result(request), {
    value: {
      attempt: 1,
      idempotencyKey: 'flow 1/order/a1#execute.1',
      flowId: 'flow 1',
      flow: 'order',
      atom: 'order/a1',
      job: 'job 1',
      failures: {},
    },
  })
  await eventually(() => worker.load.running === 0)
  assert.deepEqual(worker.load, { running: 0, held: 0, concurrency: 16 })
  await worker.stop()
  assert.equal(await owner.depth(), 0)
})

test(
  'reverts, decisions of strategies and computing tasks are run as executions are',
  { skip },
  async (t) => {
    const { owner } = await setUp(t)
    const args = { does: 'succeed', key: 'k' }
    const revert = await owner.send(
      owner.request({ direction: 'revert', outcome: 'success', result: { value: 7 }, args }),
    )
    const rounds = [{ value: null, failures: {} }]
    const decide = await owner.send(
      owner.request({ direction: 'decide', task: 'patient', args: {}, rounds }),
    )
    const inThread = await owner.send(owner.request({ task: 'whereAmI', args: {} }))
    assert.equal(await owner.result(revert), null)
    assert.deepEqual(journal, ['revert k success {"value":7}'])
    assert.deepEqual(await owner.result(decide), { decision: 'RETRY', delayMs: 5000, value: 1 })
    assert.deepEqual(await owner.result(inThread), { isMainThread: false })
  },
)

test(
  'whatever a body throws or gives that JSON cannot carry is a failure that says so',
  { skip },
  async (t) => {
    const { owner } = await setUp(t)
    const send = (args: { readonly [name: string]: string }) => owner.send(owner.request({ args }))
    const [thrown, junk, huge, invalid] = await Promise.all([
      send({ does: 'fail', key: 'k' }),
      send({ does: 'junk', key: 'a Date' }),
      send({ does: 'junk', key: 'three megabytes' }),
      send({ does: 'nothing of the kind' }),
    ])
    const shown = async (request: typeof thrown): Promise<readonly unknown[]> => {
      const { failure, outcome } = await owner.failure(request)
      return [failure.code, failure.retryable, outcome]
    }
    assert.deepEqual(await shown(thrown), ['Planned', undefined, 'failure'])
    assert.deepEqual(await shown(junk), ['NotSerialisable', undefined, 'failure'])
    assert.deepEqual(await shown(huge), ['NotSerialisable', undefined, 'failure'])
    assert.match((await owner.failure(huge)).failure.message, /more than 2097152 bytes/)
    assert.deepEqual(await shown(invalid), ['InvalidArguments', false, 'failure'])
  },
)

test(
  'a task that is not known here is answered unknown, and its copy is gone',
  { skip },
  async (t) => {
    const { owner } = await setUp(t)
    const request = await owner.send(owner.request({ task: 'constructor' }))
    const unknown = await owner.hears('unknown', request)
    assert.equal(unknown.task, 'constructor')
    await eventually(async () => (await owner.depth()) === 0)
  },
)

test('timeouts and heartbeats are kept here, whatever the body does', { skip }, async (t) => {
  const { owner } = await setUp(t, { abortGraceMs: 50 })
  const late = await owner.send(owner.request({ args: { does: 'hang' }, timeoutMs: 50 }))
  const deaf = await owner.send(owner.request({ args: { does: 'hangDeaf' }, heartbeatMs: 50 }))
  assert.deepEqual(await verdictOf(owner, late), ['TimedOut', 'failure'])
  assert.deepEqual(await verdictOf(owner, deaf), ['TimedOut', 'unknown'])
})

test(
  'what runs is reported soon, again and again, and to whoever asks; progress is passed on',
  { skip },
  async (t) => {
    const { owner, worker } = await setUp(t)
    const args = { does: 'wait', key: 'g' }
    const first = await owner.send(owner.request({ args, reportEveryMs: 300 }))
    const second = await owner.send(owner.request({ args, reportEveryMs: 300 }))
    await eventually(() => owner.about('running', first).length >= 3)
    // Not the first, perhaps: the second call may have come later than that.
    const report = await eventually(() =>
      owner.about('running', first).find(({ calls }) => calls.length === 2),
    )
    assert.equal(report.worker, worker.id, 'one message for both')
    const seen = owner.about('running', second).length
    const elsewhere = owner.request()
    const calls = [first, second, { ...first, token: 'forged' }, elsewhere]
    await owner.tell(worker.id, { v: 1, type: 'report', calls, replyTo: owner.replyQueue })
    await eventually(() => owner.about('running', second).length > seen)
    assert.deepEqual(owner.about('running', elsewhere), [])
    openGate('g')
    await owner.answer(first)
    const told = await owner.send(owner.request({ args: { does: 'progress', count: 2 } }))
    await owner.answer(told)
    assert.deepEqual(
      owner.about('progress', told).map(({ progress, details }) => [progress, details]),
      [
        [0, { step: 0 }],
        [0.5, { step: 1 }],
        [1, { step: 2 }],
      ],
    )
  },
)

test('no more calls run at once than it has places, over all its topics', { skip }, async (t) => {
  const topics = ['one', 'two']
  const { owner, worker } = await setUp(t, { topics, concurrency: 4 })
  const args = { does: 'wait', key: 'g' }
  const requests = []
  for (let at = 0; at < 20; at++) {
    const topic = at < 16 ? 'one' : 'two'
    requests.push(await owner.send(owner.request({ args, topic })))
  }
  await eventually(() => worker.load.running === 4)
  assert.equal(journal.length, 4)
  openGate('g')
  for (const request of requests) await owner.answer(request)
  assert.equal(journal.filter((line) => line.startsWith('start')).length, 20)
})

async function verdictOf(
  owner: Owner,
  request: Parameters<Owner['failure']>[0],
): Promise<readonly string[]> {
  const { failure, outcome } = await owner.failure(request)
  return [failure.code, outcome]
}

test(
  'it announces what it serves, that a queue was deleted, and at last that it goes',
  { skip },
  async (t) => {
    const { owner, worker } = await setUp(t, { name: 'blue', leaseMs: 1_500 })
    const first = await eventually(() => owner.announcements[0])
    const { name, topics, tasks, leaseMs, load, pid } = first
    assert.deepEqual(
      { name, topics, tasks, leaseMs, load, pid },
      {
        name: 'blue',
        topics: ['default'],
        tasks: ['act', 'compute', 'noop', 'whereAmI', 'patient'],
        leaseMs: 1_500,
        load: { running: 0, held: 0, concurrency: 16 },
        pid: process.pid,
      },
    )
    assert.equal(first.worker, worker.id)
    await eventually(() => owner.announcements.length >= 3)
    await owner.deleteTopic()
    await eventually(() => owner.announcements.some(({ lost }) => lost?.includes('default')))
    const request = owner.request()
    await owner.isServed()
    assert.deepEqual(await owner.result(await owner.send(request)), { value: 1 }, 'it serves on')
    await worker.stop()
    await eventually(() => owner.announcements.at(-1)?.leaseMs === 0)
  },
)
