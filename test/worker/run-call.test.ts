import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, test } from 'node:test'
import { z } from 'zod'
import { manualClock, type ManualClock } from '../../src/base/clock.ts'
import { silentLogger, type Logger } from '../../src/base/logger.ts'
import { failureSchema } from '../../src/base/failure.ts'
import { task } from '../../src/flow/task.ts'
import type { CallAnswer, CallRequest } from '../../src/protocol/call.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import { runCall, type CallEnvironment, type RunningCall } from '../../src/worker/run-call.ts'
import { CallRecorder, requestFor } from '../support/calls.ts'
import * as tasks from '../support/tasks.ts'
import { journal, JUNK, openGate, resetTasks, THROWN } from '../support/tasks.ts'

beforeEach(resetTasks)

const registry = TaskRegistry.of(tasks)
const GRACE_MS = 1_000

interface Started {
  readonly running: RunningCall
  readonly answer: Promise<CallAnswer>
  readonly recorder: CallRecorder
  readonly clock: ManualClock
}

function start(request: CallRequest, extra: Partial<CallEnvironment> = {}): Started {
  const clock = manualClock(1_000_000)
  const recorder = new CallRecorder()
  const environment = {
    tasks: registry,
    logger: silentLogger,
    clock,
    abortGraceMs: GRACE_MS,
    ...extra,
  }
  const running = runCall(request, environment, recorder)
  return { running, answer: recorder.next(request), recorder, clock }
}

function run(
  task: string,
  args: CallRequest['args'],
  fields: Partial<CallRequest> = {},
): Promise<CallAnswer> {
  return start(requestFor(task, args, fields)).answer
}

async function failureOf(answer: Promise<CallAnswer> | CallAnswer) {
  const given = await answer
  assert.equal(given.kind, 'failed')
  if (given.kind !== 'failed') throw new Error('unreachable')
  return given
}

test('a task gets its arguments and its result is the answer', async () => {
  assert.deepEqual(await run('act', { does: 'succeed', value: { a: [1] } }), {
    kind: 'succeeded',
    result: { value: { a: [1] } },
    startedAt: 1_000_000,
  })
})

test('a task that returns no promise is answered before runCall returns, so that it costs no tick', () => {
  const { recorder } = start(requestFor('noop'))
  assert.deepEqual(
    recorder.answers.map(({ answer }) => answer.kind),
    ['succeeded'],
  )
})

test('what a task throws is its failure, with the code and data of a TaskError', async () => {
  const { failure, outcome } = await failureOf(run('act', { does: 'fail', key: 'k' }))
  assert.equal(failure.code, 'Planned')
  assert.equal(failure.message, 'k failed')
  assert.deepEqual(failure.data, { key: 'k' })
  assert.equal(outcome, 'failure')
})

test('an unknown task is a failure that says which was meant and that trying again is no use', async () => {
  const { failure } = await failureOf(run('acct', {}))
  assert.equal(failure.code, 'UnknownTask')
  assert.match(failure.message, /did you mean "act"\?/)
  assert.equal(failure.retryable, false)
})

for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
  test(`a task named ${name} is not found by accident, for objects have such members`, async () => {
    assert.equal((await failureOf(run(name, {}))).failure.code, 'UnknownTask')
  })
}

test('arguments that do not fit are a failure that no attempt can heal, and the body never runs', async () => {
  const { failure } = await failureOf(run('act', { does: 'nonsense', key: 'k' }))
  assert.equal(failure.code, 'InvalidArguments')
  assert.equal(failure.retryable, false)
  assert.match(failure.message, /does/)
  assert.deepEqual(journal, [])
})

test('a declared symbol that is missing in the result is a failure that names it', async () => {
  const { failure } = await failureOf(run('declared', { number: -1 }))
  assert.equal(failure.code, 'InvalidResult')
  assert.match(failure.message, /text/)
  assert.equal((await run('declared', { number: 1 })).kind, 'succeeded')
})

for (const [name] of JUNK) {
  test(`a result that holds ${name} is a failure that names the place, and is answered once`, async () => {
    const request = requestFor('act', { does: 'junk', key: name })
    const { recorder, answer } = start(request)
    const { failure } = await failureOf(answer)
    assert.ok(['NotSerialisable', 'InvalidResult'].includes(failure.code), failure.code)
    if (!/bytes/.test(failure.message)) assert.match(failure.message, /value/)
    assert.ok(failure.message.length < 5_000)
    await turn()
    assert.equal(recorder.of(request).length, 1)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })
}

for (const [name] of THROWN) {
  test(`a task that throws ${name} has a failure that every store can keep`, async () => {
    const { failure, outcome } = await failureOf(run('act', { does: 'throwJunk', key: name }))
    assert.equal(outcome, 'failure')
    assert.ok(failure.message.length > 0)
    failureSchema.parse(JSON.parse(JSON.stringify(failure)))
    assert.ok(JSON.stringify(failure).length < 300_000)
    assert.ok(!/\0/.test(failure.message))
  })
}

for (const [name, junk] of [
  ['nothing', undefined],
  ['null', null],
  ['a number', 5],
  ['a list', [{ value: 1 }]],
] as const) {
  test(`a whole result that is ${name} is a failure where symbols were declared`, async () => {
    const bad = TaskRegistry.of(
      task('bad', { provides: { value: z.unknown() }, execute: () => junk as never }),
    )
    const { failure } = await failureOf(start(requestFor('bad'), { tasks: bad }).answer)
    assert.equal(failure.code, 'InvalidResult')
    assert.match(failure.message, /value/)
  })
}

test('a thenable that throws, answers twice, or hides `then` behind a getter is settled once', async () => {
  const twice = { then: (ok: (value: unknown) => void) => [ok({}), ok({}), ok(1)] }
  const angry = {
    get then(): unknown {
      throw new Error('no then for you')
    },
  }
  const thrower = {
    then: () => {
      throw new Error('thrown by then')
    },
  }
  const strange = TaskRegistry.of(
    task('twice', { execute: () => twice }),
    task('angry', { execute: () => angry }),
    task('thrower', { execute: () => thrower }),
  )
  assert.equal((await start(requestFor('twice'), { tasks: strange }).answer).kind, 'succeeded')
  for (const name of ['angry', 'thrower']) {
    const { failure } = await failureOf(start(requestFor(name), { tasks: strange }).answer)
    assert.equal(failure.code, 'TaskFailed')
    assert.match(failure.message, /then/)
  }
})

test('a task that changes its arguments changes a copy, for the caller still needs them', async () => {
  const value = [1, { deep: true }]
  const answer = await run('act', { does: 'mutate', value })
  assert.deepEqual(value, [1, { deep: true }])
  assert.deepEqual(answer.kind === 'succeeded' && answer.result, {
    value: [1, { deep: true }, 'changed by the task'],
  })
})

test('a task that goes on changing what it returned does not change the answer', async () => {
  const kept = { list: [1] }
  const leaky = TaskRegistry.of(
    task('leaky', { provides: { list: z.unknown() }, execute: () => kept }),
  )
  const answer = await start(requestFor('leaky'), { tasks: leaky }).answer
  kept.list.push(2)
  assert.deepEqual(answer.kind === 'succeeded' && answer.result, { list: [1] })
})

test('a timeout aborts the signal; a task that then ends is TimedOut at once', async () => {
  const { answer, clock } = start(requestFor('act', { does: 'hang', key: 'k' }, { timeoutMs: 500 }))
  await turn()
  clock.advance(500)
  const { failure, outcome } = await failureOf(answer)
  assert.deepEqual(failure, { code: 'TimedOut', message: 'no end within 500ms' })
  assert.equal(outcome, 'failure')
  assert.deepEqual(journal, ['start k', 'abort k TimeoutError', 'end k'])
  assert.equal(clock.pending, 0)
})

test('a task that is deaf to its timeout is TimedOut after the grace period, and its late result is ignored', async () => {
  const request = requestFor('act', { does: 'hangDeaf', key: 'k' }, { timeoutMs: 500 })
  const { answer, clock, recorder } = start(request)
  clock.advance(500)
  await turn()
  assert.deepEqual(recorder.answers, [])
  clock.advance(GRACE_MS)
  const { failure, outcome } = await failureOf(answer)
  assert.equal(failure.code, 'TimedOut')
  assert.equal(outcome, 'unknown')
  openGate('deaf k')
  await turn()
  assert.deepEqual(journal, ['start k', 'end k'])
  assert.equal(recorder.of(request).length, 1)
})

test('a result that comes after the timeout, within the grace period, does not count', async () => {
  const { answer, clock } = start(
    requestFor('act', { does: 'hangDeaf', key: 'k' }, { timeoutMs: 500 }),
  )
  clock.advance(500)
  openGate('deaf k')
  const { failure, outcome } = await failureOf(answer)
  assert.equal(failure.code, 'TimedOut')
  assert.equal(outcome, 'unknown')
})

test('a task that ends before its timeout leaves no timer', async () => {
  const { answer, clock } = start(
    requestFor('act', { does: 'succeed' }, { timeoutMs: 500, heartbeatMs: 100 }),
  )
  assert.equal(clock.pending, 2)
  await answer
  assert.equal(clock.pending, 0)
})

test('a task whose heartbeats come goes on; without one it is TimedOut, and says why', async () => {
  const beats: { heartbeat?: () => void; progress?: (part: number) => void } = {}
  const beating = TaskRegistry.of(
    task('beating', {
      execute: (_args, { heartbeat, progress, signal }) => {
        Object.assign(beats, { heartbeat, progress })
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        )
      },
    }),
  )
  const { answer, clock, recorder } = start(requestFor('beating', {}, { heartbeatMs: 100 }), {
    tasks: beating,
  })
  clock.advance(90)
  beats.heartbeat?.()
  clock.advance(90)
  beats.progress?.(0.5)
  clock.advance(90)
  await turn()
  assert.deepEqual(recorder.answers, [])
  clock.advance(10)
  const { failure } = await failureOf(answer)
  assert.deepEqual(failure, { code: 'TimedOut', message: 'no heartbeat for 100ms' })
  assert.equal(clock.pending, 0)
})

test('an aborted task that throws the reason is Cancelled; one that throws something else failed by itself', async () => {
  const hanging = start(requestFor('act', { does: 'hang', key: 'k' }))
  await turn()
  hanging.running.abort('a sibling failed')
  assert.deepEqual((await failureOf(hanging.answer)).failure, {
    code: 'Cancelled',
    message: 'a sibling failed',
  })
  const grumpy = TaskRegistry.of(
    task('grumpy', {
      execute: (_args, { signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('disk full'))),
        ),
    }),
  )
  const other = start(requestFor('grumpy'), { tasks: grumpy })
  other.running.abort('a sibling failed')
  const { failure } = await failureOf(other.answer)
  assert.equal(failure.code, 'TaskFailed')
  assert.equal(failure.message, 'disk full')
})

test('an aborted task that succeeds all the same has succeeded', async () => {
  const { running, answer } = start(requestFor('act', { does: 'wait', key: 'k', value: 1 }))
  running.abort('cancelled')
  openGate('k')
  assert.equal((await answer).kind, 'succeeded')
})

test('a signal that is first asked for after the abort is aborted already', async () => {
  const late: { context?: { readonly signal: AbortSignal } } = {}
  const lazy = TaskRegistry.of(
    task('lazy', {
      execute: (_args, context) => {
        late.context = context
        return new Promise(() => {})
      },
    }),
  )
  const { running, answer, clock } = start(requestFor('lazy'), { tasks: lazy })
  running.abort('enough')
  assert.equal(late.context?.signal.aborted, true)
  assert.match(String(late.context?.signal.reason), /AbortError: enough/)
  clock.advance(GRACE_MS)
  assert.equal((await failureOf(answer)).outcome, 'unknown')
})

test('a call that is dropped is never answered and leaves no timer', async () => {
  const { running, recorder, clock } = start(
    requestFor('act', { does: 'wait', key: 'k' }, { timeoutMs: 10 }),
  )
  running.abort('gone')
  running.drop()
  openGate('k')
  await turn()
  assert.deepEqual(recorder.answers, [])
  assert.equal(clock.pending, 0)
})

test('a revert is given arguments and result, or arguments and failure, and what is known of the execution', async () => {
  const args = { does: 'succeed', key: 'k', value: 1 }
  const revert = { direction: 'revert' } as const
  const failure = { code: 'Planned', message: 'it failed' }
  await run('act', args, { ...revert, outcome: 'success', result: { value: 1 } })
  await run('act', args, { ...revert, outcome: 'failure', failure })
  await run('act', args, { ...revert, outcome: 'unknown' })
  assert.deepEqual(journal, [
    'revert k success {"value":1}',
    'revert k failure failure',
    'revert k unknown failure',
  ])
})

test('a revert that throws is a failure; one of a task without revert does nothing', async () => {
  const { failure } = await failureOf(
    run(
      'act',
      { does: 'succeed', key: 'k', value: 'fail to revert' },
      { direction: 'revert', outcome: 'success' },
    ),
  )
  assert.equal(failure.message, 'k cannot be reverted')
  const nothing = await run('noop', {}, { direction: 'revert', outcome: 'success' })
  assert.deepEqual(nothing, { kind: 'succeeded', result: null, startedAt: 1_000_000 })
})

test('a task whose arguments were refused never ran, so its revert has nothing to do', async () => {
  const failure = { code: 'InvalidArguments', message: 'does: …' }
  const answer = await run(
    'act',
    { does: 'nonsense' },
    { direction: 'revert', outcome: 'failure', failure },
  )
  assert.equal(answer.kind, 'succeeded')
  assert.deepEqual(journal, [])
})

test('a retry strategy decides in one form, whatever form it answered in', async () => {
  const failures = { 'flow/a': { code: 'x', message: 'y' } }
  const decide = { direction: 'decide', rounds: [{ value: 1, failures }] } as const
  const again = await run('patient', {}, decide)
  assert.deepEqual(again.kind === 'succeeded' && again.result, {
    decision: 'RETRY',
    delayMs: 5_000,
    value: 1,
  })
  const rounds = Array.from({ length: 3 }, () => ({ value: 1, failures }))
  const enough = await run('patient', {}, { direction: 'decide', rounds })
  assert.deepEqual(enough.kind === 'succeeded' && enough.result, { decision: 'REVERT' })
})

test('a strategy that answers junk, or is not known, is a failure', async () => {
  const { failure } = await failureOf(run('confused', {}, { direction: 'decide', rounds: [] }))
  assert.equal(failure.code, 'InvalidResult')
  assert.match(failure.message, /expected "RETRY"/)
  const unknown = await failureOf(run('pateint', {}, { direction: 'decide', rounds: [] }))
  assert.match(unknown.failure.message, /did you mean "patient"/)
})

test('the context tells who calls; its idempotency key is readable and the same for every copy', async () => {
  const fields = { flowId: 'f9', atom: 'flow/x', call: 3, attempt: 2, again: true, jobId: 'j' }
  const answer = await run('act', { does: 'tell' }, fields)
  assert.deepEqual(answer.kind === 'succeeded' && answer.result, {
    value: {
      attempt: 2,
      idempotencyKey: 'f9/flow/x#execute.3',
      flowId: 'f9',
      flow: 'flow',
      atom: 'flow/x',
      job: 'j',
      failures: {},
    },
  })
})

test('an idempotency key fits where others take 255 characters', async () => {
  const tell = async (atom: string) => {
    const answer = await run('act', { does: 'tell' }, { atom })
    assert.equal(answer.kind, 'succeeded')
    return JSON.stringify(answer.kind === 'succeeded' && answer.result)
  }
  const key = /"idempotencyKey":"([^"]+)"/
  const long = key.exec(await tell(`flow/${'a'.repeat(300)}`))?.[1] ?? ''
  const other = key.exec(await tell(`flow/${'a'.repeat(301)}`))?.[1] ?? ''
  assert.ok(long.length <= 255)
  assert.match(long, /^f1\/sha256:[0-9a-f]{64}#execute\.1$/)
  assert.notEqual(long, other)
})

test('progress of five segments is six events, the first 0 and the last 1 (TF-022)', async () => {
  const { answer, recorder } = start(requestFor('act', { does: 'progress', count: 5 }))
  await answer
  assert.deepEqual(
    recorder.reports.map(({ progress }) => progress),
    [0, 0.2, 0.4, 0.6, 0.8, 1],
  )
  assert.deepEqual(recorder.reports.at(-1)?.details, { step: 5 })
})

test('ten thousand reports of progress are a few events, and the last one is among them, before the answer', async () => {
  const order: string[] = []
  const request = requestFor('act', { does: 'progress', count: 10_000 })
  const clock = manualClock()
  await new Promise<void>((resolve) => {
    const environment = { tasks: registry, logger: silentLogger, clock, abortGraceMs: GRACE_MS }
    runCall(request, environment, {
      answer: () => {
        order.push('answer')
        resolve()
      },
      progress: (_request, progress) => order.push(String(progress)),
    })
  })
  assert.ok(order.length <= 23, `${order.length} events`)
  assert.deepEqual(order.slice(-2), ['1', 'answer'])
})

test('progress is between 0 and 1, and junk in it does not reach anybody or fail the task', async () => {
  const warnings: string[] = []
  const logger: Logger = {
    ...silentLogger,
    child: () => logger,
    warn: (_fields, message) => warnings.push(message),
  }
  const odd = TaskRegistry.of(
    task('odd', {
      execute: (_args, { progress }) => {
        progress(-3)
        progress(7)
        progress(Number.NaN)
        progress('half' as never)
        progress(0.5, { bad: 1n })
      },
    }),
  )
  const { answer, recorder } = start(requestFor('odd'), { tasks: odd, logger })
  assert.equal((await answer).kind, 'succeeded')
  assert.deepEqual(recorder.reports, [
    { progress: 0, details: undefined },
    { progress: 1, details: undefined },
    { progress: 0.5, details: undefined },
  ])
  assert.deepEqual(warnings, ['details of progress were left out'])
})
