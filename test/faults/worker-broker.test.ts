/** RabbitMQ is killed, wiped, and fails node by node under load: it costs time, and what it lost is done again, nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { lastFirst } from '../support/last-first.ts'
import { privateRabbitmq, privateRabbitmqCluster, rabbitmqNodes } from '../support/rabbitmq.ts'
import { Fleet, told } from './fleet.ts'
import { writeLine } from './ledger.ts'
import { tasksEnd } from './load.ts'

const STRIKES = Number(process.env['ZAGFLOW_TEST_BROKER_STRIKES'] ?? 2)
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
/** More than a worker takes to connect again on a busy machine. */
const GRACE_MS = 4000
const BY_HAND =
  process.env['ZAGFLOW_TEST_LONG'] !== 'yes' && 'long; run it by ZAGFLOW_TEST_LONG=yes'

test(`RabbitMQ is killed and started again ${STRIKES} times under load: every job ends, and each body ran exactly once`, async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const node = await privateRabbitmq(lastFirst(t))
  const fleet = await Fleet.start(t, {
    store: 'postgres',
    place: { url: node.url, namespace: 'faults' },
    // Nobody loses a claim here, and workers have time to come back: whatever ran twice would be the fault of the outage.
    conductor: { leaseMs: 60_000, times: { graceMs: GRACE_MS } },
  })
  if (fleet === null) return
  await fleet.ready()
  await fleet.under(SEED, async (random) => {
    for (let strike = 0; strike < STRIKES; strike++) {
      await tasksEnd(fleet.ledger, 30 + random.below(60))
      await node.settle()
      await node.kill()
      await sleep(random.below(1000))
      await node.start()
    }
    await tasksEnd(fleet.ledger, 20)
  })
  await fleet.endAll()
  const findings = await fleet.check()
  t.diagnostic(told(findings))
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
  const fleet = await Fleet.start(t, {
    store: 'postgres',
    place: { url: node.url, namespace: 'faults' },
    conductor: { leaseMs: 60_000, times: { graceMs: GRACE_MS } },
  })
  if (fleet === null) return
  await fleet.ready()
  await fleet.under(SEED, async (random) => {
    for (let strike = 0; strike < STRIKES; strike++) {
      await tasksEnd(fleet.ledger, 30 + random.below(60))
      writeLine(fleet.ledger, { what: 'wiped', pid: node.pid })
      await node.wipe()
      // What was delivered before may have begun meanwhile.
      writeLine(fleet.ledger, { what: 'wiped', pid: node.pid })
    }
    await tasksEnd(fleet.ledger, 20)
  })
  await fleet.endAll()
  t.diagnostic(told(await fleet.check()))
})

test(
  'in a cluster of three one node at a time is killed under load: every job ends',
  { skip: BY_HAND },
  async (t) => {
    const cluster = await privateRabbitmqCluster(lastFirst(t), 3)
    const fleet = await Fleet.start(t, {
      store: 'postgres',
      place: { url: cluster.url, namespace: 'faults' },
      conductor: { leaseMs: 60_000, times: { graceMs: GRACE_MS } },
    })
    if (fleet === null) return
    await fleet.ready()
    await fleet.under(
      SEED,
      async (random) => {
        for (let strike = 0; strike < 2 * cluster.nodes.length; strike++) {
          const node = cluster.nodes[strike % cluster.nodes.length]
          assert.ok(node)
          await tasksEnd(fleet.ledger, 30 + random.below(60))
          await node.settle()
          await node.kill()
          await tasksEnd(fleet.ledger, 30)
          await node.start()
        }
      },
      { withinMs: 180_000 },
    )
    await fleet.endAll()
    const findings = await fleet.check()
    t.diagnostic(told(findings))
    assert.equal(findings.again, 0, 'a majority always held what was confirmed')
  },
)
