import assert from 'node:assert/strict'
import test from 'node:test'
import { z } from 'zod'
import knexFactory, { type Knex } from 'knex'
import {
  ConflictError,
  InvalidFlowError,
  InvalidInputError,
  NotFoundError,
  UsageError,
} from '../../src/base/errors.ts'
import { linear } from '../../src/flow/composition.ts'
import { flow } from '../../src/flow/flow.ts'
import { MemoryBoard } from '../../jobboard/memory.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Claim } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { lastFirst } from '../support/last-first.ts'
import { STORES, freshUrl } from '../support/stores.ts'
import { connected, connectedTo, DATABASES, Workshop } from './fixtures.ts'

for (const backend of STORES) {
  test(`a job is posted and gives its output (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { order, tasks, journal } = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks } })
    const job = await zag.post(
      order,
      { sku: 'A1' },
      {
        labels: { team: 'sales' },
        priority: 3,
        postedBy: 'a test',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
    )
    assert.equal(job.created, true)
    assert.equal(job.flow, 'order')
    assert.deepEqual(await job.result(), { tracking: 't-r-A1' })
    assert.deepEqual(journal, ['reserve A1', 'ship r-A1'])
    const { job: row, flow: detail } = await job.details()
    assert.deepEqual(row.labels, { team: 'sales' })
    assert.equal(row.priority, 3)
    assert.equal(row.postedBy, 'a test')
    assert.match(row.traceparent ?? '', /^00-0af7/)
    assert.deepEqual(detail.input, { sku: 'A1', quantity: 1 }, 'defaults are stored')
  })

  test(`ten posters of one key make one job (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { order, tasks, journal } = new Workshop()
    const shared = backend === 'memory' ? new MemoryStore() : undefined
    const clients = await Promise.all(
      [1, 2, 3].map(() => (shared ? connectedTo(t, shared) : connected(t, url))),
    )
    const jobs = await Promise.all(
      Array.from({ length: 10 }, (_, n) => {
        return (clients[n % 3] as (typeof clients)[0]).post(order, { sku: 'A1' }, { key: 'k' })
      }),
    )
    assert.equal(new Set(jobs.map(({ id }) => id)).size, 1)
    assert.equal(jobs.filter(({ created }) => created).length, 1)
    const worker = shared
      ? await connectedTo(t, shared, { conductor: { tasks } })
      : await connected(t, url, { conductor: { tasks } })
    const results = await Promise.all(jobs.map((job) => job.result()))
    for (const result of results) assert.deepEqual(result, { tracking: 't-r-A1' })
    assert.deepEqual(journal, ['reserve A1', 'ship r-A1'])
    // After its end it still is the same job.
    const late = await worker.post(order, { sku: 'A1', quantity: 1 }, { key: 'k' })
    assert.equal(late.id, jobs[0]?.id)
    assert.equal(late.created, false)
    assert.equal((await worker.job('k')).id, late.id)
  })

  test(`a key with other content is a conflict, and another board has keys of its own (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { order, slow } = new Workshop()
    const shared = backend === 'memory' ? new MemoryStore() : undefined
    const zag = shared ? await connectedTo(t, shared) : await connected(t, url)
    const first = await zag.post(order, { sku: 'A1' }, { key: 'k' })
    await assert.rejects(zag.post(order, { sku: 'B2' }, { key: 'k' }), ConflictError)
    await assert.rejects(zag.post(slow, { sku: 'A1' }, { key: 'k' }), ConflictError)
    const options = { board: 'sql:other' }
    const elsewhere = shared
      ? await connectedTo(t, shared, options)
      : await connected(t, url, options)
    const second = await elsewhere.post(order, { sku: 'B2' }, { key: 'k' })
    assert.notEqual(second.id, first.id)
    await assert.rejects(elsewhere.job('not there'), NotFoundError)
  })

  test(`bigger priority is claimed first, then the older one (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { order, tasks, journal } = new Workshop()
    const shared = backend === 'memory' ? new MemoryStore() : undefined
    const zag = shared ? await connectedTo(t, shared) : await connected(t, url)
    const jobs = []
    for (const [sku, priority] of [
      ['low', -1],
      ['first', 0],
      ['second', 0],
      ['urgent', 10],
    ] as const) {
      jobs.push(await zag.post(order, { sku }, { priority }))
    }
    const options = { conductor: { tasks, maxFlows: 1 } }
    if (shared) await connectedTo(t, shared, options)
    else await connected(t, url, options)
    await Promise.all(jobs.map((job) => job.result()))
    assert.deepEqual(
      journal.filter((line) => line.startsWith('reserve')),
      ['reserve urgent', 'reserve first', 'reserve second', 'reserve low'],
    )
  })

  test(`a delayed job starts no earlier than it is due (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { order, tasks, journal } = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks } })
    const waiting = await zag.post(order, { sku: 'W0' }, { delay: '1h' })
    const { createdAt } = (await waiting.details()).job
    const hour = { state: 'PARKED', parkedFor: 'delay', dueAt: createdAt + 3_600_000 }
    const { state, parkedFor, dueAt, flowState } = await waiting.state()
    assert.deepEqual({ state, parkedFor, dueAt, flowState }, { ...hour, flowState: 'PENDING' })
    const day = new Date(Date.now() + 86_400_000)
    const tomorrow = await zag.post(order, { sku: 'W1' }, { at: day.toISOString() })
    assert.equal((await tomorrow.state()).dueAt, day.getTime())

    const job = await zag.post(order, { sku: 'A1' }, { delay: '1s' })
    const then = new Date(Date.now() + 400)
    const later = await zag.post(order, { sku: 'B2' }, { at: then.toISOString() })
    await job.result()
    await later.result()
    const due = (await job.details()).job.createdAt + 1000
    for (const [one, least] of [
      [job, due],
      [later, then.getTime()],
    ] as const) {
      const started = (await one.history())[0]?.at ?? 0
      assert.ok(started >= least, `due ${least}, started ${started}`)
    }
    assert.ok(!journal.some((line) => line.includes('W')), journal.join())
    const past = await zag.post(order, { sku: 'C3' }, { at: new Date(0) })
    await past.result()
  })

  test(`a flow that is too big for a text is registered and posted, because builders made it (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { reserve, tasks } = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks } })
    const big = ['a', 'b', 'c'].map((id) => reserve.with({ sku: id.repeat(800_000) }).as(id))
    await zag.register(linear('big', big))
    const job = await zag.post('big', { quantity: 1 })
    assert.equal((await job.outcome()).state, 'SUCCESS')
  })

  test(`a registered flow is posted by its name and version (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { order, tasks, reserve } = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks } })
    const first = await zag.register(order)
    assert.equal(first.version, 1)
    assert.equal((await zag.register(order)).version, 1, 'the same content is the same version')
    const changed = flow('order', { input: { sku: z.string() }, output: {} }, [reserve])
    assert.equal((await zag.register(changed)).version, 2)
    assert.deepEqual(
      (await zag.flows('order')).map(({ version }) => version),
      [1, 2],
    )
    const one = await zag.post('order@1', { sku: 'A1', quantity: 2 })
    assert.deepEqual(await one.result(), { tracking: 't-r-A1' })
    const newest = await zag.post('order', { sku: 'A1' })
    assert.deepEqual(await newest.result(), {})
    await assert.rejects(zag.post('ordr', {}), {
      code: 'NotFound',
      message: /did you mean "order"/,
    })
    await assert.rejects(zag.post('order@3', {}), {
      code: 'NotFound',
      message: /versions are 1 to 2/,
    })
    await assert.rejects(zag.post('order@x', {}), UsageError)
  })
}

for (const backend of DATABASES) {
  test(`a job posted in a transaction exists if and only if that is committed (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { order, tasks, journal } = new Workshop()
    const zag = await connected(t, url, { conductor: { tasks } })
    const database = knexAt(url)
    lastFirst(t).after(() => database.destroy())
    await database.schema.createTable('orders', (table) => {
      table.string('sku')
    })

    const kept = await database.transaction(async (transaction) => {
      await transaction('orders').insert({ sku: 'A1' })
      return zag.post(order, { sku: 'A1' }, { transaction, key: 'kept' })
    })
    assert.deepEqual(await kept.result(), { tracking: 't-r-A1' })

    let lost: Awaited<ReturnType<typeof zag.post>> | undefined
    const failed = database.transaction(async (transaction) => {
      await transaction('orders').insert({ sku: 'B2' })
      lost = (await zag.post(order, { sku: 'B2' }, { transaction, key: 'lost' })) as typeof lost
      throw new Error('the order is refused')
    })
    await assert.rejects(failed, /the order is refused/)
    await assert.rejects(async () => lost?.result(), {
      code: 'NotFound',
      message: /rolled back/,
    })
    await assert.rejects(zag.job('lost'), NotFoundError)
    assert.deepEqual(await database('orders').select('sku'), [{ sku: 'A1' }])
    assert.deepEqual(journal, ['reserve A1', 'ship r-A1'])

    // A transaction that is begun and ended by hand.
    const transaction = await database.transaction()
    const unsure = await zag.post(order, { sku: 'C3' }, { transaction })
    await transaction.rollback()
    await assert.rejects(unsure.outcome(), NotFoundError)
    const again = await database.transaction()
    const job = await zag.post(order, { sku: 'C3' }, { transaction: again })
    await again.commit()
    assert.deepEqual(await job.result(), { tracking: 't-r-C3' })
  })
}

function knexAt(url: string): Knex {
  if (url.startsWith('postgres')) return knexFactory({ client: 'pg', connection: url })
  return knexFactory({
    client: 'sqlite3',
    connection: { filename: url.slice('sqlite:'.length) },
    useNullAsDefault: true,
  })
}

test('what is wrong with a post is said, and nothing is stored', async (t) => {
  const store = new MemoryStore()
  const zag = await connectedTo(t, store)
  const { order } = new Workshop()
  const input = { sku: 'A1' }
  await assert.rejects(zag.post(order, {} as never), InvalidInputError)
  await assert.rejects(zag.post(order, input, { dealy: '5s' } as never), {
    code: 'Usage',
    message: /no option "dealy"; did you mean "delay"/,
  })
  await assert.rejects(zag.post(order, input, { delay: 5 as never }), /needs a unit; write 5s/)
  await assert.rejects(zag.post(order, input, { delay: '5s', at: new Date() }), /delay or at/)
  await assert.rejects(zag.post(order, input, { at: '2030-01-01T00:00:00' }), /its time zone/)
  await assert.rejects(zag.post(order, input, { at: 1_900_000_000 as never }), /expected a Date/)
  await assert.rejects(zag.post(order, input, { at: new Date('junk') }), /is no time/)
  await assert.rejects(zag.post(order, input, { key: '' }), /1 to 255 characters/)
  await assert.rejects(zag.post(order, input, { key: 'a\0b' }), /cannot be stored/)
  await assert.rejects(zag.post(order, input, { priority: 1.5 }), /whole number/)
  await assert.rejects(zag.post(order, input, { labels: { a: 1 as never } }), /labels.a/)
  await assert.rejects(zag.post(order, input, { transaction: {} }), /expected a knex transaction/)
  const unknown = { flow: 'f', linear: [{ task: 'reserv' }] }
  await assert.rejects(zag.post(unknown as never, {}), InvalidFlowError)
  assert.deepEqual((await store.findJobs({})).jobs, [])
})

test('a document is posted with the signatures that living processes announced', async (t) => {
  const store = new MemoryStore()
  const { tasks, reserve } = new Workshop()
  const zag = await connectedTo(t, store)
  await store.beat({
    id: 'w1',
    kind: 'worker',
    name: 'w1',
    host: 'h',
    pid: 1,
    board: 'main',
    topics: [],
    tasks: ['reserve'],
    signatures: [JSON.parse(JSON.stringify(reserve.definition.signature)), { junk: true }, 5],
    load: {},
    leaseMs: 60_000,
  })
  const document = { flow: 'f', input: { sku: 'string' }, linear: [{ task: 'reserve' }] }
  const job = await zag.post(document as never, { sku: 'A1' })
  await connectedTo(t, store, { conductor: { tasks } })
  assert.deepEqual(await job.result(), { reservation: 'r-A1' })
})

for (const backend of DATABASES) {
  test(`a document is posted by a process that has no tasks, to a conductor that has them (${backend})`, async (t) => {
    leakCheck(t)
    const url = await freshUrl(t, backend)
    if (url === null) return
    const { tasks } = new Workshop()
    await connected(t, url, { conductor: { tasks } })
    const zag = await connected(t, url)
    const document = {
      flow: 'f',
      input: { sku: 'string' },
      linear: [{ task: 'reserve' }, { task: 'ship', with: { quantity: 3 } }],
    }
    const job = await zag.post(document, { sku: 'A1' })
    assert.deepEqual(await job.result(), { reservation: 'r-A1', tracking: 't-r-A1' })
    const misspelt = { ...document, linear: [{ task: 'resrve' }] }
    await assert.rejects(zag.post(misspelt, { sku: 'A1' }), /did you mean "reserve"/)
  })
}

test('a board outside the store is told once the job is stored', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const board = new MemoryBoard() as JobBoard as JobBoard<Claim>
  const { order, tasks } = new Workshop()
  lastFirst(t).after(() => board.stop())
  const zag = await connectedTo(t, store, { board, conductor: { tasks } })
  const job = await zag.post(order, { sku: 'A1' })
  assert.deepEqual(await job.result(), { tracking: 't-r-A1' })
  await eventually(async () => {
    for await (const _ of board.list()) return false
    return true
  })
})
