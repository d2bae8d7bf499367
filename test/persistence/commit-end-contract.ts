/** What every store does with commits that end a flow or its claim, and with those that it cannot write: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError } from '../../src/base/errors.ts'
import type { Claim } from '../../persistence/store.ts'
import { atomOf, changeOf, claim, failure, historyOf, post } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

export function describeCommitEnds(open: OpenBench): void {
  describe('committing the end', () => {
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
  })
}
