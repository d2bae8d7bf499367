import assert from 'node:assert/strict'
import test from 'node:test'
import { planGrants, type Grant } from '../../src/worker/grants.ts'

/** Consumers as they would be, over queues that hold so many messages; nothing ends by itself. */
class Consumers {
  readonly places: number
  readonly waiting: number[]
  grants: { topic: number; size: number; unsettled: number; isClosing: boolean }[] = []

  constructor(places: number, waiting: readonly number[]) {
    this.places = places
    this.waiting = [...waiting]
  }

  /** One look, then what the queues deliver. */
  look(places = this.places): this {
    for (const step of planGrants(places, this.waiting.length, this.grants)) {
      if (step.do === 'cancel') step.grant.isClosing = true
      else this.grants.push({ topic: step.topic, size: step.size, unsettled: 0, isClosing: false })
    }
    this.deliver()
    this.grants = this.grants.filter(({ isClosing, unsettled }) => !isClosing || unsettled > 0)
    return this
  }

  deliver(): void {
    for (const grant of this.grants) {
      if (grant.isClosing) continue
      const taken = Math.min(grant.size - grant.unsettled, this.waiting[grant.topic] ?? 0)
      grant.unsettled += taken
      this.waiting[grant.topic] = (this.waiting[grant.topic] ?? 0) - taken
    }
  }

  looks(count: number): this {
    for (let at = 0; at < count; at++) this.look()
    return this
  }

  /** So many calls of a topic end, of all its consumers in turn. */
  settle(topic: number, count: number): this {
    const own = this.grants.filter((grant) => grant.topic === topic)
    for (let left = count; left > 0 && own.some(({ unsettled }) => unsettled > 0);) {
      for (const grant of own) {
        if (left === 0 || grant.unsettled === 0) continue
        grant.unsettled -= 1
        left -= 1
      }
    }
    this.deliver()
    return this
  }

  credits(): readonly number[] {
    return this.waiting.map((_, topic) =>
      this.sum((grant) => (grant.topic === topic && !grant.isClosing ? grant.size : 0)),
    )
  }

  here(): readonly number[] {
    return this.waiting.map((_, topic) =>
      this.sum((grant) => (grant.topic === topic ? grant.unsettled : 0)),
    )
  }

  private sum(of: (grant: Grant) => number): number {
    return this.grants.reduce((sum, grant) => sum + of(grant), 0)
  }
}

test('one topic has all places, in one consumer that stays', () => {
  const consumers = new Consumers(16, [100]).looks(5)
  assert.deepEqual(consumers.grants, [{ topic: 0, size: 16, unsettled: 16, isClosing: false }])
})

test('idle topics share evenly, so that whatever comes first finds a place', () => {
  assert.deepEqual(new Consumers(16, [0, 0]).looks(5).credits(), [8, 8])
  assert.deepEqual(new Consumers(7, [0, 0, 0]).looks(5).credits(), [3, 2, 2])
})

test('a topic with much to do gets what others do not use, and they keep one place each', () => {
  const consumers = new Consumers(16, [100, 0]).looks(10)
  assert.deepEqual(consumers.here(), [15, 0])
  assert.deepEqual(consumers.credits(), [15, 1])
})

test('a topic that wakes up runs at once, and comes to its half as calls of the other end', () => {
  const consumers = new Consumers(16, [1000, 0]).looks(10)
  consumers.waiting[1] = 1000
  consumers.look()
  assert.deepEqual(consumers.here(), [15, 1])
  for (let at = 0; at < 40; at++) consumers.settle(0, 3).settle(1, 1).look()
  const [first = 0, second = 0] = consumers.credits()
  assert.ok(
    Math.abs(first - second) <= 4,
    `${first} and ${second} are about equal: ${JSON.stringify(consumers.grants)}`,
  )
})

test('never more is here than there are places, whatever comes and ends', () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed % below
  }
  const consumers = new Consumers(12, [0, 0, 0])
  for (let at = 0; at < 5_000; at++) {
    const topic = random(3)
    consumers.waiting[topic] = (consumers.waiting[topic] ?? 0) + random(10)
    consumers.settle(random(3), random(6)).look()
    const here = consumers.here().reduce((sum, count) => sum + count, 0)
    assert.ok(here <= 12, `look ${at}: ${here} are here`)
    const present = consumers.here()
    const starves = consumers
      .credits()
      .some((credit, index) => credit + (present[index] ?? 0) === 0)
    assert.ok(!starves, `look ${at}: a topic has nothing`)
    assert.ok(consumers.grants.length <= 30, `look ${at}: ${consumers.grants.length} consumers`)
  }
})

test('places that are taken by calls that the broker does not count are given to nobody', () => {
  const consumers = new Consumers(16, [100])
  assert.deepEqual(consumers.look().here(), [16])
  // Ten calls lost their copies: they run on, and six copies are counted.
  for (const grant of consumers.grants) grant.unsettled = 6
  consumers.waiting[0] = 0
  consumers.look(6)
  consumers.waiting[0] = 100
  assert.deepEqual(consumers.look(6).here(), [6])
  assert.deepEqual(consumers.settle(0, 6).look(6).looks(0).look(16).here(), [16])
})

test('where no place is left nothing is asked for', () => {
  assert.deepEqual(planGrants(0, 1, []), [])
  assert.deepEqual(planGrants(-3, 2, []), [])
})

test('each topic has one place at least, however few there are: the others wait here', () => {
  assert.deepEqual(new Consumers(1, [5, 5, 5]).looks(5).here(), [1, 1, 1])
})
