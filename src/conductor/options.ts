import { hostname } from 'node:os'
import { realClock, type Clock } from '../base/clock.ts'
import { UsageError } from '../base/errors.ts'
import { uuidV7 } from '../base/ids.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { silentLogger, type Logger } from '../base/logger.ts'
import { millisecondsOption, wholeOption } from '../base/number-options.ts'
import type { Engine } from '../../engines/engine.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import type { TaskRegistry } from '../worker/registry.ts'
import type { ConductorEvent, JobEvent } from './events.ts'

/**
 * Brings the word that something may be due sooner than the promoter would look. Hints alone: they may be lost or come twice, and
 * whoever is told looks at the store, whose clock decides.
 */
export interface ConductorWakeups {
  /** A job of the conductor's board is parked until `dueAt` (epoch ms by the store's clock), which is in `delayMs`. Never throws. */
  at(jobId: string, dueAt: number, delayMs: number): void
  /** Told when a job of the board may be due. Calling what it returns ends that. */
  onDue(listener: () => void): () => void
}

/** Options of {@link Conductor}. */
export interface ConductorOptions {
  /** A started store; the conductor neither starts nor stops it. */
  readonly store: Store
  /** The board to claim from. It is started if it is not; it is not stopped. A board outside SQL belongs to one conductor. */
  readonly board: JobBoard<Claim>
  /** Carries out the calls. Started and stopped by the conductor. */
  readonly engine: Engine
  /**
   * The tasks that this process can run. Jobs that need others are left to other conductors. Leave it out where the engine
   * asks workers elsewhere.
   */
  readonly registry?: TaskRegistry | undefined
  /** Unique among the conductors of the board: a second one that lives is refused. @default host, process id and a number */
  readonly name?: string | undefined
  /** Flows in flight at once; each takes some 10 kB, and its claim binds it to this process. @default 1,000 */
  readonly maxFlows?: number | undefined
  /**
   * After so long without a sign of life the conductor's jobs are others', in ms. A shorter one means a faster takeover after a
   * crash, and more takeovers from processes that only stood still. @default 10,000
   */
  readonly leaseMs?: number | undefined
  /** How often the board is asked when nothing says that there is work, in ms. @default 500 */
  readonly pollMs?: number | undefined
  /** A flow that only waits, for longer than this, gives up its claim and its memory until it is due, in ms. @default 60,000 */
  readonly parkAfterMs?: number | undefined
  /** What `stop()` takes at most, in ms: running tasks may end in that time, then they are aborted. @default 30,000 */
  readonly graceMs?: number | undefined
  /** Deaths of its conductor while a flow is on probation that trash its job. @default 5 */
  readonly maxDeaths?: number | undefined
  /**
   * How long a flow on probation keeps others from being loaded, at most, in ms: until then its first call counts as the
   * cause if the process dies. @default 1,000
   */
  readonly probationMs?: number | undefined
  /** Compiled documents that are kept. @default 200 */
  readonly maxPlans?: number | undefined
  /** More that it announces of its load, for people and tools that look at processes: what its engine says of itself. @default nothing */
  readonly load?: (() => JsonObject) | undefined
  /** Topics that it announces. @default none */
  readonly topics?: readonly string[] | undefined
  /** @default none: the promoter looks at the store often enough */
  readonly wakeups?: ConductorWakeups | undefined
  /** @default the machine's */
  readonly clock?: Clock | undefined
  /** @default silent */
  readonly logger?: Logger | undefined
  /** Told of every transition of every flow, once it is committed. */
  readonly onEvent?: ((event: ConductorEvent) => void) | undefined
  /** Told what becomes of jobs. */
  readonly onJob?: ((event: JobEvent) => void) | undefined
  /** Told what tasks report of their progress, 0 to 1. */
  readonly onProgress?:
    ((job: string, atom: string, progress: number, details: Json | undefined) => void) | undefined
}

export interface ResolvedConductor {
  readonly store: Store
  readonly board: JobBoard<Claim>
  readonly engine: Engine
  readonly registry: TaskRegistry | undefined
  readonly name: string
  /** Of this incarnation. */
  readonly id: string
  readonly host: string
  readonly maxFlows: number
  readonly leaseMs: number
  readonly pollMs: number
  readonly parkAfterMs: number
  readonly graceMs: number
  readonly maxDeaths: number
  readonly probationMs: number
  readonly maxPlans: number
  readonly topics: readonly string[]
  readonly load: () => JsonObject
  readonly wakeups: ConductorWakeups | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly onEvent: ((event: ConductorEvent) => void) | undefined
  readonly onJob: ((event: JobEvent) => void) | undefined
  readonly onProgress: ConductorOptions['onProgress']
}

let unnamed = 0

/** Options with defaults filled in. Throws {@link UsageError}. */
export function resolveConductor(options: ConductorOptions): ResolvedConductor {
  const host = hostname()
  const name = options.name ?? `${host}-${process.pid}-${++unnamed}`
  if (name.trim() === '') throw new UsageError('name: expected a name, got an empty one')
  const logger = (options.logger ?? silentLogger).child({ conductor: name })
  return {
    store: options.store,
    board: options.board,
    engine: options.engine,
    registry: options.registry,
    name,
    id: `${name}:${uuidV7()}`,
    host,
    maxFlows: wholeOption('maxFlows', options.maxFlows, { least: 1, byDefault: 1000 }),
    leaseMs: wholeOption('leaseMs', options.leaseMs, { least: 100, byDefault: 10_000 }),
    pollMs: wholeOption('pollMs', options.pollMs, { least: 1, byDefault: 500 }),
    parkAfterMs: millisecondsOption('parkAfterMs', options.parkAfterMs, {
      least: 0,
      byDefault: 60_000,
      most: Infinity,
    }),
    graceMs: wholeOption('graceMs', options.graceMs, { least: 0, byDefault: 30_000 }),
    maxDeaths: wholeOption('maxDeaths', options.maxDeaths, { least: 1, byDefault: 5 }),
    probationMs: wholeOption('probationMs', options.probationMs, { least: 0, byDefault: 1000 }),
    maxPlans: wholeOption('maxPlans', options.maxPlans, { least: 1, byDefault: 200 }),
    topics: options.topics ?? [],
    wakeups: options.wakeups,
    load: options.load ?? (() => ({})),
    clock: options.clock ?? realClock,
    logger,
    onEvent: harmless(options.onEvent, logger),
    onJob: harmless(options.onJob, logger),
    onProgress: harmless(options.onProgress, logger),
  }
}

/** A listener of the user's: what it throws is logged, and harms nobody. */
function harmless<A extends readonly unknown[]>(
  listener: ((...given: A) => void) | undefined,
  logger: Logger,
): ((...given: A) => void) | undefined {
  if (listener === undefined) return undefined
  return (...given) => {
    try {
      listener(...given)
    } catch (error) {
      logger.error({ error }, 'a listener threw; the flow goes on')
    }
  }
}
