/** A store that is away: claims are kept, work stops, nothing loops, everything goes on when it is back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../../src/base/errors.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { behind, freshUrl, storeAt } from '../support/stores.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import { ended, Gate, postFlow, startConductor, TASKS } from './fixtures.ts'

test('while the store is away claims are kept, and it is asked a few times a second at most', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  let isAway = false
  const calls = new Map<string, number>()
  const away = behind(store, (method) => {
    if (!isAway) return
    calls.set(method, (calls.get(method) ?? 0) + 1)
    throw new UnavailableError('the store')
  })
  const gate = new Gate()
  const ids: string[] = []
  for (let i = 0; i < 50; i++) {
    const root = linear('f', [task('a', { task: 'gate' }), task('b', { task: 'p' })])
    ids.push((await postFlow(store, root)).id)
  }
  const { conductor, jobs } = await startConductor(t, away, {
    tasks: { ...TASKS, gate: gate.task() },
    leaseMs: 30_000,
    maxFlows: 40,
  })
  await eventually(() => gate.entered.length === 40)
  isAway = true
  const awaySince = performance.now()
  gate.open()
  await sleep(2000)
  assert.equal(conductor.load.flows, 40)
  assert.ok(!jobs.some((event) => event.kind !== 'claimed'))
  const seconds = (performance.now() - awaySince) / 1000
  for (const [method, count] of calls)
    assert.ok(count <= 6 * seconds, `${method} was called ${count} times in ${seconds} s`)
  assert.ok((calls.get('claimJobs') ?? 0) <= seconds)
  isAway = false
  for (const id of ids) {
    assert.equal((await ended(store, id, { withinMs: 15_000 })).detail.state, 'SUCCESS')
  }
  assert.ok(!jobs.some((event) => event.kind === 'lost'))
})

test('a store that is away while flows are loaded ends none of them', async (t) => {
  leakCheck(t)
  const store = new MemoryStore()
  let failures = 3
  const away = behind(store, (method) => {
    if ((method === 'load' || method === 'document') && failures-- > 0) {
      throw new UnavailableError('the store')
    }
  })
  const job = await postFlow(store, linear('f', [task('a', { task: 'p' })]))
  await startConductor(t, away)
  const { job: after, detail } = await ended(store, job.id, { withinMs: 10_000 })
  assert.equal(after.state, 'COMPLETE')
  assert.equal(detail.state, 'SUCCESS')
})

for (const how of ['cut', 'stall'] as const) {
  test(`postgres: the connection is ${how === 'cut' ? 'cut' : 'silent'} for a while: nothing is lost and nothing runs twice`, async (t) => {
    const url = await freshUrl(t, 'postgres')
    if (url === null) return
    const direct = await storeAt(t, url)
    const { hostname, port } = new URL(url)
    const proxy = await tcpProxy(lastFirst(t), { host: hostname, port: Number(port) })
    const through = new URL(url)
    through.hostname = '127.0.0.1'
    through.port = String(proxy.port)
    const store = await storeAt(t, through.href)
    const keys: string[] = []
    const tasks = {
      nap: {
        execute: async (_args: unknown, context: { idempotencyKey: string }) => {
          keys.push(context.idempotencyKey)
          await sleep(30)
          return 1
        },
      },
    }
    const ids: string[] = []
    for (let i = 0; i < 30; i++) {
      const nodes = Array.from({ length: 10 }, (_, at) => task(`n${at}`, { task: 'nap' }))
      ids.push((await postFlow(direct, linear('f', nodes))).id)
    }
    const { jobs } = await startConductor(t, store, { tasks, leaseMs: 30_000 })
    await eventually(() => keys.length > 40)
    proxy[how]()
    // What was dispatched ends, and what was committed before begins; nothing goes on without a commit.
    let before = 0
    const isStill = (): boolean => {
      const earlier = before
      before = keys.length
      return before === earlier
    }
    await eventually(isStill, { everyMs: 700 })
    assert.ok(before < 200, `${before} calls`)
    // A stalled connection knows nothing of being mended: what it waits for is lost.
    if (how === 'stall') proxy.cut()
    proxy.mend()
    for (const id of ids) {
      assert.equal((await ended(direct, id, { withinMs: 30_000 })).detail.state, 'SUCCESS')
    }
    assert.equal(keys.length, 300)
    assert.equal(new Set(keys).size, 300)
    assert.ok(!jobs.some((event) => event.kind === 'lost'))
  })
}
