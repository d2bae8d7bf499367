/** What becomes of a job, by how its flow ends: on every store. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { MemoryBoard } from '../../jobboard/memory.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task, unordered } from '../support/flows.ts'
import { leakCheck } from '../support/leak-check.ts'
import {
  conductorOf,
  ended,
  Gate,
  jobWhen,
  postFlow,
  startConductor,
  TASKS,
  type StartOptions,
  type Started,
} from './fixtures.ts'
import { behind, freshStore, STORES } from '../support/stores.ts'

interface Place {
  readonly store: Store
  readonly board: JobBoard<Claim> | undefined
  /** `store`: one that stands in front of the place's own. */
  start(options?: StartOptions & { readonly store?: Store }): Promise<Started>
}

const PLACES = [...STORES, 'memory with a board outside it'] as const

for (const name of PLACES) {
  const on = (what: string, run: (place: Place, t: TestContext) => Promise<void>): void => {
    test(`${name}: ${what}`, async (t) => {
      leakCheck(t)
      const isOutside = name === 'memory with a board outside it'
      const store = isOutside ? new MemoryStore() : await freshStore(t, name)
      if (store === null) return
      const board = isOutside ? new MemoryBoard() : undefined
      await board?.start()
      const start: Place['start'] = ({ store: own = store, ...options } = {}) =>
        startConductor(t, own, { ...(board === undefined ? {} : { board }), ...options })
      await run({ store, board, start }, t)
    })
  }
  const kinds = (started: Started) => started.jobs.map((event) => event.kind)

  on(
    'TF-220: a flow that succeeds is COMPLETE and off the board',
    async ({ store, board, start }) => {
      const job = await postFlow(store, linear('f', [task('a', { task: 'p' })]), { board })
      const started = await start()
      const { job: after, detail } = await ended(store, job.id)
      assert.equal(after.state, 'COMPLETE')
      assert.equal(detail.state, 'SUCCESS')
      await eventually(() => assert.deepEqual(kinds(started), ['claimed', 'completed']) ?? true)
      assert.deepEqual(
        started.events.map(({ name, state }) => `${name} ${state}`),
        ['f RUNNING', 'f/a RUNNING', 'f/a SUCCESS', 'f SUCCESS'],
      )
      assert.ok(started.events.every((event) => event.job === job.id))
      await eventually(async () => {
        for await (const entry of board?.list() ?? []) assert.fail(`still there: ${entry.jobId}`)
        return true
      })
    },
  )

  on(
    'TF-221: a flow that fails is reverted and COMPLETE, with its failure on record',
    async ({ store, board, start }) => {
      const root = linear('f', [task('a', { task: 'p' }), task('b', { task: 'f' })])
      const job = await postFlow(store, root, { board })
      await start()
      const { job: after, detail } = await ended(store, job.id)
      assert.equal(after.state, 'COMPLETE')
      assert.equal(detail.state, 'REVERTED')
      assert.deepEqual(
        detail.failures.map(({ atom, message }) => ({ atom, message })),
        [{ atom: 'f/b', message: 'Woot!' }],
      )
    },
  )

  on(
    'TF-227: failures that name the store or the engine are failures of the task: nothing is claimed twice',
    async ({ store, board, start }) => {
      const fails = (code: string) => ({
        execute: () => {
          throw Object.assign(new Error(code), { name: code, code })
        },
      })
      const jobs = []
      for (const name of ['Unavailable', 'ClaimLost', 'Closed']) {
        jobs.push(await postFlow(store, linear('f', [task(name)]), { board }))
      }
      const started = await start({
        tasks: {
          Unavailable: fails('Unavailable'),
          ClaimLost: fails('ClaimLost'),
          Closed: fails('Closed'),
        },
      })
      for (const job of jobs) {
        const { job: after, detail } = await ended(store, job.id)
        assert.equal(after.state, 'COMPLETE')
        assert.equal(after.epoch, 1)
        assert.equal(detail.state, 'REVERTED')
      }
      assert.equal(kinds(started).filter((kind) => kind === 'claimed').length, 3)
    },
  )

  on(
    'a flow whose revert fails is TRASHED for an operator, who releases it',
    async ({ store, board, start }) => {
      let reverts = 0
      const tasks = {
        ...TASKS,
        stuck: {
          execute: () => 1,
          revert: () => {
            reverts++
            throw new Error('no way back')
          },
        },
      }
      const root = linear('f', [task('a', { task: 'stuck' }), task('b', { task: 'f' })])
      const job = await postFlow(store, root, { board })
      const started = await start({ tasks })
      const { job: after, detail } = await ended(store, job.id)
      assert.equal(after.state, 'TRASHED')
      assert.equal(detail.state, 'FAILURE')
      assert.match(after.reason ?? '', /revert failed/)
      await eventually(() => kinds(started).at(-1) === 'trashed')
      assert.equal(reverts, 1)
    },
  )

  on(
    'a flow that cannot be compiled is TRASHED with its reason',
    async ({ store, board, start }) => {
      const root = linear('f', [task('a', { task: 'p', when: '1 +' })])
      const job = await postFlow(store, root, { board })
      const started = await start()
      const { job: after } = await ended(store, job.id)
      assert.equal(after.state, 'TRASHED')
      assert.notEqual(after.reason, null)
      await eventually(() => kinds(started).at(-1) === 'trashed')
    },
  )

  on(
    'a run of a newer version is left to newer conductors, without spinning',
    async ({ store, board, start }) => {
      const root = linear('f', [task('a', { task: 'p' })])
      const job = await postFlow(store, root, { board, document: { format: 99 } })
      const started = await start()
      const { job: after } = await jobWhen(
        store,
        job.id,
        ({ job }) => job.state === 'PARKED' && job.reason !== null,
      )
      assert.match(after.reason ?? '', /newer conductor: its format is 99/)
      // It comes back after a second, then after two: no more than that in between.
      await eventually(() => kinds(started).filter((kind) => kind === 'claimed').length === 2)
      await jobWhen(store, job.id, ({ job }) => job.state === 'PARKED')
      assert.equal((await store.job(job.id))?.detail.state, 'PENDING')
    },
  )

  on(
    'a flow whose tasks are not here goes to the conductor that has them',
    async ({ store, board, start }) => {
      const job = await postFlow(store, linear('f', [task('a', { task: 'elsewhere' })]), { board })
      const first = await start()
      await jobWhen(store, job.id, ({ job }) => /task elsewhere/.test(job.reason ?? ''))
      await eventually(() => kinds(first).includes('released'))
      await start({ tasks: { elsewhere: { execute: () => 1 } } })
      const { detail } = await ended(store, job.id, { withinMs: 40_000 })
      assert.equal(detail.state, 'SUCCESS')
    },
  )

  on(
    'a suspended flow is parked, and goes on when it is resumed',
    async ({ store, board, start }) => {
      const gate = new Gate()
      const tasks = { ...TASKS, gate: gate.task() }
      const root = linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })])
      const job = await postFlow(store, root, { board })
      const started = await start({ tasks })
      await eventually(() => gate.entered.length === 1)
      await store.mail(job.id, { key: 's', kind: 'suspend', body: { reason: 'tea' } })
      await jobWhen(store, job.id, ({ detail }) => detail.state === 'SUSPENDING')
      gate.open()
      const parked = await jobWhen(store, job.id, ({ job }) => job.state === 'PARKED')
      assert.equal(parked.job.parkedFor, 'suspended')
      assert.equal(parked.detail.state, 'SUSPENDED')
      await store.mail(job.id, { key: 'r', kind: 'resume', body: null })
      const { detail } = await ended(store, job.id)
      assert.equal(detail.state, 'SUCCESS')
      await eventually(
        () =>
          assert.deepEqual(kinds(started), ['claimed', 'parked', 'claimed', 'completed']) ?? true,
      )
      assert.equal(gate.entered.length, 1)
    },
  )

  on(
    'a suspend and a resume that come together lose neither: the flow goes on to its end',
    async ({ store, board, start }) => {
      const gate = new Gate()
      const root = linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })])
      const before = await postFlow(store, linear('g', [task('a', { task: 'p' })]), { board })
      for (const kind of ['suspend', 'resume'] as const) {
        await store.mail(before.id, { key: kind, kind, body: null })
      }
      const job = await postFlow(store, root, { board })
      const started = await start({ tasks: { ...TASKS, gate: gate.task() } })
      await eventually(() => gate.entered.length === 1)
      for (const kind of ['suspend', 'resume'] as const) {
        await store.mail(job.id, { key: kind, kind, body: null })
      }
      await jobWhen(store, job.id, ({ detail }) => detail.state === 'SUSPENDING')
      gate.open()
      assert.equal((await ended(store, before.id)).detail.state, 'SUCCESS')
      assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
      const states = started.events.filter((event) => event.kind === 'flow' && event.job === job.id)
      assert.ok(states.some(({ state }) => state === 'SUSPENDED'))
      assert.equal(gate.entered.length, 1)
    },
  )

  on(
    'a resume is not lost where its owner has taken the flow over while it was being suspended',
    async ({ store, board, start }) => {
      const gate = new Gate()
      const tasks = { ...TASKS, gate: gate.task() }
      const root = linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })])
      const job = await postFlow(store, root, { board })
      const first = await start({ tasks })
      await eventually(() => gate.entered.length === 1)
      await store.mail(job.id, { key: 's', kind: 'suspend', body: null })
      await jobWhen(store, job.id, ({ detail }) => detail.state === 'SUSPENDING')
      await first.conductor.stop({ graceMs: 50 })
      await store.mail(job.id, { key: 'r', kind: 'resume', body: null })
      await start({ tasks })
      await eventually(() => gate.entered.length === 2)
      gate.open()
      assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
    },
  )

  on('a running flow is cancelled by mail', async ({ store, board, start }) => {
    const gate = new Gate()
    const root = linear('f', [task('a', { task: 'p' }), task('b', { task: 'gate' })])
    const job = await postFlow(store, root, { board })
    await start({ tasks: { ...TASKS, gate: gate.task() } })
    await eventually(() => gate.entered.length === 1)
    await store.mail(job.id, { key: 'c', kind: 'cancel', body: { reason: 'no more' } })
    const { job: after, detail } = await ended(store, job.id)
    assert.equal(after.state, 'COMPLETE')
    assert.equal(detail.state, 'REVERTED')
    assert.equal(detail.reason, 'no more')
  })

  on(
    'a job that needs tasks from nowhere can still be cancelled',
    async ({ store, board, start }) => {
      const job = await postFlow(store, linear('f', [task('a', { task: 'nowhere' })]), { board })
      await start()
      await jobWhen(store, job.id, ({ job }) => job.state === 'PARKED')
      await store.mail(job.id, { key: 'c', kind: 'cancel', body: null })
      const { detail } = await ended(store, job.id)
      assert.equal(detail.state, 'REVERTED')
    },
  )

  on('a delayed job is never early', async ({ store, board, start }) => {
    const at: number[] = []
    const tasks = { now: { execute: async () => void at.push(await store.now()) } }
    await start({ tasks })
    const root = linear('f', [task('a', { task: 'now' })])
    const job = await postFlow(store, root, { board, delayMs: 300 })
    await ended(store, job.id)
    assert.ok((at[0] ?? 0) >= (job.dueAt ?? Infinity), `${at[0]} is before ${job.dueAt}`)
  })

  on(
    'a flow that waits for long gives its claim back until it is due',
    async ({ store, board, start }) => {
      let tries = 0
      const tasks = {
        second: {
          execute: () => {
            if (++tries < 2) throw new Error('not yet')
            return tries
          },
        },
      }
      const retry = { attempts: 3, delayMs: 2000 }
      const job = await postFlow(store, linear('f', [task('second', { retry })]), { board })
      // It stays parked until this has seen it.
      let see = (): void => {}
      const seen = new Promise<void>((resolve) => (see = resolve))
      const slow = behind(store, (method) => (method === 'promote' ? seen : undefined))
      const started = await start({ tasks, parkAfterMs: 100, store: slow })
      const parked = await jobWhen(store, job.id, ({ job }) => job.state === 'PARKED')
      assert.equal(parked.job.parkedFor, 'retry')
      assert.equal(parked.job.conductor, null)
      await eventually(() => started.conductor.load.flows === 0)
      see()
      const { detail } = await ended(store, job.id)
      assert.equal(detail.state, 'SUCCESS')
      assert.equal(tries, 2)
    },
  )

  on(
    'jobs are claimed by priority, then age, and no more than there is room for',
    async ({ store, board, start }) => {
      const order: string[] = []
      const root = linear('f', [task('a', { task: 'note' })])
      const names = new Map<string, string>()
      for (const [name, priority] of Object.entries({ low: -1, a: 0, high: 5, b: 0 })) {
        names.set((await postFlow(store, root, { board, priority })).id, name)
      }
      const most: number[] = []
      const started = await start({
        maxFlows: 1,
        tasks: {
          note: {
            execute: (_args, context) => {
              order.push(names.get(context.job) ?? '?')
              most.push(started.conductor.load.flows)
            },
          },
        },
      })
      for (const id of names.keys()) await ended(store, id)
      assert.deepEqual(order, ['high', 'a', 'b', 'low'])
      assert.ok(most.every((flows) => flows <= 1))
    },
  )

  on(
    'a second conductor of one name is refused while the first one lives',
    async ({ start }, t) => {
      await start({ name: 'twin', leaseMs: 60_000 })
      void t
      await assert.rejects(start({ name: 'twin', leaseMs: 600 }), {
        code: 'Conflict',
        message: /one of that name lives/,
      })
    },
  )

  on('parallel branches run at once', async ({ store, board, start }) => {
    const gate = new Gate()
    const root = unordered('f', [
      task('a', { task: 'gate' }),
      task('b', { task: 'gate' }),
      task('c', { task: 'gate' }),
    ])
    const job = await postFlow(store, root, { board })
    await start({ tasks: { gate: gate.task() } })
    await eventually(() => gate.entered.length === 3)
    gate.open()
    assert.equal((await ended(store, job.id)).detail.state, 'SUCCESS')
  })
}

test('what a listener throws harms nobody', async (t) => {
  const store = new MemoryStore()
  const job = await postFlow(store, linear('f', [task('a', { task: 'p' })]))
  const fail = (): never => {
    throw new Error('mine')
  }
  const { conductor, logs } = conductorOf(t, store, { onEvent: fail, onJob: fail })
  await conductor.start()
  assert.equal((await ended(store, job.id)).job.state, 'COMPLETE')
  assert.ok(logs.some((log) => log.level === 'error' && /listener threw/.test(log.message)))
})

test('after 3 s the log says which task nobody serves, and the command that mends it', async (t) => {
  const store = new MemoryStore()
  await postFlow(store, linear('f', [task('a', { task: 'nowhere' })]))
  const { logs } = await startConductor(t, store)
  const found = await eventually(
    () => logs.find(({ message }) => /no conductor serves task nowhere/.test(message)),
    { withinMs: 15_000 },
  )
  assert.match(found.message, /zagflow conductor --tasks/)
})
