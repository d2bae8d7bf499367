/** What every store does with mail: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { adoptedJob, atomOf, changeOf, claim, post } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

export function describeMail(open: OpenBench): void {
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
}
