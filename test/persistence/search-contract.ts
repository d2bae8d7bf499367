/** What every store does for those who look at jobs, flows and history: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InvalidInputError } from '../../src/base/errors.ts'
import type { Store } from '../../persistence/store.ts'
import { changeOf, claim, documentOf, historyOf, post } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

export function describeSearch(open: OpenBench): void {
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
}
