import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ParallelEngine } from '../../engines/parallel.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import { CallRecorder, requestFor } from '../support/calls.ts'
import * as tasks from '../support/tasks.ts'
import { journal, openGate } from '../support/tasks.ts'
import { describeInProcessEngine } from './in-process-suite.ts'

describeInProcessEngine('parallel', (options) => new ParallelEngine(options))
// One place shows whether places are given back.
describeInProcessEngine(
  'parallel, two at once',
  (options) => new ParallelEngine({ ...options, concurrency: 2 }),
)

async function started(t: TestContext, concurrency: number) {
  const engine = new ParallelEngine({ tasks: TaskRegistry.of(tasks), concurrency })
  t.after(() => engine.stop({ graceMs: 0 }))
  await engine.start()
  return { engine, recorder: new CallRecorder() }
}

const call = (flowId: string, key: string, priority = 0) =>
  requestFor('act', { does: 'wait', key }, { flowId, priority })

test('parallel: no more calls run at once than the limit, over all flows', async (t) => {
  const { engine, recorder } = await started(t, 3)
  const calls = Array.from({ length: 8 }, (_, n) => call(`f${n % 4}`, `k${n}`))
  for (const request of calls) engine.dispatch(request, recorder)
  await turn()
  assert.equal(journal.length, 3)
  for (let n = 0; n < 8; n++) {
    openGate(`k${n}`)
    await turn()
    const running = journal.filter((line) => line.startsWith('start')).length - (n + 1)
    assert.ok(running <= 3, `${running} run at once`)
  }
  await Promise.all(calls.map((request) => recorder.next(request)))
})

test('parallel: ready calls start by priority, then the flows take turns, then by arrival', async (t) => {
  const { engine, recorder } = await started(t, 1)
  const calls = [
    ...['a1', 'a2', 'a3'].map((key) => call('a', key)),
    call('b', 'b1'),
    call('b', 'urgent', 10),
    call('c', 'idle', -10),
  ]
  for (const request of calls) engine.dispatch(request, recorder)
  for (const key of ['a1', 'a2', 'a3', 'b1', 'urgent', 'idle']) openGate(key)
  await Promise.all(calls.map((request) => recorder.next(request)))
  assert.deepEqual(
    journal.filter((line) => line.startsWith('start')),
    ['start urgent', 'start a1', 'start b1', 'start a2', 'start a3', 'start idle'],
  )
})

test('parallel: a flow of ten thousand calls does not keep a small one waiting', async (t) => {
  const { engine, recorder } = await started(t, 4)
  const many = Array.from({ length: 10_000 }, () => requestFor('noop.async', {}, { flowId: 'big' }))
  for (const request of many) engine.dispatch(request, recorder)
  const small = requestFor('noop.async', {}, { flowId: 'small' })
  engine.dispatch(small, recorder)
  await recorder.next(small)
  const place = recorder.answers.findIndex(({ request }) => request === small)
  assert.ok(place < 20, `it was answered as number ${place}`)
  await Promise.all(many.map((request) => recorder.next(request)))
})

test('parallel: a concurrency that makes no sense is refused', () => {
  for (const concurrency of [0, -1, 1.5, Number.NaN]) {
    assert.throws(
      () => new ParallelEngine({ tasks: new TaskRegistry(), concurrency }),
      /concurrency: expected/,
    )
  }
})
