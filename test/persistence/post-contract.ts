/** What every store does with posts: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConflictError } from '../../src/base/errors.ts'
import { eventually } from '../support/eventually.ts'
import { claim, post, postOf } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

export function describePosts(open: OpenBench): void {
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
}
