import { availableParallelism } from 'node:os'
import { realClock, type Clock } from '../src/base/clock.ts'
import { UsageError } from '../src/base/errors.ts'
import { silentLogger, type Logger } from '../src/base/logger.ts'
import type { TaskRegistry } from '../src/worker/registry.ts'
import type { CallEnvironment } from '../src/worker/run-call.ts'
import { TaskThreads } from '../src/worker/task-threads.ts'

/** Options of the engines that run tasks in this process. */
export interface InProcessEngineOptions {
  /** The tasks that it can run. */
  readonly tasks: TaskRegistry
  /** Given to tasks as `ctx.logger`. @default silent */
  readonly logger?: Logger | undefined
  /**
   * From the abort of a call (timeout, missing heartbeat, cancel) to the verdict about it, in ms: what a task gets to clean
   * up. A shorter one ends flows sooner, but their reverts may then overlap with a body that is still running.
   * @default 5,000
   */
  readonly abortGraceMs?: number | undefined
  /**
   * Worker threads for tasks with `cpu: true`; each may take the memory of a small process. 0 runs these tasks in this
   * thread, where they hold up everything else. @default the number of processors
   */
  readonly threads?: number | undefined
  /** Heap of one worker thread, in MB; a task that needs more fails with `WorkerLost`. @default Node's own limit */
  readonly threadHeapMb?: number | undefined
  /** @default the machine's */
  readonly clock?: Clock | undefined
}

export interface ResolvedInProcess {
  readonly environment: CallEnvironment
  readonly threads: TaskThreads
  readonly threadCount: number
}

const DEFAULT_ABORT_GRACE_MS = 5_000

/** Options with defaults filled in. Throws {@link UsageError}. */
export function resolveInProcess(options: InProcessEngineOptions): ResolvedInProcess {
  const abortGraceMs = options.abortGraceMs ?? DEFAULT_ABORT_GRACE_MS
  const threadCount = options.threads ?? availableParallelism()
  if (!(Number.isFinite(abortGraceMs) && abortGraceMs >= 0)) {
    throw new UsageError(`abortGraceMs: expected milliseconds from 0, got ${abortGraceMs}`)
  }
  if (!(Number.isInteger(threadCount) && threadCount >= 0)) {
    throw new UsageError(`threads: expected a whole number from 0, got ${threadCount}`)
  }
  const heapMb = options.threadHeapMb
  if (heapMb !== undefined && !(heapMb >= 8)) {
    throw new UsageError(`threadHeapMb: expected at least 8, got ${heapMb}`)
  }
  const environment = {
    tasks: options.tasks,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? realClock,
    abortGraceMs,
  }
  const threads = new TaskThreads({ tasks: options.tasks, environment, count: threadCount, heapMb })
  return { environment, threads, threadCount }
}
