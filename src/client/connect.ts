import type { Logger } from '../base/logger.ts'
import { UsageError } from '../base/errors.ts'
import { Conductor } from '../conductor/conductor.ts'
import type { Engine } from '../../engines/engine.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SerialEngine } from '../../engines/serial.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import { openStore } from '../../persistence/open.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { TaskRegistry } from '../worker/registry.ts'
import {
  resolveConnect,
  type ConnectOptions,
  type EmbeddedConductorOptions,
  type ResolvedConnect,
} from './connect-options.ts'
import { Zagflow } from './zagflow.ts'

/**
 * Connects to where jobs are kept. Without options everything comes from the environment (`ZAGFLOW_PERSISTENCE`,
 * `ZAGFLOW_BOARD`, `ZAGFLOW_NAMESPACE`), or else is the embedded default: a SQLite file in `.zagflow`, no server.
 *
 * Throws {@link UsageError} for options that make no sense, {@link MigrationNeededError} when a PostgreSQL database is not
 * prepared, {@link UnavailableError} when it cannot be reached; nothing is left open then.
 *
 * @example
 * await using zag = await connect()
 * const job = await zag.post(checkout, { sku: "A1", quantity: 2 })
 * console.log(await job.result())
 *
 * @example
 * // Everything in one process: no server, no other terminal.
 * await using zag = await connect({ conductor: { tasks: [reserve, charge] } })
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
    const zag = new Zagflow({
      store,
      board,
      tasks,
      logger,
      pollMs,
      conductor:
        conductor === undefined
          ? undefined
          : (onDone) => embed(conductor, { store, board, tasks, logger, onDone, resolved }),
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

async function boardOf(
  { board }: ResolvedConnect,
  store: Store,
  releases: (() => Promise<void>)[],
): Promise<JobBoard<Claim>> {
  if (!('kind' in board)) {
    await board.start()
    return board
  }
  const own = new SqlBoard<Claim>({ store, name: board.name })
  releases.push(() => own.stop())
  await own.start()
  return own
}

function embed(
  options: EmbeddedConductorOptions,
  parts: {
    readonly store: Store
    readonly board: JobBoard<Claim>
    readonly tasks: TaskRegistry
    readonly logger: Logger
    readonly onDone: (jobId: string) => void
    readonly resolved: ResolvedConnect
  },
): Conductor {
  const { store, board, tasks, logger, onDone } = parts
  const { tasks: _, engine = 'parallel', concurrency, onJob, ...rest } = options
  return new Conductor({
    ...rest,
    store,
    board,
    registry: tasks,
    engine: typeof engine === 'string' ? engineOf(engine, tasks, logger, concurrency) : engine,
    logger,
    clock: parts.resolved.clock,
    onJob: (event) => {
      if (event.kind !== 'claimed') onDone(event.job)
      onJob?.(event)
    },
  })
}

function engineOf(
  name: string,
  tasks: TaskRegistry,
  logger: Logger,
  concurrency: number | undefined,
): Engine {
  switch (name) {
    case 'serial':
      return new SerialEngine({ tasks, logger })
    case 'parallel':
      return new ParallelEngine({ tasks, logger, concurrency })
    case 'worker-based':
      throw new UsageError('the worker-based engine is not supported in this version', {
        hint: 'use serial or parallel',
      })
    default:
      throw new UsageError(`engine: expected serial, parallel or an engine, got "${name}"`)
  }
}
