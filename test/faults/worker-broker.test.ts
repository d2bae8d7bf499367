/** RabbitMQ is killed, wiped, and fails node by node under load: it costs time, and what it lost is done again, nothing else. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { lastFirst } from '../support/last-first.ts'
import type { Random } from '../support/random.ts'
import { privateRabbitmq, privateRabbitmqCluster, rabbitmqNodes } from '../support/rabbitmq.ts'
import { Fleet, told, type Findings } from './fleet.ts'
import { writeLine } from './ledger.ts'
import { tasksEnd } from './load.ts'

const STRIKES = Number(process.env['ZAGFLOW_TEST_BROKER_STRIKES'] ?? 2)
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
/** More than a worker takes to connect again, and to be heard, on a busy machine that stands still for seconds. */
const GRACE_MS = 12_000
const BY_HAND =
  process.env['ZAGFLOW_TEST_LONG'] !== 'yes' && 'long; run it by ZAGFLOW_TEST_LONG=yes'

interface Strikes {
  /** AMQP URLs of the broker that is struck. */
  readonly url: string
  readonly times: number
  readonly strike: (fleet: Fleet, random: Random, at: number) => Promise<void>
  /** What the jobs that are left may take after the last strike, in ms. */
  readonly withinMs?: number
  /** What a worker gets to connect again, in ms. @default long enough for all */
  readonly graceMs?: number
}

/** Conductors and workers under load over a broker that is struck; null where PostgreSQL is missing (the test is skipped). */
async function survive(
  t: TestContext,
  { url, times, strike, withinMs = 180_000, graceMs = GRACE_MS }: Strikes,
): Promise<Findings | null> {
  const fleet = await Fleet.start(t, {
    store: 'postgres',
    place: { url, namespace: 'faults' },
    // Nobody loses a claim here, and workers have time to come back: whatever ran twice would be the fault of the outage.
    conductor: { leaseMs: 60_000, times: { graceMs } },
  })
  if (fleet === null) return null
  await fleet.ready()
  const strikes = async (random: Random): Promise<void> => {
    for (let at = 0; at < times; at++) {
      await tasksEnd(fleet.ledger, 30 + random.below(60))
      await strike(fleet, random, at)
    }
    await tasksEnd(fleet.ledger, 20)
  }
  await fleet.under(SEED, strikes, { withinMs })
  await fleet.endAll()
  const findings = await fleet.check()
  t.diagnostic(told(findings))
  return findings
}

test(`RabbitMQ is killed and started again ${STRIKES} times under load: every job ends, and each body ran exactly once`, async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const node = await privateRabbitmq(lastFirst(t))
  const findings = await survive(t, {
    url: node.url,
    times: STRIKES,
    async strike(_fleet, random) {
      await node.settle()
      await node.kill()
      await sleep(random.below(1000))
      await node.start()
    },
  })
  if (findings === null) return
  assert.equal(
    findings.again,
    0,
    'its worker lived, and the broker lost nothing that it had confirmed',
  )
})

test(`the virtual host of RabbitMQ is wiped ${STRIKES} times under load: every job ends, and a body ran again only where a wipe came between`, async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const node = await privateRabbitmq(lastFirst(t))
  await survive(t, {
    url: node.url,
    times: STRIKES,
    // Whatever a wipe has taken is waited for so long.
    graceMs: GRACE_MS / 2,
    async strike({ ledger }) {
      writeLine(ledger, { what: 'wiped', pid: node.pid })
      await node.wipe()
      // What was delivered before may have begun meanwhile.
      writeLine(ledger, { what: 'wiped', pid: node.pid })
    },
  })
})

test(
  'in a cluster of three one node at a time is killed under load: every job ends',
  { skip: BY_HAND },
  async (t) => {
    const { nodes, url } = await privateRabbitmqCluster(lastFirst(t), 3)
    const findings = await survive(t, {
      url,
      times: 2 * nodes.length,
      async strike(fleet, _random, at) {
        const node = nodes[at % nodes.length]
        assert.ok(node)
        await node.settle()
        await node.kill()
        await tasksEnd(fleet.ledger, 30)
        await node.start()
      },
      withinMs: 300_000,
    })
    if (findings === null) return
    assert.equal(findings.again, 0, 'a majority always held what was confirmed')
  },
)
