/** What the driver of a flow does where calls run elsewhere: an engine played by hand says what workers and brokers would. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallKey, CallListener, CallRequest, Engine } from '../../engines/engine.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task, unordered } from '../support/flows.ts'
import { behind, freshStore, STORES } from '../support/stores.ts'
import { conductorOf, ended, jobWhen, postFlow, type StartOptions } from './fixtures.ts'

interface Sent {
  readonly request: CallRequest
  readonly listener: CallListener
}

/** An engine whose workers are the test. */
class HandEngine implements Engine {
  readonly name = 'worker-based'
  readonly replyTo: string
  readonly sent: Sent[] = []
  readonly forgotten: string[] = []
  isElsewhere = false

  constructor(replyTo = 'replies.of.this') {
    this.replyTo = replyTo
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  dispatch(request: CallRequest, listener: CallListener): void {
    this.sent.push({ request, listener })
  }
  abort(_key: CallKey, _reason: string): void {}
  forget(flowId: string): void {
    this.forgotten.push(flowId)
  }
  canPark(_flowId: string): boolean {
    return this.isElsewhere
  }

  /** The call with this number, once it was sent. */
  call(at = 0): Promise<Sent> {
    return eventually(() => this.sent[at])
  }
}

const started = { startedAt: 1 } as const

for (const name of STORES) {
  const setUp = async (t: Parameters<typeof freshStore>[0], options: StartOptions = {}) => {
    const store = await freshStore(t, name)
    if (store === null) return null
    const engine = new HandEngine()
    const { conductor } = conductorOf(t, store, { engine, registry: undefined, ...options })
    return { store, engine, conductor }
  }

  test(`${name}: where answers come to stands in the row before a call is sent`, async (t) => {
    const made = await setUp(t)
    if (made === null) return
    const { store, engine, conductor } = made
    await conductor.start()
    const job = await postFlow(store, linear('f', [task('a')]))
    const { request } = await engine.call()
    const [atom] = await store.atoms(job.flowId)
    assert.equal(atom?.state, 'RUNNING')
    assert.equal(atom.replyTo, engine.replyTo)
    assert.equal(atom.copy, null)
    assert.deepEqual(request.sent, { replyTo: engine.replyTo, copy: null, starts: 0 })
  })

  test(`${name}: a fact is durable when its teller hears of it, and an answer too`, async (t) => {
    const made = await setUp(t)
    if (made === null) return
    const { store, engine, conductor } = made
    await conductor.start()
    const job = await postFlow(store, linear('f', [task('a')]))
    const { request, listener } = await engine.call()
    await new Promise<void>((resolve) => {
      assert.equal(listener.note?.(request, { copy: 3, starts: 1 }, resolve), true)
    })
    const [noted] = await store.atoms(job.flowId)
    assert.deepEqual([noted?.copy, noted?.starts, noted?.state], [3, 1, 'RUNNING'])
    await new Promise<void>((resolve) => {
      listener.answer(request, { kind: 'succeeded', result: null, ...started }, resolve)
    })
    assert.equal((await store.job(job.id))?.detail.state, 'SUCCESS')
    assert.equal(listener.note?.(request, { copy: 4 }), false)
  })

  test(`${name}: an answer that comes while its flow is being parked is given back, for nobody here will commit it`, async (t) => {
    const real = await freshStore(t, name)
    if (real === null) return
    const engine = new HandEngine()
    engine.isElsewhere = true
    let given = false
    const store = behind(real, (method, args) => {
      const [batch] = args
      if (method !== 'commit' || given || !Array.isArray(batch)) return
      if (!JSON.stringify(batch).includes('PARKED')) return
      given = true
      const sent = engine.sent[0]
      assert.ok(sent)
      const { request, listener } = sent
      listener.answer(request, { kind: 'succeeded', result: null, ...started }, () => {
        throw new Error('it was not committed')
      })
    })
    const { conductor } = conductorOf(t, store, { engine, registry: undefined, parkAfterMs: 50 })
    await conductor.start()
    const job = await postFlow(real, linear('f', [task('a')]))
    await jobWhen(real, job.id, (found) => found.job.state === 'PARKED')
    assert.ok(given)
    await eventually(() => engine.forgotten.includes(job.flowId))
  })

  test(`${name}: a second answer to a call counts for nothing, and whoever gave it may forget it`, async (t) => {
    const made = await setUp(t)
    if (made === null) return
    const { store, engine, conductor } = made
    await conductor.start()
    const job = await postFlow(store, linear('f', [task('a'), task('b')]))
    const { request, listener } = await engine.call()
    const told: string[] = []
    listener.answer(request, { kind: 'succeeded', result: null, ...started }, () => told.push('1'))
    listener.answer(request, { kind: 'succeeded', result: null, ...started }, () => told.push('2'))
    await engine.call(1)
    assert.deepEqual(told.sort(), ['1', '2'])
    assert.equal((await store.calls(job.flowId)).length, 1)
  })

  test(`${name}: an answer that reached another conductor comes by mail and counts once`, async (t) => {
    const made = await setUp(t)
    if (made === null) return
    const { store, engine, conductor } = made
    await conductor.start()
    const job = await postFlow(store, linear('f', [task('a')]))
    const { request } = await engine.call()
    const { jobId, flowId, atom, direction, call } = request
    const body = {
      v: 1,
      type: 'result',
      worker: 'w',
      token: 't',
      result: {},
      startedAt: 5,
      ...{ jobId, flowId, atom, direction, call },
    }
    assert.equal(await store.mail(job.id, { key: 'reply:1', kind: 'reply', body }), 'accepted')
    const { detail } = await ended(store, job.id)
    assert.equal(detail.state, 'SUCCESS')
    assert.deepEqual(
      (await store.calls(job.flowId)).map(({ outcome, startedAt }) => [outcome, startedAt]),
      [['success', 5]],
    )
  })

  test(`${name}: the next owner is told what the row says, and a call that mail has answered is not sent again`, async (t) => {
    const made = await setUp(t)
    if (made === null) return
    const { store, engine, conductor } = made
    await conductor.start()
    const job = await postFlow(store, unordered('f', [task('a'), task('b')]))
    const first = await engine.call()
    await engine.call(1)
    await new Promise<void>(
      (resolve) => void first.listener.note?.(first.request, { copy: 7 }, resolve),
    )
    engine.isElsewhere = true
    await conductor.stop({ graceMs: 20_000 })
    assert.equal((await store.job(job.id))?.job.state, 'UNCLAIMED')
    assert.deepEqual(engine.forgotten, [job.flowId])
    const { jobId, flowId, atom, direction, call } = first.request
    const key = { jobId, flowId, atom, direction, call }
    const body = { v: 1, type: 'result', worker: 'w', token: 't', result: {}, startedAt: 5, ...key }
    await store.mail(job.id, { key: 'reply:1', kind: 'reply', body })

    const next = new HandEngine('replies.of.the.next')
    const other = conductorOf(t, store, { engine: next, registry: undefined })
    await other.conductor.start()
    const { request, listener } = await next.call()
    assert.notEqual(request.atom, first.request.atom)
    assert.equal(request.again, true)
    assert.equal(request.sent?.replyTo, engine.replyTo)
    listener.answer(request, { kind: 'succeeded', result: null, ...started })
    assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
    assert.equal(next.sent.length, 1)
  })

  test(`${name}: a flow whose only work is long is parked, and its reply wakes it`, async (t) => {
    const made = await setUp(t, { parkAfterMs: 100 })
    if (made === null) return
    const { store, engine, conductor } = made
    engine.isElsewhere = true
    await conductor.start()
    const job = await postFlow(store, linear('f', [task('a')]))
    const { request } = await engine.call()
    const parked = await jobWhen(store, job.id, (found) => found.job.state === 'PARKED')
    assert.equal(parked.job.parkedFor, 'task')
    // The store knows it first.
    await eventually(() => engine.forgotten.length > 0)
    assert.deepEqual(engine.forgotten, [job.flowId])
    engine.isElsewhere = false
    const { jobId, flowId, atom, direction, call } = request
    const key = { jobId, flowId, atom, direction, call }
    const body = { v: 1, type: 'result', worker: 'w', token: 't', result: {}, startedAt: 5, ...key }
    await store.mail(job.id, { key: 'reply:1', kind: 'reply', body })
    assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
  })
}
