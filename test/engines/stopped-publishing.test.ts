/** What a stopped engine leaves behind: nothing. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { CallTable } from '../../engines/worker-based/call-table.ts'
import { Control } from '../../engines/worker-based/control.ts'
import type { OpenCall } from '../../engines/worker-based/open-call.ts'
import type { ResolvedWorkerBased } from '../../engines/worker-based/options.ts'
import { Publishing } from '../../engines/worker-based/publishing.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { manualClock } from '../../src/base/clock.ts'
import { silentLogger as logger } from '../../src/base/logger.ts'
import { requestFor } from '../support/calls.ts'
import { eventually } from '../support/eventually.ts'

const names = namesOf('z')

test('a topic whose queue is refused is declared again later, but not once the engine has stopped', async () => {
  const clock = manualClock(0)
  let declared = 0
  const declare = async (): Promise<void> => {
    declared += 1
    throw new Error('refused')
  }
  // No call comes as far as the table, and of the link nothing else is used.
  const link = { namespace: 'z', hasRoom: true, declare }
  const resolved = { link, clock, logger } as unknown as ResolvedWorkerBased
  const onLost = (): void => {}
  const publishing = new Publishing({} as CallTable, { resolved, names, onLost })
  publishing.open('secret')
  publishing.add({ call: {} as OpenCall, request: requestFor('charge'), withdrawn: false })
  await eventually(() => clock.advanceToNext())
  await eventually(() => declared === 2)
  publishing.stop()
  assert.equal(clock.advanceToNext(), false, 'a timer is left')
})

test('what was about to be said to a worker is not said once the engine has stopped', async () => {
  const said: string[] = []
  const publish = async ({ routingKey }: { readonly routingKey: string }) => {
    said.push(routingKey)
    return 'confirmed' as const
  }
  const told = async (stops: boolean, worker: string): Promise<void> => {
    const link = { namespace: 'z', publish } as unknown as ResolvedWorkerBased['link']
    const about = { link, names, logger, replyTo: 'z.replies.r', onUnreachable: () => {} }
    const control = new Control(about)
    control.drop({ worker, hold: 1 }, requestFor('charge'), 'it is settled')
    if (stops) control.stop()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await told(false, 'first')
  await told(true, 'second')
  assert.deepEqual(said, ['first'])
})
