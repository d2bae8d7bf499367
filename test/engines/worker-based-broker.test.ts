/** The engine against a real broker; its workers are played by hand. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { WorkerBasedEngine, type WorkerBasedEngineOptions } from '../../engines/worker-based.ts'
import type { EngineStore } from '../../engines/worker-based/options.ts'
import type { CallStatus } from '../../engines/worker-based/status.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { CallStanding, Mail } from '../../persistence/store.ts'
import { Broker } from '../../src/amqp/broker.ts'
import type {
  CallAnswer,
  CallKey,
  CallListener,
  CallNote,
  CallRequest,
} from '../../src/protocol/call.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { baseTopology } from '../../src/amqp/zagflow-topology.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import { tokenOf } from '../../src/protocol/token.ts'
import { writeMessage } from '../../src/protocol/wire.ts'
import { recordingLogger, type LogLine } from '../amqp/fixtures.ts'
import { requestFor } from '../support/calls.ts'
import { eventually } from '../support/eventually.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { HandWorker, refOf, replyToOf } from './hand-worker.ts'

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
  conductor?: string,
): Promise<{ readonly engine: WorkerBasedEngine; readonly link: Broker; readonly owner: Owner }> {
  const link = new Broker({ urls: url, namespace })
  const engine = new WorkerBasedEngine({ link, store, board: 'main', ...FAST, ...options })
  await engine.start({ conductor })
  await link.start()
  t.after(async () => {
    await engine.stop()
    await link.stop()
  })
  return { engine, link, owner: new Owner() }
}

/** The store of a site, for whom all flows elsewhere stand so, and all mail is kept in `letters`. */
function where({ store }: Site, standing: CallStanding, letters: Mail[]): EngineStore {
  return {
    broker: (name) => store.broker(name),
    raiseBroker: (name, from) => store.raiseBroker(name, from),
    wakeParked: () => store.wakeParked(),
    keepReplyQueue: (queue, conductor) => store.keepReplyQueue(queue, conductor),
    replyQueues: () => store.replyQueues(),
    forgetReplyQueue: (queue) => store.forgetReplyQueue(queue),
    beat: (process) => store.beat(process),
    endProcess: (id, kind) => store.endProcess(id, kind),
    standing: async (calls) => calls.map(() => standing),
    mail: async (_jobId, mail) => {
      letters.push(mail)
      return 'accepted'
    },
  }
}

async function conductorLives({ store }: Site, id: string): Promise<void> {
  const process = { id, kind: 'conductor', name: id, host: 'h', pid: 1, board: 'main' } as const
  await store.beat({ ...process, topics: [], tasks: [], load: {}, leaseMs: 60_000 })
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
  await eventually(async () => (await link.lookAt(engine.replyTo))?.messages === 1)
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

test('what is malformed or forged is buried with its reason, and the next answer counts', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, owner, link } = await engineOn(t, here)
  const worker = await HandWorker.start(t, here)
  engine.dispatch(requestFor('charge'), owner)
  const copy = await worker.next()
  const genuine = worker.resultOf(copy, 1)
  const bodies = [
    '{"v":1,"type":"result"',
    writeMessage({ ...genuine, token: 'x'.repeat(32) }),
    writeMessage({ ...genuine, call: 2 }),
    writeMessage({
      v: 1,
      type: 'running',
      worker: 'w',
      calls: [{ ...refOf(copy.request), token: 'no', startedAt: 1 }],
    }),
  ]
  for (const body of bodies) {
    await worker.send({
      exchange: worker.names.replies,
      routingKey: replyToOf(copy),
      type: body.includes('running') ? 'running' : 'result',
      body,
    })
  }
  await worker.succeed(copy, 'right')
  const { answer } = await owner.next()
  assert.equal(answer.kind === 'succeeded' && answer.result, 'right')
  const dead = namesOf(here.namespace).dead
  await eventually(async () => (await link.lookAt(dead))?.messages === bodies.length)
  assert.equal(owner.answers.length, 0)
})

test('a copy whose worker died is started again after a grace, charged and committed before', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, owner } = await engineOn(t, here)
  const first = await HandWorker.start(t, here)
  engine.dispatch(requestFor('charge'), owner)
  await first.next()
  const second = await HandWorker.start(t, here)
  await first.die()
  const copy = await second.next()
  assert.equal(copy.delivery.redelivered, true)
  const askedAt = Date.now()
  await second.asks(copy, 1)
  const go = await second.hears('go')
  assert.ok(Date.now() - askedAt >= FAST.graceMs)
  assert.equal(go.calls[0]?.hold, 1)
  assert.deepEqual(owner.notes.at(-1)?.note, { copy: engine.status().epoch, starts: 1 })
  // Asked again, about the same holding: the word was not heard.
  await second.asks(copy, 1)
  await second.hears('go')
  assert.equal(owner.notes.at(-1)?.note.starts, 1)
  await second.succeed(copy)
  await owner.next()
})

test('a copy is dropped in favour of the worker that runs it, once no copy is believed in', async (t) => {
  const here = await site(t)
  if (here === null) return
  // Nobody is taken for gone here, however long it takes until another one has the copy.
  const { engine, owner } = await engineOn(t, here, { reportEveryMs: 60_000 })
  const holder = await HandWorker.start(t, here)
  engine.dispatch(requestFor('charge'), owner)
  const copy = await holder.next()
  await holder.runs(copy)
  await eventually(() => engine.status().calls[0]?.state === 'running')
  const other = await HandWorker.start(t, here)
  await holder.loseCopies()
  const back = await other.next()
  await other.asks(back, 1)
  await holder.hears('report')
  await holder.runs(copy)
  const drop = await other.hears('drop')
  assert.equal(drop.calls[0]?.hold, 1)
  assert.deepEqual(owner.notes.at(-1)?.note, { copy: null })
  back.delivery.ack()
  await holder.say(holder.resultOf(copy, 5), replyToOf(copy))
  const { answer } = await owner.next()
  assert.equal(answer.kind === 'succeeded' && answer.result, 5)
})

test('starts that ended with the loss of a worker are counted, and the last one fails the call', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, owner } = await engineOn(t, here, { deliveryLimit: 2 })
  const first = await HandWorker.start(t, here)
  engine.dispatch(requestFor('poison'), owner)
  await first.next()
  let worker = await HandWorker.start(t, here)
  await first.die()
  const copy = await worker.next()
  await worker.asks(copy, 1)
  await worker.hears('go')
  const last = await HandWorker.start(t, here)
  await worker.die()
  worker = last
  const again = await worker.next()
  await worker.asks(again, 1)
  const { answer } = await owner.next()
  assert.equal(answer.kind === 'failed' && answer.failure.code, 'WorkerLost')
  assert.equal(answer.kind === 'failed' && answer.outcome, 'unknown')
  await worker.hears('drop')
})

test('starts that workers released are not counted: stops in good order convict nobody', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, owner } = await engineOn(t, here, { deliveryLimit: 1 })
  engine.dispatch(requestFor('long'), owner)
  let worker = await HandWorker.start(t, here)
  let copy = await worker.next()
  for (const restart of [1, 2, 3]) {
    if (restart > 1) {
      await worker.asks(copy, 1)
      await worker.hears('go')
      assert.equal(owner.notes.at(-1)?.note.starts, 0, 'the start is charged, and was made up for')
    }
    await worker.runs(copy)
    await worker.stopTaking()
    await worker.releases(copy)
    await eventually(() => owner.notes.at(-1)?.note.starts === -1)
    await worker.die()
    worker = await HandWorker.start(t, here)
    copy = await worker.next()
  }
  await worker.asks(copy, 1)
  await worker.hears('go')
  await worker.die()
  worker = await HandWorker.start(t, here)
  await worker.asks(await worker.next(), 1)
  const { answer } = await owner.next()
  assert.equal(answer.kind === 'failed' && answer.failure.code, 'WorkerLost', 'a death is charged')
})

test('a worker that stops without having been told to start excuses no loss before it', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, owner } = await engineOn(t, here, { deliveryLimit: 1 })
  engine.dispatch(requestFor('poison'), owner)
  const first = await HandWorker.start(t, here)
  await first.next()
  const second = await HandWorker.start(t, here)
  await first.die()
  const copy = await second.next()
  const third = await HandWorker.start(t, here)
  await second.stopTaking()
  await second.releases(copy, true)
  await third.asks(await third.next(), 1)
  const { answer } = await owner.next()
  assert.equal(answer.kind === 'failed' && answer.failure.code, 'WorkerLost')
  assert.deepEqual(owner.notes, [])
})

test('a task that a worker does not know is sent again after a while, and is not charged', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, owner } = await engineOn(t, here)
  const worker = await HandWorker.start(t, here)
  engine.dispatch(requestFor('new-task'), owner)
  await worker.unknown(await worker.next())
  // For a second: then it is sent again.
  let unknown: CallStatus | undefined
  await eventually(() => {
    const [call] = engine.status().calls
    if (call?.state === 'unknown') unknown = call
    return unknown !== undefined || worker.copies.length > 1
  })
  if (unknown !== undefined) assert.equal(unknown.worker, worker.id)
  const copy = await worker.next()
  assert.equal(copy.request.again, true)
  await worker.asks(copy, 1)
  await worker.hears('go')
  assert.equal(owner.notes.at(-1)?.note.starts, 0)
  await worker.succeed(copy)
  await owner.next()
})

test('a cancel goes to the worker that runs the call, and its answer still comes', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, owner } = await engineOn(t, here)
  const worker = await HandWorker.start(t, here)
  const request = requestFor('slow')
  engine.dispatch(request, owner)
  const copy = await worker.next()
  await worker.runs(copy)
  await eventually(() => engine.status().calls[0]?.state === 'running')
  engine.abort(request, 'nobody wants it')
  const { calls } = await worker.hears('cancel')
  assert.equal(calls[0]?.reason, 'nobody wants it')
  await worker.succeed(copy, 'late')
  const { answer } = await owner.next()
  assert.equal(answer.kind, 'succeeded')
})

test('a call that waits for room is cancelled at once, and never sent', async (t) => {
  const here = await site(t)
  if (here === null) return
  const link = new Broker({ urls: here.url, namespace: here.namespace })
  const engine = new WorkerBasedEngine({ ...FAST, link, store: here.store, board: 'main' })
  t.after(async () => {
    await engine.stop()
    await link.stop()
  })
  await engine.start()
  const owner = new Owner()
  const request = requestFor('charge')
  engine.dispatch(request, owner)
  assert.equal(engine.waiting, 1)
  engine.abort(request, 'too late')
  assert.equal(owner.answers.length, 0, 'nothing is answered before abort has returned')
  const { answer } = await owner.next()
  assert.equal(answer.kind === 'failed' && answer.outcome, 'failure')
  await link.start()
  const worker = await HandWorker.start(t, here)
  engine.dispatch(requestFor('next'), owner)
  assert.equal((await worker.next()).request.task, 'next')
})

test('the calls of an engine that died are found by the next one, with the answers in its queue', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine: dead, link: deadLink, owner } = await engineOn(t, here)
  const worker = await HandWorker.start(t, here)
  const [charge, ship, lost] = [requestFor('charge'), requestFor('ship'), requestFor('lost')]
  dead.dispatch(charge, owner)
  dead.dispatch(ship, owner)
  const copies = [await worker.next(), await worker.next()]
  await deadLink.stop() // as when its process dies: nothing is said to anybody
  const { engine, owner: heir } = await engineOn(t, here)
  const sent = { replyTo: dead.replyTo, starts: 0 }
  const { epoch } = dead.status()
  await eventually(() => engine.status().epoch === epoch)
  for (const request of [charge, ship])
    engine.dispatch({ ...request, again: true, sent: { ...sent, copy: epoch } }, heir)
  // Of this one the row knows no copy: it was not sent before its engine died.
  engine.dispatch({ ...lost, again: true, sent: { ...sent, copy: null } }, heir)
  for (const copy of copies) await worker.succeed(copy, 'once')
  assert.equal((await heir.next()).answer.kind, 'succeeded')
  assert.equal((await heir.next()).answer.kind, 'succeeded')
  const copy = await worker.next()
  assert.equal(copy.request.task, 'lost')
  assert.equal(copy.request.again, true)
  assert.equal(replyToOf(copy), dead.replyTo, 'all copies of a call answer to the queue in its row')
  await worker.asks(copy, 1)
  await worker.hears('go')
  await worker.succeed(copy, 'late')
  assert.equal((await heir.next()).answer.kind, 'succeeded')
  assert.equal(worker.copies.length, 3, 'what a worker had was not sent again')
  assert.equal(owner.answers.length, 0)
})

test('a broker whose marker is gone lost what it held: calls are sent again', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine, owner, link } = await engineOn(t, here, { markerEveryMs: 100 })
  const names = namesOf(here.namespace)
  engine.dispatch(requestFor('charge'), owner)
  await eventually(() => engine.status().calls[0]?.state === 'queued')
  const { epoch, marker } = await here.store.broker(here.namespace)
  await link.undeclare([names.topic('default'), names.marker(marker)], { delete: true })
  await eventually(() => engine.status().epoch === epoch + 1)
  const worker = await HandWorker.start(t, here)
  const copy = await worker.next()
  assert.equal(copy.request.again, true)
  await worker.asks(copy, 1)
  await worker.hears('go')
  await worker.succeed(copy)
  await owner.next()
})

test('answers for flows elsewhere become mail, also those that were not committed when a flow was lost', async (t) => {
  const here = await site(t)
  if (here === null) return
  const letters: Mail[] = []
  const store = where(here, { job: 'UNCLAIMED', conductor: null, settled: false }, letters)
  const { engine, owner, link } = await engineOn(t, here, { store })
  owner.commits = false
  const worker = await HandWorker.start(t, here)
  const [gone, open] = [
    requestFor('gone', {}, { flowId: 'g' }),
    requestFor('open', {}, { flowId: 'o' }),
  ]
  engine.dispatch(gone, owner)
  engine.dispatch(open, owner)
  const copies = [await worker.next(), await worker.next()]
  engine.forget('g')
  for (const copy of copies) await worker.succeed(copy)
  await owner.next()
  engine.forget('o')
  await eventually(() => letters.length === 2)
  assert.deepEqual(
    letters.map(({ kind, key }) => [kind, key.startsWith('reply:')]),
    [
      ['reply', true],
      ['reply', true],
    ],
  )
  await engine.stop()
  assert.equal((await link.lookAt(engine.replyTo))?.messages, 0, 'mail is acknowledged')
})

test('workers that announce themselves are in the store, until they say that they go', async (t) => {
  const here = await site(t)
  if (here === null) return
  await engineOn(t, here)
  const worker = await HandWorker.start(t, here)
  const announce = async (leaseMs: number): Promise<void> => {
    const load = { running: 0, held: 0, concurrency: 1 }
    const process = { worker: worker.id, name: 'w', host: 'h', pid: 1, topics: ['default'] }
    await worker.send({
      exchange: worker.names.replies,
      routingKey: worker.names.announcements,
      type: 'announce',
      body: writeMessage({ v: 1, type: 'announce', ...process, tasks: ['charge'], load, leaseMs }),
    })
  }
  const workers = () => here.store.processes({ kind: 'worker' })
  await announce(30_000)
  await eventually(async () => (await workers())[0]?.tasks[0] === 'charge')
  await announce(0)
  await eventually(async () => (await workers()).length === 0)
})

test('the first conductor of a new broker, connected before, reads nothing that is not declared yet', async (t) => {
  const here = await site(t)
  if (here === null) return
  const lines: LogLine[] = []
  const logger = recordingLogger(lines)
  const link = new Broker({ urls: here.url, namespace: here.namespace, logger })
  t.after(() => link.stop())
  await link.start()
  const engine = new WorkerBasedEngine({ link, store: here.store, board: 'main', ...FAST })
  t.after(() => engine.stop())
  await engine.start()
  const { unclaimed, announcements } = namesOf(here.namespace)
  for (const queue of [engine.replyTo, unclaimed, announcements])
    await eventually(async () => (await link.lookAt(queue))?.consumers === 1)
  const troubles = lines.filter(({ level }) => level === 'warn' || level === 'error')
  assert.deepEqual(troubles, [])
})

test('the reply queue of a conductor that is gone is read, and deleted when nobody needs it', async (t) => {
  const here = await site(t)
  if (here === null) return
  const { engine: dead, link: deadLink } = await engineOn(t, here)
  await eventually(() => dead.status().epoch > 0)
  await deadLink.stop()
  const { engine, link } = await engineOn(t, here)
  await eventually(async () => (await link.lookAt(dead.replyTo).catch(() => undefined)) === null)
  assert.ok(!(await here.store.replyQueues()).some(({ queue }) => queue === dead.replyTo))
  assert.notEqual(await link.lookAt(engine.replyTo), null, 'its own stays')
})

test('a conductor that lost a flow passes on what its queue holds for the new owner, barriers behind it', async (t) => {
  const here = await site(t)
  if (here === null) return
  await conductorLives(here, 'c1')
  await conductorLives(here, 'c2')
  const letters: Mail[] = []
  const store = where(here, { job: 'CLAIMED', conductor: 'c2', settled: false }, letters)
  const { engine: loser, owner } = await engineOn(t, here, { store }, 'c1')
  const { engine: heir, owner: next } = await engineOn(t, here, {}, 'c2')
  const first = await HandWorker.start(t, here)
  const request = requestFor('charge')
  loser.dispatch(request, owner)
  await first.next()
  loser.forget(request.flowId)
  await eventually(() => heir.status().epoch > 0)
  const sent = { replyTo: loser.replyTo, copy: heir.status().epoch, starts: 0 }
  heir.dispatch({ ...request, again: true, sent }, next)
  const second = await HandWorker.start(t, here)
  await first.die()
  const copy = await second.next()
  await second.asks(copy, 1)
  // The ask is passed on, and so is the barrier that the heir sends after the grace.
  await second.hears('go')
  assert.equal(next.notes.at(-1)?.note.starts, 1)
  await second.succeed(copy, 'done')
  await eventually(() => letters.length === 1)
  assert.equal(letters[0]?.kind, 'reply')
  heir.heard(request, 'answered')
  assert.equal(heir.size, 0)
  assert.equal(owner.answers.length, 0)
})

test('a copy of a settled call is dropped by whoever reads its ask, and a parked flow is woken', async (t) => {
  const here = await site(t)
  if (here === null) return
  const letters: Mail[] = []
  const standing = { job: 'COMPLETE', conductor: null, settled: true } as CallStanding
  const store = where(here, standing, letters)
  const { engine, owner } = await engineOn(t, here, { store })
  const worker = await HandWorker.start(t, here)
  const request = requestFor('charge')
  engine.dispatch(request, owner)
  const copy = await worker.next()
  engine.forget(request.flowId)
  await worker.asks(copy, 3)
  const drop = await worker.hears('drop')
  assert.equal(drop.calls[0]?.hold, 3)
  Object.assign(standing, { job: 'PARKED', settled: false })
  await worker.asks(copy, 4)
  await eventually(() => letters.length === 1)
  assert.deepEqual(letters[0]?.body, { type: 'ask' })
})

test('an answer that is read before the engine knows its broker waits until it does: without the key of the tokens it would look forged', async (t) => {
  const here = await site(t)
  if (here === null) return
  const letters: Mail[] = []
  const slow = where(here, { job: 'PARKED', conductor: null, settled: false }, letters)
  const worker = await HandWorker.start(t, here)
  const { link, names } = worker
  await link.declare(baseTopology(names))
  const { secret } = await here.store.broker(here.namespace)
  const key = { jobId: 'j', flowId: 'f', atom: 'a', direction: 'execute', call: 1 } as const
  const said = {
    v: 1,
    type: 'result',
    ...key,
    token: tokenOf(secret, key),
    worker: worker.id,
  } as const
  await worker.send({
    exchange: names.replies,
    routingKey: `${names.replies}.of-nobody`,
    type: 'result',
    body: writeMessage({ ...said, result: 7, startedAt: 1 }),
  })
  let answer = (): void => {}
  const answered = new Promise<void>((resolve) => (answer = resolve))
  const broker = (name: string) => answered.then(() => here.store.broker(name))
  await engineOn(t, here, { store: { ...slow, broker } })
  await eventually(async () => (await link.lookAt(names.unclaimed))?.messages === 0)
  answer()
  await eventually(() => letters.length === 1)
  assert.equal(letters[0]?.key, `reply:${callKeyText(key)}`)
  assert.equal((await link.lookAt(names.dead))?.messages, 0)
})
