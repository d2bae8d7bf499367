/** What every store does with a run that begins where a former one failed: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { uuidV7 } from '../../src/base/ids.ts'
import type { ScopeRecord } from '../../src/machine/records.ts'
import type { CarriedRun, Store } from '../../persistence/store.ts'
import { atomOf, callOf, changeOf, claim, historyOf, post, resultOf } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

const root: ScopeRecord = {
  path: 'f',
  state: 'REVERTED',
  intention: 'REVERT',
  dueAt: null,
  ignored: null,
  failure: null,
}

/** A job that ended REVERTED after two calls of `f/a` and one of `f/b`. */
async function failedJob(
  store: Store,
): Promise<{ readonly id: string; readonly kept: CarriedRun }> {
  const job = await post(store, { input: { n: 1 } })
  const claimed = await claim(store)
  const done = { state: 'SUCCESS', outcome: 'success', executeCalls: 2, attempt: 2 } as const
  await store.commit([
    changeOf(claimed, {
      historySeq: 1,
      atoms: [atomOf('f/a', done), atomOf('f/b', { state: 'FAILURE', executeCalls: 1 })],
      scopes: [root],
      calls: [callOf('f/a', 1, { outcome: 'failure' }), callOf('f/a', 2), callOf('f/b')],
      results: [
        resultOf('f/a', { old: 1 }, 1),
        resultOf('f/a', { a: [1, 'x'] }, 2),
        resultOf('f/b', 2),
      ],
      history: [historyOf(1)],
      flow: { state: 'REVERTED', started: true, ended: true },
      job: { state: 'COMPLETE' },
      mailRead: 0,
    }),
  ])
  const found = await store.job(job.id)
  const kept: CarriedRun = {
    flowId: job.flowId,
    revision: found?.job.revision ?? -1,
    atoms: [atomOf('f/a', done)],
    scopes: [{ ...root, state: 'ENTERED', intention: 'EXECUTE' }],
  }
  return { id: job.id, kept }
}

export function describeReruns(open: OpenBench): void {
  describe('running again from a failure', () => {
    it('gives the new run the rows that are kept, with their calls and the results that stand', async (t) => {
      const { store } = await open(t)
      const { id, kept } = await failedJob(store)
      const flowId = uuidV7()
      const again = await store.rerun(id, { flowId, input: { n: 2 }, carried: kept })
      assert.equal(again?.state, 'UNCLAIMED')
      assert.equal(again.posting, 2)
      const next = await claim(store)
      const [flow] = await store.load([id])
      assert.equal(flow?.detail.state, 'RESUMING')
      assert.equal(flow.detail.run, 2)
      assert.deepEqual(flow.detail.input, { n: 2 })
      assert.deepEqual(flow.atoms, kept.atoms)
      assert.deepEqual(flow.scopes, kept.scopes)
      const calls = await store.calls(flowId)
      assert.deepEqual(
        calls.map(({ atom, call }) => [atom, call]),
        [
          ['f/a', 1],
          ['f/a', 2],
        ],
      )
      const ref = { atom: 'f/a', direction: 'execute' } as const
      assert.deepEqual(
        await store.results(flowId, [
          { ...ref, call: 2 },
          { ...ref, call: 1 },
        ]),
        [{ a: [1, 'x'] }, undefined],
      )
      assert.deepEqual(await store.results(flowId, [{ ...ref, atom: 'f/b', call: 1 }]), [undefined])
      // Its owner goes on with the numbers of its calls.
      const more = changeOf(next, { calls: [callOf('f/a', 3)], results: [resultOf('f/a', 3, 3)] })
      assert.deepEqual(await store.commit([more]), [{ kind: 'committed' }])
      assert.equal((await store.calls(kept.flowId)).length, 3, 'the run before keeps its own')
    })

    it('is the same wish when its answer was lost, and happens once of many at a time', async (t) => {
      const bench = await open(t)
      const { id, kept } = await failedJob(bench.store)
      const other = await failedJob(bench.store)
      const flowId = uuidV7()
      const first = await bench.store.rerun(id, { flowId, carried: kept })
      assert.deepEqual(await bench.store.rerun(id, { flowId, carried: kept }), first)
      const stores = [bench.store, await bench.another()]
      const wishes = Array.from({ length: 6 }, (_, at) =>
        (stores[at % 2] ?? bench.store).rerun(other.id, { flowId: uuidV7(), carried: other.kept }),
      )
      const answers = await Promise.all(wishes)
      assert.equal(answers.filter((one) => one !== null).length, 1)
      assert.equal((await bench.store.job(other.id))?.detail.run, 2)
    })

    it('does nothing when the job is not as it was decided on', async (t) => {
      const { store } = await open(t)
      const { id, kept } = await failedJob(store)
      const rerun = (over: Partial<CarriedRun>) =>
        store.rerun(id, { flowId: uuidV7(), carried: { ...kept, ...over } })
      assert.equal(await rerun({ revision: kept.revision - 1 }), null)
      assert.equal(await rerun({ flowId: uuidV7() }), null)
      assert.equal((await store.job(id))?.job.state, 'COMPLETE')
      assert.equal((await store.job(id))?.detail.run, 1)
    })

    it('carries flows of thousands of atoms', async (t) => {
      const { store } = await open(t)
      const { id, kept } = await failedJob(store)
      const atoms = Array.from({ length: 4_500 }, (_, at) =>
        atomOf(`f/t${at}`, { state: 'SUCCESS' }),
      )
      const flowId = uuidV7()
      assert.ok(await store.rerun(id, { flowId, carried: { ...kept, atoms } }))
      assert.equal((await store.atoms(flowId)).length, 4_500)
    })
  })
}
