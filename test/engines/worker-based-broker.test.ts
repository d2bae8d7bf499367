/** The engine against a real broker; its workers are played by hand. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { WorkerBasedEngine, type WorkerBasedEngineOptions } from '../../engines/worker-based.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { Broker } from '../../src/amqp/broker.ts'
import type {
  CallAnswer,
  CallKey,
  CallListener,
  CallNote,
  CallRequest,
} from '../../src/protocol/call.ts'
import { requestFor } from '../support/calls.ts'
import { eventually } from '../support/eventually.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { HandWorker } from './hand-worker.ts'

interface Given {
  readonly request: CallRequest
  readonly answer: CallAnswer
  readonly committed: (() => void) | undefined
}

/** A driver that commits at once, unless it is told not to. */
class Owner implements CallListener {
  readonly answers: Given[] = []
  readonly notes: { readonly call: CallKey; readonly note: CallNote }[] = []
  commits = true

  answer(request: CallRequest, answer: CallAnswer, committed?: () => void): void {
    this.answers.push({ request, answer, committed })
    if (this.commits) queueMicrotask(() => committed?.())
  }

  note(call: CallKey, note: CallNote, committed?: () => void): boolean {
    this.notes.push({ call, note })
    if (this.commits) queueMicrotask(() => committed?.())
    return true
  }

  async next(): Promise<Given> {
    await eventually(() => this.answers.length > 0)
    return this.answers.shift() as Given
  }
}

interface Site {
  readonly url: string
  readonly namespace: string
  readonly store: MemoryStore
}

const FAST = { reportEveryMs: 300, graceMs: 200, tickMs: 20, sweepEveryMs: 200 }

async function site(t: TestContext): Promise<Site | null> {
  const broker = await rabbitmq()
  if ('missing' in broker) {
    t.skip(broker.missing)
    return null
  }
  const store = new MemoryStore()
  await store.start()
  t.after(() => store.stop())
  return { ...(await freshNamespace(t)), store }
}

async function engineOn(
  t: TestContext,
  { url, namespace, store }: Site,
  options: Partial<WorkerBasedEngineOptions> = {},
): Promise<{ readonly engine: WorkerBasedEngine; readonly link: Broker; readonly owner: Owner }> {
  const link = new Broker({ urls: url, namespace })
  const engine = new WorkerBasedEngine({ link, store, board: 'main', ...FAST, ...options })
  await engine.start()
  await link.start()
  t.after(async () => {
    await engine.stop()
    await link.stop()
  })
  return { engine, link, owner: new Owner() }
}

test('a call goes to a worker and its answer is acknowledged when it is committed', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, link, owner } = await engineOn(t, here)
  owner.commits = false
  const worker = await HandWorker.start(t, here)
  const request = requestFor('charge', { amount: 3 })
  engine.dispatch(request, owner)
  const copy = await worker.next()
  assert.equal(copy.request.task, 'charge')
  assert.deepEqual(copy.request.args, { amount: 3 })
  assert.equal(copy.request.again, false)
  assert.equal(copy.delivery.replyTo, engine.replyTo)
  await worker.succeed(copy, { id: 7 })
  const given = await owner.next()
  assert.deepEqual(given.answer.kind === 'succeeded' && given.answer.result, { id: 7 })
  assert.equal(engine.size, 0)
  // Unsettled, so that the broker gives it to somebody else if this process dies.
  await engine.stop()
  const queued = await link.lookAt(engine.replyTo)
  assert.equal(queued?.messages, 1)
})

test('a committed answer is gone from the reply queue', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, link, owner } = await engineOn(t, here)
  const worker = await HandWorker.start(t, here)
  engine.dispatch(requestFor('charge'), owner)
  await worker.succeed(await worker.next())
  await owner.next()
  await engine.stop()
  assert.equal((await link.lookAt(engine.replyTo))?.messages, 0)
})
