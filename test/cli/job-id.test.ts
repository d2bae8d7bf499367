import assert from 'node:assert/strict'
import test from 'node:test'
import { NotFoundError, UsageError } from '../../src/base/errors.ts'
import { findJob } from '../../src/cli/job-id.ts'
import { connect } from '../../src/client/connect.ts'
import { linear } from '../../src/flow/composition.ts'
import { task } from '../../src/flow/task.ts'
import { MemoryStore } from '../../persistence/memory.ts'

test('a job is meant by its id, its beginning, or its key; a beginning that several share is refused', async () => {
  const store = new MemoryStore()
  await using zag = await connect({ persistence: store, environment: {} })
  const flow = linear('flow', [task('one', { execute() {} })])
  const plain = await zag.post(flow, {})
  const keyed = await zag.post(flow, {}, { key: 'order 17' })
  const find = async (wanted: string) => (await findJob(store, wanted, 'main')).job.id
  assert.equal(await find(plain.id), plain.id)
  assert.equal(await find(plain.id.slice(0, 18)), plain.id)
  assert.equal(await find(plain.id.slice(0, 20).toUpperCase()), plain.id)
  assert.equal(await find('order 17'), keyed.id)
  assert.equal(await find(keyed.id.slice(0, 13)), keyed.id, 'an id that says no time')
  await zag.post(flow, {})
  await assert.rejects(find(plain.id.slice(0, 6)), UsageError)
  await assert.rejects(find('ffffffff-ffff'), NotFoundError)
  await assert.rejects(find('no such key'), NotFoundError)
})
