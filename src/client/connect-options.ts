import { UsageError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import { realClock } from '../base/clock.ts'
import type { BrokerTls } from '../amqp/options.ts'
import type { Logger } from '../base/logger.ts'
import type { ConductorOptions } from '../conductor/options.ts'
import type { Engine } from '../../engines/engine.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { parseBoardUrl, type BoardPlace, type ZooKeeperAccess } from './board-url.ts'
import { brokerPlace, type BrokerPlace } from './broker-place.ts'
import { checkOptions } from './check-options.ts'
import { consoleLogger } from './console-logger.ts'
import { processEnvironment, type Environment } from './environment.ts'

/** Options of {@link connect}. What is not given here comes from `ZAGFLOW_PERSISTENCE`, `_BOARD`, `_BROKER`, `_NAMESPACE`. */
export interface ConnectOptions {
  /**
   * URL of the database (`sqlite:FILE`, `better-sqlite3:FILE`, `postgres://…`, `memory:`), or a started store, which stays
   * open at `close()`. @default 'sqlite:.zagflow/zagflow.db'
   */
  readonly persistence?: string | Store | undefined
  /**
   * `sql:` (the board `main` in the database), `sql:name`, `zookeeper://h1,h2,h3/chroot?board=name` (`zookeeper+tls://` for TLS), or a
   * board of your own, which is not stopped at `close()`. @default 'sql:'
   */
  readonly board?: string | JobBoard<Claim> | undefined
  /**
   * Credentials, certificates and size of a board in ZooKeeper; `ZAGFLOW_ZOOKEEPER_USER` and `_PASSWORD` where they are not given here.
   * @default none
   */
  readonly zookeeper?: ZooKeeperAccess | undefined
  /**
   * URL of the broker (`amqp://user:password@host:port/vhost` or `amqps://…`, several with commas for the hosts of a cluster), where
   * tasks run in worker processes. Only a `conductor` in this process connects to it; posting does not. @default none
   */
  readonly broker?: string | undefined
  /** Certificates for a broker at `amqps://`. @default what Node trusts */
  readonly tls?: BrokerTls | undefined
  /** Prefix of all tables, queues and exchanges, so that several installations can share servers. @default 'zagflow' */
  readonly namespace?: string | undefined
  /** Runs a conductor inside this process; `{}` where a broker is set. @default none: conductors are processes of their own */
  readonly conductor?: EmbeddedConductorOptions | undefined
  /** Told of trouble, and of jobs that nobody serves. @default warnings and errors on stderr */
  readonly logger?: Logger | undefined
  /** Where `ZAGFLOW_…` come from; `{}` for none. @default the environment of this process */
  readonly environment?: Environment | undefined
  /** How often the store is asked for what is waited for, when no hint comes, in ms. Less is faster and costs more. @default 250 */
  readonly pollMs?: number | undefined
  /** @default the machine's */
  readonly clock?: Clock | undefined
}

/** A conductor inside the service's own process. */
export interface EmbeddedConductorOptions extends Pick<
  ConductorOptions,
  | 'name'
  | 'maxFlows'
  | 'leaseMs'
  | 'pollMs'
  | 'parkAfterMs'
  | 'graceMs'
  | 'maxDeaths'
  | 'onEvent'
  | 'onJob'
  | 'onProgress'
> {
  /**
   * Tasks and retry strategies, flows (their tasks), lists of them, or whole modules (`import * as tasks`). Required where they run
   * in this process; refused where workers run them.
   */
  readonly tasks?: unknown
  /**
   * `worker-based` sends tasks to workers over the broker; `parallel` and `serial` run them in this process. An engine of your
   * own is started and stopped by the conductor. @default 'worker-based' with a broker, else 'parallel'
   */
  readonly engine?: 'serial' | 'parallel' | 'worker-based' | Engine | undefined
  /** Tasks that run at once, over all flows, in the parallel engine. Workers have a concurrency of their own. @default 100 */
  readonly concurrency?: number | undefined
}

/** An embedded conductor, with its engine chosen. */
export type ResolvedEmbedded = Omit<EmbeddedConductorOptions, 'engine'> &
  Required<Pick<EmbeddedConductorOptions, 'tasks'>> & {
    readonly engine: NonNullable<EmbeddedConductorOptions['engine']>
    /** Its tasks run in this process. */
    readonly isHere: boolean
  }

export interface ResolvedConnect {
  readonly persistence: string | Store
  readonly board: BoardPlace | JobBoard<Claim>
  /** As it was given: of tables. */
  readonly namespace: string | undefined
  readonly broker: BrokerPlace | undefined
  readonly conductor: ResolvedEmbedded | undefined
  readonly logger: Logger
  readonly pollMs: number
  readonly clock: Clock
}

export const DEFAULT_PERSISTENCE = 'sqlite:.zagflow/zagflow.db'

const CONNECT_KEYS = [
  'persistence',
  'board',
  'zookeeper',
  'broker',
  'tls',
  'namespace',
  'conductor',
  'logger',
  'environment',
  'pollMs',
  'clock',
] as const satisfies readonly (keyof ConnectOptions)[]

const ZOOKEEPER_KEYS = [
  'user',
  'password',
  'tls',
  'window',
] as const satisfies readonly (keyof ZooKeeperAccess)[]

const CONDUCTOR_KEYS = [
  'tasks',
  'engine',
  'concurrency',
  'name',
  'maxFlows',
  'leaseMs',
  'pollMs',
  'parkAfterMs',
  'graceMs',
  'maxDeaths',
  'onEvent',
  'onJob',
  'onProgress',
] as const satisfies readonly (keyof EmbeddedConductorOptions)[]

/** Options with the environment and the defaults filled in. Connects to nothing. Throws {@link UsageError}. */
export function resolveConnect(options: ConnectOptions): ResolvedConnect {
  checkOptions('connect()', options, CONNECT_KEYS)
  const environment = options.environment ?? processEnvironment()
  const setting = (name: string): string | undefined => environment[name] || undefined // '' is unset
  const namespace = options.namespace ?? setting('ZAGFLOW_NAMESPACE')
  const broker = brokerPlace(options.broker ?? setting('ZAGFLOW_BROKER'), namespace, options.tls)
  if (broker === undefined && options.tls !== undefined) {
    throw new UsageError('tls: the certificates are for a broker, and there is none', {
      hint: 'connect({ broker: "amqps://…", tls: { … } })',
    })
  }
  const board = boardPlace(options, setting)
  const persistence = options.persistence ?? setting('ZAGFLOW_PERSISTENCE') ?? DEFAULT_PERSISTENCE
  if (typeof persistence !== 'string' && typeof persistence?.commit !== 'function') {
    throw new UsageError(
      `persistence: expected a URL or a store, got ${JSON.stringify(persistence)}`,
    )
  }
  const isGivenStore = typeof persistence !== 'string'
  if (isGivenStore && options.namespace !== undefined && broker === undefined) {
    throw new UsageError('namespace: a store that is given has its own', {
      hint: 'openStore(url, { namespace })',
    })
  }
  const conductor = resolveEmbedded(options.conductor, broker)
  if (conductor?.engine === 'worker-based' && persistence === 'memory:') {
    throw new UsageError('memory: ends with this process, and what is at the broker does not', {
      hint: 'set persistence to sqlite:FILE or postgres://…',
    })
  }
  if ('kind' in board && board.kind === 'zookeeper' && persistence === 'memory:') {
    throw new UsageError('memory: ends with this process, and what is on the board does not', {
      hint: 'set persistence to postgres://… (or sqlite:FILE, where all conductors are on one host)',
    })
  }
  const pollMs = options.pollMs ?? 250
  if (!(pollMs > 0)) throw new UsageError(`pollMs: expected milliseconds above 0, got ${pollMs}`)
  return {
    persistence,
    board,
    namespace,
    broker,
    conductor,
    logger: options.logger ?? consoleLogger(),
    pollMs,
    clock: options.clock ?? realClock,
  }
}

/** Reads where the board is, and with what it is opened. */
function boardPlace(
  options: ConnectOptions,
  setting: (name: string) => string | undefined,
): BoardPlace | JobBoard<Claim> {
  const board = options.board ?? setting('ZAGFLOW_BOARD') ?? 'sql:'
  const { zookeeper } = options
  if (zookeeper !== undefined) checkOptions('connect(): zookeeper', zookeeper, ZOOKEEPER_KEYS)
  if (typeof board !== 'string') return board
  const place = parseBoardUrl(board, {
    user: setting('ZAGFLOW_ZOOKEEPER_USER'),
    password: setting('ZAGFLOW_ZOOKEEPER_PASSWORD'),
    ...withoutUndefined(zookeeper),
  })
  if (place.kind !== 'zookeeper') {
    if (zookeeper === undefined) return place
    throw new UsageError('zookeeper: these are of a board in ZooKeeper, and the board is not', {
      hint: 'connect({ board: "zookeeper://…", zookeeper: { … } })',
    })
  }
  const files = CERTIFICATES.filter((name) => setting(name) !== undefined)
  if (place.options.tls !== undefined && zookeeper?.tls === undefined && files.length > 0) {
    throw new UsageError(`${files.join(', ')}: only the command line reads files of certificates`, {
      hint: 'connect({ zookeeper: { tls: { ca: readFileSync(…) } } })',
    })
  }
  return place
}

const CERTIFICATES = [
  'ZAGFLOW_ZOOKEEPER_CA',
  'ZAGFLOW_ZOOKEEPER_CERT',
  'ZAGFLOW_ZOOKEEPER_KEY',
] as const

function withoutUndefined(access: ZooKeeperAccess | undefined): ZooKeeperAccess {
  return Object.fromEntries(Object.entries(access ?? {}).filter(([, value]) => value !== undefined))
}

const ENGINES = ['serial', 'parallel', 'worker-based'] as const

/** Chooses the engine, and says what does not go with it. */
function resolveEmbedded(
  options: EmbeddedConductorOptions | undefined,
  broker: BrokerPlace | undefined,
): ResolvedEmbedded | undefined {
  if (options === undefined) return undefined
  checkOptions('connect(): conductor', options, CONDUCTOR_KEYS)
  const { tasks, concurrency } = options
  const engine = options.engine ?? (broker === undefined ? 'parallel' : 'worker-based')
  if (typeof engine === 'string' ? !ENGINES.includes(engine) : !isEngine(engine)) {
    throw new UsageError(
      `engine: expected ${ENGINES.join(', ')} or an engine, got ${JSON.stringify(engine)}`,
    )
  }
  const isHere = (typeof engine === 'string' ? engine : engine.name) !== 'worker-based'
  if (engine === 'worker-based' && broker === undefined) {
    throw new UsageError('the worker-based engine needs a broker', {
      hint: 'connect({ broker: "amqp://…" }), or set ZAGFLOW_BROKER',
    })
  }
  if (isHere && tasks === undefined) {
    throw new UsageError('connect(): conductor needs the tasks that it runs', {
      hint: 'write conductor: { tasks: [reserve, charge] }, or set a broker, so that workers run them',
    })
  }
  if (!isHere && tasks !== undefined) {
    throw new UsageError('connect(): a conductor with a broker runs no tasks: workers do', {
      hint: 'leave out conductor.tasks and start zagflow worker --tasks ./tasks.ts; to run them here, write engine: "parallel"',
    })
  }
  if (!isHere && concurrency !== undefined) {
    throw new UsageError('connect(): conductor.concurrency is of tasks that run here', {
      hint: 'workers have a concurrency of their own: zagflow worker --concurrency 16',
    })
  }
  return { ...options, tasks, engine, isHere }
}

function isEngine(engine: unknown): boolean {
  return typeof engine === 'object' && engine !== null && 'dispatch' in engine
}
