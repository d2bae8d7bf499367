/** What every store does with commits, under the fence and not: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Claim } from '../../persistence/store.ts'
import {
  atomOf,
  atomsOf,
  callOf,
  changeOf,
  claim,
  failure,
  historyOf,
  post,
  resultOf,
  sorted,
} from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

export function describeCommits(open: OpenBench): void {
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
  })
}
