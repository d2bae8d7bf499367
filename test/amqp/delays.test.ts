import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Wakeups, type WakeUp } from '../../src/amqp/delays.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { eventually } from '../support/eventually.ts'
import { quickest } from '../support/quickest.ts'
import { Random } from '../support/random.ts'
import { watchStandstills } from '../support/standstill.ts'
import { collect, holds, linkTo, ownHost, type Link } from './fixtures.ts'

const names = namesOf('zag')

interface Due extends WakeUp {
  /** How late it came, in ms, without what this process stood still meanwhile; negative: early. */
  readonly lateMs: number
}

/** Wake-ups that keep what is due. */
async function waking(
  t: TestContext,
  url: string,
): Promise<
  Link & {
    readonly wakeups: Wakeups
    readonly due: Due[]
    in(ms: number, job?: string): Promise<void>
  }
> {
  const link = await linkTo(t, url)
  const wakeups = new Wakeups(link.broker, names, silentLogger)
  const due: Due[] = []
  const still = watchStandstills(t)
  wakeups.onDue((wakeUp) => {
    const lateMs = Date.now() - wakeUp.dueAt
    const stood = lateMs > 0 ? still.between(performance.now() - lateMs) : 0
    due.push({ ...wakeUp, lateMs: lateMs - stood })
  })
  await wakeups.start()
  return {
    ...link,
    wakeups,
    due,
    in: (ms, jobId = `in ${ms}`) => wakeups.at({ board: 'b', jobId, dueAt: Date.now() + ms }, ms),
  }
}

test('wake-ups of mixed lengths come in time: less than 100 ms early, and not late', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { due, in: wakeIn } = await waking(t, url)
  const random = new Random(7)
  await quickest(1500, async () => {
    const some = Array.from({ length: 300 }, () => Math.round(30 * 100 ** random.next()))
    const delays = [0, 50, 99, 100, 101, 1000, 1600, ...some]
    due.length = 0
    for (const ms of delays) await wakeIn(ms)
    await eventually(() => due.length === delays.length, { withinMs: 60_000 })
    const late = due.map(({ lateMs }) => lateMs).sort((a, b) => a - b)
    assert.ok((late[0] ?? -Infinity) >= -100, `the earliest came ${late[0]} ms late`)
    assert.equal(new Set(due.map(({ jobId }) => jobId)).size, new Set(delays).size)
    return late.at(-1) ?? Infinity
  })
})

test('a second is not behind an hour, and none of them blocks the other', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { due, in: wakeIn, broker } = await waking(t, url)
  for (let n = 0; n < 20; n++) await wakeIn(3_600_000 + n * 1000)
  await wakeIn(1000, 'soon')
  await wakeIn(24 * 3_600_000, 'tomorrow')
  await eventually(() => due.length === 1, { withinMs: 60_000 })
  assert.equal(due[0]?.jobId, 'soon')
  assert.ok(due[0].lateMs >= -100)
  // An hour is 36,000 units: its highest bit is 15; a day's is 19.
  assert.equal((await broker.lookAt(names.delayLevel(15)))?.messages, 20)
  assert.equal((await broker.lookAt(names.delayLevel(19)))?.messages, 1)
})

test('one job can be delayed again and again: the broker sees no cycle', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { due, in: wakeIn, wakeups } = await waking(t, url)
  let rounds = 0
  wakeups.onDue(() => {
    if (++rounds < 12) void wakeIn(310, 'again')
  })
  await wakeIn(310, 'again')
  await eventually(() => rounds === 12, { withinMs: 60_000 })
  assert.ok(due.every(({ lateMs }) => lateMs >= -100))
})

test('longer waits than a day do not ride, and a hint without a link is dropped', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { in: wakeIn, broker } = await waking(t, url)
  for (const ms of [24 * 3_600_000 + 1, Infinity, Number.NaN]) await wakeIn(ms)
  assert.equal(await broker.lookAt(names.delayLevel(19)), null)
  await broker.stop()
  await wakeIn(1000)
})

test('a board is told of its own jobs, one reader of each, and nobody after stop()', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { wakeups, broker } = await waking(t, url)
  const told = { a: 0, b: 0 }
  const [a, b] = [wakeups.forBoard('a'), wakeups.forBoard('b')]
  a.onDue(() => {
    told.a++
    throw new Error('harms nobody')
  })
  const forget = b.onDue(() => told.b++)
  a.at('j', Date.now(), 0)
  b.at('j', Date.now(), 0)
  await eventually(() => told.a === 1 && told.b === 1)
  forget()
  b.at('j', Date.now(), 0)
  a.at('j', Date.now(), 0)
  await eventually(() => told.a === 2)
  assert.equal(told.b, 1)
  await wakeups.stop()
  a.at('j', Date.now(), 0)
  await holds(broker, names.timers, 1)
  assert.equal(told.a, 2)
})

test('what is no wake-up is put to the dead ones, and the next is told', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { due, in: wakeIn, broker } = await waking(t, url)
  await broker.publish({ exchange: '', routingKey: names.timers, body: '{"v":1}', type: 'wake' })
  await wakeIn(0)
  await eventually(() => due.length === 1)
  const dead = collect(broker, names.dead)
  await dead.has(1)
  assert.equal(dead.deliveries[0]?.headers['x-zagflow-queue'], names.timers)
})

test('a level that somebody deleted is declared again when it is needed', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { due, in: wakeIn } = await waking(t, url)
  const other = (await linkTo(t, url, { namespace: 'other' })).broker
  await other.undeclare([names.delayLevel(0)], { delete: true })
  await wakeIn(150)
  await eventually(() => due.length === 1)
})

test('many long waits at once declare their levels once', async (t) => {
  const url = await ownHost(t)
  if (url === undefined) return
  const { broker, wakeups } = await waking(t, url)
  const declare = t.mock.method(broker, 'declare')
  const wakes = Array.from({ length: 300 }, (_, n) => {
    const ms = n % 3 === 0 ? 400_000 : 1_000_000
    return wakeups.at({ board: 'b', jobId: `${n}`, dueAt: Date.now() + ms }, ms)
  })
  await Promise.all(wakes)
  // Each declaration takes a channel, and a connection has two thousand.
  assert.equal(declare.mock.callCount(), 2)
  // 400 s are 4,000 units, with bit 11 the highest; 1,000 s are 10,000, with bit 13.
  assert.equal((await broker.lookAt(names.delayLevel(11)))?.messages, 100)
  assert.equal((await broker.lookAt(names.delayLevel(13)))?.messages, 200)
})
