/**
 * What every store does, whatever is behind it: one suite, run for each adapter. New meaning of the contract starts here.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { ConflictError, InvalidInputError, UsageError } from '../../src/base/errors.ts'
import { uuidV7 } from '../../src/base/ids.ts'
import type { Json } from '../../src/base/json.ts'
import type { Failure } from '../../src/base/failure.ts'
import type { Claim, Store, StoreHint } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { describeBrokers } from './broker-contract.ts'
import { describePostings } from './postings-contract.ts'
import { describeSchedules } from './schedule-contract.ts'
import { describeReruns } from './rerun-contract.ts'
import {
  adoptedJob,
  atomOf,
  beatOf,
  callOf,
  changeOf,
  claim,
  documentOf,
  historyOf,
  post,
  postOf,
  resultOf,
} from './fixtures.ts'

/** A store of one test, started, and further ones on the same data (as other processes would have). */
export interface StoreBench {
  readonly store: Store
  /** Memory gives the same store again. */
  another(): Promise<Store>
}

/** Texts that break what is put together by hand. */
const NASTY_TEXTS = [
  `'); DROP TABLE atoms;--`,
  '"; DELETE FROM jobs; --',
  '%',
  '_',
  '\\',
  '\\\\?',
  '?',
  ':name',
  '$1',
  '$.v',
  '{"enc":"json"}',
  "it's",
  'null',
  '',
  ' ',
  'tab\tnewline\nreturn\r',
  'ünïcödé 🚗 \u202E',
  'x'.repeat(900),
]

const failure: Failure = {
  code: 'TaskFailed',
  message: 'no money',
  name: 'PaymentError',
  stack: 'PaymentError: no money\n    at charge',
  data: { balance: 0.1, list: [1, null, true, 'x'] },
  retryable: false,
  cause: { code: 'Http', message: '402' },
}

export function describeStore(
  name: string,
  open: (t: TestContext) => Promise<StoreBench>,
  options: { readonly skip?: string | undefined } = {},
): void {
  const { skip } = options
  describe(`the store ${name}`, { skip: skip ?? false }, () => {
    describe('posting', () => {
      it('keeps everything that was posted', async (t) => {
        const { store } = await open(t)
        const request = postOf({
          key: 'order-1',
          priority: 5,
          labels: { tenant: 'a', 'odd "name"': '%' },
          traceparent: '00-1-2-01',
          postedBy: 'shop',
          scheduledFor: 1_800_000_000_000,
          input: { sku: 'A1', quantity: 2, deep: { list: [1, 2.5, 'x', null, true] } },
        })
        const before = await store.now()
        const { job, created } = await store.post(request)
        assert.equal(created, true)
        assert.equal(job.id, request.id)
        assert.equal(job.state, 'UNCLAIMED')
        assert.equal(job.posting, 1)
        assert.equal(job.priority, 5)
        assert.equal(job.epoch, 0)
        assert.equal(job.revision, 0)
        assert.equal(job.claimId, null)
        assert.equal(job.dueAt, null)
        assert.deepEqual(job.labels, request.labels)
        assert.equal(job.traceparent, '00-1-2-01')
        assert.equal(job.postedBy, 'shop')
        assert.equal(job.scheduledFor, 1_800_000_000_000)
        assert.ok(job.createdAt >= before && job.createdAt <= (await store.now()))
        const byKey = await store.job('order-1', 'main')
        assert.deepEqual(byKey?.job, job)
        assert.deepEqual(await store.job(request.id), byKey)
        assert.deepEqual(await store.job('order-1'), byKey)
        assert.equal(byKey.detail.id, request.flowId)
        assert.equal(byKey.detail.jobId, request.id)
        assert.equal(byKey.detail.run, 1)
        assert.equal(byKey.detail.state, 'PENDING')
        assert.equal(byKey.detail.document, request.documentHash)
        assert.equal(byKey.detail.source, request.sourceHash)
        assert.equal(byKey.detail.format, 1)
        assert.equal(byKey.detail.semantics, 1)
        assert.deepEqual(byKey.detail.input, request.input)
        assert.equal(byKey.detail.output, null)
        assert.deepEqual(byKey.detail.failures, [])
        assert.deepEqual(await store.document(request.documentHash), request.document)
        assert.deepEqual(await store.document(request.sourceHash), request.source)
        assert.equal(await store.document('0'.repeat(64)), null)
        assert.equal(await store.job('no such job'), null)
        assert.equal(await store.job('order-1', 'other board'), null)
      })

      it('gives the same job for the same key and content, else a conflict (S7)', async (t) => {
        const { store } = await open(t)
        const first = await store.post(postOf({ key: 'k' }))
        const again = await store.post(postOf({ key: 'k' }))
        assert.equal(again.created, false)
        assert.deepEqual(again.job, first.job)
        await assert.rejects(
          store.post(postOf({ key: 'k', input: { sku: 'B2' } })),
          (error) => error instanceof ConflictError && error.message.includes(first.job.id),
        )
        const { jobs } = await store.findJobs({})
        assert.equal(jobs.length, 1, 'neither of them posted another job')
      })

      it('keeps the keys of boards apart', async (t) => {
        const { store } = await open(t)
        await store.post(postOf({ key: 'k' }))
        const other = await store.post(postOf({ key: 'k', board: 'other', input: { sku: 'B2' } }))
        assert.equal(other.created, true)
        assert.equal((await store.job('k', 'other'))?.job.id, other.job.id)
      })

      it('gives the same job for the same id, so that a post can be tried again', async (t) => {
        const { store } = await open(t)
        const request = postOf()
        assert.equal((await store.post(request)).created, true)
        assert.equal((await store.post(request)).created, false)
        await assert.rejects(
          store.post({ ...request, contentHash: 'another' }),
          (error) => error instanceof ConflictError,
        )
      })

      it('posts one job for many posters of one key', async (t) => {
        const bench = await open(t)
        const stores = [bench.store, await bench.another()]
        const posts = Array.from({ length: 20 }, (_, at) =>
          (stores[at % 2] ?? bench.store).post(postOf({ key: 'one' })),
        )
        const answers = await Promise.all(posts)
        assert.equal(answers.filter(({ created }) => created).length, 1)
        assert.equal(new Set(answers.map(({ job }) => job.id)).size, 1)
        assert.equal((await bench.store.findJobs({})).jobs.length, 1)
      })

      it('parks a delayed job until it is due, never shorter', async (t) => {
        const { store } = await open(t)
        const job = await post(store, { delayMs: 60 })
        assert.equal(job.state, 'PARKED')
        assert.equal(job.parkedFor, 'delay')
        assert.equal(job.dueAt, job.createdAt + 60)
        assert.equal(await store.nextDue('main'), job.dueAt)
        const promoted = await eventually(async () => {
          const [first] = await store.promote('main', 10)
          return first
        })
        assert.ok((await store.now()) >= (job.dueAt ?? 0))
        assert.equal(promoted.id, job.id)
        assert.equal(promoted.state, 'UNCLAIMED')
        assert.equal(promoted.posting, 2)
        assert.equal(promoted.dueAt, null)
        assert.equal(promoted.parkedFor, null)
        assert.equal(await store.nextDue('main'), null)
        assert.deepEqual(await store.promote('main', 10), [])
      })

      it('promotes the jobs of its board that are due, the earliest first, up to the limit', async (t) => {
        const { store } = await open(t)
        const dueAt = (await store.now()) - 1_000
        const later = await post(store, { dueAt: dueAt + 1 })
        const first = await post(store, { dueAt: dueAt - 1 })
        const middle = await post(store, { dueAt })
        await post(store, { dueAt, board: 'other' })
        await post(store, { delayMs: 60_000 })
        const promoted = await store.promote('main', 2)
        assert.deepEqual(new Set(promoted.map(({ id }) => id)), new Set([first.id, middle.id]))
        assert.deepEqual(
          (await store.promote('main', 2)).map(({ id }) => id),
          [later.id],
        )
      })

      it('makes a job claimable once its board shows it', async (t) => {
        const { store } = await open(t)
        const job = await post(store, { state: 'POSTING' })
        assert.equal(job.state, 'POSTING')
        const ref = { jobId: job.id, posting: 1 }
        assert.equal(
          (await store.claimJobs({ board: 'main', conductor: 'c', claimIds: ['x'] })).length,
          0,
        )
        await store.posted([ref, { jobId: 'unknown', posting: 1 }])
        await store.posted([ref])
        assert.equal((await store.job(job.id))?.job.state, 'UNCLAIMED')
        assert.equal((await store.job(job.id))?.job.posting, 1)
        await claim(store)
        await store.posted([ref])
        assert.equal((await store.job(job.id))?.job.state, 'CLAIMED')
      })
    })

    describe('claiming', () => {
      it('takes the biggest priority first, then the oldest (TF-215)', async (t) => {
        const { store } = await open(t)
        const ids: string[] = []
        for (const priority of [-1, 2, 0, -2, 1, 0]) ids.push((await post(store, { priority })).id)
        const order = [1, 4, 2, 5, 0, 3].map((at) => ids[at])
        const listed = await store.findJobs({ order: 'claim' })
        assert.deepEqual(
          listed.jobs.map(({ job }) => job.id),
          order,
        )
        const claimed: string[] = []
        for (let at = 0; at < 6; at += 1) claimed.push((await claim(store)).jobId)
        assert.deepEqual(claimed, order)
      })

      it('claims several at once, gives each its claim id and raises its epoch', async (t) => {
        const { store } = await open(t)
        await post(store)
        const best = await post(store, { priority: 1 })
        await post(store, { board: 'other' })
        const claimIds = [uuidV7(), uuidV7(), uuidV7()]
        const claims = await store.claimJobs({ board: 'main', conductor: 'c1', claimIds })
        assert.equal(claims.length, 2)
        assert.equal(new Set(claims.map(({ claimId }) => claimId)).size, 2)
        assert.ok(claims.every(({ claimId }) => claimIds.includes(claimId)))
        assert.equal(claims[0]?.jobId, best.id)
        for (const claimed of claims) {
          assert.equal(claimed.epoch, 1)
          assert.equal(claimed.posting, 1)
          assert.equal(claimed.conductor, 'c1')
          const job = adoptedJob(claimed)
          assert.equal(job.state, 'CLAIMED')
          assert.equal(job.conductor, 'c1')
          assert.equal(job.claimId, claimed.claimId)
          assert.deepEqual((await store.job(claimed.jobId))?.job, job)
        }
      })

      it('gives the same claims for the same claim ids, so that a lost reply can be asked again', async (t) => {
        const { store } = await open(t)
        for (let at = 0; at < 5; at += 1) await post(store)
        const request = { board: 'main', conductor: 'c1', claimIds: [uuidV7(), uuidV7()] }
        const first = await store.claimJobs(request)
        const again = await store.claimJobs(request)
        assert.deepEqual(new Set(again.map(key)), new Set(first.map(key)))
        assert.equal((await store.findJobs({ states: ['CLAIMED'] })).jobs.length, 2)
      })

      it('gives no job to two of many claimers', async (t) => {
        const bench = await open(t)
        const stores = [bench.store, await bench.another()]
        for (let at = 0; at < 40; at += 1) await post(bench.store)
        const claimers = Array.from({ length: 12 }, async (_, at) => {
          const store = stores[at % 2] ?? bench.store
          const mine: Claim[] = []
          for (;;) {
            const claimIds = [uuidV7(), uuidV7(), uuidV7()]
            const claims = await store.claimJobs({ board: 'main', conductor: `c${at}`, claimIds })
            if (claims.length === 0) return mine
            mine.push(...claims)
          }
        })
        const claims = (await Promise.all(claimers)).flat()
        assert.equal(claims.length, 40)
        assert.equal(new Set(claims.map(({ jobId }) => jobId)).size, 40)
        assert.ok(claims.every(({ epoch }) => epoch === 1))
      })

      it('makes a released job claimable again, under the next posting and epoch', async (t) => {
        const { store } = await open(t)
        await post(store)
        const first = await claim(store)
        await store.release([first])
        const released = (await store.job(first.jobId))?.job
        assert.equal(released?.state, 'UNCLAIMED')
        assert.equal(released.posting, 2)
        assert.equal(released.claimId, null)
        assert.equal(released.conductor, null)
        const second = await claim(store, 'c2')
        assert.equal(second.epoch, 2)
        await store.release([first])
        assert.equal((await store.job(first.jobId))?.job.conductor, 'c2', 'the old claim is fenced')
      })

      it('parks a job that is released with a delay', async (t) => {
        const { store } = await open(t)
        await post(store)
        const claimed = await claim(store)
        await store.release([claimed], { delayMs: 30, reason: 'the broker is away' })
        const job = (await store.job(claimed.jobId))?.job
        assert.equal(job?.state, 'PARKED')
        assert.equal(job.reason, 'the broker is away')
        assert.equal(job.posting, 1)
        await eventually(async () => (await store.promote('main', 1)).length === 1)
        assert.equal((await claim(store)).posting, 2)
      })
    })

    describe('adopting claims of another board (S6)', () => {
      const claimOn = (jobId: string, over: Partial<Claim> = {}): Claim => {
        return { jobId, posting: 1, claimId: 'a', epoch: 1, conductor: 'c1', ...over }
      }

      it('takes an epoch above the stored one, or the same claim again', async (t) => {
        const { store } = await open(t)
        const { id } = await post(store, { state: 'POSTING' })
        const [first] = await store.adopt([claimOn(id)])
        assert.ok(first)
        assert.equal(adoptedJob(first).state, 'CLAIMED')
        assert.equal(adoptedJob(first).epoch, 1)
        assert.equal((await store.adopt([claimOn(id)])).length, 1, 'its reply may have been lost')
        assert.equal(
          (await store.adopt([claimOn(id, { claimId: 'b' })])).length,
          0,
          'rebuilt board',
        )
        const [second] = await store.adopt([
          claimOn(id, { claimId: 'b', epoch: 4, conductor: 'c2' }),
        ])
        assert.ok(second)
        assert.equal(adoptedJob(second).epoch, 4)
        assert.equal(adoptedJob(second).conductor, 'c2')
        assert.equal(adoptedJob(second).disorder, true, 'the claim before it did not end in order')
        assert.equal((await store.adopt([claimOn(id)])).length, 0, 'a late acquirer')
        assert.equal((await store.adopt([claimOn(id, { epoch: 3 })])).length, 0)
      })

      it('loses claims of another posting and of jobs that are not claimable', async (t) => {
        const { store } = await open(t)
        const job = await post(store)
        const parked = await post(store, { delayMs: 60_000 })
        assert.deepEqual(await store.adopt([claimOn(job.id, { posting: 2 })]), [])
        assert.deepEqual(await store.adopt([claimOn(parked.id), claimOn('unknown')]), [])
        const adopted = await store.adopt([claimOn('unknown'), claimOn(job.id)])
        assert.deepEqual(
          adopted.map(({ jobId }) => jobId),
          [job.id],
        )
      })
    })

    describe('committing', () => {
      it('stores all rows of a flow and loads them again', async (t) => {
        const { store } = await open(t)
        const first = await post(store, { input: { n: 1 } })
        const second = await post(store)
        const claimed = await claim(store)
        const atom = atomOf('checkout/charge', {
          state: 'RETRYING',
          attempt: 3,
          executeCalls: 2,
          revertCalls: 1,
          dueAt: 1_800_000_000_000,
          outcome: 'failure',
          failure,
          revertFailure: { code: 'X', message: 'y' },
        })
        const retry = atomOf('checkout:retry', {
          kind: 'retry',
          state: 'SUCCESS',
          outcome: 'success',
          rounds: [{ value: { n: 1.5 }, failures: { 'checkout/charge': failure } }],
        })
        const ignored = atomOf('checkout/skipped', { state: 'IGNORE', ignored: 'path' })
        const scope = {
          path: 'checkout',
          state: 'ENTERED',
          intention: 'RETRY',
          dueAt: 5,
          ignored: null,
          failure,
        } as const
        const calls = [
          callOf('checkout/charge', 1, { outcome: 'failure', failure, attempt: 2 }),
          callOf('checkout/charge', 2),
          callOf('checkout/charge', 1, { direction: 'revert', outcome: 'unknown' }),
          callOf('checkout/a', 1),
        ]
        const history = [
          historyOf(1, { failure, call: 1 }),
          historyOf(2, { kind: 'flow', attempt: null }),
        ]
        const [outcome] = await store.commit([
          changeOf(claimed, {
            historySeq: 2,
            flow: { state: 'RUNNING', started: true, reason: 'why not' },
            atoms: [atom, retry, ignored],
            scopes: [scope],
            calls,
            results: [resultOf('checkout/charge', { id: 7 }, 2), resultOf('checkout/a', null)],
            history,
          }),
        ])
        assert.deepEqual(outcome, { kind: 'committed' })
        const [loaded, other] = await store.load([claimed.jobId, 'unknown', second.id])
        assert.equal(loaded?.job.id, first.id)
        assert.equal(loaded.job.revision, 1)
        assert.equal(loaded.job.historySeq, 2)
        assert.equal(loaded.detail.state, 'RUNNING')
        assert.equal(loaded.detail.reason, 'why not')
        assert.ok(loaded.detail.startedAt !== null)
        assert.deepEqual(sorted(loaded.atoms), sorted([atom, retry, ignored]))
        assert.deepEqual(loaded.scopes, [scope])
        assert.equal(other?.job.id, second.id)
        assert.deepEqual(other.atoms, [])
        assert.deepEqual(sorted(await store.atoms(first.flowId)), sorted([atom, retry, ignored]))
        assert.deepEqual(await store.calls(first.flowId), [calls[3], calls[0], calls[1], calls[2]])
        assert.deepEqual(await store.calls(first.flowId, 'checkout/a'), [calls[3]])
        assert.deepEqual(await store.history(first.id, {}), history)
        const refs = [
          { atom: 'checkout/a', direction: 'execute', call: 1 },
          { atom: 'checkout/charge', direction: 'execute', call: 1 },
          { atom: 'checkout/charge', direction: 'execute', call: 2 },
        ] as const
        assert.deepEqual(await store.results(first.flowId, refs), [null, undefined, { id: 7 }])
        assert.deepEqual(await store.results(first.flowId, []), [])
        assert.deepEqual(await store.load([]), [])
      })

      it('writes over the rows that changed and leaves the others', async (t) => {
        const { store } = await open(t)
        await post(store)
        const claimed = await claim(store)
        const a = atomOf('f/a')
        const b = atomOf('f/b', { failure })
        await store.commit([changeOf(claimed, { atoms: [a, b] })])
        const done = atomOf('f/a', { state: 'SUCCESS', executeCalls: 1, outcome: 'success' })
        const healed = { ...b, failure: null }
        await store.commit([changeOf(claimed, { revision: 1, atoms: [a, done] })])
        assert.deepEqual(await atomsOf(store, claimed), [done, b], 'the last row of an atom wins')
        await store.commit([changeOf(claimed, { revision: 2, atoms: [healed] })])
        assert.deepEqual(await atomsOf(store, claimed), [done, healed])
      })

      it('changes nothing for a fenced flow, and stops no other of the batch (S1, S2)', async (t) => {
        const { store } = await open(t)
        const fences: Partial<Claim & { revision: number }>[] = [
          { epoch: 2 },
          { epoch: 0 },
          { claimId: 'of another' },
          { revision: 7 },
          { jobId: 'unknown' },
          {},
        ]
        const claims: Claim[] = []
        for (const _ of fences) {
          await post(store)
          claims.push(await claim(store))
        }
        const batch = claims.map((claimed, at) => {
          return changeOf(claimed, {
            flow: { state: 'RUNNING', started: true },
            job: { state: 'COMPLETE' },
            mailRead: 0,
            historySeq: 1,
            atoms: [atomOf('f/a')],
            scopes: [
              {
                path: 'f',
                state: 'ENTERED',
                intention: 'EXECUTE',
                dueAt: null,
                ignored: null,
                failure: null,
              },
            ],
            calls: [callOf('f/a')],
            results: [resultOf('f/a', 1)],
            history: [historyOf(1)],
            ...fences[at],
          })
        })
        const outcomes = await store.commit(batch)
        assert.deepEqual(
          outcomes.map(({ kind }) => kind),
          ['fenced', 'fenced', 'fenced', 'fenced', 'fenced', 'committed'],
        )
        for (const [at, claimed] of claims.entries()) {
          const [flow] = await store.load([claimed.jobId])
          const rows = at === claims.length - 1 ? 1 : 0
          assert.equal(flow?.job.revision, rows)
          assert.equal(flow.job.state, rows === 1 ? 'COMPLETE' : 'CLAIMED')
          assert.equal(flow.detail.state, rows === 1 ? 'RUNNING' : 'PENDING')
          assert.equal(flow.atoms.length, rows)
          assert.equal(flow.scopes.length, rows)
          assert.equal((await store.calls(flow.detail.id)).length, rows)
          assert.equal((await store.history(claimed.jobId, {})).length, rows)
        }
      })

      it('takes the same commit again as done, for its reply may have been lost (S3)', async (t) => {
        const { store } = await open(t)
        await post(store)
        const claimed = await claim(store)
        const change = changeOf(claimed, {
          historySeq: 1,
          atoms: [atomOf('f/a')],
          calls: [callOf('f/a')],
          results: [resultOf('f/a', 1)],
          history: [historyOf(1)],
        })
        assert.deepEqual(await store.commit([change]), [{ kind: 'committed' }])
        assert.deepEqual(await store.commit([change]), [{ kind: 'committed' }])
        const end = changeOf(claimed, {
          revision: 1,
          historySeq: 1,
          job: { state: 'COMPLETE' },
          mailRead: 0,
        })
        assert.deepEqual(await store.commit([end]), [{ kind: 'committed' }])
        assert.deepEqual(await store.commit([end]), [{ kind: 'committed' }])
        const [flow] = await store.load([claimed.jobId])
        assert.equal(flow?.job.revision, 2)
        assert.equal((await store.history(claimed.jobId, {})).length, 1)
      })

      it('fences the owner whose job another has taken, also when both have the same epoch', async (t) => {
        const { store } = await open(t)
        const { id } = await post(store)
        const [paused] = await store.adopt([
          { jobId: id, posting: 1, claimId: 'a', epoch: 1, conductor: 'c1' },
        ])
        assert.ok(paused)
        await store.release([paused])
        // The board was rebuilt and began its epochs anew: the store refuses that epoch, and its writes.
        const rebuilt = { jobId: id, posting: 2, claimId: 'b', epoch: 1, conductor: 'c2' }
        assert.deepEqual(await store.adopt([rebuilt]), [])
        const [next] = await store.adopt([{ ...rebuilt, epoch: 2 }])
        assert.ok(next)
        assert.deepEqual(await store.commit([changeOf(paused)]), [{ kind: 'fenced' }])
        assert.deepEqual(await store.commit([changeOf({ ...next, claimId: 'a' })]), [
          { kind: 'fenced' },
        ])
        assert.deepEqual(await store.commit([changeOf(next)]), [{ kind: 'committed' }])
      })

      it('ends a flow with its output, failures and times', async (t) => {
        const { store } = await open(t)
        await post(store)
        const claimed = await claim(store)
        const failures = [{ atom: 'checkout/charge', ...failure }]
        await store.commit([changeOf(claimed, { flow: { state: 'RUNNING', started: true } })])
        const started = (await store.load([claimed.jobId]))[0]?.detail.startedAt
        assert.ok(started)
        const output = { total: 12.5, items: ['a'], nothing: null }
        await store.commit([
          changeOf(claimed, {
            revision: 1,
            flow: { state: 'REVERTED', started: true, ended: true, output, failures },
            job: { state: 'COMPLETE' },
            mailRead: 0,
          }),
        ])
        const ended = await store.job(claimed.jobId)
        assert.equal(ended?.job.state, 'COMPLETE')
        assert.equal(ended.job.conductor, null)
        assert.ok(ended.job.endedAt !== null && ended.job.endedAt >= started)
        assert.equal(ended.detail.state, 'REVERTED')
        assert.deepEqual(ended.detail.output, output)
        assert.deepEqual(ended.detail.failures, failures)
        assert.equal(ended.detail.startedAt, started, 'set once')
        assert.ok(ended.detail.endedAt !== null && ended.detail.endedAt >= started)
        assert.equal(
          (await store.claimJobs({ board: 'main', conductor: 'c', claimIds: ['x'] })).length,
          0,
        )
      })

      it('parks, hands over and trashes jobs', async (t) => {
        const { store } = await open(t)
        await post(store)
        const first = await claim(store)
        await store.commit([
          changeOf(first, { job: { state: 'PARKED', parkedFor: 'suspended' }, mailRead: 0 }),
        ])
        let job = (await store.job(first.jobId))?.job
        assert.equal(job?.state, 'PARKED')
        assert.equal(job.parkedFor, 'suspended')
        assert.equal(job.dueAt, null)
        assert.equal(await store.nextDue('main'), null)
        assert.equal((await store.releaseJob(first.jobId))?.state, 'UNCLAIMED')

        const second = await claim(store)
        assert.deepEqual(await store.commit([changeOf(second, { job: { state: 'UNCLAIMED' } })]), [
          { kind: 'committed' },
        ])
        job = (await store.job(first.jobId))?.job
        assert.equal(job?.state, 'UNCLAIMED')
        assert.equal(job.posting, 3)

        const third = await claim(store)
        const dueAt = (await store.now()) - 1
        await store.commit([
          changeOf(third, { job: { state: 'PARKED', parkedFor: 'retry', dueAt }, mailRead: 0 }),
        ])
        assert.equal(await store.nextDue('main'), dueAt)
        assert.equal((await store.promote('main', 10)).length, 1)

        const fourth = await claim(store)
        await store.commit([
          changeOf(fourth, { job: { state: 'TRASHED', reason: 'a revert failed' }, mailRead: 0 }),
        ])
        job = (await store.job(first.jobId))?.job
        assert.equal(job?.state, 'TRASHED')
        assert.equal(job.reason, 'a revert failed')
        assert.ok(job.endedAt !== null)
        assert.equal(job.epoch, 4)
      })

      it('trashes the one flow whose rows are refused, and commits the others (S4)', async (t) => {
        const { store } = await open(t)
        const claims: Claim[] = []
        for (let at = 0; at < 4; at += 1) {
          await post(store)
          claims.push(await claim(store))
        }
        const changes = claims.map((claimed) => {
          return changeOf(claimed, {
            historySeq: 1,
            atoms: [atomOf('f/a')],
            history: [historyOf(1)],
          })
        })
        await store.commit(changes)
        const outcomes = await store.commit(
          changes.map((change, at) => {
            // Number 1 was written before: no two transitions of a job have one number.
            const history = [historyOf(at === 2 ? 1 : 2)]
            return { ...change, revision: 1, historySeq: 2, history, atoms: [atomOf('f/b')] }
          }),
        )
        assert.deepEqual(
          outcomes.map(({ kind }) => kind),
          ['committed', 'committed', 'trashed', 'committed'],
        )
        for (const [at, { jobId }] of claims.entries()) {
          const [flow] = await store.load([jobId])
          assert.equal(flow?.job.revision, 2)
          assert.equal(flow.job.state, at === 2 ? 'TRASHED' : 'CLAIMED')
          assert.equal(flow.atoms.length, at === 2 ? 1 : 2)
          if (at === 2) assert.match(flow.job.reason ?? '', /history/)
        }
        assert.equal((await store.releaseJob(claims[2]?.jobId ?? ''))?.state, 'UNCLAIMED')
      })

      it('refuses a batch that cannot be meant', async (t) => {
        const { store } = await open(t)
        await post(store)
        const claimed = await claim(store)
        await assert.rejects(store.commit([changeOf(claimed), changeOf(claimed)]), UsageError)
        const noMailRead = changeOf(claimed, { job: { state: 'COMPLETE' } })
        await assert.rejects(store.commit([noMailRead]), UsageError)
        assert.deepEqual(await store.commit([]), [])
      })

      it('keeps texts as they are, whatever is in them', async (t) => {
        const { store } = await open(t)
        for (const text of NASTY_TEXTS) {
          const input: Record<string, Json> = { text, [`key ${text}`]: [text] }
          const { job } = await store.post(
            postOf({
              board: `board ${text}`,
              key: `key ${text}`,
              labels: { [`label ${text}`]: text },
              postedBy: text,
              traceparent: text,
              document: documentOf(`flow ${text}`),
              input,
            }),
          )
          const claimed = await claim(store, `conductor ${text}`, job.board)
          const textFailure: Failure = { code: text, message: text, stack: text, data: { text } }
          const atom = atomOf(`f/${text}`, { failure: textFailure })
          const history = historyOf(1, { name: text, failure: textFailure })
          const mail = { key: `mail ${text}`, kind: 'signal', body: { text } } as const
          assert.equal(await store.mail(job.id, mail), 'accepted')
          const [outcome] = await store.commit([
            changeOf(claimed, {
              historySeq: 1,
              flow: { state: 'RUNNING', reason: text, output: text },
              atoms: [atom],
              calls: [callOf(`f/${text}`)],
              results: [resultOf(`f/${text}`, { [text]: text })],
              history: [history],
            }),
          ])
          assert.deepEqual(outcome, { kind: 'committed' }, text)
          const [flow] = await store.load([job.id])
          assert.deepEqual(flow?.job.labels, { [`label ${text}`]: text })
          assert.equal(flow.job.flow, `flow ${text}`)
          assert.equal(flow.job.postedBy, text)
          assert.equal(flow.detail.reason, text)
          assert.equal(flow.detail.output, text)
          assert.deepEqual(flow.detail.input, input)
          assert.deepEqual(flow.atoms, [atom])
          assert.deepEqual(await store.history(job.id, {}), [history])
          const ref = { atom: `f/${text}`, direction: 'execute', call: 1 } as const
          assert.deepEqual(await store.results(job.flowId, [ref]), [{ [text]: text }])
          const [stored] = await store.readMail(`conductor ${text}`)
          assert.equal(stored?.key, mail.key)
          assert.deepEqual(stored.body, { text })
          for (const filter of [
            { key: `key ${text}` },
            { flow: `flow ${text}` },
            { labels: { [`label ${text}`]: text } },
            { input: { text } },
            { input: { [`key ${text}`]: [text] } },
            { conductor: `conductor ${text}` },
            { board: `board ${text}` },
          ]) {
            const { jobs } = await store.findJobs(filter)
            assert.deepEqual(
              jobs.map((found) => found.job.id),
              [job.id],
              JSON.stringify(filter),
            )
          }
          assert.equal((await store.job(`key ${text}`, job.board))?.job.id, job.id)
        }
      })

      it('keeps values of 2 MB, and numbers exactly', async (t) => {
        const { store } = await open(t)
        const big = 'y'.repeat(2_000_000)
        const numbers = [0.1, 1e21, -5e-324, 9007199254740991, 1.7976931348623157e308, -1]
        await post(store, { input: { big, numbers } })
        const claimed = await claim(store)
        const results = [resultOf('f/a', big), resultOf('f/b', numbers)]
        assert.deepEqual(await store.commit([changeOf(claimed, { results })]), [
          { kind: 'committed' },
        ])
        const [flow] = await store.load([claimed.jobId])
        assert.deepEqual(flow?.detail.input, { big, numbers })
        const refs = results.map(({ atom, direction, call }) => ({ atom, direction, call }))
        assert.deepEqual(await store.results(flow.detail.id, refs), [big, numbers])
      })
    })

    describe('mail', () => {
      it('is accepted once per key, counted, read by the owner and taken by its commit', async (t) => {
        const { store } = await open(t)
        await post(store)
        await post(store)
        const claimed = await claim(store, 'c1')
        const other = await claim(store, 'c2')
        const { jobId } = claimed
        assert.equal(await store.mail(jobId, { key: 'a', kind: 'signal', body: 1 }), 'accepted')
        assert.equal(await store.mail(jobId, { key: 'a', kind: 'cancel', body: 2 }), 'duplicate')
        assert.equal(await store.mail(jobId, { key: 'b', kind: 'cancel', body: null }), 'accepted')
        assert.equal(
          await store.mail(other.jobId, { key: 'a', kind: 'suspend', body: {} }),
          'accepted',
        )
        assert.equal(await store.mail('unknown', { key: 'a', kind: 'cancel', body: 1 }), 'unknown')
        const mail = await store.readMail('c1')
        assert.deepEqual(
          mail.map(({ key: name, kind, body, count }) => [name, kind, body, count]),
          [
            ['a', 'signal', 1, 1],
            ['b', 'cancel', null, 2],
          ],
        )
        assert.ok(mail.every((piece) => piece.jobId === jobId && piece.at > 0))
        assert.deepEqual(await store.mailOf(jobId), { count: 2, mail })
        assert.deepEqual(await store.mailOf('unknown'), { count: 0, mail: [] })
        await store.commit([changeOf(claimed, { mailTaken: ['a', 'not there'] })])
        assert.deepEqual(
          (await store.mailOf(jobId)).mail.map((piece) => piece.key),
          ['b'],
        )
        assert.equal((await store.mailOf(jobId)).count, 2)
        assert.equal((await store.readMail('c2')).length, 1)
      })

      it('stops a commit that would park or end the job unread (S5)', async (t) => {
        const { store } = await open(t)
        await post(store)
        const claimed = await claim(store)
        await store.mail(claimed.jobId, { key: 'a', kind: 'cancel', body: null })
        for (const job of [
          { state: 'PARKED', parkedFor: 'retry' },
          { state: 'COMPLETE' },
          { state: 'TRASHED', reason: 'x' },
        ] as const) {
          const change = changeOf(claimed, { job, mailRead: 0, atoms: [atomOf('f/a')] })
          assert.deepEqual(await store.commit([change]), [{ kind: 'mail' }])
        }
        const [flow] = await store.load([claimed.jobId])
        assert.equal(flow?.job.revision, 0)
        assert.deepEqual(flow.atoms, [])
        const read = changeOf(claimed, {
          job: { state: 'COMPLETE' },
          mailRead: 1,
          mailTaken: ['a'],
        })
        assert.deepEqual(await store.commit([read]), [{ kind: 'committed' }])
        assert.deepEqual((await store.mailOf(claimed.jobId)).mail, [])
      })

      it('makes a parked job due at once', async (t) => {
        const { store } = await open(t)
        await post(store)
        const claimed = await claim(store)
        await store.commit([
          changeOf(claimed, { job: { state: 'PARKED', parkedFor: 'task' }, mailRead: 0 }),
        ])
        assert.deepEqual(await store.promote('main', 1), [])
        await store.mail(claimed.jobId, { key: 'r', kind: 'reply', body: { ok: true } })
        assert.equal((await store.promote('main', 1))[0]?.id, claimed.jobId)
        const again = await claim(store)
        assert.equal(adoptedJob(again).mail, 1)
        assert.equal((await store.readMail('c1')).length, 1)
      })

      it('starts a delayed job before its time only to cancel it', async (t) => {
        const { store } = await open(t)
        const { id } = await post(store, { delayMs: 60_000 })
        await store.mail(id, { key: 's', kind: 'signal', body: 1 })
        assert.deepEqual(await store.promote('main', 1), [])
        await store.mail(id, { key: 'c', kind: 'cancel', body: 1 })
        assert.equal((await store.promote('main', 1)).length, 1)
        assert.equal((await store.mailOf(id)).mail.length, 2)
      })

      it('is refused by a job that ended, but for what brings a trashed one back', async (t) => {
        const { store } = await open(t)
        await post(store)
        await post(store)
        const done = await claim(store)
        const failed = await claim(store)
        await store.commit([
          changeOf(done, { job: { state: 'COMPLETE' }, mailRead: 0 }),
          changeOf(failed, { job: { state: 'TRASHED', reason: 'x' }, mailRead: 0 }),
        ])
        const mail = (kind: 'cancel' | 'resume' | 'resolve-revert') => ({
          key: kind,
          kind,
          body: null,
        })
        assert.equal(await store.mail(done.jobId, mail('resume')), 'ended')
        assert.equal(await store.mail(failed.jobId, mail('cancel')), 'ended')
        assert.equal(await store.mail(failed.jobId, mail('resume')), 'accepted')
        assert.equal(await store.mail(failed.jobId, mail('resolve-revert')), 'accepted')
        assert.equal((await store.mailOf(done.jobId)).count, 0)
        assert.equal((await store.mailOf(failed.jobId)).count, 2)
      })

      it('from many writers is counted and kept exactly, also of the same key', async (t) => {
        const bench = await open(t)
        const stores = [bench.store, await bench.another()]
        const { id } = await post(bench.store)
        const answers = await Promise.all(
          Array.from({ length: 30 }, (_, at) => {
            const mail = { key: `k${at % 10}`, kind: 'signal', body: at } as const
            return (stores[at % 2] ?? bench.store).mail(id, mail)
          }),
        )
        assert.equal(answers.filter((answer) => answer === 'accepted').length, 10)
        assert.equal(answers.filter((answer) => answer === 'duplicate').length, 20)
        const { count, mail } = await bench.store.mailOf(id)
        assert.equal(count, 10)
        assert.deepEqual(
          mail.map((piece) => piece.count),
          [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        )
      })

      it('against parking: either the commit sees it, or it wakes the job', async (t) => {
        const bench = await open(t)
        const poster = await bench.another()
        for (let round = 0; round < 15; round += 1) {
          const { id } = await post(bench.store)
          const claimed = await claim(bench.store)
          const park = changeOf(claimed, {
            job: { state: 'PARKED', parkedFor: 'task' },
            mailRead: 0,
          })
          const [outcomes, answer] = await Promise.all([
            bench.store.commit([park]),
            poster.mail(id, { key: 'wake', kind: 'signal', body: round }),
          ])
          assert.equal(answer, 'accepted')
          if (outcomes[0]?.kind === 'committed') {
            assert.equal((await bench.store.promote('main', 10))[0]?.id, id)
          } else {
            assert.deepEqual(outcomes, [{ kind: 'mail' }])
            assert.equal((await bench.store.readMail('c1')).length, 1)
          }
          const job = (await bench.store.job(id))?.job
          const owner = job?.state === 'UNCLAIMED' ? await claim(bench.store) : undefined
          const end = owner === undefined ? changeOf(claimed) : changeOf(owner)
          const done = {
            ...end,
            job: { state: 'COMPLETE' },
            mailRead: 1,
            mailTaken: ['wake'],
          } as const
          assert.deepEqual(await bench.store.commit([done]), [{ kind: 'committed' }])
        }
      })
    })

    describe('processes', () => {
      it('live as long as they renew their lease', async (t) => {
        const { store } = await open(t)
        assert.equal(await store.beat(beatOf('c1', 60_000)), true)
        assert.equal(
          await store.beat(beatOf('w1', 60_000, { kind: 'worker', signatures: [{ a: 1 }] })),
          true,
        )
        const [first] = await store.processes({ kind: 'conductor' })
        assert.equal(first?.id, 'c1')
        assert.equal(first.expiresAt, first.seenAt + 60_000)
        assert.deepEqual(first.tasks, ['charge'])
        assert.deepEqual(first.load, { flows: 0 })
        assert.equal(await store.beat(beatOf('c1', 60_000, { load: { flows: 3 } })), true)
        const [again] = await store.processes({ kind: 'conductor', board: 'main' })
        assert.equal(again?.startedAt, first.startedAt)
        assert.ok(again.seenAt >= first.seenAt)
        assert.deepEqual(again.load, { flows: 3 })
        const [worker] = await store.processes({ kind: 'worker' })
        assert.deepEqual(worker?.signatures, [{ a: 1 }])
        assert.equal((await store.processes()).length, 2)
        assert.deepEqual(await store.processes({ board: 'other' }), [])
        await store.endProcess('c1')
        assert.deepEqual(await store.processes({ kind: 'conductor' }), [])
      })

      it('are nothing that a process of another kind can speak for, whatever id it gives itself', async (t) => {
        const { store } = await open(t)
        await store.beat(beatOf('c1', 60_000))
        assert.equal(await store.beat(beatOf('c1', 60_000, { kind: 'worker' })), false)
        await store.endProcess('c1', 'worker')
        assert.deepEqual(
          (await store.processes()).map(({ id, kind }) => [id, kind]),
          [['c1', 'conductor']],
        )
        await store.endProcess('c1', 'conductor')
        assert.deepEqual(await store.processes(), [])
      })

      it('are told when their lease had run out', async (t) => {
        const { store } = await open(t)
        await store.beat(beatOf('c1', 1))
        await eventually(async () => (await store.processes()).length === 0)
        assert.equal(await store.beat(beatOf('c1', 60_000)), false)
        assert.equal(await store.beat(beatOf('c1', 60_000)), true)
      })

      it('lose their jobs when they died, and only then', async (t) => {
        const { store } = await open(t)
        await store.beat(beatOf('alive', 60_000))
        await store.beat(beatOf('dead', 1))
        await post(store)
        await post(store)
        await post(store, { board: 'other' })
        const kept = await claim(store, 'alive')
        const lost = await claim(store, 'dead')
        await claim(store, 'dead', 'other')
        await eventually(async () => (await store.processes()).length === 1)
        const reaped = await store.reap('main', { maxDeaths: 3 })
        assert.deepEqual(reaped, { released: [lost.jobId], trashed: [] })
        assert.equal((await store.job(kept.jobId))?.job.state, 'CLAIMED')
        const job = (await store.job(lost.jobId))?.job
        assert.equal(job?.state, 'UNCLAIMED')
        assert.equal(job.posting, 2)
        assert.equal(job.disorder, true)
        assert.equal(job.claimId, null)
        assert.deepEqual(await store.commit([changeOf(lost)]), [{ kind: 'fenced' }])
        assert.deepEqual(await store.reap('main', { maxDeaths: 3 }), { released: [], trashed: [] })
        assert.equal((await store.reap('other', { maxDeaths: 3 })).released.length, 1)
      })

      it('that die with a job loaded alone count, and the job is trashed in the end', async (t) => {
        const { store } = await open(t)
        const { id } = await post(store)
        const states: unknown[] = []
        for (let life = 1; life <= 3; life += 1) {
          const claimed = await claim(store, `dead ${life}`)
          if (life > 1) assert.equal(await store.beginProbation(claimed), true)
          await store.reap('main', { maxDeaths: 2 })
          const job = (await store.job(id))?.job
          states.push([job?.state, job?.probation, job?.probationDeaths])
        }
        assert.deepEqual(states, [
          ['UNCLAIMED', false, 0],
          ['UNCLAIMED', false, 1],
          ['TRASHED', false, 2],
        ])
        assert.match((await store.job(id))?.job.reason ?? '', /died 2 times/)
        const released = await store.releaseJob(id)
        assert.equal(released?.probationDeaths, 0)
        assert.equal(released.disorder, false)
        assert.equal(released.reason, null)
      })

      it('end their probation with the first commit', async (t) => {
        const { store } = await open(t)
        await post(store)
        await claim(store, 'dead')
        await store.reap('main', { maxDeaths: 1 })
        const claimed = await claim(store, 'c2')
        assert.equal(adoptedJob(claimed).disorder, true)
        assert.equal(await store.beginProbation({ ...claimed, claimId: 'other' }), false)
        assert.equal(await store.beginProbation(claimed), true)
        assert.equal((await store.job(claimed.jobId))?.job.probation, true)
        await store.commit([changeOf(claimed)])
        const job = (await store.job(claimed.jobId))?.job
        assert.equal(job?.probation, false)
        assert.equal(job.disorder, false)
      })

      it('count deaths in a row: an answer that is recorded forgets them, no other commit does', async (t) => {
        const { store } = await open(t)
        const { id } = await post(store)
        const deaths: unknown[] = []
        const look = async () => deaths.push((await store.job(id))?.job.probationDeaths)
        for (let life = 1; life <= 2; life += 1) {
          const claimed = await claim(store, `dead ${life}`)
          assert.equal(await store.beginProbation(claimed), true)
          await store.commit([changeOf(claimed)])
          await look()
          assert.equal(await store.beginProbation(claimed), true)
          await store.reap('main', { maxDeaths: 3 })
          await look()
        }
        const claimed = await claim(store, 'c3')
        assert.equal(await store.beginProbation(claimed), true)
        const call = {
          atom: 'f/a',
          direction: 'execute',
          call: 1,
          attempt: 1,
          outcome: 'failure',
          startedAt: 1,
          endedAt: 2,
          failure: null,
        } as const
        const before = changeOf(claimed)
        await store.commit([{ ...before, calls: [call] }])
        await look()
        assert.deepEqual(deaths, [0, 1, 1, 2, 0])
      })
    })

    describeBrokers(open)
    describePostings(open)
    describeSchedules(open)
    describeReruns(open)

    describe('looking', () => {
      it('filters jobs by all that is known of them', async (t) => {
        const { store } = await open(t)
        const a = await post(store, {
          key: 'ka',
          labels: { tenant: 'x', env: 'prod' },
          input: { sku: 'A1', n: 1, on: true, none: null, text: '1', list: [1, { a: 2 }] },
        })
        const b = await post(store, {
          board: 'other',
          labels: { tenant: 'y' },
          document: documentOf('refund'),
          input: { sku: 'B2', n: 2, on: false, text: 1, list: [] },
        })
        const c = await post(store, { delayMs: 60_000, input: {} })
        const claimed = await claim(store, 'c1')
        await store.commit([changeOf(claimed, { flow: { state: 'RUNNING' } })])
        const found = async (filter: Parameters<Store['findJobs']>[0]) => {
          const names = new Map([
            [a.id, 'a'],
            [b.id, 'b'],
            [c.id, 'c'],
          ])
          const { jobs } = await store.findJobs({ order: 'oldest', ...filter })
          return jobs.map(({ job }) => names.get(job.id)).join('')
        }
        assert.equal(await found({}), 'abc')
        assert.equal(await found({ board: 'other' }), 'b')
        assert.equal(await found({ ids: [c.id, a.id, 'none'] }), 'ac')
        assert.equal(await found({ ids: [] }), '')
        assert.equal(await found({ key: 'ka' }), 'a')
        assert.equal(await found({ states: ['UNCLAIMED', 'PARKED'] }), 'bc')
        assert.equal(await found({ flowStates: ['RUNNING'] }), 'a')
        assert.equal(await found({ flow: 'refund' }), 'b')
        assert.equal(await found({ conductor: 'c1' }), 'a')
        assert.equal(await found({ conductors: ['c0', 'c1'] }), 'a')
        assert.equal(await found({ conductors: [] }), '')
        assert.equal(await found({ labels: { tenant: 'x' } }), 'a')
        assert.equal(await found({ labels: { tenant: 'x', env: 'test' } }), '')
        assert.equal(await found({ input: { sku: 'B2' } }), 'b')
        assert.equal(await found({ input: { n: 1 } }), 'a')
        assert.equal(await found({ input: { on: true } }), 'a')
        assert.equal(await found({ input: { on: false, n: 2 } }), 'b')
        assert.equal(await found({ input: { none: null } }), 'a', 'absent is not null')
        assert.equal(await found({ input: { text: '1' } }), 'a')
        assert.equal(await found({ input: { text: 1 } }), 'b')
        assert.equal(await found({ input: { list: [1, { a: 2 }] } }), 'a')
        assert.equal(await found({ input: { list: [] } }), 'b')
        assert.equal(await found({ input: { list: [1] } }), '')
        assert.equal(await found({ createdAfter: c.createdAt }), '')
        assert.equal(await found({ createdBefore: c.createdAt + 1 }), 'abc')
        assert.equal(await found({ createdBefore: a.createdAt }), '')
        assert.equal(await found({ limit: 2 }), 'ab')
      })

      it('gives pages without gaps or repetitions, in each order', async (t) => {
        const { store } = await open(t)
        const ids: string[] = []
        for (let at = 0; at < 11; at += 1) {
          ids.push((await post(store, { priority: at % 3 })).id)
        }
        for (const order of ['newest', 'oldest', 'claim'] as const) {
          const paged: string[] = []
          let after: string | undefined
          do {
            const page = await store.findJobs({ order, limit: 4, after })
            paged.push(...page.jobs.map(({ job }) => job.id))
            after = page.next ?? undefined
          } while (after !== undefined)
          const whole = (await store.findJobs({ order })).jobs.map(({ job }) => job.id)
          assert.deepEqual(paged, whole)
          assert.equal(new Set(paged).size, 11)
          if (order !== 'claim') {
            assert.deepEqual(order === 'newest' ? paged.toReversed() : paged, ids)
          }
        }
      })

      it('refuses a forged page', async (t) => {
        const { store } = await open(t)
        await post(store)
        for (const after of ['', 'x', Buffer.from('[1,2]').toString('base64url'), '💥']) {
          await assert.rejects(store.findJobs({ after }), InvalidInputError)
        }
      })

      it('gives the history in pages, oldest first', async (t) => {
        const { store } = await open(t)
        await post(store)
        const claimed = await claim(store)
        const history = Array.from({ length: 25 }, (_, at) => historyOf(at + 1))
        await store.commit([changeOf(claimed, { historySeq: 25, history })])
        const seqs = async (options: Parameters<Store['history']>[1]) => {
          return (await store.history(claimed.jobId, options)).map(({ seq }) => seq)
        }
        assert.deepEqual(await seqs({ limit: 3 }), [1, 2, 3])
        assert.deepEqual(await seqs({ after: 3, limit: 2 }), [4, 5])
        assert.deepEqual(await seqs({ after: 24 }), [25])
        assert.deepEqual(await seqs({ after: 25 }), [])
        assert.equal((await seqs({})).length, 25)
        assert.deepEqual(await store.history('unknown', {}), [])
      })

      it('numbers the versions of a flow by its content', async (t) => {
        const { store } = await open(t)
        const one = await store.registerFlow('f', { n: 1 }, 'h1')
        assert.equal(one.version, 1)
        assert.deepEqual(await store.registerFlow('f', { n: 1 }, 'h1'), one)
        const two = await store.registerFlow('f', { n: 2 }, 'h2')
        assert.equal(two.version, 2)
        const back = await store.registerFlow('f', { n: 1 }, 'h1')
        assert.equal(
          back.version,
          3,
          'going back is a new version, else the latest were not in force',
        )
        await store.registerFlow('a', { n: 1 }, 'h1')
        assert.deepEqual(await store.findFlow('f'), back)
        assert.deepEqual(await store.findFlow('f', 2), two)
        assert.equal(await store.findFlow('f', 9), null)
        assert.equal(await store.findFlow('g'), null)
        assert.deepEqual(await store.document('h2'), { n: 2 })
        const all = await store.listFlows()
        assert.deepEqual(
          all.map(({ name: flow, version }) => [flow, version]),
          [
            ['a', 1],
            ['f', 1],
            ['f', 2],
            ['f', 3],
          ],
        )
        assert.equal((await store.listFlows('f')).length, 3)
      })

      it('registers one version for many who register the same at once', async (t) => {
        const bench = await open(t)
        const stores = [bench.store, await bench.another()]
        const versions = await Promise.all(
          Array.from({ length: 10 }, (_, at) =>
            (stores[at % 2] ?? bench.store).registerFlow('f', { n: 1 }, 'h1'),
          ),
        )
        assert.deepEqual(new Set(versions.map(({ version }) => version)), new Set([1]))
      })
    })

    describe('operators', () => {
      it('release jobs that are trashed or suspended, and no other', async (t) => {
        const { store } = await open(t)
        const waiting = await post(store)
        assert.equal(await store.releaseJob(waiting.id), null)
        assert.equal(await store.releaseJob('unknown'), null)
        const claimed = await claim(store)
        assert.equal(await store.releaseJob(waiting.id), null)
        await store.commit([
          changeOf(claimed, { job: { state: 'PARKED', parkedFor: 'retry' }, mailRead: 0 }),
        ])
        assert.equal(await store.releaseJob(waiting.id), null)
      })

      it('run a job again from its start, as a new run with its own rows', async (t) => {
        const { store } = await open(t)
        const job = await post(store, { input: { n: 1 } })
        assert.equal(await store.rerun(job.id, { flowId: uuidV7() }), null, 'it has not ended')
        const claimed = await claim(store)
        await store.commit([
          changeOf(claimed, {
            historySeq: 1,
            atoms: [atomOf('f/a')],
            results: [resultOf('f/a', 1)],
            history: [historyOf(1)],
            flow: {
              state: 'REVERTED',
              started: true,
              ended: true,
              failures: [{ atom: 'a', ...failure }],
            },
            job: { state: 'COMPLETE' },
            mailRead: 0,
          }),
        ])
        const flowId = uuidV7()
        const again = await store.rerun(job.id, { flowId, input: { n: 2 } })
        assert.equal(again?.state, 'UNCLAIMED')
        assert.equal(again.posting, 2)
        assert.equal(again.flowId, flowId)
        assert.equal(again.endedAt, null)
        assert.equal(again.historySeq, 1)
        const next = await claim(store)
        assert.equal(next.epoch, 2)
        const [flow] = await store.load([job.id])
        assert.equal(flow?.detail.run, 2)
        assert.equal(flow.detail.state, 'PENDING')
        assert.deepEqual(flow.detail.input, { n: 2 })
        assert.deepEqual(flow.detail.failures, [])
        assert.equal(flow.detail.startedAt, null)
        assert.deepEqual(flow.atoms, [])
        await store.commit([changeOf(next, { historySeq: 2, history: [historyOf(2)] })])
        assert.equal((await store.history(job.id, {})).length, 2)
        const ref = { atom: 'f/a', direction: 'execute', call: 1 } as const
        assert.deepEqual(await store.results(flowId, [ref]), [undefined])
        assert.equal(await store.rerun('unknown', { flowId: uuidV7() }), null)
      })

      it('prune what ended long ago, with all its rows', async (t) => {
        const { store } = await open(t)
        const old = await post(store, { key: 'old', document: documentOf('old') })
        const live = await post(store, { document: documentOf('live'), source: { flow: 'live' } })
        const other = await post(store, { board: 'other', document: documentOf('old') })
        for (const [board, state] of [
          ['main', 'COMPLETE'],
          ['other', 'COMPLETE'],
        ] as const) {
          const claimed = await claim(store, 'c1', board)
          await store.commit([
            changeOf(claimed, {
              historySeq: 1,
              job: { state },
              mailRead: 0,
              atoms: [atomOf('f/a')],
              scopes: [
                {
                  path: 'f',
                  state: 'ENTERED',
                  intention: 'EXECUTE',
                  dueAt: null,
                  ignored: null,
                  failure: null,
                },
              ],
              calls: [callOf('f/a')],
              results: [resultOf('f/a', 1)],
              history: [historyOf(1)],
            }),
          ])
        }
        assert.equal((await store.prune({ olderThanMs: 60_000 })).jobs, 0)
        await eventually(async () => (await store.now()) > live.createdAt + 20)
        const report = await store.prune({ olderThanMs: 1, board: 'main', dryRun: true })
        assert.equal(report.jobs, 1)
        assert.ok(await store.job(old.id))
        assert.equal((await store.prune({ olderThanMs: 1, board: 'main' })).jobs, 1)
        assert.equal(await store.job(old.id), null)
        assert.equal(await store.job('old'), null)
        assert.deepEqual(await store.load([old.id]), [])
        assert.deepEqual(await store.atoms(old.flowId), [])
        assert.deepEqual(await store.calls(old.flowId), [])
        assert.deepEqual(await store.history(old.id, {}), [])
        const ref = { atom: 'f/a', direction: 'execute', call: 1 } as const
        assert.deepEqual(await store.results(old.flowId, [ref]), [undefined])
        assert.ok(await store.job(live.id))
        assert.ok(await store.job(other.id))
        assert.ok(await store.document((await store.job(other.id))?.detail.document ?? ''))
        assert.equal((await store.prune({ olderThanMs: 1 })).jobs, 1)
        assert.ok(await store.document((await store.job(live.id))?.detail.document ?? ''))
        assert.equal((await store.post(postOf({ key: 'old', input: { other: 1 } }))).created, true)
      })
    })

    it('hints at what may be of interest now', async (t) => {
      const { store } = await open(t)
      const hints: StoreHint[] = []
      const end = store.onHint((hint) => hints.push(hint))
      const endOther = store.onHint(() => {
        throw new Error('a listener that fails harms nobody')
      })
      const { id } = await post(store)
      assert.deepEqual(hints.splice(0), [{ kind: 'claimable', board: 'main' }])
      const claimed = await claim(store)
      await store.mail(id, { key: 'a', kind: 'signal', body: 1 })
      assert.deepEqual(hints.splice(0), [{ kind: 'mail', jobId: id }])
      await store.commit([changeOf(claimed, { historySeq: 1, history: [historyOf(1)] })])
      assert.deepEqual(hints.splice(0), [{ kind: 'history', jobId: id }])
      await store.release([claimed])
      assert.deepEqual(hints.splice(0), [{ kind: 'claimable', board: 'main' }])
      end()
      endOther()
      await post(store)
      assert.deepEqual(hints, [])
    })

    it('may be stopped twice', async (t) => {
      const { store } = await open(t)
      await store.stop()
      await store.stop()
    })
  })
}

function key(claimed: Claim): string {
  return `${claimed.jobId} ${claimed.claimId} ${claimed.epoch}`
}

function sorted<T extends { readonly path: string }>(rows: readonly T[]): readonly T[] {
  return rows.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

async function atomsOf(store: Store, claimed: Claim) {
  const [flow] = await store.load([claimed.jobId])
  return sorted(flow?.atoms ?? [])
}
