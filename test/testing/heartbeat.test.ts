/** `heartbeat` of `task()`, from the definition to the failure. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { flow, task } from '../../src/index.ts'
import { testFlow } from '../../src/testing/index.ts'

test('a task that gives no heartbeat for as long as it promised is TimedOut, and the flow reverted', async () => {
  const silent = task('silent', {
    heartbeat: '5s',
    execute: (_args, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('asked to end')))
      }),
  })
  const run = testFlow(flow('f', {}, [silent]), {})
  const outcome = await run.outcome()
  assert.equal(outcome.state, 'REVERTED')
  assert.deepEqual(
    outcome.failures.map(({ code, message }) => ({ code, message })),
    [{ code: 'TimedOut', message: 'no heartbeat for 5s' }],
  )
  assert.equal(run.elapsedMs, 5_000)
})

test('a task whose heartbeats come in time runs as long as it likes', async () => {
  const hands: { beat?: () => void; end?: () => void } = {}
  const lively = task('lively', {
    heartbeat: '5s',
    execute: (_args, { heartbeat }) =>
      new Promise<void>((resolve) => {
        Object.assign(hands, { beat: heartbeat, end: resolve })
      }),
  })
  const run = testFlow(flow('f', {}, [lively]), {}, { time: 'manual' })
  for (let beats = 0; beats < 5; beats++) {
    await run.advance('4s')
    hands.beat?.()
  }
  assert.equal(await run.state('f/lively'), 'RUNNING')
  hands.end?.()
  assert.equal((await run.outcome()).state, 'SUCCESS')
  assert.equal(run.elapsedMs, 20_000)
})
