import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnavailableError } from '../../src/base/errors.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { post } from '../persistence/fixtures.ts'
import { freshStore, STORES } from '../support/stores.ts'
import { describeJobBoard } from './board-contract.ts'
import { sqlPlace } from './sql-place.ts'

for (const kind of STORES) {
  describeJobBoard(`sql board, ${kind}`, async (t) => {
    const store = await freshStore(t, kind)
    return store === null ? null : sqlPlace(t, store)
  })
}

test('a claim whose answer was lost is found again, so that no job is owned by who does not know it', async () => {
  const store = new MemoryStore()
  const job = await post(store)
  let asked = 0
  const claimJobs: Store['claimJobs'] = async (request) => {
    const claims = await store.claimJobs(request)
    if (++asked === 1) throw new UnavailableError('postgres://db', { reason: 'reply lost' })
    return claims
  }
  const board = new SqlBoard<Claim>({
    store: {
      claimJobs,
      release: (claims) => store.release(claims),
      posted: (ids) => store.posted(ids),
      job: (id) => store.job(id),
      findJobs: (filter) => store.findJobs(filter),
      onHint: (listener) => store.onHint(listener),
    },
  })
  await board.start()
  await assert.rejects(board.claim('c1', 2), { code: 'Unavailable' })
  const [claim, ...others] = await board.claim('c1', 1)
  assert.equal(claim?.jobId, job.id)
  assert.equal(claim?.epoch, 1)
  assert.deepEqual(others, [])
})
