/** What every engine of this process does, run for each. */
import assert from 'node:assert/strict'
import { beforeEach, test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { CallRequest, Engine } from '../../engines/engine.ts'
import type { InProcessEngineOptions } from '../../engines/options.ts'
import { manualClock } from '../../src/base/clock.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import { CallRecorder, requestFor } from '../support/calls.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { quickest } from '../support/quickest.ts'
import * as tasks from '../support/tasks.ts'
import { journal, openGate, resetTasks } from '../support/tasks.ts'

export type MakeEngine = (options: InProcessEngineOptions) => Engine & { readonly size: number }

/** Runs the suite for one engine. */
export function describeInProcessEngine(name: string, make: MakeEngine): void {
  beforeEach(resetTasks)

  async function started(t: TestContext, options: Partial<InProcessEngineOptions> = {}) {
    leakCheck(t)
    const engine = make({ tasks: TaskRegistry.of(tasks), ...options })
    t.after(() => engine.stop({ graceMs: 0 }))
    await engine.start()
    return { engine, recorder: new CallRecorder() }
  }

  /** A call that runs until its gate is opened, of a flow of its own unless told otherwise. */
  const waitFor = (key: string, fields: Partial<CallRequest> = {}) =>
    requestFor('act', { does: 'wait', key, value: key }, { flowId: `flow-${key}`, ...fields })
  const hasStarted = (key: string) => eventually(() => journal.includes(`start ${key}`))

  test(`${name}: nothing is answered before dispatch returned, however fast the task is`, async (t) => {
    const { engine, recorder } = await started(t)
    const request = requestFor('noop')
    engine.dispatch(request, recorder)
    assert.deepEqual(recorder.answers, [])
    assert.equal((await recorder.next(request)).kind, 'succeeded')
    assert.equal(engine.size, 0)
  })

  test(`${name}: every call is answered exactly once, whatever becomes of it`, async (t) => {
    const { engine, recorder } = await started(t)
    const requests = [
      ...['succeed', 'fail', 'progress', 'tell'].map((does) => requestFor('act', { does })),
      ...[...tasks.JUNK.keys()].slice(0, 12).map((key) => requestFor('act', { does: 'junk', key })),
      ...[...tasks.THROWN.keys()]
        .slice(0, 12)
        .map((key) => requestFor('act', { does: 'throwJunk', key })),
      requestFor('unknown'),
      requestFor('act', { does: 'nonsense' }),
    ]
    for (const request of requests) engine.dispatch(request, recorder)
    await Promise.all(requests.map((request) => recorder.next(request)))
    await turn()
    assert.equal(recorder.answers.length, requests.length)
    for (const request of requests) assert.equal(recorder.of(request).length, 1)
  })

  test(`${name}: what was dispatched before start runs after it`, async (t) => {
    leakCheck(t)
    const engine = make({ tasks: TaskRegistry.of(tasks) })
    t.after(() => engine.stop())
    const recorder = new CallRecorder()
    const request = requestFor('noop')
    engine.dispatch(request, recorder)
    await turn()
    assert.deepEqual(recorder.answers, [])
    await engine.start()
    await engine.start()
    assert.equal((await recorder.next(request)).kind, 'succeeded')
  })

  test(`${name}: answers that dispatch the next call do not starve timers and I/O`, async (t) => {
    const { engine } = await started(t)
    let calls = 0
    let goOn = true
    const listener = {
      answer(request: CallRequest) {
        calls += 1
        if (goOn) engine.dispatch({ ...request, call: request.call + 1 }, listener)
      },
    }
    // Again where the machine let nothing run meanwhile: what starves a timer does so each time.
    await quickest(2_000, async () => {
      goOn = true
      engine.dispatch(requestFor('noop', {}, { atom: 'flow/sync' }), listener)
      engine.dispatch(requestFor('noop.async', {}, { atom: 'flow/async' }), listener)
      const before = performance.now()
      await new Promise((resolve) => setTimeout(resolve, 50))
      const late = performance.now() - before - 50
      goOn = false
      await eventually(() => engine.size === 0)
      return calls > 100 ? late : Infinity
    })
    assert.ok(calls > 100, `only ${calls} calls ran`)
  })

  test(`${name}: an engine that has nothing to do, or waits for its calls, leaves the event loop alone`, async (t) => {
    const { engine, recorder } = await started(t)
    const request = waitFor('k')
    engine.dispatch(request, recorder)
    await hasStarted('k')
    await turn()
    await turn()
    await new Promise((resolve) => setTimeout(resolve, 1))
    const busy = process.getActiveResourcesInfo().filter((resource) => resource === 'Immediate')
    openGate('k')
    await recorder.next(request)
    assert.deepEqual(busy, [])
  })

  test(`${name}: a running call hears an abort, and is answered`, async (t) => {
    const { engine, recorder } = await started(t)
    const request = requestFor('act', { does: 'hang', key: 'k' })
    engine.dispatch(request, recorder)
    await hasStarted('k')
    engine.abort(request, 'the flow was cancelled')
    engine.abort(request, 'again')
    const answer = await recorder.next(request)
    assert.deepEqual(answer.kind === 'failed' && [answer.failure, answer.outcome], [
      { code: 'Cancelled', message: 'the flow was cancelled' },
      'failure',
    ])
    assert.ok(journal.includes('abort k AbortError'))
  })

  test(`${name}: a task that is deaf to an abort is answered after the grace period, and its place is free`, async (t) => {
    const clock = manualClock()
    const { engine, recorder } = await started(t, { clock, abortGraceMs: 100 })
    const deaf = requestFor('act', { does: 'hangDeaf', key: 'k' })
    engine.dispatch(deaf, recorder)
    await hasStarted('k')
    engine.abort(deaf, 'cancelled')
    await turn()
    assert.deepEqual(recorder.answers, [])
    clock.advance(100)
    const answer = await recorder.next(deaf)
    assert.equal(answer.kind === 'failed' && answer.outcome, 'unknown')
    const next = requestFor('noop')
    engine.dispatch(next, recorder)
    await recorder.next(next)
    openGate('deaf k')
    await turn()
    assert.equal(recorder.of(deaf).length, 1)
  })

  test(`${name}: an abort of another call of the same atom, or of an unknown one, does nothing`, async (t) => {
    const { engine, recorder } = await started(t)
    const request = waitFor('k')
    engine.dispatch(request, recorder)
    await hasStarted('k')
    engine.abort({ ...request, call: 2 }, 'no')
    engine.abort({ ...request, direction: 'revert' }, 'no')
    engine.abort({ ...request, flowId: 'other' }, 'no')
    openGate('k')
    assert.equal((await recorder.next(request)).kind, 'succeeded')
  })

  test(`${name}: a call of an earlier owner is run again, unless it must never be: that is UnknownOutcome`, async (t) => {
    const { engine, recorder } = await started(t)
    const again = requestFor('act', { does: 'succeed', key: 'again' }, { again: true })
    const never = requestFor(
      'act',
      { does: 'succeed', key: 'never' },
      { again: true, repeat: 'never' },
    )
    const first = requestFor('act', { does: 'succeed', key: 'first' }, { repeat: 'never' })
    for (const request of [again, never, first]) engine.dispatch(request, recorder)
    assert.equal((await recorder.next(again)).kind, 'succeeded')
    assert.equal((await recorder.next(first)).kind, 'succeeded')
    const answer = await recorder.next(never)
    assert.equal(answer.kind === 'failed' && answer.failure.code, 'UnknownOutcome')
    assert.equal(answer.kind === 'failed' && answer.outcome, 'unknown')
    assert.ok(!journal.includes('start never'))
  })

  test(`${name}: two calls of one atom at once are a fault of the caller, and said so`, async (t) => {
    const { engine, recorder } = await started(t)
    const request = waitFor('k')
    engine.dispatch(request, recorder)
    assert.throws(() => engine.dispatch({ ...request, call: 2 }, recorder), /under way/)
    openGate('k')
    await recorder.next(request)
    assert.equal(recorder.answers.length, 1)
  })

  test(`${name}: a forgotten flow is never answered: what waits is dropped, what runs goes on unheard`, async (t) => {
    const { engine, recorder } = await started(t)
    const running = waitFor('running', { flowId: 'f' })
    engine.dispatch(running, recorder)
    await hasStarted('running')
    const waiting = requestFor('act', { does: 'succeed', key: 'waiting' }, { flowId: 'f' })
    engine.dispatch(waiting, recorder)
    engine.forget('f')
    engine.forget('unknown')
    assert.equal(engine.size, 0)
    openGate('running')
    await eventually(() => journal.includes('end running'))
    await turn()
    assert.deepEqual(recorder.answers, [])
    assert.ok(!journal.includes('start waiting'))
  })

  test(`${name}: a call that still runs when its flow comes back is not started beside itself`, async (t) => {
    const { engine, recorder } = await started(t)
    const request = waitFor('k', { repeat: 'never' })
    engine.dispatch(request, recorder)
    await hasStarted('k')
    engine.forget(request.flowId)
    const later = new CallRecorder()
    engine.dispatch({ ...request, again: true }, later)
    openGate('k')
    assert.equal((await later.next(request)).kind, 'succeeded')
    await turn()
    assert.deepEqual(recorder.answers, [])
    assert.deepEqual(journal, ['start k', 'end k'])
    assert.equal(engine.size, 0)
  })

  test(`${name}: one that was aborted as it was forgotten runs again, when its body has ended`, async (t) => {
    const { engine, recorder } = await started(t)
    const request = requestFor('act', { does: 'hang', key: 'k' })
    engine.dispatch(request, recorder)
    await hasStarted('k')
    engine.forget(request.flowId, { abort: true })
    const later = new CallRecorder()
    engine.dispatch({ ...request, again: true }, later)
    await eventually(() => journal.filter((line) => line === 'start k').length === 2)
    assert.deepEqual(journal, ['start k', 'abort k AbortError', 'end k', 'start k'])
    engine.abort(request, 'enough')
    assert.equal((await later.next(request)).kind, 'failed')
    assert.deepEqual(recorder.answers, [])
    assert.equal(engine.size, 0)
  })

  test(`${name}: stop lets running calls end within the grace period, and starts no other`, async (t) => {
    const { engine, recorder } = await started(t)
    const running = waitFor('running', { flowId: 'f' })
    engine.dispatch(running, recorder)
    await hasStarted('running')
    const stopping = engine.stop({ graceMs: 10_000 })
    engine.dispatch(requestFor('act', { does: 'succeed', key: 'late' }), recorder)
    openGate('running')
    await stopping
    assert.equal((await recorder.next(running)).kind, 'succeeded')
    assert.equal(recorder.answers.length, 1)
    assert.ok(!journal.includes('start late'))
  })

  test(`${name}: stop aborts what runs longer than the grace period, and answers nothing after it`, async (t) => {
    const { engine, recorder } = await started(t)
    const deaf = requestFor(
      'act',
      { does: 'hangDeaf', key: 'deaf' },
      { flowId: 'a', timeoutMs: 60_000 },
    )
    engine.dispatch(requestFor('act', { does: 'hang', key: 'k' }, { flowId: 'b' }), recorder)
    engine.dispatch(deaf, recorder)
    await hasStarted('k')
    await hasStarted('deaf')
    await engine.stop({ graceMs: 20 })
    assert.ok(journal.includes('abort k AbortError'))
    openGate('deaf deaf')
    await eventually(() => journal.includes('end deaf'))
    await turn()
    assert.deepEqual(recorder.answers, [])
    assert.equal(engine.size, 0)
  })

  test(`${name}: stop before start, twice, and start after stop are fine`, async (t) => {
    leakCheck(t)
    const engine = make({ tasks: TaskRegistry.of(tasks) })
    await engine.stop()
    await Promise.all([engine.stop(), engine.stop({ graceMs: 0 })])
    await engine.start()
    const recorder = new CallRecorder()
    const request = requestFor('noop')
    engine.dispatch(request, recorder)
    await recorder.next(request)
    await engine.stop()
  })

  test(`${name}: a queued call that is aborted is answered without running; the others keep their turn`, async (t) => {
    const { engine, recorder } = await started(t, { threads: 0 })
    const first = waitFor('first', { flowId: 'f' })
    engine.dispatch(first, recorder)
    const queued = Array.from({ length: 3 }, (_, n) =>
      requestFor('act', { does: 'succeed', key: `q${n}` }, { flowId: 'f' }),
    )
    for (const request of queued) engine.dispatch(request, recorder)
    const [, victim] = queued
    if (victim !== undefined) engine.abort(victim, 'cancelled') // nothing has started yet
    assert.deepEqual(recorder.answers, [])
    openGate('first')
    await Promise.all(queued.map((request) => recorder.next(request)))
    assert.deepEqual(
      victim && recorder.of(victim).map((answer) => answer.kind === 'failed' && answer.failure),
      [{ code: 'Cancelled', message: 'cancelled; it had not started' }],
    )
    assert.deepEqual(
      journal.filter((line) => line.startsWith('start q')),
      ['start q0', 'start q2'],
    )
  })

  test(`${name}: of a call that an earlier owner dispatched nobody knows how far it came, if it is aborted before it starts again`, async (t) => {
    const { engine, recorder } = await started(t, { threads: 0 })
    const request = requestFor('act', { does: 'succeed', key: 'k' }, { again: true })
    engine.dispatch(request, recorder)
    engine.abort(request, 'cancelled')
    const answer = await recorder.next(request)
    assert.ok(answer.kind === 'failed')
    assert.equal(answer.outcome, 'unknown')
    assert.equal(answer.failure.code, 'Cancelled')
    assert.match(answer.failure.message, /^cancelled; .* how far it came before is not known$/)
    assert.deepEqual(journal, [])
  })

  test(`${name}: reverts and decisions are calls like others`, async (t) => {
    const { engine, recorder } = await started(t)
    const revert = requestFor(
      'act',
      { does: 'succeed', key: 'k' },
      { direction: 'revert', outcome: 'unknown' },
    )
    const decide = requestFor('patient', {}, { direction: 'decide', rounds: [] })
    engine.dispatch(revert, recorder)
    engine.dispatch(decide, recorder)
    assert.equal((await recorder.next(revert)).kind, 'succeeded')
    const decision = await recorder.next(decide)
    assert.deepEqual(decision.kind === 'succeeded' && decision.result, {
      decision: 'RETRY',
      delayMs: 5_000,
      value: 0,
    })
  })

  test(`${name}: options that make no sense are refused when it is made`, () => {
    const registry = TaskRegistry.of(tasks)
    for (const bad of [
      { threads: -1 },
      { threads: 1.5 },
      { abortGraceMs: -1 },
      { abortGraceMs: NaN },
      { threadHeapMb: 0 },
    ]) {
      assert.throws(() => make({ tasks: registry, ...bad }), /expected/)
    }
  })
}
