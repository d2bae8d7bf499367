/**
 * What every store does, whatever is behind it: one suite, run for each adapter. New meaning of the contract starts here, in the file of
 * its part.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { StoreHint } from '../../persistence/store.ts'
import { describeBrokers } from './broker-contract.ts'
import { describeClaims } from './claim-contract.ts'
import { describeCommits } from './commit-contract.ts'
import { describeCommitEnds } from './commit-end-contract.ts'
import { changeOf, claim, historyOf, post } from './fixtures.ts'
import { describeMail } from './mail-contract.ts'
import { describeOperators } from './operator-contract.ts'
import { describePosts } from './post-contract.ts'
import { describePostings } from './postings-contract.ts'
import { describeProcesses } from './process-contract.ts'
import { describeReruns } from './rerun-contract.ts'
import { describeSchedules } from './schedule-contract.ts'
import { describeSearch } from './search-contract.ts'
import type { OpenBench } from './store-bench.ts'
import { describeValues } from './value-contract.ts'

export function describeStore(
  name: string,
  open: OpenBench,
  options: { readonly skip?: string | undefined } = {},
): void {
  const { skip } = options
  describe(`the store ${name}`, { skip: skip ?? false }, () => {
    describePosts(open)
    describePostings(open)
    describeClaims(open)
    describeCommits(open)
    describeCommitEnds(open)
    describeValues(open)
    describeMail(open)
    describeBrokers(open)
    describeProcesses(open)
    describeSearch(open)
    describeOperators(open)
    describeReruns(open)
    describeSchedules(open)

    it('hints at what may be of interest now', async (t) => {
      const { store } = await open(t)
      const hints: StoreHint[] = []
      const end = store.onHint((hint) => hints.push(hint))
      const endOther = store.onHint(() => {
        throw new Error('a listener that fails harms nobody')
      })
      const { id } = await post(store)
      assert.deepEqual(hints.splice(0), [{ kind: 'claimable', board: 'main' }])
      const claimed = await claim(store)
      await store.mail(id, { key: 'a', kind: 'signal', body: 1 })
      assert.deepEqual(hints.splice(0), [{ kind: 'mail', jobId: id }])
      await store.commit([changeOf(claimed, { historySeq: 1, history: [historyOf(1)] })])
      assert.deepEqual(hints.splice(0), [{ kind: 'history', jobId: id }])
      await store.release([claimed])
      assert.deepEqual(hints.splice(0), [{ kind: 'claimable', board: 'main' }])
      end()
      endOther()
      await post(store)
      assert.deepEqual(hints, [])
    })

    it('may be stopped twice', async (t) => {
      const { store } = await open(t)
      await store.stop()
      await store.stop()
    })
  })
}
