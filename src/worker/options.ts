import { availableParallelism, hostname } from 'node:os'
import type { BrokerLink } from '../amqp/broker-link.ts'
import type { BrokerTls } from '../amqp/options.ts'
import { realClock, type Clock } from '../base/clock.ts'
import { UsageError } from '../base/errors.ts'
import { silentLogger, type Logger } from '../base/logger.ts'
import { millisecondsOption, wholeOption } from '../base/number-options.ts'
import { moduleUrl } from './load-module.ts'
import { TaskRegistry } from './registry.ts'

/** Options of {@link Worker}. */
export interface WorkerOptions {
  /** `amqp://user:password@host:port/vhost`, several with commas; or a link that somebody else starts and stops. */
  readonly broker: string | BrokerLink
  /** Begins every name on the broker; that of the conductors. With a link it is the link's. @default zagflow */
  readonly namespace?: string | undefined
  /**
   * A registry, or anything that holds tasks and retry strategies: definitions, lists of them, flows, modules. Needed unless `modules`
   * are given.
   */
  readonly tasks?: unknown
  /**
   * Modules of tasks, as paths or URLs; TypeScript is run as it is. Without `tasks` they are loaded here. They are also what
   * a process of its own loads for a redelivered call. @default those that a registry was loaded from
   */
  readonly modules?: readonly string[] | undefined
  /** Topics that it serves. @default ['default'] */
  readonly topics?: readonly string[] | undefined
  /**
   * Calls at once, over all topics. Tasks mostly wait for others, so raising it costs memory and sockets here, and load on
   * whatever they call; as many requests are fetched, so that raising it also takes more away from idle workers. @default 16
   */
  readonly concurrency?: number | undefined
  /** For people. @default host and process id */
  readonly name?: string | undefined
  /** What `stop()` takes at most, in ms: the last tenth of it (5 s at most) is for bodies that were aborted. @default 30,000 */
  readonly graceMs?: number | undefined
  /** From the abort of a call (timeout, missing heartbeat, cancel) to the verdict about it, in ms. @default 5,000 */
  readonly abortGraceMs?: number | undefined
  /** Worker threads for tasks with `cpu: true`; 0 runs them in this thread. @default the number of processors */
  readonly threads?: number | undefined
  /** Heap of one worker thread, in MB. @default Node's own limit */
  readonly threadHeapMb?: number | undefined
  /**
   * Processes of their own, at once, for calls whose last holder may have died of them; each is a whole Node process. 0 runs
   * them among others. @default the number of processors, 2 at least
   */
  readonly soloProcesses?: number | undefined
  /** Silent for so long it is listed no more, in ms; it announces itself three times in that time. What it runs does not hang on it. @default 30,000 */
  readonly leaseMs?: number | undefined
  /** Certificates for `amqps://`. @default what Node trusts */
  readonly tls?: BrokerTls | undefined
  /** Given to tasks as `ctx.logger`, too. @default silent */
  readonly logger?: Logger | undefined
  /** @default the machine's */
  readonly clock?: Clock | undefined
}

/** Options with defaults filled in. */
export interface ResolvedWorker {
  readonly broker: string | BrokerLink
  readonly namespace: string
  /** Undefined: the modules are to be loaded. */
  readonly registry: TaskRegistry | undefined
  /** URLs. */
  readonly modules: readonly string[]
  readonly topics: readonly string[]
  readonly concurrency: number
  readonly name: string
  readonly graceMs: number
  readonly abortGraceMs: number
  readonly threads: number
  readonly threadHeapMb: number | undefined
  readonly soloProcesses: number
  readonly leaseMs: number
  readonly tls: BrokerTls | undefined
  readonly logger: Logger
  readonly clock: Clock
}

/** Names of queues have 255 bytes; the namespace has 63 of them. */
const LONGEST_TOPIC = 150

/** Throws {@link UsageError} for options that make no sense. */
export function resolveWorker(options: WorkerOptions): ResolvedWorker {
  const { broker, tasks, topics = ['default'] } = options
  if (broker === undefined || broker === '') {
    throw new UsageError('a worker needs a broker', { hint: 'write broker: "amqp://…"' })
  }
  if (tasks === undefined && (options.modules ?? []).length === 0) {
    throw new UsageError('a worker needs tasks', {
      hint: 'write tasks: [reserve, charge] or modules: ["./tasks.ts"]',
    })
  }
  if (topics.length === 0) throw new UsageError('topics: expected at least one')
  for (const topic of topics) {
    if (topic !== '' && Buffer.byteLength(topic) <= LONGEST_TOPIC) continue
    throw new UsageError(`topics: expected texts of 1 to ${LONGEST_TOPIC} bytes, got ${topic}`)
  }
  const registry = tasks === undefined ? undefined : registryOf(tasks)
  return {
    broker,
    namespace: typeof broker === 'string' ? (options.namespace ?? 'zagflow') : broker.namespace,
    registry,
    modules: options.modules?.map((module) => moduleUrl(module)) ?? registry?.modules ?? [],
    topics: [...new Set(topics)],
    concurrency: wholeOption('concurrency', options.concurrency, { least: 1, byDefault: 16 }),
    name: options.name ?? `${hostname()}:${process.pid}`,
    graceMs: millisecondsOption('graceMs', options.graceMs, { least: 0, byDefault: 30_000 }),
    abortGraceMs: millisecondsOption('abortGraceMs', options.abortGraceMs, {
      least: 0,
      byDefault: 5_000,
    }),
    threads: wholeOption('threads', options.threads, {
      least: 0,
      byDefault: availableParallelism(),
    }),
    threadHeapMb: options.threadHeapMb,
    soloProcesses: wholeOption('soloProcesses', options.soloProcesses, {
      least: 0,
      byDefault: Math.max(2, availableParallelism()),
    }),
    leaseMs: millisecondsOption('leaseMs', options.leaseMs, { least: 100, byDefault: 30_000 }),
    tls: options.tls,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? realClock,
  }
}

function registryOf(tasks: unknown): TaskRegistry {
  const registry = tasks instanceof TaskRegistry ? tasks : TaskRegistry.of(tasks)
  if (registry.tasks.length > 0 || registry.strategies.size > 0) return registry
  throw new UsageError('tasks: found no task in it', {
    hint: 'give what task(…) returned, a list of these, or a module that exports them',
  })
}
