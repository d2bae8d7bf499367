import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SerialEngine } from '../../engines/serial.ts'
import type { InProcessEngineOptions } from '../../engines/options.ts'
import type { CallRequest, Engine } from '../../engines/engine.ts'
import { formatDuration } from '../../src/base/durations.ts'
import { silentLogger, type Logger } from '../../src/base/logger.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import { CallRecorder, requestFor } from '../support/calls.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import * as tasks from '../support/tasks.ts'
import { journal } from '../support/tasks.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const module = new URL('../support/tasks.js', import.meta.url).href
const registry = new TaskRegistry().add(tasks, { module })

async function started(t: TestContext, options: Partial<InProcessEngineOptions> = {}) {
  leakCheck(t)
  const engine = new ParallelEngine({ tasks: registry, threads: 2, abortGraceMs: 300, ...options })
  t.after(() => engine.stop({ graceMs: 0 }))
  await engine.start()
  return { engine, recorder: new CallRecorder() }
}

const compute = (
  does: string,
  fields: Partial<CallRequest> = {},
  args: { [name: string]: string | number } = {},
) => requestFor('compute', { does, key: 'k', ...args }, fields)

async function failureOf(engine: Engine, request: CallRequest) {
  const recorder = new CallRecorder()
  engine.dispatch(request, recorder)
  const answer = await recorder.next(request)
  if (answer.kind !== 'failed') throw new Error(`expected a failure, got ${JSON.stringify(answer)}`)
  assert.equal(recorder.of(request).length, 1)
  return answer
}

for (const [name, Engine] of [
  ['serial', SerialEngine],
  ['parallel', ParallelEngine],
] as const) {
  test(`${name}: a task that computes runs in a thread, with arguments, context, result and failure`, async (t) => {
    leakCheck(t)
    journal.length = 0
    const engine = new Engine({ tasks: registry, threads: 1 })
    t.after(() => engine.stop())
    await engine.start()
    const recorder = new CallRecorder()
    const request = compute('tell', { atom: 'flow/x', attempt: 2 })
    engine.dispatch(request, recorder)
    const answer = await recorder.next(request)
    assert.deepEqual(answer.kind === 'succeeded' && answer.result, {
      value: {
        attempt: 2,
        idempotencyKey: 'f1/flow/x#execute.1',
        flowId: 'f1',
        flow: 'flow',
        atom: 'flow/x',
        job: 'job',
        failures: {},
      },
    })
    const { failure } = await failureOf(engine, compute('fail'))
    assert.equal(failure.code, 'Planned')
    assert.deepEqual(failure.data, { key: 'k' })
    assert.deepEqual(journal, [], 'the body ran in this thread')
  })
}

test('reverts of a task that computes run in a thread, too', async (t) => {
  const { engine } = await started(t)
  const revert = compute('succeed', {
    direction: 'revert',
    outcome: 'success',
    result: { value: 1 },
  })
  const recorder = new CallRecorder()
  engine.dispatch(revert, recorder)
  assert.equal((await recorder.next(revert)).kind, 'succeeded')
  assert.deepEqual(journal, [])
})

test('what JSON cannot carry is a failure in a thread as here', async (t) => {
  const { engine } = await started(t)
  for (const key of ['a function', 'a Date', 'a getter that throws', 'itself']) {
    const { failure } = await failureOf(engine, compute('junk', {}, { key }))
    assert.equal(failure.code, 'NotSerialisable')
  }
})

test('progress and log lines of a thread come out here', async (t) => {
  const lines: string[] = []
  const logger: Logger = {
    ...silentLogger,
    info: (fields, message) =>
      lines.push(`${message} ${String(fields['key'])} ${String(fields['atom'])}`),
  }
  const { engine, recorder } = await started(t, { logger })
  const progress = compute('progress', {}, { count: 4 })
  engine.dispatch(progress, recorder)
  await recorder.next(progress)
  assert.deepEqual(
    recorder.reports.map((report) => report.progress),
    [0, 0.25, 0.5, 0.75, 1],
  )
  const log = compute('log', { atom: 'flow/logger' })
  engine.dispatch(log, recorder)
  await recorder.next(log)
  await eventually(() => lines.length > 0)
  assert.deepEqual(lines, ['said by a task k flow/logger'])
})

test('a thread that leaves by process.exit is WorkerLost, and the next call gets a new one', async (t) => {
  const { engine } = await started(t)
  const { failure, outcome } = await failureOf(engine, compute('exit', {}, { count: 3 }))
  assert.equal(failure.code, 'WorkerLost')
  assert.match(failure.message, /3/)
  assert.equal(outcome, 'unknown')
  assert.equal((await failureOf(engine, compute('fail'))).failure.code, 'Planned')
})

test('a thread that runs out of memory is WorkerLost, and this process lives', async (t) => {
  const { engine } = await started(t, { threadHeapMb: 32 })
  const { failure } = await failureOf(engine, compute('eatMemory'))
  assert.equal(failure.code, 'WorkerLost')
  assert.match(failure.message, /out of memory \(32 MB\)/)
})

test('an error that a task throws in the background ends its thread, not this process', async (t) => {
  const { engine } = await started(t)
  const { failure } = await failureOf(engine, compute('throwLater'))
  assert.equal(failure.code, 'WorkerLost')
  assert.match(failure.message, /thrown in the background/)
})

test('an endless loop is TimedOut, for its thread is terminated; others go on meanwhile', async (t) => {
  const { engine, recorder } = await started(t)
  const before = performance.now()
  const endless = failureOf(engine, compute('spin', { timeoutMs: 200 }))
  const other = compute('succeed', { flowId: 'f2' })
  engine.dispatch(other, recorder)
  assert.equal((await recorder.next(other)).kind, 'succeeded')
  const { failure, outcome } = await endless
  assert.equal(failure.code, 'TimedOut')
  assert.equal(outcome, 'unknown')
  assert.ok(performance.now() - before >= 500, 'it got its timeout and its grace period')
})

test('a loop that looks at its signal now and then hears its timeout, and its heartbeats count', async (t) => {
  const { engine } = await started(t, { abortGraceMs: 60_000 })
  // On a busy machine a thread may rest for longer than a short heartbeat.
  for (const heartbeatMs of [200, 1_000, 10_000]) {
    const { failure, outcome } = await failureOf(
      engine,
      compute('spinListening', { timeoutMs: 2 * heartbeatMs, heartbeatMs }),
    )
    assert.equal(outcome, 'failure')
    if (/no heartbeat/.test(failure.message) && heartbeatMs < 10_000) continue
    const message = `no end within ${formatDuration(2 * heartbeatMs)}`
    assert.deepEqual(failure, { code: 'TimedOut', message })
    return
  }
})

test('a loop without a heartbeat is TimedOut by the missing heartbeat', async (t) => {
  const { engine } = await started(t)
  const { failure } = await failureOf(engine, compute('spin', { heartbeatMs: 100 }))
  assert.equal(failure.code, 'TimedOut')
  assert.match(failure.message, /no heartbeat for 100ms/)
})

test('an abort reaches a task in a thread through its signal', async (t) => {
  const { engine, recorder } = await started(t, { abortGraceMs: 60_000 })
  const request = compute('hang')
  engine.dispatch(request, recorder)
  const probe = compute('succeed')
  engine.dispatch(probe, recorder) // when it is answered, threads are up
  await recorder.next(probe)
  engine.abort(request, 'a sibling failed')
  const answer = await recorder.next(request)
  assert.deepEqual(answer.kind === 'failed' && [answer.failure, answer.outcome], [
    { code: 'Cancelled', message: 'a sibling failed' },
    'failure',
  ])
})

test('calls that wait for a thread are not charged for it, and can be aborted', async (t) => {
  leakCheck(t)
  const engine = new SerialEngine({ tasks: registry, threads: 1, abortGraceMs: 100 })
  t.after(() => engine.stop({ graceMs: 0 }))
  await engine.start()
  // On a busy machine even what does nothing may take longer than a short time.
  for (const timeoutMs of [250, 1_000, 10_000]) {
    const recorder = new CallRecorder()
    const first = compute('spin', { flowId: 'a', timeoutMs: 2 * timeoutMs })
    const patient = compute('succeed', { flowId: 'b', timeoutMs })
    const aborted = compute('succeed', { flowId: 'c' })
    for (const request of [first, patient, aborted]) engine.dispatch(request, recorder)
    await eventually(() => engine.size === 3)
    await new Promise((resolve) => setTimeout(resolve, 50)) // they have left the engine's own line
    engine.abort(aborted, 'cancelled')
    const answer = await recorder.next(aborted)
    assert.equal(answer.kind === 'failed' && answer.failure.code, 'Cancelled')
    assert.equal((await recorder.next(first)).kind, 'failed')
    const { kind } = await recorder.next(patient)
    if (kind === 'failed' && timeoutMs < 10_000) continue
    assert.equal(kind, 'succeeded')
    return
  }
})

test('more calls than threads all end, though each of them kills its thread', async (t) => {
  const { engine, recorder } = await started(t)
  const calls = Array.from({ length: 6 }, (_, n) => compute('exit', { flowId: `f${n}` }))
  for (const request of calls) engine.dispatch(request, recorder)
  const answers = await Promise.all(calls.map((request) => recorder.next(request)))
  for (const answer of answers)
    assert.equal(answer.kind === 'failed' && answer.failure.code, 'WorkerLost')
})

test('a task whose module nobody knows cannot run in a thread: the failure says what to do', async (t) => {
  const { engine } = await started(t, { tasks: TaskRegistry.of(tasks) })
  const { failure } = await failureOf(engine, compute('succeed'))
  assert.equal(failure.code, 'TaskNotLoaded')
  assert.equal(failure.retryable, false)
  assert.match(failure.message, /compute computes .*cpu: import\.meta\.url.*--tasks/)
})

test('a task that names its module runs in a thread, though it was given as an object', async (t) => {
  const { engine, recorder } = await started(t, { tasks: TaskRegistry.of([tasks.whereAmI]) })
  const request = requestFor('whereAmI')
  engine.dispatch(request, recorder)
  const answer = await recorder.next(request)
  assert.deepEqual(answer.kind === 'succeeded' && answer.result, { isMainThread: false })
})

test('a module that runs flows as it is imported does not open threads in threads for ever', async (t) => {
  const folder = await temporaryFolder(t)
  const url = (file: string) => JSON.stringify(new URL(`../../${file}`, import.meta.url).href)
  await fs.writeFile(
    path.join(folder, 'main.mjs'),
    `import { task } from ${url('src/flow/task.js')}
     import { ParallelEngine } from ${url('engines/parallel.js')}
     import { TaskRegistry } from ${url('src/worker/registry.js')}
     import { CallRecorder, requestFor } from ${url('test/support/calls.js')}
     export const heavy = task('heavy', { cpu: import.meta.url, execute: () => undefined })
     const engine = new ParallelEngine({ tasks: TaskRegistry.of(heavy) })
     await engine.start()
     const recorder = new CallRecorder()
     const request = requestFor('heavy')
     engine.dispatch(request, recorder)
     export const answer = await recorder.next(request)
     await engine.stop()
     if (answer.kind === 'failed') throw new Error(answer.failure.message)`,
  )
  const registry = new TaskRegistry().add(tasks, {
    module: pathToFileURL(path.join(folder, 'main.mjs')).href,
  })
  const { engine } = await started(t, { tasks: registry })
  const { failure } = await failureOf(engine, compute('succeed'))
  assert.equal(failure.code, 'TaskNotLoaded')
  assert.match(failure.message, /main\.mjs runs flows as it is imported.*only defines them/)
})

test('with no threads a task that computes runs in this one', async (t) => {
  const { engine, recorder } = await started(t, { tasks: TaskRegistry.of(tasks), threads: 0 })
  const request = compute('succeed')
  engine.dispatch(request, recorder)
  assert.equal((await recorder.next(request)).kind, 'succeeded')
})

test('a module that cannot be loaded in a thread is a failure that names it', async (t) => {
  const folder = await temporaryFolder(t)
  const broken = pathToFileURL(path.join(folder, 'broken.mjs')).href
  await fs.writeFile(path.join(folder, 'broken.mjs'), 'throw new Error("no such database")')
  const { engine } = await started(t, { tasks: new TaskRegistry().add(tasks, { module: broken }) })
  const { failure } = await failureOf(engine, compute('succeed'))
  assert.equal(failure.code, 'TaskNotLoaded')
  assert.match(failure.message, /broken\.mjs.*no such database/)
})

test('a task of a TypeScript module runs in a thread as it is', async (t) => {
  const folder = await temporaryFolder(t)
  const source = new URL('../../src/flow/task.js', import.meta.url).href
  await fs.writeFile(
    path.join(folder, 'tasks.ts'),
    `import { threadId } from 'node:worker_threads'
     import { task } from ${JSON.stringify(source)}
     export const where = task('where', { cpu: true, execute: (): void => { if (threadId === 0) throw new Error('main') } })`,
  )
  const { engine, recorder } = await started(t, {
    tasks: await TaskRegistry.load(['tasks.ts'], { folder }),
  })
  const request = requestFor('where')
  engine.dispatch(request, recorder)
  const answer = await recorder.next(request)
  assert.equal(answer.kind, 'succeeded', JSON.stringify(answer))
})

test('stop terminates threads that do not end, and answers nothing for them', async (t) => {
  const { engine, recorder } = await started(t)
  const running = compute('spin')
  const probe = compute('succeed')
  engine.dispatch(running, recorder)
  engine.dispatch(probe, recorder)
  await recorder.next(probe)
  await engine.stop({ graceMs: 0 })
  assert.equal(recorder.answers.length, 1)
})
