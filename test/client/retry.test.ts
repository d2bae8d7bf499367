import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { z } from 'zod'
import {
  ConflictError,
  InvalidInputError,
  NotFoundError,
  UsageError,
} from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { flow, from, task, unordered } from '../../src/flow/builders.ts'
import { connect } from '../../src/client/connect.ts'
import type { Zagflow } from '../../src/client/zagflow.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { MemoryBoard } from '../../jobboard/memory.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { Worker } from '../../src/worker/worker.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { STORES, freshStore, freshUrl } from '../support/stores.ts'
import { connected, connectedTo } from './fixtures.ts'

/** Tasks that can be broken and mended, and what they did. */
class Mill {
  readonly journal: string[] = []
  /** Idempotency keys of `load`, in order. */
  readonly keys: string[] = []
  broken = new Set<string>()

  #do(what: string): void {
    this.journal.push(what)
    if (this.broken.has(what.split(' ')[0] ?? '')) throw new Error(`${what} is broken`)
  }

  readonly fetch = task('fetch', {
    requires: { from: z.string() },
    provides: { data: z.string() },
    execute: (args) => {
      this.#do(`fetch ${args.from}`)
      return { data: `data of ${args.from}` }
    },
  })
  readonly left = task('left', {
    requires: { data: z.string() },
    provides: { l: z.string() },
    execute: ({ data }) => {
      this.#do('left')
      return { l: `left ${data}` }
    },
  })
  readonly right = task('right', {
    requires: { data: z.string() },
    execute: () => this.#do('right'),
  })
  readonly load = task('load', {
    requires: { l: z.string() },
    provides: { loaded: z.string() },
    execute: ({ l }, { idempotencyKey }) => {
      this.keys.push(idempotencyKey)
      this.#do('load')
      return { loaded: l }
    },
  })
  readonly book = task('book', {
    provides: { booking: z.string() },
    execute: () => {
      this.#do('book')
      return { booking: 'b1' }
    },
    revert: ({ result }) => this.#do(`unbook ${result?.booking ?? 'what?'}`),
  })
  readonly pay = task('pay', {
    execute: () => this.#do('pay'),
    revert: () => this.#do('repay'),
  })

  /** Nothing of it is ever taken back. */
  readonly mill = flow(
    'mill',
    { input: { from: z.string() }, output: { loaded: from('loaded') } },
    [
      this.fetch,
      unordered('shape', [this.left, this.right], { retry: { attempts: 2 } }),
      this.load,
    ],
  )
  /** Bookings are taken back. */
  readonly trip = flow('trip', { input: { from: z.string() } }, [
    this.book,
    this.pay,
    this.fetch,
    this.left,
    this.load,
  ])
  readonly tasks = [this.fetch, this.left, this.right, this.load, this.book, this.pay]

  /** What was done since the last look. */
  done(): readonly string[] {
    return this.journal.splice(0)
  }
}

interface Place {
  readonly name: string
  readonly open: (t: TestContext, mill: Mill) => Promise<Zagflow | null>
}

const places: Place[] = STORES.flatMap((backend) =>
  (['serial', 'parallel'] as const).map((engine) => ({
    name: `${engine}, ${backend}`,
    open: async (t: TestContext, { tasks }: Mill) => {
      const url = await freshUrl(t, backend)
      return url === null ? null : connected(t, url, { conductor: { tasks, engine } })
    },
  })),
)
places.push({
  name: 'over workers, sqlite',
  open: async (t, { tasks }) => {
    const server = await rabbitmq()
    const persistence = await freshUrl(t, 'sqlite')
    if ('missing' in server || persistence === null) {
      t.skip('missing' in server ? server.missing : 'no database')
      return null
    }
    const { url, namespace } = await freshNamespace(lastFirst(t))
    const worker = new Worker({ broker: url, namespace, tasks })
    lastFirst(t).after(() => worker.stop())
    await worker.start()
    const settings = { environment: {}, persistence, namespace, broker: url }
    const zag = await connect({ ...settings, logger: silentLogger, conductor: {}, pollMs: 50 })
    lastFirst(t).after(() => zag.close())
    return zag
  },
})

for (const { name, open } of places) {
  test(`from where it failed, what was never taken back is kept with its results (${name})`, async (t) => {
    leakCheck(t)
    const mill = new Mill()
    const zag = await open(t, mill)
    if (zag === null) return
    mill.broken.add('load')
    const job = await zag.post(mill.mill, { from: 'A' })
    assert.equal((await job.outcome()).state, 'REVERTED')
    assert.deepEqual([...mill.done()].sort(), ['fetch A', 'left', 'load', 'right'])
    mill.broken.clear()
    const retried = await job.retry({ from: 'failed' })
    assert.equal(retried.run, 2)
    assert.deepEqual([...retried.kept].sort(), [
      'mill/fetch',
      'mill/shape/left',
      'mill/shape/right',
    ])
    assert.deepEqual(await job.result(), { loaded: 'left data of A' })
    assert.deepEqual(mill.done(), ['load'])
    assert.equal(new Set(mill.keys).size, 2, 'another run has other keys')
    const { atoms, calls, flow } = await job.details()
    assert.equal(flow.run, 2)
    assert.equal(atoms.filter(({ state }) => state === 'SUCCESS').length, 5, 'with the retry')
    assert.equal(calls.filter(({ atom }) => atom === 'mill/fetch').length, 1)
  })

  test(`a flow whose revert failed half-way keeps what still stands, and takes it back when it fails again (${name})`, async (t) => {
    leakCheck(t)
    const mill = new Mill()
    const zag = await open(t, mill)
    if (zag === null) return
    mill.broken = new Set(['load', 'repay'])
    const job = await zag.post(mill.trip, { from: 'A' })
    assert.equal((await job.outcome()).state, 'FAILURE')
    mill.done()
    mill.broken = new Set(['load'])
    const again = await job.retry({ from: 'failed' })
    assert.deepEqual(again.kept, ['trip/book'], 'of what comes after it nothing is sure')
    assert.equal((await job.outcome()).state, 'REVERTED')
    assert.deepEqual(mill.done(), ['pay', 'fetch A', 'left', 'load', 'repay', 'unbook b1'])
    mill.broken.clear()
    assert.deepEqual(
      (await job.retry({ from: 'failed' })).kept,
      [],
      'all that has a revert is undone',
    )
    assert.equal((await job.outcome()).state, 'SUCCESS')
    assert.deepEqual(mill.done(), ['book', 'pay', 'fetch A', 'left', 'load'])
    await assert.rejects(job.retry({ from: 'failed' }), (error) => {
      assert.ok(error instanceof ConflictError)
      assert.match(error.message, /nothing of it failed/)
      return true
    })
  })
}

test('a cancel that comes before a retry was claimed takes back what was kept', async (t) => {
  leakCheck(t)
  const store = await freshStore(t, 'sqlite')
  if (store === null) return
  const mill = new Mill()
  mill.broken = new Set(['load', 'repay'])
  const { id } = await failedOn(store, mill)
  const zag = await connectedTo(t, store)
  const job = await zag.job(id)
  assert.deepEqual((await job.retry({ from: 'failed' })).kept, ['trip/book'])
  assert.deepEqual(await job.cancel('enough'), { accepted: true })
  mill.done()
  await connectedTo(t, store, { conductor: { tasks: mill.tasks } })
  assert.equal((await job.outcome()).state, 'REVERTED')
  assert.deepEqual(mill.done(), ['unbook b1'], 'nothing else was started')
})

test('a suspension that comes before a retry was claimed starts nothing, until it is resumed', async (t) => {
  leakCheck(t)
  const store = await freshStore(t, 'sqlite')
  if (store === null) return
  const mill = new Mill()
  mill.broken = new Set(['load', 'repay'])
  const { id } = await failedOn(store, mill)
  mill.broken.clear()
  const zag = await connectedTo(t, store)
  const job = await zag.job(id)
  await job.retry({ from: 'failed' })
  await job.suspend()
  const running = await connectedTo(t, store, { conductor: { tasks: mill.tasks } })
  const suspended = await (await running.job(id)).outcome({ orSuspended: true })
  assert.equal(suspended.state, 'SUSPENDED')
  assert.deepEqual(mill.done(), [])
  await job.resume()
  assert.equal((await job.outcome()).state, 'SUCCESS')
  assert.deepEqual(mill.done(), ['pay', 'fetch A', 'left', 'load'])
})

test('another input is checked before anything is stored, and what is kept is told to be of the old one', async (t) => {
  leakCheck(t)
  const store = await freshStore(t, 'sqlite')
  if (store === null) return
  const mill = new Mill()
  mill.broken.add('load')
  const { id } = await failedOn(store, mill, mill.mill)
  const zag = await connectedTo(t, store)
  const job = await zag.job(id)
  for (const input of [{ from: 1 }, {}, { from: 'B', other: 1 }]) {
    await assert.rejects(job.retry({ from: 'failed', input }), InvalidInputError)
    await assert.rejects(job.retry({ input }), InvalidInputError)
  }
  // @ts-expect-error no such place
  await assert.rejects(job.retry({ from: 'Failed' }), UsageError)
  assert.equal((await store.job(id))?.detail.run, 1)
  const retried = await job.retry({ from: 'failed', input: (had) => ({ ...had, from: 'B' }) })
  assert.equal(retried.kept.length, 3)
  assert.deepEqual(retried.outdated, ['mill/fetch'], 'the others read what it gave')
  assert.deepEqual((await store.job(id))?.detail.input, { from: 'B' })
  await assert.rejects(job.retry(), ConflictError, 'it has not ended')
  await assert.rejects(zag.job('none'), NotFoundError)
})

test('a board outside the store is told of a job that runs again, or is released', async (t) => {
  leakCheck(t)
  const mill = new Mill()
  const board = new MemoryBoard() as JobBoard as JobBoard<Claim>
  lastFirst(t).after(() => board.stop())
  const zag = await connectedTo(t, new MemoryStore(), { board, conductor: { tasks: mill.tasks } })
  mill.broken = new Set(['load', 'repay'])
  const job = await zag.post(mill.trip, { from: 'A' })
  assert.equal((await job.outcome()).state, 'FAILURE')
  await job.release()
  assert.equal((await job.outcome()).state, 'FAILURE', 'nobody decided about the revert')
  mill.broken.clear()
  await job.retry({ from: 'failed' })
  assert.equal((await job.outcome()).state, 'SUCCESS')
  await assert.rejects(job.release(), ConflictError)
})

/** A job that has failed; its conductor is gone. */
async function failedOn(store: Store, mill: Mill, which: Mill['mill'] | Mill['trip'] = mill.trip) {
  await using zag = await connect({
    environment: {},
    persistence: store,
    logger: silentLogger,
    conductor: { tasks: mill.tasks },
  })
  const job = await zag.post(which, { from: 'A' })
  await job.outcome()
  mill.done()
  return job
}
