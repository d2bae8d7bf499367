import assert from 'node:assert/strict'
import test from 'node:test'
import {
  ClosedError,
  FlowFailedError,
  NotFoundError,
  UnavailableError,
} from '../../src/base/errors.ts'
import { flow } from '../../src/flow/flow.ts'
import { task } from '../../src/flow/task.ts'
import type { FlowEvent } from '../../engines/drive.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { z } from 'zod'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { STORES, behind, freshUrl } from '../support/stores.ts'
import { connected, connectedTo, keepingLogger, Workshop, type LogLine } from './fixtures.ts'

for (const backend of STORES) {
  test(`result() throws for every end but success, outcome() for none (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { order, tasks } = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks } })
    const job = await zag.post(order, { sku: 'A1', quantity: 500 })
    await assert.rejects(job.result(), (error) => {
      assert.ok(error instanceof FlowFailedError)
      assert.equal(error.state, 'REVERTED')
      assert.equal(error.jobId, job.id)
      assert.match(error.message, /order\/ship: cannot ship 500/)
      return true
    })
    const outcome = await job.outcome()
    assert.ok(outcome.state !== 'SUCCESS')
    assert.equal(outcome.state, 'REVERTED')
    assert.deepEqual(
      outcome.failures.map(({ atom }) => atom),
      ['order/ship'],
    )
  })

  test(`a job is watched from history: from any number on, by any number of watchers (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const workshop = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks: workshop.tasks } })
    const job = await zag.post(workshop.slow, { sku: 'A1' })
    const first: FlowEvent[] = []
    for await (const event of job.watch()) {
      first.push(event)
      if (event.name === 'slow/pause') break // and comes again
    }
    const last = first.at(-1)?.seq ?? 0
    const rest = collect(job.watch({ after: last }))
    workshop.open()
    const events = [...first, ...(await rest)]
    assert.deepEqual(
      events.map(({ seq, kind, name, state }) => `${seq} ${kind} ${name} ${state}`),
      [
        '1 flow slow RUNNING',
        '2 task slow/reserve RUNNING',
        '3 task slow/reserve SUCCESS',
        '4 task slow/pause RUNNING',
        '5 task slow/pause SUCCESS',
        '6 task slow/ship RUNNING',
        '7 task slow/ship SUCCESS',
        '8 flow slow SUCCESS',
      ],
    )
    assert.deepEqual(events[2]?.result, { reservation: 'r-A1' })
    assert.deepEqual(events[6]?.result, { tracking: 't-r-A1' })
    // When all is over there is as much to see, from a handle found by id.
    const again = await collect((await zag.job(job.id)).watch({ after: 6 }))
    assert.deepEqual(again, events.slice(6))
    assert.deepEqual(await collect(job.watch({ after: 8 })), [])
  })

  test(`a job is cancelled before it is claimed, while it runs, and not after its end (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const workshop = new Workshop()
    const shared = backend === 'memory' ? new MemoryStore() : undefined
    const connect = (options = {}) =>
      shared ? connectedTo(t, shared, options) : connected(t, url, options)
    const zag = await connect()
    const waiting = await zag.post(workshop.slow, { sku: 'A1' })
    const delayed = await zag.post(workshop.slow, { sku: 'D4' }, { delay: '1h' })
    assert.deepEqual(await waiting.cancel('changed my mind'), { accepted: true })
    assert.deepEqual(await waiting.cancel('really'), { accepted: true })
    assert.deepEqual(await delayed.cancel('not at all'), { accepted: true })
    await connect({ conductor: { tasks: workshop.tasks } })
    for (const [job, reason] of [
      [waiting, 'changed my mind'],
      [delayed, 'not at all'],
    ] as const) {
      const outcome = await job.outcome()
      assert.ok(outcome.state !== 'SUCCESS')
      assert.equal(outcome.state, 'REVERTED')
      assert.equal(outcome.reason, reason)
    }
    assert.deepEqual(workshop.journal, [], 'nothing of them ran')

    const running = await zag.post(workshop.slow, { sku: 'B2' })
    await workshop.entered
    assert.deepEqual(await running.cancel('too late to ship'), { accepted: true })
    const outcome = await running.outcome()
    assert.equal(outcome.state, 'REVERTED')
    assert.deepEqual(workshop.journal, [
      'reserve B2',
      'pause',
      'revert pause failure',
      'revert reserve B2',
    ])
    const late = await running.cancel()
    assert.ok(!late.accepted)
    assert.equal(late.outcome.state, 'REVERTED')
    assert.equal((await running.state()).reason, 'too late to ship')
    const other = await zag.job(running.id)
    assert.equal((await other.suspend()).accepted, false)
  })

  test(`a job is suspended and resumed (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const workshop = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks: workshop.tasks } })
    const job = await zag.post(workshop.slow, { sku: 'A1' })
    await workshop.entered
    assert.deepEqual(await job.suspend('for the night'), { accepted: true })
    await eventually(async () => (await job.state()).flowState === 'SUSPENDING')
    workshop.open()
    const suspended = await job.outcome({ orSuspended: true })
    assert.ok(suspended.state !== 'SUCCESS')
    assert.equal(suspended.state, 'SUSPENDED')
    assert.equal(suspended.reason, 'for the night')
    const { state, parkedFor, flowState } = await job.state()
    assert.deepEqual(
      { state, parkedFor, flowState },
      { state: 'PARKED', parkedFor: 'suspended', flowState: 'SUSPENDED' },
    )
    const result = job.result()
    assert.deepEqual(await job.resume(), { accepted: true })
    assert.deepEqual(await result, { tracking: 't-r-A1' })
    assert.deepEqual(workshop.journal, ['reserve A1', 'pause', 'ship r-A1'])
  })

  test(`a job that waits for a retry is cancelled at once (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const flaky = task('flaky', {
      retry: { attempts: 5, delay: '1h' },
      execute: () => {
        throw new Error('not today')
      },
    })
    const zag = await connected(t, url, { conductor: { tasks: flaky, parkAfterMs: 0 } })
    const job = await zag.post(flow('f', {}, [flaky]), {})
    await eventually(async () => (await job.state()).parkedFor === 'retry')
    await job.cancel('enough')
    const outcome = await job.outcome()
    assert.ok(outcome.state !== 'SUCCESS')
    assert.equal(outcome.state, 'REVERTED')
    assert.equal(outcome.reason, 'enough')
  })

  test(`a thousand jobs are awaited at once (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const count = backend === 'memory' ? 1_000 : 200
    const { order, tasks } = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks } })
    const jobs = await Promise.all(
      Array.from({ length: count }, (_, n) => zag.post(order, { sku: `S${n}` })),
    )
    const results = await Promise.all(jobs.map((job) => job.result()))
    assert.deepEqual(
      results,
      jobs.map((_, n) => ({ tracking: `t-r-S${n}` })),
    )
    const seen: string[] = []
    for (let after: string | undefined; ;) {
      const page = await zag.jobs({ flow: 'order', limit: 150, ...(after ? { after } : {}) })
      seen.push(...page.jobs.map(({ job }) => job.id))
      if (page.next === null) break
      after = page.next
    }
    assert.equal(new Set(seen).size, count)
    const found = await zag.jobs({ input: { sku: 'S7' }, flowStates: ['SUCCESS'] })
    assert.deepEqual(
      found.jobs.map(({ job }) => job.id),
      [jobs[7]?.id],
    )
  })
}

test('a job is cancelled after each of its steps, and ends reverted or done', async (t) => {
  leakCheck(t)
  for (let step = 0; step <= 8; step++) {
    const workshop = new Workshop()
    workshop.open()
    const store = new MemoryStore()
    const zag = await connectedTo(t, store, { conductor: { tasks: workshop.tasks } })
    const job = await zag.post(workshop.slow, { sku: 'A1' })
    if (step > 0) {
      for await (const { seq } of job.watch()) if (seq === step) break
    }
    const { accepted } = await job.cancel(`after ${step}`)
    const { state } = await job.outcome()
    assert.equal(state === 'REVERTED' || !accepted || state === 'SUCCESS', true)
    const executed = workshop.journal.filter((line) => line === 'reserve A1').length
    const reverted = workshop.journal.filter((line) => line === 'revert reserve A1').length
    assert.equal(
      reverted,
      state === 'REVERTED' ? executed : 0,
      `${step}: ${workshop.journal.join()}`,
    )
    await zag.close()
  }
})

test('an outage of the store ends no wait: what is asked is asked again', async (t) => {
  leakCheck(t)
  const workshop = new Workshop()
  const real = new MemoryStore()
  let failures = 0
  let isAway = false
  const store = behind(real, (method) => {
    if (!isAway || (method !== 'findJobs' && method !== 'history')) return
    failures += 1
    throw new UnavailableError('the database')
  })
  await connectedTo(t, real, { conductor: { tasks: workshop.tasks } })
  const lines: LogLine[] = []
  const zag = await connectedTo(t, store, { logger: keepingLogger(lines) })
  const job = await zag.post(workshop.slow, { sku: 'A1' })
  await workshop.entered
  isAway = true
  const result = job.result()
  const events = collect(job.watch())
  await eventually(() => failures >= 4)
  workshop.open()
  await eventually(async () => (await job.state()).state === 'COMPLETE')
  isAway = false
  assert.deepEqual(await result, { tracking: 't-r-A1' })
  assert.equal((await events).length, 8)
  assert.ok(lines.some(({ message }) => message.includes('asking again')))
})

test('a wait ends with its signal, and the job goes on', async (t) => {
  leakCheck(t)
  const workshop = new Workshop()
  const zag = await connectedTo(t, new MemoryStore(), { conductor: { tasks: workshop.tasks } })
  const job = await zag.post(workshop.slow, { sku: 'A1' })
  const signal = AbortSignal.timeout(20)
  await assert.rejects(job.result({ signal }), { name: 'TimeoutError' })
  await assert.rejects(collect(job.watch({ signal })), { name: 'TimeoutError' })
  const controller = new AbortController()
  const watching = collect(job.watch({ signal: controller.signal }))
  await workshop.entered
  controller.abort(new Error('seen enough'))
  await assert.rejects(watching, /seen enough/)
  workshop.open()
  assert.deepEqual(await job.result(), { tracking: 't-r-A1' })
})

test('close() ends every wait with a ClosedError, and hands the jobs over', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const workshop = new Workshop()
  const zag = await connectedTo(t, store, { conductor: { tasks: workshop.tasks, graceMs: 100 } })
  const job = await zag.post(workshop.slow, { sku: 'A1' })
  await workshop.entered
  const waits = [
    assert.rejects(job.result(), ClosedError),
    assert.rejects(collect(job.watch()), ClosedError),
  ]
  await zag.close()
  await zag.close()
  await Promise.all(waits)
  await assert.rejects(job.outcome(), ClosedError)
  await assert.rejects(zag.post(workshop.order, { sku: 'B2' }), ClosedError)
  const next = new Workshop()
  next.open()
  const heir = await connectedTo(t, store, { conductor: { tasks: next.tasks } })
  assert.deepEqual(await (await heir.job(job.id)).result(), { tracking: 't-r-A1' })
  assert.deepEqual(next.journal, ['pause', 'ship r-A1'])
})

test('the values that a retry gave are in its events', async (t) => {
  leakCheck(t)
  const tries = task('tries', {
    requires: { region: z.string() },
    execute: ({ region }) => {
      if (region !== 'c') throw new Error(`not in ${region}`)
    },
  })
  const zag = await connectedTo(t, new MemoryStore(), { conductor: { tasks: tries } })
  const retried = flow('retried', { retry: { forEach: ['a', 'b', 'c'], provides: 'region' } }, [
    tries,
  ] as never)
  const job = await zag.post(retried, {} as never)
  const events = await collect(job.watch())
  const gave = events.filter(({ kind, state }) => kind === 'retry' && state === 'SUCCESS')
  assert.deepEqual(
    gave.map(({ result }) => result),
    ['a', 'b', 'c'],
  )
})

test('a handle of a job that is not there says so', async (t) => {
  const zag = await connectedTo(t, new MemoryStore())
  await assert.rejects(zag.job('nothing'), NotFoundError)
})

async function collect(events: AsyncIterable<FlowEvent>): Promise<FlowEvent[]> {
  const all: FlowEvent[] = []
  for await (const event of events) all.push(event)
  return all
}
