/** What every store does for operators: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { uuidV7 } from '../../src/base/ids.ts'
import { eventually } from '../support/eventually.ts'
import {
  atomOf,
  callOf,
  changeOf,
  claim,
  documentOf,
  failure,
  historyOf,
  post,
  postOf,
  resultOf,
} from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

export function describeOperators(open: OpenBench): void {
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
}
