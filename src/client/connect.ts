import type { Logger } from '../base/logger.ts'
import { Conductor } from '../conductor/conductor.ts'
import type { ConductorWakeups } from '../conductor/options.ts'
import type { JsonObject } from '../base/json.ts'
import type { Engine } from '../../engines/engine.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SerialEngine } from '../../engines/serial.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { openStore } from '../../persistence/open.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { TaskRegistry } from '../worker/registry.ts'
import {
  resolveConnect,
  type ConnectOptions,
  type ResolvedConnect,
  type ResolvedEmbedded,
} from './connect-options.ts'
import { openBoard } from './open-board.ts'
import { openWorkerBased } from './worker-based.ts'
import { Zagflow } from './zagflow.ts'

/**
 * Connects to where jobs are kept. Without options everything comes from the environment (`ZAGFLOW_PERSISTENCE`,
 * `ZAGFLOW_BOARD`, `ZAGFLOW_BROKER`, `ZAGFLOW_NAMESPACE`), or else is the embedded default: a SQLite file in `.zagflow`, no server.
 *
 * Throws {@link UsageError} for options that make no sense, {@link MigrationNeededError} when a PostgreSQL database is not
 * prepared, {@link UnavailableError} when it (or, for a conductor, the broker or the board) cannot be reached; nothing is left open
 * then.
 *
 * @example
 * await using zag = await connect()
 * const job = await zag.post(checkout, { sku: "A1", quantity: 2 })
 * console.log(await job.result())
 *
 * @example
 * // Everything in one process: no server, no other terminal.
 * await using zag = await connect({ conductor: { tasks: [reserve, charge] } })
 *
 * @example
 * // The board in ZooKeeper, so that any number of hosts share the jobs of a database.
 * await using zag = await connect({ persistence: "postgres://…", board: "zookeeper://zk1,zk2,zk3/zagflow" })
 *
 * @example
 * // A conductor in this process; workers (`zagflow worker --tasks ./tasks.ts`) run the tasks.
 * await using zag = await connect({ broker: "amqp://localhost", conductor: {} })
 */
export async function connect(options: ConnectOptions = {}): Promise<Zagflow> {
  const resolved = resolveConnect(options)
  // What is wrong with tasks is said before anything is opened.
  const tasks = TaskRegistry.of(resolved.conductor?.tasks)
  const releases: (() => Promise<void>)[] = []
  const release = async (): Promise<void> => {
    for (const one of releases.splice(0).reverse()) await one()
  }
  try {
    const store = await storeOf(resolved, releases)
    const board = await boardOf(resolved, store, releases)
    const { logger, pollMs, conductor } = resolved
    const parts = { store, board, tasks, logger, resolved }
    const powered = conductor === undefined ? undefined : await engineOf(conductor, parts, releases)
    const zag = new Zagflow({
      store,
      board,
      tasks,
      logger,
      pollMs,
      conductor:
        conductor === undefined || powered === undefined
          ? undefined
          : (onDone) => embed(conductor, powered, { ...parts, onDone }),
      hasBroker: resolved.broker !== undefined,
      runsTasks: conductor?.isHere === true,
      release,
    })
    releases.push(() => zag.close())
    await zag.start()
    releases.pop()
    return zag
  } catch (error) {
    await release()
    throw error
  }
}

async function storeOf(
  { persistence, namespace, logger }: ResolvedConnect,
  releases: (() => Promise<void>)[],
): Promise<Store> {
  if (typeof persistence !== 'string') return persistence
  const store = openStore(persistence, { namespace, logger })
  releases.push(() => store.stop())
  await store.start()
  return store
}

/** A board outside the store need not be reached to post: whoever posts, or claims, starts it. */
async function boardOf(
  { board, logger, clock }: ResolvedConnect,
  store: Store,
  releases: (() => Promise<void>)[],
): Promise<JobBoard<Claim>> {
  const isOwn = 'kind' in board
  const opened = isOwn ? await openBoard(board, { store, logger, clock }) : board
  if (isOwn) releases.push(() => opened.stop())
  if (opened.outsideStore) {
    opened.start().catch((error: unknown) => {
      logger.warn(
        { error },
        'the board could not be reached yet; what is posted waits in the store',
      )
    })
  } else await opened.start()
  return opened
}

interface Parts {
  readonly store: Store
  readonly board: JobBoard<Claim>
  readonly tasks: TaskRegistry
  readonly logger: Logger
  readonly resolved: ResolvedConnect
}

/** An engine, and what is announced of it. */
interface Powered {
  readonly engine: Engine
  readonly load?: (() => JsonObject) | undefined
  readonly wakeups?: ConductorWakeups | undefined
}

function embed(
  options: ResolvedEmbedded,
  { engine, load, wakeups }: Powered,
  parts: Parts & { readonly onDone: (jobId: string) => void },
): Conductor {
  const { store, board, tasks, logger, onDone } = parts
  const { tasks: _, engine: _engine, concurrency: _concurrency, isHere, onJob, ...rest } = options
  return new Conductor({
    ...rest,
    store,
    board,
    registry: isHere ? tasks : undefined,
    engine,
    load,
    wakeups,
    logger,
    clock: parts.resolved.clock,
    onJob: (event) => {
      if (event.kind !== 'claimed') onDone(event.job)
      onJob?.(event)
    },
  })
}

async function engineOf(
  { engine, concurrency, name }: ResolvedEmbedded,
  { store, board, tasks, logger, resolved }: Parts,
  releases: (() => Promise<void>)[],
): Promise<Powered> {
  const { broker, clock } = resolved
  if (typeof engine !== 'string') return { engine }
  if (engine === 'serial') return { engine: new SerialEngine({ tasks, logger }) }
  if (engine === 'parallel' || broker === undefined) {
    return { engine: new ParallelEngine({ tasks, logger, concurrency }) }
  }
  const connectionName = name ?? `${broker.namespace} conductor`
  const about = { broker, store, board: board.name, parks: true, logger, clock }
  const { stop, ...powered } = await openWorkerBased({ ...about, name: connectionName })
  releases.push(stop)
  return powered
}
