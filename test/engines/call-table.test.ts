/** The table of calls and the worker's book of calls against each other, in random schedules of thousands of faults. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { World, type WorldOptions } from './call-world.ts'

const SEEDS = Number(process.env['ZAGFLOW_SEEDS'] ?? 500)
const FROM = Number(process.env['ZAGFLOW_SEED'] ?? 1)

type Fault = 'owner' | 'worker' | 'channel' | 'restart' | 'wipe' | 'cancel' | 'stall' | 'stop'

interface Schedule {
  readonly faults: readonly Fault[]
  readonly world: Omit<WorldOptions, 'seed'>
}

/** Faults at random times, then peace: everything ends. Returns the world. */
function play(seed: number, { faults, world: options }: Schedule): World {
  const world = new World({ ...options, seed })
  const { random } = world
  for (let left = random.below(5); left > 0; left--) {
    world.run(random.pick([10, 100, 1000, 10_000, 40_000]) * random.next())
    switch (random.pick(faults)) {
      case 'owner':
        world.killOwner()
        break
      case 'worker':
        world.killWorker(random.pick(world.workers))
        break
      case 'stop':
        world.stopWorker(random.pick(world.workers))
        break
      case 'channel':
        random.pick(world.workers).loseChannel()
        break
      case 'restart':
        if (world.isUp) world.restart()
        break
      case 'wipe':
        if (world.isUp) world.wipe()
        break
      case 'stall':
        world.owner.stall(random.pick([3000, 10_000, 40_000]))
        break
      case 'cancel': {
        const row = random.pick([...world.rows.values()])
        row.cancelled = true
        world.owner.cancel(row.request)
        break
      }
    }
  }
  world.run(900_000, () => world.isDone)
  return world
}

function check(what: string, schedule: Schedule, judge: (world: World) => void): void {
  test(what, () => {
    for (let seed = FROM; seed < FROM + SEEDS; seed++) {
      const world = play(seed, schedule)
      try {
        const open = [...world.rows.values()].filter(({ isSettled }) => !isSettled)
        assert.equal(open.length, 0, `${open.length} calls are stuck`)
        for (const { settled } of world.ledger.values()) assert.equal(settled, 1)
        judge(world)
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
      }
    }
  })
}

const usual = { calls: 4, workers: 2, latencyMs: 30, bodyMs: [5, 150, 400, 3000, 45_000] }

check(
  'the deaths of owners and lost channels run nothing twice, and nothing is stuck',
  { faults: ['owner', 'owner', 'channel'], world: usual },
  (world) => {
    for (const { starts } of world.ledger.values()) assert.equal(starts, 1)
  },
)

check(
  'a call runs again only because its worker died, whatever else dies',
  { faults: ['owner', 'worker', 'channel'], world: usual },
  (world) => {
    for (const { starts, deaths } of world.ledger.values()) {
      assert.ok(starts <= 1 + deaths, `${starts} starts, ${deaths} deaths`)
    }
  },
)

check(
  'a worker that stops in good order is charged to no call, however often it happens',
  { faults: ['stop'], world: { ...usual, deliveryLimit: 1 } },
  (world) => {
    for (const { outcome, starts, deaths } of world.ledger.values()) {
      assert.equal(outcome?.kind, 'succeeded')
      assert.ok(starts <= 1 + deaths, `${starts} starts, ${deaths} stops`)
    }
  },
)

check(
  'stops in good order beside everything else run nothing twice but what they ended',
  { faults: ['stop', 'stop', 'owner', 'worker', 'channel'], world: usual },
  (world) => {
    for (const { starts, deaths } of world.ledger.values()) {
      assert.ok(starts <= 1 + deaths, `${starts} starts, ${deaths} deaths and stops`)
    }
  },
)

check(
  'restarts of the broker run nothing twice where workers come back soon',
  { faults: ['restart', 'restart', 'owner'], world: usual },
  (world) => {
    for (const { starts } of world.ledger.values()) assert.equal(starts, 1)
  },
)

check(
  'a wiped broker costs one more start at most, and time',
  { faults: ['wipe', 'owner', 'worker', 'channel'], world: usual },
  (world) => {
    for (const { starts, deaths } of world.ledger.values()) {
      assert.ok(starts <= 1 + deaths + world.wipes, `${starts} starts, ${deaths} deaths`)
    }
  },
)

check(
  'a cancelled call ends, whoever dies meanwhile',
  { faults: ['cancel', 'cancel', 'owner', 'worker', 'channel', 'wipe'], world: usual },
  (world) => {
    for (const { starts, deaths } of world.ledger.values()) {
      assert.ok(starts <= 1 + deaths + world.wipes, `${starts} starts, ${deaths} deaths`)
    }
  },
)

check(
  'an owner that reads late decides nothing that is decided already in what it did not read',
  {
    faults: ['stall', 'stall', 'owner', 'channel', 'channel'],
    world: { ...usual, bodyMs: [5, 400, 3000, 8000] },
  },
  (world) => {
    for (const { starts } of world.ledger.values()) assert.equal(starts, 1)
  },
)

check(
  'a slow link and a long backlog run nothing twice',
  {
    faults: ['owner', 'channel', 'channel'],
    world: { calls: 12, workers: 2, latencyMs: 400, bodyMs: [5, 5000, 30_000] },
  },
  (world) => {
    for (const { starts } of world.ledger.values()) assert.equal(starts, 1)
  },
)

check(
  'a task that some workers do not know runs once, on one that does',
  {
    faults: ['owner', 'channel'],
    world: { ...usual, workers: 3, ignorant: 1 },
  },
  (world) => {
    for (const { starts } of world.ledger.values()) assert.equal(starts, 1)
  },
)

check(
  'a call that must not run twice never does',
  {
    faults: ['owner', 'worker', 'channel', 'restart', 'wipe'],
    world: { ...usual, fields: { repeat: 'never' } },
  },
  (world) => {
    for (const { starts } of world.ledger.values()) assert.ok(starts <= 1, `${starts} starts`)
  },
)
