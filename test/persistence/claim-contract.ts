/** What every store does with claims, its own and those of another board: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { uuidV7 } from '../../src/base/ids.ts'
import type { Claim } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { adoptedJob, claim, post } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

export function describeClaims(open: OpenBench): void {
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
      assert.equal((await store.adopt([claimOn(id, { claimId: 'b' })])).length, 0, 'rebuilt board')
      const [second] = await store.adopt([claimOn(id, { claimId: 'b', epoch: 4, conductor: 'c2' })])
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
}

function key(claimed: Claim): string {
  return `${claimed.jobId} ${claimed.claimId} ${claimed.epoch}`
}
