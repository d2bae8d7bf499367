import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SerialEngine } from '../../engines/serial.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import { CallRecorder, requestFor } from '../support/calls.ts'
import { eventually } from '../support/eventually.ts'
import * as tasks from '../support/tasks.ts'
import { journal, openGate } from '../support/tasks.ts'
import { describeInProcessEngine } from './in-process-suite.ts'

describeInProcessEngine('serial', (options) => new SerialEngine(options))

test('serial: one call of a flow at a time, by priority; other flows run beside it', async (t) => {
  const engine = new SerialEngine({ tasks: TaskRegistry.of(tasks) })
  t.after(() => engine.stop({ graceMs: 0 }))
  await engine.start()
  const recorder = new CallRecorder()
  const call = (flowId: string, key: string, priority: number) =>
    requestFor('act', { does: 'wait', key }, { flowId, priority })
  const calls = [
    call('a', 'a low', 0),
    call('a', 'a high', 9),
    call('b', 'b', 0),
    call('a', 'a mid', 5),
  ]
  for (const request of calls) engine.dispatch(request, recorder)
  await eventually(() => journal.length === 2)
  assert.deepEqual(journal, ['start a high', 'start b'])
  for (const key of ['a low', 'a high', 'b', 'a mid']) openGate(key)
  await Promise.all(calls.map((request) => recorder.next(request)))
  assert.deepEqual(
    journal.filter((line) => line.includes(' a ')),
    ['start a high', 'end a high', 'start a mid', 'end a mid', 'start a low', 'end a low'],
  )
})
