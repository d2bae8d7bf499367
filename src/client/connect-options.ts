import { UsageError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import { realClock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { ConductorOptions } from '../conductor/options.ts'
import type { Engine } from '../../engines/engine.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { parseBoardUrl, type BoardPlace } from './board-url.ts'
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
   * `sql:` (the board `main` in the database), `sql:name`, or a board of your own, which is not stopped at `close()`.
   * @default 'sql:'
   */
  readonly board?: string | JobBoard<Claim> | undefined
  /** URL of the broker, where tasks run in worker processes. Not in this version. @default none */
  readonly broker?: string | undefined
  /** Prefix of all tables, so that several installations can share a database. @default 'zagflow' */
  readonly namespace?: string | undefined
  /** Runs a conductor inside this process, with these tasks. @default none: conductors are processes of their own */
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
  /** Tasks and retry strategies, flows (their tasks), lists of them, or whole modules (`import * as tasks`). */
  readonly tasks: unknown
  /** `parallel`, `serial`, or an engine of your own with these tasks; the conductor starts and stops it. @default 'parallel' */
  readonly engine?: 'serial' | 'parallel' | Engine | undefined
  /** Tasks that run at once, over all flows, in the parallel engine. @default 100 */
  readonly concurrency?: number | undefined
}

export interface ResolvedConnect {
  readonly persistence: string | Store
  readonly board: BoardPlace | JobBoard<Claim>
  readonly namespace: string | undefined
  readonly conductor: EmbeddedConductorOptions | undefined
  readonly logger: Logger
  readonly pollMs: number
  readonly clock: Clock
}

export const DEFAULT_PERSISTENCE = 'sqlite:.zagflow/zagflow.db'

const CONNECT_KEYS = [
  'persistence',
  'board',
  'broker',
  'namespace',
  'conductor',
  'logger',
  'environment',
  'pollMs',
  'clock',
] as const satisfies readonly (keyof ConnectOptions)[]

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
  const { conductor } = options
  if (conductor !== undefined) {
    checkOptions('connect(): conductor', conductor, CONDUCTOR_KEYS)
    if (conductor.tasks === undefined) {
      throw new UsageError('connect(): conductor needs the tasks that it runs', {
        hint: 'write conductor: { tasks: [reserve, charge] }',
      })
    }
  }
  const environment = options.environment ?? processEnvironment()
  const setting = (name: string): string | undefined => environment[name] || undefined // '' is unset
  refuseBroker(options.broker ?? setting('ZAGFLOW_BROKER'))
  const board = options.board ?? setting('ZAGFLOW_BOARD') ?? 'sql:'
  const persistence = options.persistence ?? setting('ZAGFLOW_PERSISTENCE') ?? DEFAULT_PERSISTENCE
  if (typeof persistence !== 'string' && typeof persistence?.commit !== 'function') {
    throw new UsageError(
      `persistence: expected a URL or a store, got ${JSON.stringify(persistence)}`,
    )
  }
  if (typeof persistence !== 'string' && options.namespace !== undefined) {
    throw new UsageError('namespace: a store that is given has its own', {
      hint: 'openStore(url, { namespace })',
    })
  }
  const pollMs = options.pollMs ?? 250
  if (!(pollMs > 0)) throw new UsageError(`pollMs: expected milliseconds above 0, got ${pollMs}`)
  return {
    persistence,
    board: typeof board === 'string' ? parseBoardUrl(board) : board,
    namespace: options.namespace ?? setting('ZAGFLOW_NAMESPACE'),
    conductor,
    logger: options.logger ?? consoleLogger(),
    pollMs,
    clock: options.clock ?? realClock,
  }
}

function refuseBroker(broker: string | undefined): void {
  if (broker === undefined) return
  throw new UsageError('a broker is not supported in this version: tasks run inside conductors', {
    hint: 'unset ZAGFLOW_BROKER and the option broker',
  })
}
