import assert from 'node:assert/strict'
import test from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ParallelEngine } from '../../engines/parallel.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Store } from '../../persistence/store.ts'
import {
  ClaimLostError,
  ConflictError,
  InvalidInputError,
  NotFoundError,
  UnavailableError,
  UsageError,
} from '../../src/base/errors.ts'
import { RUN_BOARD } from '../../src/client/local-run.ts'
import { resume, run } from '../../src/client/run.ts'
import { flow } from '../../src/flow/flow.ts'
import { task } from '../../src/flow/task.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import { z } from 'zod'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { lastFirst } from '../support/last-first.ts'
import { STORES, behind, freshUrl, storeAt } from '../support/stores.ts'
import { connectedTo, DATABASES, keepingLogger, Workshop, type LogLine } from './fixtures.ts'

test('a flow that succeeds gives its output, and its results when they are asked for', async (t) => {
  leakCheck(t)
  const { order } = new Workshop()
  const outcome = await run(order, { sku: 'A1' })
  assert.equal(outcome.state, 'SUCCESS')
  assert.deepEqual(outcome.output, { tracking: 't-r-A1' })
  assert.deepEqual(await outcome.results.get('order/reserve'), { reservation: 'r-A1' })
  assert.equal(await outcome.results.get('order/nothing'), undefined)
  assert.deepEqual(await outcome.results.all(), {
    'order/reserve': { reservation: 'r-A1' },
    'order/ship': { tracking: 't-r-A1' },
  })
})

test('a flow that fails is an outcome and no error, for its failures are what the caller needs', async (t) => {
  leakCheck(t)
  const { order, journal } = new Workshop()
  const outcome = await run(order, { sku: 'A1', quantity: 200 })
  assert.equal(outcome.state, 'REVERTED')
  assert.deepEqual(
    outcome.failures.map(({ atom, message, code }) => ({ atom, message, code })),
    [{ atom: 'order/ship', message: 'cannot ship 200', code: 'TaskFailed' }],
  )
  assert.deepEqual(journal, ['reserve A1', 'revert reserve A1'])
})

test('a document runs with the tasks that are given', async () => {
  const { tasks } = new Workshop()
  const document = {
    flow: 'doc',
    input: { sku: 'string' },
    linear: [{ task: 'reserve' }],
    output: { r: '${{ reservation }}' },
  } as const
  const outcome = await run(structuredClone(document) as never, { sku: 'B2' }, { tasks })
  assert.equal(outcome.state, 'SUCCESS')
  assert.deepEqual(outcome.output, { r: 'r-B2' })
})

test('what is wrong is said before anything is stored', async () => {
  const { order } = new Workshop()
  const store = new MemoryStore()
  await assert.rejects(run(order, { sku: 5 as never }, { store }), InvalidInputError)
  await assert.rejects(run(order, { sku: 'A1' }, { store, engin: 'serial' } as never), {
    code: 'Usage',
    message: /no option "engin"; did you mean "engine"/,
  })
  await assert.rejects(run(order, { sku: 'A1' }, { store, engine: 'worker' as never }), UsageError)
  await assert.rejects(run(order, { sku: 'A1' }, { store, key: '' }), UsageError)
  await assert.rejects(run('order' as never, {}), /expected a flow, got string/)
  const aborted = AbortSignal.abort(new Error('no time'))
  await assert.rejects(run(order, { sku: 'A1' }, { store, signal: aborted }), /no time/)
  assert.deepEqual((await store.findJobs({ states: ['POSTING', 'CLAIMED', 'COMPLETE'] })).jobs, [])
})

test('events come in the order of the machine, and a listener that throws harms nobody', async () => {
  const { order } = new Workshop()
  const lines: LogLine[] = []
  const seen: string[] = []
  const outcome = await run(
    order,
    { sku: 'A1' },
    {
      logger: keepingLogger(lines),
      onEvent: ({ seq, kind, name, state }) => {
        seen.push(`${seq} ${kind} ${name} ${state}`)
        throw new Error('listener')
      },
    },
  )
  assert.equal(outcome.state, 'SUCCESS')
  assert.deepEqual(seen, [
    '1 flow order RUNNING',
    '2 task order/reserve RUNNING',
    '3 task order/reserve SUCCESS',
    '4 task order/ship RUNNING',
    '5 task order/ship SUCCESS',
    '6 flow order SUCCESS',
  ])
  assert.equal(lines.filter(({ message }) => message.includes('listener')).length, 6)
})

test('progress of tasks is told', async () => {
  const told: unknown[] = []
  const work = task('work', {
    execute: (_, { progress }) => {
      progress(0.5, { row: 5 })
    },
  })
  await run(flow('f', {}, [work]), {}, { onProgress: (...all) => told.push(all) })
  assert.deepEqual(told, [['f/work', 0.5, { row: 5 }]])
})

for (const onAbort of ['cancel', 'suspend'] as const) {
  test(`an abort does what onAbort says: ${onAbort}`, async (t) => {
    leakCheck(t)
    const workshop = new Workshop()
    const store = new MemoryStore()
    const controller = new AbortController()
    const running = run(
      workshop.slow,
      { sku: 'A1' },
      {
        store,
        signal: controller.signal,
        onAbort,
        onEvent: ({ state }) => {
          if (state === 'SUSPENDING') workshop.open()
        },
      },
    )
    await workshop.entered
    controller.abort(new Error('the user has left'))
    const outcome = await running
    assert.ok(outcome.state !== 'SUCCESS')
    assert.equal(outcome.reason, 'the user has left')
    if (onAbort === 'cancel') {
      assert.equal(outcome.state, 'REVERTED')
      assert.equal(outcome.reason, 'the user has left')
      assert.deepEqual(workshop.journal, [
        'reserve A1',
        'pause',
        'revert pause failure',
        'revert reserve A1',
      ])
      return
    }
    assert.equal(outcome.state, 'SUSPENDED')
    assert.deepEqual(workshop.journal, ['reserve A1', 'pause'])
    const resumed = await resume(store, outcome.jobId, { tasks: workshop.tasks })
    assert.equal(resumed.state, 'SUCCESS')
    assert.deepEqual(resumed.output, { tracking: 't-r-A1' })
    assert.deepEqual(workshop.journal, ['reserve A1', 'pause', 'ship r-A1'])
  })
}

test('an engine that is given is used, and left as it is', async (t) => {
  leakCheck(t)
  const { order, tasks } = new Workshop()
  const engine = new ParallelEngine({ tasks: TaskRegistry.of(tasks) })
  await engine.start()
  for (const sku of ['A1', 'B2']) {
    const outcome = await run(order, { sku }, { engine })
    assert.equal(outcome.state, 'SUCCESS')
  }
  await engine.stop({ graceMs: 0 })
})

for (const backend of STORES) {
  test(`a run with a key goes on where it was, or gives what came of it (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const store = await storeAt(t, url)
    const workshop = new Workshop()
    const ids: string[] = []
    const options = { store, key: 'order 17', onStart: (id: string) => ids.push(id) }
    const first = await run(workshop.order, { sku: 'A1' }, options)
    const second = await run(workshop.order, { sku: 'A1' }, options)
    assert.equal(first.state, 'SUCCESS')
    assert.equal(second.state, 'SUCCESS')
    assert.deepEqual(second.output, first.output)
    assert.deepEqual(await second.results.all(), await first.results.all())
    assert.equal(new Set(ids).size, 1)
    assert.deepEqual(workshop.journal, ['reserve A1', 'ship r-A1'])
    await assert.rejects(run(workshop.order, { sku: 'B2' }, options), ConflictError)
  })

  test(`a suspended run is resumed (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const store = await storeAt(t, url)
    const workshop = new Workshop()
    const controller = new AbortController()
    const running = run(
      workshop.slow,
      { sku: 'A1' },
      {
        store,
        signal: controller.signal,
        onAbort: 'suspend',
        onEvent: ({ state }) => {
          if (state === 'SUSPENDING') workshop.open()
        },
      },
    )
    await workshop.entered
    controller.abort()
    const { state, jobId } = await running
    assert.equal(state, 'SUSPENDED')
    const other = backend === 'memory' ? store : await storeAt(t, url)
    const outcome = await resume(other, jobId, { tasks: workshop.tasks })
    assert.equal(outcome.state, 'SUCCESS')
    assert.deepEqual(workshop.journal, ['reserve A1', 'pause', 'ship r-A1'])
    // It has ended: asking again runs nothing.
    assert.equal((await resume(other, jobId)).state, 'SUCCESS')
  })
}

/** That store for a process that lives: its lease is so long that nobody takes it for dead when it stands still for a moment. */
function living(store: Store): Store {
  const beat: Store['beat'] = (heartbeat) => store.beat({ ...heartbeat, leaseMs: 60_000 })
  return new Proxy(store, {
    get(target, name): unknown {
      const value: unknown = name === 'beat' ? beat : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

for (const backend of DATABASES) {
  test(`two terminals cannot run the same job (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const workshop = new Workshop()
    const key = 'one'
    const store = living(await storeAt(t, url))
    const first = run(workshop.slow, { sku: 'A1' }, { store, key })
    await workshop.entered
    const second = await storeAt(t, url)
    await assert.rejects(run(workshop.slow, { sku: 'A1' }, { store: second, key }), {
      code: 'Conflict',
      message: new RegExp(`being run by process ${process.pid}`),
    })
    workshop.open()
    assert.equal((await first).state, 'SUCCESS')
    assert.deepEqual(workshop.journal, ['reserve A1', 'pause', 'ship r-A1'])
  })

  test(`a run whose process is gone is taken over, and the one that was thought dead writes nothing (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const stale = new Workshop()
    let isDead = false
    const store = behind(await storeAt(t, url), (method) => {
      if (isDead && method === 'beat') throw new UnavailableError('the store')
    })
    let jobId = ''
    const first = run(stale.slow, { sku: 'A1' }, { store, onStart: (id) => (jobId = id) })
    const lost = assert.rejects(first, ClaimLostError)
    await stale.entered
    const other = await storeAt(t, url)
    // Its lease ran out, and is renewed no more.
    isDead = true
    for (const { id } of await other.processes()) await other.endProcess(id)
    const fresh = new Workshop()
    fresh.open()
    const outcome = await resume(other, jobId, { tasks: fresh.tasks })
    assert.equal(outcome.state, 'SUCCESS')
    assert.deepEqual(fresh.journal, ['pause', 'ship r-A1'], 'what was committed does not run again')
    stale.open()
    await lost
    assert.deepEqual(stale.journal, ['reserve A1', 'pause'])
    const history = await other.history(jobId, { limit: 100 })
    assert.deepEqual(
      history.map(({ seq }) => seq),
      history.map((_, at) => at + 1),
    )
  })

  test(`a run is cancelled from another process (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const workshop = new Workshop()
    const running = run(workshop.slow, { sku: 'A1' }, { store: await storeAt(t, url) })
    await workshop.entered
    const store = await storeAt(t, url)
    const { jobs } = await store.findJobs({ board: RUN_BOARD })
    await store.mail(jobs[0]?.job.id ?? '', {
      key: 'c1',
      kind: 'cancel',
      body: { reason: 'by the operator' },
    })
    const outcome = await running
    assert.ok(outcome.state !== 'SUCCESS')
    assert.equal(outcome.state, 'REVERTED')
    assert.equal(outcome.reason, 'by the operator')
    assert.deepEqual(await store.processes(), [])
  })
}

test('a job that was posted for conductors is not run here', async (t) => {
  const { order, tasks } = new Workshop()
  const store = new MemoryStore()
  const zag = await connectedTo(t, store)
  const job = await zag.post(order, { sku: 'A1' })
  await assert.rejects(resume(store, job.id, { tasks }), {
    code: 'Conflict',
    message: /posted to the board "main"/,
  })
  await assert.rejects(resume(store, 'nothing'), NotFoundError)
})

test('the event loop turns while a big flow runs', async () => {
  const step = task('step', { requires: { n: z.int() }, execute: () => undefined })
  const steps = Array.from({ length: 20_000 }, (_, n) => step.as(`s${n}`).with({ n }))
  let turns = 0
  let isOver = false
  const counting = (async () => {
    while (!isOver) {
      await turn()
      turns += 1
    }
  })()
  const outcome = await run(flow('big', { kind: 'unordered' }, steps as never), {})
  isOver = true
  await counting
  assert.equal(outcome.state, 'SUCCESS')
  assert.ok(turns > 5, `it turned ${turns} times`)
})

test('one process does not run the same job twice at once', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const workshop = new Workshop()
  const first = run(workshop.slow, { sku: 'A1' }, { store, key: 'one' })
  await workshop.entered
  await assert.rejects(run(workshop.slow, { sku: 'A1' }, { store, key: 'one' }), {
    code: 'Conflict',
    message: /being run by this process/,
  })
  workshop.open()
  assert.equal((await first).state, 'SUCCESS')
  const again = await run(workshop.slow, { sku: 'A1' }, { store, key: 'one' })
  assert.equal(again.state, 'SUCCESS')
})

test('runs that share a store in memory do not meet', async (t) => {
  lastFirst(t)
  const store = new MemoryStore()
  const { order } = new Workshop()
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, n) => run(order, { sku: `S${n}` }, { store })),
  )
  assert.deepEqual(
    outcomes.map((outcome) => outcome.state === 'SUCCESS' && outcome.output.tracking),
    outcomes.map((_, n) => `t-r-S${n}`),
  )
  await eventually(async () => {
    const { jobs } = await store.findJobs({ states: ['COMPLETE'] })
    return jobs.length === 20
  })
})
