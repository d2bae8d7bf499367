import assert from 'node:assert/strict'
import test from 'node:test'
import { run } from '../../src/client/run.ts'
import type { Zagflow } from '../../src/client/zagflow.ts'
import { testFlow } from '../../src/testing/index.ts'
import type { Workshop } from './fixtures.ts'

/** Never called: the compiler is the test. */
async function checkedByTypeScript(zag: Zagflow, { order }: Workshop): Promise<string> {
  // @ts-expect-error -- a text is asked for
  await run(order, { sku: 5 })
  // @ts-expect-error -- it is missing
  await run(order, {})
  // @ts-expect-error -- nobody asked for it
  await run(order, { sku: 'A1', colour: 'red' })
  // @ts-expect-error -- a number is asked for
  await zag.post(order, { sku: 'A1', quantity: 'two' })
  // @ts-expect-error -- a duration has a unit
  await zag.post(order, { sku: 'A1' }, { delay: 5 })
  // @ts-expect-error -- a text is asked for
  testFlow(order, { sku: 5 })

  // Documents are checked when they are posted; their input is any JSON.
  await run({ flow: 'doc', input: { sku: 'string' }, linear: [{ task: 'reserve' }] }, { sku: 'A1' })
  await zag.post({ flow: 'doc', graph: [{ task: 'a' }, { task: 'b' }], retry: { attempts: 2 } }, {})

  const job = await zag.post(order, { sku: 'A1' })
  const result = await job.result()
  // @ts-expect-error -- the output has no such value
  void result.price
  const outcome = await run(order, { sku: 'A1', quantity: 2 })
  // @ts-expect-error -- only a success has an output
  void outcome.output
  if (outcome.state === 'SUCCESS') return outcome.output.tracking + result.tracking
  return outcome.failures.map(({ atom, message }) => `${atom}: ${message}`).join()
}

test('input, output and options are checked by TypeScript', () => {
  assert.equal(typeof checkedByTypeScript, 'function')
})
