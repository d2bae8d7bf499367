import type { Clock } from '../base/clock.ts'
import { realClock } from '../base/clock.ts'
import { ConflictError, NotFoundError, UsageError } from '../base/errors.ts'
import { uuidV7 } from '../base/ids.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { silentLogger, type Logger } from '../base/logger.ts'
import { compile, type Plan } from '../flow/compile.ts'
import type { SourceDocument } from '../flow/document.ts'
import type { Runnable } from '../flow/runnable.ts'
import type { DriveEnd, FlowEvent } from '../../engines/drive.ts'
import type { Engine } from '../../engines/engine.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SerialEngine } from '../../engines/serial.ts'
import { StoreClock } from '../conductor/store-clock.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Store } from '../../persistence/store.ts'
import { TaskRegistry } from '../worker/registry.ts'
import { checkOptions } from './check-options.ts'
import { RUN_BOARD, runLocally } from './local-run.ts'
import { outcomeOf, resultsOf, type Outcome } from './outcome.ts'
import { isRunnable, prepare, sourceOf, type PreparedFlow } from './prepare.ts'
import { postRequest } from './post-request.ts'

/** Options of {@link resume}, and of {@link run}. */
export interface ResumeOptions {
  /**
   * `parallel` runs what may run at once, `serial` one task after the other. An engine of your own is used as it is: it must
   * be started, and stays so. @default 'parallel'
   */
  readonly engine?: 'serial' | 'parallel' | Engine | undefined
  /** Tasks that run at once in the parallel engine. More cost memory, and load on what they call. @default 100 */
  readonly concurrency?: number | undefined
  /** Tasks and retry strategies, lists of them, or whole modules (`import * as tasks`), beside those of the flow itself. */
  readonly tasks?: unknown
  /** Told of every transition once it is durable, in the order of the machine. What it throws is logged. */
  readonly onEvent?: ((event: FlowEvent) => void) | undefined
  /** Told how far tasks say they are, from 0 to 1; at most some 10 times a second each. */
  readonly onProgress?:
    ((atom: string, progress: number, details: Json | undefined) => void) | undefined
  /** Ends the run early; `onAbort` says how. What runs is told by its own signal. */
  readonly signal?: AbortSignal | undefined
  /**
   * What an abort does: `cancel` reverts what ran, `suspend` lets running tasks end and stops there, to be resumed.
   * @default 'cancel'
   */
  readonly onAbort?: 'cancel' | 'suspend' | undefined
  /** Time for delays and timeouts. Tests give their own. @default the machine's */
  readonly clock?: Clock | undefined
  /** Given to tasks, and told of what goes wrong around the flow. @default silent */
  readonly logger?: Logger | undefined
}

/** Options of {@link run}. */
export interface RunOptions extends ResumeOptions {
  /**
   * Makes the run durable: a started store, from `openStore(url)`. Every step is committed before the next is taken, so it
   * costs what the database costs. @default one in memory that ends with the run
   */
  readonly store?: Store | undefined
  /**
   * Names the run within its store: running the same flow with the same input and key again goes on where it was, or
   * gives the outcome that it had. With other content it is a `ConflictError`.
   */
  readonly key?: string | undefined
  /** For searching. */
  readonly labels?: { readonly [name: string]: string } | undefined
  /** Told the job's id once the run is stored: what {@link resume} needs. */
  readonly onStart?: ((jobId: string) => void) | undefined
}

const RESUME_KEYS = [
  'engine',
  'concurrency',
  'tasks',
  'onEvent',
  'onProgress',
  'signal',
  'onAbort',
  'clock',
  'logger',
] as const satisfies readonly (keyof ResumeOptions)[]
const RUN_KEYS = [...RESUME_KEYS, 'store', 'key', 'labels', 'onStart'] as const

/**
 * Runs a flow in this process to its end, without board or conductor, and says what came of it; a flow that fails is an
 * outcome, not an error. In memory unless a store is given; with one, {@link resume} goes on after a crash.
 *
 * Throws {@link InvalidFlowError} and {@link InvalidInputError} before anything is stored, {@link ConflictError} when the
 * key is another run's or the job is being run elsewhere, {@link ClaimLostError} when another process took it over (this
 * one stood still for too long), {@link UnavailableError} when the store cannot be reached at the start, and the signal's
 * reason if it was aborted before.
 *
 * @example
 * const outcome = await run(checkout, { sku: "A1", quantity: 2 }, { onEvent: (event) => console.log(event.name, event.state) })
 * if (outcome.state === "SUCCESS") console.log(outcome.output)
 * else for (const { atom, message } of outcome.failures) console.error(atom, message)
 */
export function run<Input, Output>(
  flow: Runnable<Input, Output>,
  input: NoInfer<Input>,
  options?: RunOptions,
): Promise<Outcome<Output>>
export function run(flow: SourceDocument, input: JsonObject, options?: RunOptions): Promise<Outcome>
export async function run(
  flow: Runnable | SourceDocument,
  input: unknown,
  options: RunOptions = {},
): Promise<Outcome<unknown>> {
  checkOptions('run()', options, RUN_KEYS)
  checkOnAbort(options)
  const source = sourceOf(flow)
  const registry = TaskRegistry.of(options.tasks)
  if (isRunnable(flow)) registry.add(flow)
  const engine = engineOf(registry, options)
  const prepared = prepare(source, registry.signatures())
  const request = postRequest(prepared, input, {
    board: RUN_BOARD,
    state: 'POSTING', // nobody but this run may claim it
    key: options.key,
    labels: options.labels,
  })
  options.signal?.throwIfAborted()
  const clock = options.clock ?? realClock
  const store = options.store ?? new MemoryStore({ clock })
  const { job, created } = await store.post(request)
  options.onStart?.(job.id)
  if (!created) return goOn(store, job.id, engine, options)
  return drive(store, job.id, engine, options, planOf(prepared))
}

/**
 * Goes on with a run that was stored by {@link run}: after a crash, or once it was suspended. Its tasks come from
 * `options.tasks`; the flow is the stored one, whatever the code says by now. A run that has ended gives its outcome.
 *
 * Throws {@link NotFoundError}, {@link ConflictError} when it is being run elsewhere or was posted for conductors.
 *
 * @example
 * const outcome = await resume(store, jobId, { tasks: await import("./tasks.ts") })
 */
export async function resume(
  store: Store,
  jobId: string,
  options: ResumeOptions = {},
): Promise<Outcome> {
  checkOptions('resume()', options, RESUME_KEYS)
  checkOnAbort(options)
  options.signal?.throwIfAborted()
  const engine = engineOf(TaskRegistry.of(options.tasks), options)
  return goOn(store, jobId, engine, options) as Promise<Outcome> // flows give objects
}

async function goOn(
  store: Store,
  jobId: string,
  engine: EngineInUse,
  options: ResumeOptions,
): Promise<Outcome<Json>> {
  const found = await store.job(jobId)
  if (found === null) throw new NotFoundError('job', jobId)
  const { job } = found
  if (job.board === RUN_BOARD && job.state === 'PARKED') {
    // Suspended: this is the user who wants it to go on.
    await store.mail(job.id, { key: `resume ${uuidV7()}`, kind: 'resume', body: {} })
    await store.releaseJob(job.id)
  } else if (job.board === RUN_BOARD && job.state === 'TRASHED') {
    const { mail } = await store.mailOf(job.id)
    if (mail.some(({ kind }) => kind === 'resolve-revert')) await store.releaseJob(job.id)
  }
  const outcome = outcomeOf((await store.job(jobId)) ?? found, store)
  if (outcome !== undefined) return outcome
  return drive(store, job.id, engine, options)
}

/** An engine, and whether it was made here, to be started and stopped here. */
interface EngineInUse {
  readonly engine: Engine
  readonly isOwn: boolean
}

async function drive(
  store: Store,
  jobId: string,
  { engine, isOwn }: EngineInUse,
  options: RunOptions,
  plan?: Plan,
): Promise<Outcome<Json>> {
  const clock = new StoreClock(store, options.clock ?? realClock)
  await clock.refresh()
  if (isOwn) await engine.start()
  try {
    const end = await runLocally({
      store,
      jobId,
      plan,
      engine,
      clock,
      logger: options.logger ?? silentLogger,
      isShared: store.kind !== 'memory',
      onEvent: options.onEvent,
      onProgress: options.onProgress,
      signal: options.signal,
      onAbort: options.onAbort ?? 'cancel',
    })
    return await outcomeOfEnd(end, store, jobId)
  } finally {
    if (isOwn) await engine.stop({ graceMs: 0 })
  }
}

function engineOf(tasks: TaskRegistry, options: ResumeOptions): EngineInUse {
  const { engine = 'parallel', logger, clock, concurrency } = options
  if (engine === 'serial') {
    return { engine: new SerialEngine({ tasks, logger, clock }), isOwn: true }
  }
  if (engine === 'parallel') {
    return { engine: new ParallelEngine({ tasks, logger, clock, concurrency }), isOwn: true }
  }
  if (typeof engine?.dispatch === 'function') return { engine, isOwn: false }
  throw new UsageError(
    `engine: expected serial, parallel or an engine, got ${JSON.stringify(engine)}`,
  )
}

async function outcomeOfEnd(end: DriveEnd, store: Store, jobId: string): Promise<Outcome<Json>> {
  if (end.kind === 'ended' && end.state !== 'SUCCESS') {
    const { state, failures, reason } = end
    return { state, jobId, failures, ...(reason === null ? {} : { reason }) }
  }
  const found = await store.job(jobId)
  if (end.kind === 'ended' && found !== null) {
    const results = resultsOf(store, found.detail.id)
    return { state: 'SUCCESS', jobId, output: end.output, results }
  }
  const outcome = found === null ? undefined : outcomeOf(found, store)
  if (outcome !== undefined) return outcome
  throw new ConflictError(`the job ${jobId}`, 'something else changed it while it was run here')
}

/** Compiling costs about as much as running a small flow. */
const plans = new WeakMap<PreparedFlow, Plan>()

function planOf(flow: PreparedFlow): Plan {
  let plan = plans.get(flow)
  if (plan === undefined) {
    plan = compile(flow.document, flow.documentHash)
    plans.set(flow, plan)
  }
  return plan
}

function checkOnAbort({ onAbort }: ResumeOptions): void {
  if (onAbort === undefined || onAbort === 'cancel' || onAbort === 'suspend') return
  throw new UsageError(`onAbort: expected cancel or suspend, got ${String(onAbort)}`)
}
