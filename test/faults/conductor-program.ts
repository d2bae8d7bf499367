/**
 * A conductor in a process of its own: with the tasks of `workload.ts`, or with a broker that leads to workers which have them. Argument: {@link ProgramOptions} as JSON. It prints
 * `ready` when it claims, `stopping` at the first SIGTERM, and `done` when a stop has handed everything over. SIGTERM stops it in order, a second one at once.
 */
import { fileURLToPath } from 'node:url'
import { Conductor } from '../../src/conductor/conductor.ts'
import type { Engine } from '../../engines/engine.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { WorkerBasedEngine } from '../../engines/worker-based.ts'
import type { BrokerLink } from '../../src/amqp/broker-link.ts'
import { Broker } from '../../src/amqp/broker.ts'
import { Wakeups } from '../../src/amqp/delays.ts'
import { namesOf } from '../../src/amqp/names.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import { ZooKeeperBoard } from '../../jobboard/zookeeper.ts'
import type { ZooKeeperBoardOptions } from '../../jobboard/zookeeper/board-options.ts'
import { openStore } from '../../persistence/open.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { registryOf } from '../conductor/fixtures.ts'
import type { Place } from './fleet.ts'
import { writeLine } from './ledger.ts'
import type { JsonObject } from '../../src/base/json.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { stderrLogger } from './stderr-logger.ts'
import { ledgerTasks } from './workload.ts'

export const PROGRAM = fileURLToPath(new URL('./conductor-program.js', import.meta.url))

export interface ProgramOptions {
  readonly url: string
  readonly ledger: string
  readonly leaseMs: number
  readonly graceMs?: number
  /** How long `nap` takes. */
  readonly napMs?: number
  readonly maxFlows?: number
  readonly parkAfterMs?: number
  /** Logs of warnings and errors, to stderr. */
  readonly logs?: boolean
  /** A board on ZooKeeper; without it the board is in the database. */
  readonly board?: Omit<ZooKeeperBoardOptions, 'logger' | 'clock'>
  readonly name?: string
  /** Where workers are; without it tasks run here. */
  readonly place?: Place
  readonly times?: EngineTimes
  /** Writes down when the broker has confirmed a request. */
  readonly confirms?: boolean
  /** Prints `memory` and the bytes that are resident, so often, in ms. */
  readonly memoryEveryMs?: number
}

/** Times of the worker-based engine, in ms. */
export interface EngineTimes {
  readonly reportEveryMs?: number
  readonly askAfterMs?: number
  readonly graceMs?: number
  readonly tickMs?: number
  readonly sweepEveryMs?: number
  readonly markerEveryMs?: number
  readonly deliveryLimit?: number
}

async function main(options: ProgramOptions): Promise<void> {
  const { url, ledger, leaseMs, graceMs, napMs, maxFlows, parkAfterMs } = options
  const store = openStore(url, url.startsWith('sqlite:') ? { synchronous: 'NORMAL' } : {})
  await store.start()
  const registry = registryOf(ledgerTasks(ledger, napMs === undefined ? {} : { napMs }))
  const link = options.place === undefined ? undefined : await linkTo(options.place, options)
  const engine =
    link === undefined ? new ParallelEngine({ tasks: registry }) : engineOf(link, store, options)
  const wakeups = link && new Wakeups(link, namesOf(link.namespace), silentLogger)
  await wakeups?.start()
  const { pid } = process
  const board =
    options.board === undefined
      ? new SqlBoard<Claim>({ store })
      : new ZooKeeperBoard({ ...options.board, ...logger(options) })
  const conductor = new Conductor({
    store,
    board,
    name: options.name,
    engine,
    ...(link === undefined ? { registry } : {}),
    wakeups: wakeups?.forBoard('main'),
    // Whoever finds jobs that do not end prints the rows of conductors.
    load: () => (engine instanceof WorkerBasedEngine ? loadOf(engine) : {}),
    leaseMs,
    graceMs,
    maxFlows,
    parkAfterMs,
    pollMs: 50,
    // Deaths here come from outside: no job is to blame for any number of them.
    maxDeaths: 1000,
    probationMs: 300,
    onJob(event) {
      const { job } = event
      if (event.kind === 'claimed') {
        writeLine(ledger, { what: 'claimed', pid, job, epoch: event.epoch })
      } else writeLine(ledger, { what: event.kind, pid, job })
    },
    onEvent({ job, seq, kind, name, from, state }) {
      if (kind !== 'flow') writeLine(ledger, { what: 'told', pid, job, seq, name, from, state })
    },
    ...logger(options),
  })
  let stopping: Promise<void> | null = null
  process.on('SIGTERM', () => {
    const stopped = conductor.stop()
    if (stopping === null) process.stdout.write('stopping\n')
    stopping ??= stopped
      .then(() => board.stop())
      .then(() => wakeups?.stop())
      .then(() => link?.stop())
      .then(() => store.stop())
      .then(() => process.stdout.write('done\n'))
      .then(() => {
        // An engine may be left with a task that does not listen: it must not keep the process.
        process.exit(0)
      })
  })
  if (options.memoryEveryMs !== undefined) {
    setInterval(() => {
      process.stdout.write(`memory ${process.memoryUsage.rss()}\n`)
    }, options.memoryEveryMs)
  }
  await conductor.start()
  process.stdout.write('ready\n')
}

async function linkTo({ url, namespace }: Place, options: ProgramOptions): Promise<Broker> {
  const connectionName = `conductor ${process.pid}`
  const link = new Broker({ urls: url, namespace, connectionName, ...logger(options) })
  await link.start()
  return link
}

function engineOf(link: Broker, store: Store, options: ProgramOptions): Engine {
  return new WorkerBasedEngine({
    link: options.confirms === true ? noting(link, options.ledger) : link,
    store,
    board: 'main',
    ...options.times,
    ...logger(options),
  })
}

function loadOf(engine: WorkerBasedEngine): JsonObject {
  const { calls, ...rest } = engine.status({ limit: 20 })
  return { ...rest, calls: calls.map((call) => JSON.stringify(call)) }
}

/** The same link; when the broker has a request is written down. */
function noting(link: BrokerLink, ledger: string): BrokerLink {
  const publish: BrokerLink['publish'] = async (message) => {
    const published = await link.publish(message)
    const { type, messageId, correlationId } = message
    if (type === 'request' && published === 'confirmed') {
      const [key, flow] = [messageId ?? '', correlationId ?? '']
      writeLine(ledger, { what: 'confirmed', pid: process.pid, job: flow, key, at: Date.now() })
    }
    return published
  }
  return new Proxy(link, {
    get(target, name): unknown {
      if (name === 'publish') return publish
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const logger = (options: ProgramOptions) => (options.logs === true ? { logger: stderrLogger } : {})

const given = process.argv[2]
if (given !== undefined && process.argv[1] === PROGRAM) {
  await main(JSON.parse(given) as ProgramOptions)
}
