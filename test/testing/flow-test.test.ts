import assert from 'node:assert/strict'
import test from 'node:test'
import { z } from 'zod'
import { TaskError, UsageError } from '../../src/base/errors.ts'
import { flow } from '../../src/flow/flow.ts'
import { unordered } from '../../src/flow/composition.ts'
import { task } from '../../src/flow/task.ts'
import { from } from '../../src/flow/template-of.ts'
import { crashEverywhere, failing, hanging, testFlow } from '../../src/testing/index.ts'
import { leakCheck } from '../support/leak-check.ts'

const real = (): never => {
  throw new Error('a test must not call this')
}
const reserve = task('inventory.reserve', {
  requires: { sku: z.string() },
  provides: { reservation: z.string() },
  execute: real,
  revert: real,
})
const charge = task('payment.charge', {
  requires: { reservation: z.string() },
  provides: { receipt: z.string() },
  timeout: '30s',
  retry: { attempts: 3, delay: '10m' },
  execute: () => ({ receipt: 'r1' }),
  revert: () => {},
})
const ship = task('shipping.ship', {
  requires: { receipt: z.string() },
  provides: { tracking: z.string() },
  execute: async () => ({ tracking: 't1' }),
})
const checkout = flow(
  'checkout',
  { input: { sku: z.string() }, output: { tracking: from('tracking') } },
  [reserve, charge, ship],
)
const input = { sku: 'A1' }
const replace = {
  'inventory.reserve': {
    execute: ({ sku }: { sku: string }) => ({ reservation: `for ${sku}` }),
    revert: () => {},
  },
}

test('tasks are replaced by name, and the others run as they are', async (t) => {
  leakCheck(t)
  const run = testFlow(checkout, input, { replace })
  const outcome = await run.outcome()
  assert.equal(outcome.state, 'SUCCESS')
  assert.deepEqual(outcome.output, { tracking: 't1' })
  assert.deepEqual(run.executed, [
    'checkout/inventory.reserve',
    'checkout/payment.charge',
    'checkout/shipping.ship',
  ])
  assert.deepEqual(run.calls[1]?.args, { reservation: 'for A1' })
  assert.equal(run.events.at(-1)?.state, 'SUCCESS')
})

test('what a replacement gives is checked like the real one, for a wrong fake hides faults', async () => {
  const outcome = await testFlow(checkout, input, {
    replace: { 'inventory.reserve': { execute: () => ({ reservatoin: 'x' }), revert: () => {} } },
  }).outcome()
  assert.ok(outcome.state !== 'SUCCESS')
  assert.equal(outcome.failures[0]?.code, 'InvalidResult')
})

test('a failure that is injected some times is healed by the attempts, and hours pass at once', async (t) => {
  leakCheck(t)
  const began = performance.now()
  const run = testFlow(checkout, input, {
    replace,
    inject: [failing('payment.charge', { times: 2, error: 'no answer' })],
  })
  assert.equal((await run.outcome()).state, 'SUCCESS')
  assert.equal(run.elapsedMs, 20 * 60_000)
  assert.equal(run.executed.filter((atom) => atom === 'checkout/payment.charge').length, 3)
  assert.ok(performance.now() - began < 60_000)
})

test('what was reverted is told in its order', async () => {
  const run = testFlow(checkout, input, { replace, inject: [failing('shipping.ship')] })
  const outcome = await run.outcome()
  assert.ok(outcome.state !== 'SUCCESS')
  assert.equal(outcome.state, 'REVERTED')
  assert.equal(outcome.failures[0]?.code, 'Injected')
  assert.deepEqual(run.reverted, [
    'checkout/shipping.ship',
    'checkout/payment.charge',
    'checkout/inventory.reserve',
  ])
})

test('a revert can be made to fail, which is a FAILURE', async () => {
  const run = testFlow(checkout, input, {
    replace,
    inject: [
      failing('shipping.ship'),
      failing('checkout/inventory.reserve', { direction: 'revert' }),
    ],
  })
  const outcome = await run.outcome()
  assert.equal(outcome.state, 'FAILURE')
  assert.equal(await run.state('checkout/inventory.reserve'), 'REVERT_FAILURE')
})

test('an error of the user is thrown as it is', async () => {
  const error = new TaskError('no money', { code: 'Declined', retryable: false })
  const run = testFlow(checkout, input, { replace, inject: [failing('payment.charge', { error })] })
  const outcome = await run.outcome()
  assert.ok(outcome.state !== 'SUCCESS')
  assert.equal(outcome.failures[0]?.code, 'Declined')
  assert.equal(run.elapsedMs, 0, 'not retryable, so no attempt is waited for')
})

test('a task that hangs is ended by its timeout', async (t) => {
  leakCheck(t)
  const run = testFlow(checkout, input, {
    replace,
    inject: [hanging('payment.charge', { times: 1 })],
  })
  assert.equal((await run.outcome()).state, 'SUCCESS')
  assert.equal(run.elapsedMs, 30_000 + 10 * 60_000)
})

test('a real task that never ends is taken to hang after a second', async () => {
  const run = testFlow(checkout, input, {
    replace: { ...replace, 'payment.charge': () => new Promise(() => {}) },
  })
  const outcome = await run.outcome()
  assert.ok(outcome.state !== 'SUCCESS')
  assert.equal(outcome.failures[0]?.code, 'TimedOut')
})

test('time under control goes on only when it is told to', async () => {
  const run = testFlow(checkout, input, {
    replace,
    time: 'manual',
    inject: [failing('payment.charge', { times: 1 })],
  })
  await assert.rejects(run.outcome(), {
    code: 'Usage',
    message: /a time that is 10m away; advance\("10m"\)/,
  })
  await run.advance('9m59s')
  assert.equal(await run.state('checkout/payment.charge'), 'RETRYING')
  await run.advance('1s')
  assert.equal(await run.state('checkout/payment.charge'), 'SUCCESS')
  assert.equal(await run.state(), 'SUCCESS')
  assert.equal(run.elapsedMs, 600_000)
})

test('a flow is cancelled, suspended and resumed', async () => {
  const options = { replace, time: 'manual', inject: [hanging('shipping.ship')] } as const
  const cancelled = testFlow(checkout, input, options)
  await cancelled.settled()
  await cancelled.cancel('enough')
  const outcome = await cancelled.outcome()
  assert.ok(outcome.state !== 'SUCCESS')
  assert.equal(outcome.reason, 'enough')
  assert.equal(cancelled.reverted.length, 3)

  const suspended = testFlow(checkout, input, {
    replace,
    inject: [failing('payment.charge', { times: 1 })],
    time: 'manual',
  })
  await suspended.settled()
  await suspended.suspend()
  assert.equal((await suspended.outcome()).state, 'SUSPENDED')
  await suspended.resume()
  await suspended.advance('1h')
  assert.equal((await suspended.outcome()).state, 'SUCCESS')
})

test('a crash loses what was not committed, and a restart goes on under the same keys', async (t) => {
  leakCheck(t)
  const run = testFlow(checkout, input, {
    replace,
    time: 'manual',
    inject: [hanging('shipping.ship', { times: 1 })],
  })
  await run.settled()
  await run.crash()
  await assert.rejects(run.outcome(), { code: 'Usage', message: /has crashed; call restart/ })
  await run.restart()
  assert.equal((await run.outcome()).state, 'SUCCESS')
  assert.deepEqual(run.executed, [
    'checkout/inventory.reserve',
    'checkout/payment.charge',
    'checkout/shipping.ship',
    'checkout/shipping.ship',
  ])
  assert.equal(run.calls[2]?.idempotencyKey, run.calls[3]?.idempotencyKey)
})

for (const engine of ['serial', 'parallel'] as const) {
  test(`a crash at any step ends as the undisturbed run (${engine})`, async () => {
    const wide = flow('wide', { input: { sku: z.string() } }, [
      reserve,
      unordered('both', [charge, task('mail', { execute: () => {}, revert: () => {} })]),
      ship,
    ])
    for (const inject of [[], [failing('shipping.ship')]]) {
      const expected = inject.length === 0 ? 'SUCCESS' : 'REVERTED'
      let crashes = 0
      for await (const { at, outcome, test: run } of crashEverywhere(wide, input, {
        replace,
        inject,
        engine,
      })) {
        crashes += 1
        const where = `after a crash ${at.when} commit ${at.commit}`
        assert.equal(outcome.state, expected, where)
        if (expected === 'REVERTED') {
          assert.equal(run.reverted[0], 'wide/shipping.ship', where)
          assert.equal(run.reverted.at(-1), 'wide/inventory.reserve', where)
          assert.equal(new Set(run.reverted).size, 4, where)
        }
        const seqs = run.events.map(({ seq }) => seq)
        assert.deepEqual(
          seqs,
          seqs.map((_, n) => n + 1),
          where,
        )
      }
      assert.ok(crashes >= 8, `it crashed ${crashes} times`)
    }
  })
}

test('tasks that no code here defines are replaced in a document', async () => {
  const document = {
    flow: 'doc',
    input: { n: 'integer' },
    linear: [
      { task: 'far.away', with: { n: '${{ n }}' }, provides: { m: '${{ result.m }}' } },
      { task: 'log.it', with: { m: '${{ m }}' }, provides: [] },
    ],
    output: { m: '${{ m }}' },
  }
  const run = testFlow(
    document as never,
    { n: 2 },
    {
      replace: { 'far.away': ({ n }: { n: number }) => ({ m: n * 2 }), 'log.it': () => {} },
    },
  )
  const outcome = await run.outcome()
  assert.ok(outcome.state === 'SUCCESS')
  assert.deepEqual(outcome.output, { m: 4 })
})

test('a test that is written wrongly says so', () => {
  assert.throws(() => testFlow(checkout, input, { inject: [failing('payment.chrage')] }), {
    code: 'Usage',
    message: /did you mean "payment.charge"/,
  })
  assert.throws(() => testFlow(checkout, input, { replcae: {} } as never), UsageError)
  assert.throws(() => failing('a', { times: 0 }), UsageError)
  assert.throws(() => testFlow(checkout, { sku: 5 as never }), { code: 'InvalidInput' })
})

test('expected failures of one test do not reach the next', async () => {
  const options = { replace, inject: [failing('payment.charge', { times: 1 })] }
  for (let round = 0; round < 2; round++) {
    const run = testFlow(checkout, input, options)
    await run.outcome()
    assert.equal(run.elapsedMs, 600_000)
  }
})
