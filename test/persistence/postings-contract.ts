/** Jobs whose board is outside the store: what every store does for them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { uuidV7 } from '../../src/base/ids.ts'
import type { Claim, JobRecord, Store } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { changeOf, claim, post } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

/** Posts a job whose board is outside the store, later than those before it. */
function postOutside(
  store: Store,
  {
    tenant,
    priority,
    delayMs,
  }: { readonly tenant?: string; readonly priority?: number; readonly delayMs?: number } = {},
): Promise<JobRecord> {
  const labels: { readonly [name: string]: string } = tenant === undefined ? {} : { tenant }
  return post(store, { state: 'POSTING', priority, labels, delayMs })
}

async function adopt(store: Store, job: JobRecord, conductor = 'c1'): Promise<Claim> {
  const { id: jobId, posting, epoch } = job
  const [claimed] = await store.adopt([
    { jobId, posting, epoch: epoch + 1, claimId: uuidV7(), conductor },
  ])
  assert.ok(claimed)
  return claimed
}

async function stateOf(store: Store, jobId: string): Promise<string> {
  const job = (await store.job(jobId))?.job
  return `${job?.state} ${job?.posting}`
}

export function describePostings(open: OpenBench): void {
  describe('postings of boards outside the store', () => {
    it('go by priority, then by tenant in turn, then by age, and go on behind the last turn', async (t) => {
      const { store } = await open(t)
      const names = new Map<string, string>()
      const add = async (name: string, tenant: string | undefined, priority = 0): Promise<void> => {
        const job = await postOutside(store, {
          priority,
          ...(tenant === undefined ? {} : { tenant }),
        })
        names.set(job.id, name)
      }
      for (const name of ['a1', 'a2', 'a3']) await add(name, 'a')
      for (const name of ['c1', 'c2']) await add(name, 'c')
      await add('b1', 'b')
      await add('-', undefined)
      await add('high', 'a', 5)
      await add('low', 'z', -5)
      await post(store, { state: 'POSTING', board: 'other', priority: 100 })
      await post(store, { priority: 100 })
      const next = async (options: { limit: number; turn?: string }): Promise<string> => {
        const jobs = await store.nextPostings('main', options)
        return jobs.map((job) => names.get(job.id)).join(' ')
      }
      const show = async (): Promise<void> => {
        const jobs = await store.nextPostings('main', { limit: 100 })
        await store.posted(jobs.map(({ id: jobId, posting }) => ({ jobId, posting })))
      }
      assert.equal(await next({ limit: 10 }), 'high')
      await show()
      assert.equal(await next({ limit: 10 }), '- a1 b1 c1 a2 c2 a3')
      assert.equal(await next({ limit: 5, turn: 'a' }), 'b1 c1 - a1 c2')
      assert.equal(await next({ limit: 2, turn: 'b' }), 'c1 -')
      assert.equal(await next({ limit: 2, turn: 'zz' }), '- a1')
      await show()
      assert.equal(await next({ limit: 10 }), 'low')
      await show()
      assert.equal(await next({ limit: 10 }), '')
      assert.equal((await store.nextPostings('nobody', { limit: 1 })).length, 0)
      await assert.rejects(store.nextPostings('main', { limit: 0 }), { name: 'InvalidInputError' })
    })

    it('are left alone while their posters may be showing them, and not when they are made claimable again', async (t) => {
      const { store } = await open(t)
      const job = await postOutside(store)
      const restMs = 60_000
      assert.deepEqual(await store.nextPostings('main', { limit: 9, restMs }), [])
      assert.equal((await store.nextPostings('main', { limit: 9 })).length, 1)
      const delayed = await postOutside(store, { delayMs: 1 })
      await eventually(async () => (await store.promote('main', 10)).length === 1)
      const found = await store.nextPostings('main', { limit: 9, restMs })
      assert.deepEqual(
        found.map(({ id }) => id),
        [delayed.id],
      )
      const all = await store.nextPostings('main', { limit: 9, restMs: 0 })
      assert.deepEqual(new Set(all.map(({ id }) => id)), new Set([job.id, delayed.id]))
    })

    it('change state for that posting alone, one way and back', async (t) => {
      const { store } = await open(t)
      const job = await postOutside(store)
      const ref = { jobId: job.id, posting: 1 }
      assert.deepEqual(await store.unclaimed('main', 10), [])
      await store.unposted([ref])
      await store.posted([{ ...ref, posting: 2 }])
      assert.equal(await stateOf(store, job.id), 'POSTING 1')
      await store.posted([ref])
      assert.deepEqual(await store.unclaimed('main', 10), [ref])
      assert.deepEqual(await store.nextPostings('main', { limit: 9 }), [])
      await store.unposted([{ ...ref, posting: 2 }])
      assert.equal(await stateOf(store, job.id), 'UNCLAIMED 1')
      await store.unposted([ref, { jobId: 'unknown', posting: 1 }])
      assert.equal(await stateOf(store, job.id), 'POSTING 1')
      assert.equal((await store.nextPostings('main', { limit: 9 })).length, 1)
      await store.posted([ref])
      await adopt(store, job)
      await store.unposted([ref])
      assert.equal(await stateOf(store, job.id), 'CLAIMED 1')
    })

    it('are POSTING again whenever their job becomes claimable, so that no board has to be trusted', async (t) => {
      const { store } = await open(t)
      const given = await postOutside(store)
      await store.release([await adopt(store, given)])
      assert.equal(await stateOf(store, given.id), 'POSTING 2')
      const handed = await postOutside(store)
      const claimed = await adopt(store, handed)
      await store.commit([changeOf(claimed, { job: { state: 'UNCLAIMED' } })])
      assert.equal(await stateOf(store, handed.id), 'POSTING 2')
      const delayed = await post(store, { state: 'POSTING', delayMs: 0 })
      const promoted = await store.promote('main', 10)
      assert.deepEqual(
        promoted.map(({ id, state }) => [id, state]),
        [[delayed.id, 'POSTING']],
      )
      const orphan = await postOutside(store)
      await adopt(store, orphan, 'gone')
      const { released } = await store.reap('main', { maxDeaths: 3 })
      assert.deepEqual(released, [orphan.id])
      assert.equal(await stateOf(store, orphan.id), 'POSTING 2')
      const trashed = await postOutside(store)
      const owned = await adopt(store, trashed)
      await store.commit([changeOf(owned, { mailRead: 0, job: { state: 'TRASHED', reason: 'x' } })])
      assert.equal((await store.releaseJob(trashed.id))?.state, 'POSTING')
      assert.equal(await stateOf(store, trashed.id), 'POSTING 2')
    })

    it('of a job whose row was its posting are POSTING once a board was found that does not show it', async (t) => {
      const { store } = await open(t)
      const job = await post(store)
      await store.unposted([{ jobId: job.id, posting: 1 }])
      await store.release([await adopt(store, job)])
      assert.equal(await stateOf(store, job.id), 'POSTING 2')
      await store.posted([{ jobId: job.id, posting: 2 }])
      assert.equal((await claim(store)).jobId, job.id)
    })

    it('are listed in the order of claiming, so many as were asked for', async (t) => {
      const { store } = await open(t)
      const jobs = []
      for (const priority of [0, 5, 0]) jobs.push(await post(store, { priority }))
      const [low, high, last] = jobs.map((job) => ({ jobId: job.id, posting: 1 }))
      assert.deepEqual(await store.unclaimed('main', 10), [high, low, last])
      assert.deepEqual(await store.unclaimed('main', 2), [high, low])
      assert.deepEqual(await store.unclaimed('main', 10), [high, low, last])
    })
  })
}
