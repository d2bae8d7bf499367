import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStore } from '../../persistence/memory.ts'
import { MemoryBoard } from '../../jobboard/memory.ts'
import { linear, task } from '../support/flows.ts'
import { leakCheck } from '../support/leak-check.ts'
import { ended, postFlow, startConductor } from './fixtures.ts'

test('TF-220: a flow that succeeds is taken off the board, COMPLETE', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const job = await postFlow(store, linear('f', [task('a', { task: 'p' })]))
  const { jobs } = await startConductor(t, store)
  const { job: after, detail } = await ended(store, job.id)
  assert.equal(after.state, 'COMPLETE')
  assert.equal(detail.state, 'SUCCESS')
  assert.deepEqual(
    jobs.map((event) => event.kind),
    ['claimed', 'completed'],
  )
})

test('outside board', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  const board = new MemoryBoard()
  await board.start()
  const job = await postFlow(store, linear('f', [task('a', { task: 'p' })]), { board })
  const { jobs } = await startConductor(t, store, { board })
  const { job: after, detail } = await ended(store, job.id)
  assert.equal(after.state, 'COMPLETE')
  assert.equal(detail.state, 'SUCCESS')
  assert.deepEqual(
    jobs.map((event) => event.kind),
    ['claimed', 'completed'],
  )
})
