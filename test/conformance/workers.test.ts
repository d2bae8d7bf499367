/** The scenarios of worker-based engines, TF-241 to TF-251, over a real broker; docs/taskflow.md lists those that have no counterpart. */
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { FlowEvent } from '../../engines/drive.ts'
import { WorkerBasedEngine } from '../../engines/worker-based.ts'
import type { WorkerBasedEngineOptions } from '../../engines/worker-based.ts'
import { openStore } from '../../persistence/index.ts'
import type { Store } from '../../persistence/store.ts'
import { Broker } from '../../src/amqp/broker.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { run, task, TaskError, z, type Outcome } from '../../src/index.ts'
import { Worker } from '../../src/worker/index.ts'
import type { WorkerOptions } from '../../src/worker/index.ts'
import { HandWorker, replyToOf } from '../engines/hand-worker.ts'
import { Owner } from '../worker/owner.ts'
import type { CleanUp } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { freshNamespace, rabbitmq, type Namespace } from '../support/rabbitmq.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { root, written, type Untyped } from './notation.ts'

const HELD_WORKER = fileURLToPath(new URL('./held-worker.js', import.meta.url))
const server = await rabbitmq()
const skip = 'missing' in server ? server.missing : false

interface Site extends Namespace {
  readonly engine: WorkerBasedEngine
  readonly store: Store
  readonly link: Broker
}

async function site(t: CleanUp, options: Partial<WorkerBasedEngineOptions> = {}): Promise<Site> {
  const store = openStore(`sqlite:${await temporaryFolder(t)}/zagflow.db`)
  t.after(() => store.stop())
  await store.migrate()
  await store.start()
  const space = await freshNamespace(t)
  const link = new Broker({ urls: space.url, namespace: space.namespace })
  t.after(() => link.stop())
  await link.start()
  const engine = new WorkerBasedEngine({ link, store, board: 'main', graceMs: 200, ...options })
  t.after(() => engine.stop())
  await engine.start()
  return { ...space, engine, store, link }
}

async function workerOf(
  t: CleanUp,
  { url, namespace }: Namespace,
  tasks: unknown,
  options: Partial<WorkerOptions> = {},
): Promise<Worker> {
  const worker = new Worker({ broker: url, namespace, tasks, graceMs: 1000, ...options })
  t.after(() => worker.stop())
  await worker.start()
  return worker
}

/** A run that goes on while the test looks at it. */
function begin(
  { engine, store }: Site,
  nodes: Untyped,
): { readonly events: FlowEvent[]; readonly outcome: Promise<Outcome<Untyped>> } {
  const events: FlowEvent[] = []
  const outcome = run(
    root('linear', nodes),
    {},
    {
      engine,
      store,
      onEvent: (event) => events.push(event),
    },
  )
  return { events, outcome }
}

const one = task('one', { provides: { one: z.int() }, execute: () => ({ one: 1 }) })
const failing = task('failing', {
  execute: () => {
    throw new TaskError('Woot!', { code: 'RuntimeError' })
  },
})

describe('the worker-based engine', { skip }, () => {
  it('TF-241: a task gives its result, or its failure with the code that it threw', async (t) => {
    const here = await site(t)
    await workerOf(t, here, [one, failing])
    const good = begin(here, [one])
    assert.equal((await good.outcome).state, 'SUCCESS')
    assert.deepEqual(good.events.find(({ state }) => state === 'SUCCESS')?.result, { one: 1 })
    const bad = await begin(here, [failing]).outcome
    assert.equal(bad.state, 'REVERTED')
    assert.deepEqual('failures' in bad && bad.failures.map(({ code }) => code), ['RuntimeError'])
  })

  it('TF-242: a worker says that it runs, how far it is and what came of it; of what it cannot use, none of these', async (t) => {
    const owner = await Owner.create(t)
    const ran: string[] = []
    const steps = task('steps', {
      async execute(_, { progress }) {
        ran.push('steps')
        progress(0)
        await eventually(() => said().includes('running'))
        progress(1)
        return 5
      },
    })
    await workerOf(t, owner, [steps, failing])
    const said = (): string[] => owner.messages.map(({ type }) => type)
    const heard = async (last: string): Promise<string[]> => {
      await eventually(() => said().includes(last))
      return owner.messages.splice(0).map(({ type }) => type)
    }

    await owner.send(owner.request({ task: 'steps', args: {} }))
    assert.deepEqual(await heard('result'), ['progress', 'running', 'progress', 'result'])
    await owner.send(owner.request({ task: 'failing', args: {} }))
    assert.deepEqual(await heard('failure'), ['failure'])
    await owner.send(owner.request({ task: 'nobody', args: {} }))
    assert.deepEqual(await heard('unknown'), ['unknown'])

    const { direction: _, ...noDirection } = owner.request({ task: 'steps' })
    const { names } = owner
    const send = (body: object, raw: object): Promise<void> =>
      owner.publish(names.requests, 'default', JSON.stringify(body), { type: 'request', ...raw })
    await send({ ...noDirection, direction: 'dance' }, { replyTo: owner.replyQueue })
    await send(owner.request({ task: 'steps', args: {} }), {})
    await owner.send(owner.request({ task: 'failing', args: {} }))
    assert.deepEqual(await heard('failure'), ['failure'], 'nothing is said of junk')
    assert.deepEqual(ran, ['steps'], 'and it does not run')
    await eventually(() => owner.buried.length === 2)
  })

  it('TF-245: of workers that can run a task any is chosen, and none that cannot', async (t) => {
    const here = await site(t)
    const met = new Set<string>()
    const meet = (name: string): Untyped =>
      task('meet', {
        // Ends when both have one.
        execute: async () => {
          met.add(name)
          await eventually(() => met.size === 2)
        },
      })
    const elsewhere: string[] = []
    const other = (name: string): Untyped =>
      task('other', { topic: 'other', execute: () => void elsewhere.push(name) })
    await workerOf(t, here, [meet('a'), other('a')], { concurrency: 1 })
    await workerOf(t, here, [meet('b'), other('b')], { concurrency: 1 })
    await workerOf(t, here, [other('c')], { topics: ['other'] })
    const both = meet('')
    const five = other('')
    const nodes = [
      ...[1, 2].map((i) => both.as(`meet${i}`)),
      ...[1, 2, 3, 4, 5].map((i) => five.as(`other${i}`)),
    ]
    const { engine, store } = here
    const outcome = await run(root('unordered', nodes), {}, { engine, store })
    assert.equal(outcome.state, 'SUCCESS')
    assert.deepEqual(elsewhere, Array(5).fill('c'))
  })

  it('TF-247: without a worker a call waits, reverts too, and no attempt and no timeout is used up', async (t) => {
    const here = await site(t)
    const starts: number[] = []
    const patient = task('patient', {
      timeout: '300ms',
      retry: { attempts: 2 },
      execute: (_, { attempt }) => void starts.push(attempt),
      revert: () => undefined,
    })
    const stop = new AbortController()
    const last = task('last', {
      topic: 'last',
      execute: () => {
        stop.abort()
        throw new Error('Woot!')
      },
    })
    const { events, outcome } = begin(here, [patient, last])
    const topic = namesOf(here.namespace).topic('default')
    await eventually(async () => (await here.link.lookAt(topic))?.messages === 1)
    await sleep(1000) // more than three times its timeout: nothing may come of it
    assert.deepEqual(written(events), ['flow RUN', 'patient RUN'])
    const first = await workerOf(t, here, [patient])
    await eventually(() => written(events).includes('last RUN'))
    assert.deepEqual(starts, [1])
    await first.stop()
    await workerOf(t, here, [last], { topics: ['last'] })
    await eventually(() => written(events).includes('patient RVT'))
    await eventually(async () => (await here.link.lookAt(topic))?.messages === 1)
    await sleep(1000)
    assert.equal(written(events).at(-1), 'patient RVT')
    await workerOf(t, here, [patient])
    assert.equal((await outcome).state, 'REVERTED')
    assert.deepEqual(starts, [1])
  })

  it('TF-248: a task may run longer than all that its owner waits for, and runs once', async (t) => {
    const here = await site(t, { reportEveryMs: 100, askAfterMs: 200, graceMs: 100 })
    let starts = 0
    const long = task('long', {
      execute: async () => {
        starts++
        await sleep(1500)
      },
    })
    await workerOf(t, here, [long])
    await workerOf(t, here, [long])
    const { events, outcome } = begin(here, [long])
    assert.equal((await outcome).state, 'SUCCESS')
    assert.deepEqual(written(events), ['flow RUN', 'long RUN', 'long OK', 'flow OK'])
    assert.equal(starts, 1)
  })

  it('TF-249: what cannot be sent, result or error, is a failure that says why', async (t) => {
    const here = await site(t)
    const circular: { self?: unknown } = {}
    circular.self = circular
    const gives = task('gives', {
      provides: { it: z.unknown() },
      execute: () => ({ it: () => 1 }),
    })
    const throws = task('throws', {
      execute: () => {
        throw Object.assign(new TaskError('odd', { code: 'Odd', data: circular as never }), {
          more: 10n,
        })
      },
    })
    await workerOf(t, here, [gives, throws])
    const cases = [
      { bad: gives, code: 'NotSerialisable', says: /it.*function/ },
      { bad: throws, code: 'Odd', says: /odd/ },
    ]
    for (const { bad, code, says } of cases) {
      const outcome = await begin(here, [bad]).outcome
      assert.equal(outcome.state, 'REVERTED')
      const [failure] = 'failures' in outcome ? outcome.failures : []
      assert.equal(failure?.code, code)
      assert.match(failure.message, says)
    }
  })

  it('TF-250: an execute that answers late is not taken for the answer of the revert', async (t) => {
    const here = await site(t)
    const late = task('late', {
      provides: { it: z.string() },
      execute: () => ({ it: '' }),
      revert: () => undefined,
    })
    const worker = await HandWorker.start(t, here)
    const { events, outcome } = begin(here, [late])
    const copy = await worker.next()
    const failure = { code: 'TimedOut', message: 'too long', retryable: false }
    const { type: _, result: __, ...about } = worker.resultOf(copy)
    await worker.say({ ...about, type: 'failure', failure, outcome: 'unknown' }, replyToOf(copy))
    const undo = await worker.next()
    assert.equal(undo.request.direction, 'revert')
    assert.equal(undo.request.outcome, 'unknown')
    await worker.say(worker.resultOf(copy, { it: 'EXECUTE-RESULT' }), replyToOf(copy))
    copy.delivery.ack()
    // Behind the late one in the same queue: when this is heard, that was.
    await worker.runs(undo)
    await eventually(() => here.engine.status().calls[0]?.state === 'running')
    assert.equal(written(events).at(-1), 'late RVT')
    await worker.succeed(undo)
    assert.equal((await outcome).state, 'REVERTED')
    assert.ok(!JSON.stringify(events).includes('EXECUTE-RESULT'))
  })

  it('TF-251: a task whose worker is killed runs again elsewhere, under the same key', async (t) => {
    const here = await site(t, { reportEveryMs: 300 })
    const { outcome } = begin(here, [task('long', { execute: () => undefined })])
    const [first, key] = await held(t, here)
    const second = held(t, here)
    first.kill('SIGKILL')
    const [other, again] = await second
    assert.equal(again, key)
    other.send('end')
    assert.equal((await outcome).state, 'SUCCESS')
  })
})

/** A worker that runs `long`, and the key of that call. */
async function held(
  t: CleanUp,
  { url, namespace }: Namespace,
): Promise<readonly [ChildProcess, string]> {
  const child = fork(HELD_WORKER, [url, namespace])
  t.after(() => void child.kill('SIGKILL'))
  const said: unknown[] = []
  child.on('message', (word) => said.push(word))
  // It may have begun before its start has ended.
  const key = () => said.find((word) => word !== 'ready')
  await eventually(() => said.includes('ready') && key() !== undefined, { withinMs: 60_000 })
  return [child, String(key())]
}
