/**
 * The engine whose workers are elsewhere, together with its link to the broker. What both need is loaded when a broker is used, and
 * not before.
 *
 * Owns: the link. It is started here, before the engine is, and to be stopped with `stop()` after the engine has.
 */
import type { Clock } from '../base/clock.ts'
import type { JsonObject } from '../base/json.ts'
import type { Logger } from '../base/logger.ts'
import type { ConductorWakeups } from '../conductor/options.ts'
import type { Engine } from '../../engines/engine.ts'
import type { CallStatus, WorkerBasedStatus } from '../../engines/worker-based.ts'
import type { Store } from '../../persistence/store.ts'
import type { BrokerPlace } from './broker-place.ts'

export interface WorkerBasedOptions {
  readonly broker: BrokerPlace
  readonly store: Store
  /** Name of the board that its jobs are on. */
  readonly board: string
  /** It is a conductor's, which parks jobs, and is to be told when they are due. */
  readonly parks: boolean
  /** Name of its connections, as the broker's own tools show them. */
  readonly name: string
  readonly logger: Logger
  readonly clock?: Clock | undefined
}

/** An engine that is not started yet, over a link that is connected. */
export interface WorkerBased {
  readonly engine: Engine
  /** What a conductor announces of it: see {@link brokerLoad}. */
  readonly load: () => JsonObject
  /** Tells the conductor when parked jobs are due. */
  readonly wakeups: ConductorWakeups | undefined
  /** Ends the link. */
  readonly stop: () => Promise<void>
}

/** Connects. Throws {@link UnavailableError} when no host can be reached for 30 s; nothing is left open then. */
export async function openWorkerBased(options: WorkerBasedOptions): Promise<WorkerBased> {
  const { broker, store, board, parks, name, logger, clock } = options
  const [{ Broker }, { Wakeups }, { namesOf }, { WorkerBasedEngine }] = await Promise.all([
    import('../amqp/broker.ts'),
    import('../amqp/delays.ts'),
    import('../amqp/names.ts'),
    import('../../engines/worker-based.ts'),
  ])
  const { urls, namespace, tls } = broker
  const link = new Broker({ urls, namespace, tls, connectionName: name, logger, clock })
  const engine = new WorkerBasedEngine({ link, store, board, logger, clock })
  await link.start() // stops itself where it cannot
  const wakeups = new Wakeups(link, namesOf(namespace), logger)
  try {
    // Each takes its share: who parks nothing leaves them to others.
    if (parks) await wakeups.start()
  } catch (error) {
    await link.stop()
    throw error
  }
  return {
    engine,
    wakeups: parks ? wakeups.forBoard(board) : undefined,
    load: () => ({ broker: brokerLoad(engine.status({ limit: LOOKED_AT }), Date.now()) }),
    stop: async () => {
      await wakeups.stop()
      await link.stop()
    },
  }
}

/** Calls that are looked at for each announcement, the oldest first, and those that are announced: the row is written every few seconds. */
const LOOKED_AT = 5_000
const ANNOUNCED = 100
/** Requests that are younger are of no interest to operators: they are over before anybody can look. */
const YOUNG_MS = 2_000

/** What other processes may know of an engine's calls: how many there are, and the oldest and oddest of them. */
export function brokerLoad(status: WorkerBasedStatus, now: number): JsonObject {
  const { isConnected, open, waiting } = status
  const old = status.calls.filter(
    ({ state, since }) => state === 'running' || now - since > YOUNG_MS,
  )
  const calls = [...old.filter(isOdd), ...old.filter((call) => !isOdd(call))].slice(0, ANNOUNCED)
  return {
    isConnected,
    open,
    waiting,
    calls: calls.map(({ jobId, atom, direction, task, topic, state, worker, since }) => {
      return { jobId, atom, direction, task, topic, state, worker, since }
    }),
  }
}

function isOdd({ state }: CallStatus): boolean {
  return state === 'unknown' || state === 'doubted' || state === 'lost' || state === 'aborting'
}
