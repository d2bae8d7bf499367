/** A claim whose reply was lost keeps no job from its end, though its conductor lives. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnavailableError } from '../../src/base/errors.ts'
import { uuidV7 } from '../../src/base/ids.ts'
import { linear, task } from '../support/flows.ts'
import { behind, freshStore, STORES } from '../support/stores.ts'
import { conductorOf, ended, postFlow } from './fixtures.ts'

const alive = {
  kind: 'conductor',
  host: 'here',
  pid: process.pid,
  board: 'main',
  topics: [],
  tasks: [],
  load: {},
  leaseMs: 2000,
} as const

for (const name of STORES) {
  test(`${name}: a job that its conductor claimed without knowing of it is given back and runs`, async (t) => {
    const store = await freshStore(t, name)
    if (store === null) return
    // Nobody else gives it back, though the lease may run out when this process stands still.
    const noReaper = behind(store, (method) => {
      if (method === 'reap') throw new UnavailableError('the store')
    })
    const { conductor, logs } = conductorOf(t, noReaper, { leaseMs: 300 })
    const job = await postFlow(store, linear('f', [task('a', { task: 'p' })]))
    await store.beat({ ...alive, id: conductor.id, name: conductor.name })
    // The claim reaches the store, its reply nobody.
    const claims = await store.claimJobs({
      board: 'main',
      conductor: conductor.id,
      claimIds: [uuidV7()],
    })
    assert.equal(claims.length, 1)
    await conductor.start()
    const { job: after } = await ended(store, job.id, { withinMs: 30_000 })
    assert.equal(after.state, 'COMPLETE')
    assert.ok(logs.some(({ message }) => message.includes('not in flight')))
  })
}
