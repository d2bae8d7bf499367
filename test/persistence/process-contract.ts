/** What every store does with conductors and workers, living and dead: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { adoptedJob, beatOf, changeOf, claim, post } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

export function describeProcesses(open: OpenBench): void {
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
}
