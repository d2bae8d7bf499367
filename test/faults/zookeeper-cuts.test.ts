/**
 * Conductors of a ZooKeeper board lose their servers, one by one and together, and the board loses its nodes: every job ends as it
 * must, and no process has to be started again.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'node-zookeeper-client'
import { lastFirst } from '../support/last-first.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { Random } from '../support/random.ts'
import { spawnNode } from '../support/spawn-node.ts'
import type { TcpProxy } from '../support/tcp-proxy.ts'
import { freshChroot, privateEnsemble, zookeeper, zookeeperServers } from '../support/zookeeper.ts'
import { SHORT_TIMES } from './fleet.ts'
import { tasksEnd } from './load.ts'
import { WORKER_PROGRAM, type WorkerProgramOptions } from './worker-program.ts'
import { ZooKeeperFleet, type Reached } from './zookeeper-fleet.ts'

const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
const CUTS = Number(process.env['ZAGFLOW_TEST_CUTS'] ?? 2)
const SESSION_MS = 1500

const LINKS = {
  ZooKeeper: ({ zookeeper }: Reached): readonly TcpProxy[] => zookeeper,
  'the database': ({ sql }: Reached): readonly TcpProxy[] => [sql],
}

for (const [server, proxiesOf] of Object.entries(LINKS)) {
  test(`conductors are cut off from ${server} in turn, openly and silently, for longer than a session: every job ends`, async (t) => {
    const available = await zookeeper()
    if ('missing' in available) return t.skip(available.missing)
    const servers = await freshChroot(t)
    const fleet = await ZooKeeperFleet.start(t, { servers, sessionMs: SESSION_MS })
    if (fleet === null) return
    const random = new Random(SEED)
    await fleet.under(SEED + 1, async () => {
      for (let cut = 0; cut < CUTS * 3; cut++) {
        const victim = fleet.conductors[cut % 3] as Reached
        await tasksEnd(fleet.ledger, 10 + random.below(30))
        const [how] = [['cut'], ['stall', 'both'], ['stall', 'to client']][cut % 3] as [string]
        for (const proxy of proxiesOf(victim)) {
          if (how === 'cut') proxy.cut()
          else proxy.stall(cut % 3 === 1 ? 'both' : 'to client')
        }
        await sleep(SESSION_MS * (0.5 + random.below(2000) / 1000))
        for (const proxy of proxiesOf(victim)) proxy.mend()
      }
    })
    await fleet.endAll()
    t.diagnostic(`${fleet.works.size} jobs, ${await fleet.check()} changes of their rows`)
  })
}

test('a conductor is cut off from RabbitMQ alone: its flows wait or go on, and end', async (t) => {
  const available = await zookeeper()
  if ('missing' in available) return t.skip(available.missing)
  const broker = await rabbitmq()
  if ('missing' in broker) return t.skip(broker.missing)
  const place = await freshNamespace(t)
  const servers = await freshChroot(t)
  const fleet = await ZooKeeperFleet.start(t, {
    servers,
    sessionMs: SESSION_MS,
    conductors: 2,
    place,
    program: { times: SHORT_TIMES },
  })
  if (fleet === null) return
  const options: WorkerProgramOptions = { place, ledger: fleet.ledger, logs: true }
  const worker = spawnNode(lastFirst(t), WORKER_PROGRAM, [JSON.stringify(options)], {
    ZAGFLOW_TEST_LEDGER: fleet.ledger,
  })
  await worker.prints('ready', { withinMs: 60_000 })
  const random = new Random(SEED)
  await fleet.under(SEED + 1, async () => {
    for (let cut = 0; cut < CUTS * 2; cut++) {
      const { broker: link } = fleet.conductors[cut % 2] as Reached
      await tasksEnd(fleet.ledger, 10 + random.below(30))
      link?.cut()
      await sleep(SESSION_MS * (0.5 + random.below(1500) / 1000))
      link?.mend()
    }
  })
  await fleet.endAll()
  t.diagnostic(`${fleet.works.size} jobs, ${await fleet.check()} changes of their rows`)
})

test('one, two and three of three ZooKeeper servers are killed and started again: every job ends', async (t) => {
  const available = zookeeperServers()
  if ('missing' in available) return t.skip(available.missing)
  const ensemble = await privateEnsemble(t)
  const hosts = ensemble.servers.map(({ port }) => ({ host: '127.0.0.1', port }))
  const fleet = await ZooKeeperFleet.start(t, {
    servers: { hosts, chroot: '/zagflow' },
    sessionMs: SESSION_MS,
  })
  if (fleet === null) return
  const random = new Random(SEED)
  await fleet.under(SEED + 1, async () => {
    for (const count of [1, 2, 3]) {
      await tasksEnd(fleet.ledger, 20)
      const first = random.below(3)
      const victims = ensemble.servers.filter((_, at) => (at + first) % 3 < count)
      await Promise.all(victims.map((server) => server.end('kill')))
      await sleep(SESSION_MS * 1.5)
      await Promise.all(victims.map((server) => server.begin()))
    }
    await tasksEnd(fleet.ledger, 20)
  })
  await fleet.endAll()
  t.diagnostic(`${fleet.works.size} jobs, ${await fleet.check()} changes of their rows`)
})

test('job nodes and claims are deleted by chance, and the whole tree is wiped: every job ends', async (t) => {
  const available = await zookeeper()
  if ('missing' in available) return t.skip(available.missing)
  const servers = await freshChroot(t)
  const fleet = await ZooKeeperFleet.start(t, { servers, sessionMs: SESSION_MS })
  if (fleet === null) return
  const vandal = new Vandal(servers.hosts[0] as { host: string; port: number }, servers.chroot)
  lastFirst(t).after(() => vandal.close())
  const random = new Random(SEED)
  await fleet.under(SEED + 1, async () => {
    for (let round = 0; round < CUTS * 2; round++) {
      await tasksEnd(fleet.ledger, 10 + random.below(20))
      for (const path of await vandal.leaves()) if (random.chance(0.3)) await vandal.remove(path)
      await tasksEnd(fleet.ledger, 10 + random.below(20))
      await vandal.wipe()
    }
  })
  await fleet.endAll()
  t.diagnostic(
    `${fleet.works.size} jobs, ${vandal.removed} nodes removed, ${await fleet.check()} changes of rows`,
  )
  assert.ok(vandal.removed > 20, 'hardly anything was there to remove: this has tested nothing')
})

/** Somebody who removes nodes with a client of his own. */
class Vandal {
  removed = 0
  readonly #client: ReturnType<typeof createClient>
  readonly #chroot: string

  constructor({ host, port }: { readonly host: string; readonly port: number }, chroot: string) {
    this.#client = createClient(`${host}:${port}`)
    this.#chroot = chroot
    this.#client.connect()
  }

  /** Paths of all job nodes and claims. */
  async leaves(): Promise<readonly string[]> {
    const board = `${this.#chroot}/boards/main`
    const buckets = await this.#children(`${board}/jobs`)
    const parents = [...buckets.map((name) => `${board}/jobs/${name}`), `${board}/claims`]
    const lists = await Promise.all(
      parents.map(async (parent) => {
        return (await this.#children(parent)).map((name) => `${parent}/${name}`)
      }),
    )
    return lists.flat()
  }

  remove(path: string): Promise<void> {
    return new Promise((resolve) => {
      this.#client.remove(path, (error) => {
        if (!error) this.removed++
        resolve()
      })
    })
  }

  /** Removes everything below the chroot, deepest first. */
  async wipe(path = this.#chroot): Promise<void> {
    for (const name of await this.#children(path)) await this.wipe(`${path}/${name}`)
    await this.remove(path)
  }

  close(): void {
    this.#client.close()
  }

  #children(path: string): Promise<readonly string[]> {
    return new Promise((resolve) => {
      this.#client.getChildren(path, (error, names) => resolve(error ? [] : names))
    })
  }
}
