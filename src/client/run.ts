import type { BrokerTls } from '../amqp/options.ts'
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
import type { JobSummary, Store } from '../../persistence/store.ts'
import { TaskRegistry } from '../worker/registry.ts'
import { brokerPlace, type BrokerPlace } from './broker-place.ts'
import { checkOptions } from './check-options.ts'
import { RUN_BOARD, runLocally } from './local-run.ts'
import { outcomeOf, resultsOf, type Outcome } from './outcome.ts'
import {
  isRunnable,
  prepare,
  sourceOf,
  type PreparedFlow,
  type Signatures,
} from '../posting/prepare.ts'
import { postRequest } from '../posting/post-request.ts'
import { KnownSignatures } from '../posting/signatures.ts'
import { openWorkerBased } from './worker-based.ts'

/** Options of {@link resume}, and of {@link run}. */
export interface ResumeOptions {
  /**
   * `parallel` runs what may run at once, `serial` one task after the other, both in this process; `worker-based` sends tasks to workers
   * over `broker`. An engine of your own is used as it is: it must be started, and stays so.
   * @default 'worker-based' with a broker, else 'parallel'
   */
  readonly engine?: 'serial' | 'parallel' | 'worker-based' | Engine | undefined
  /** URL of the broker where workers are, `amqp://…` or `amqps://…`. Needs a store in a database. @default none */
  readonly broker?: string | undefined
  /** Begins every name on the broker; that of the workers. @default 'zagflow' */
  readonly namespace?: string | undefined
  /** Certificates for a broker at `amqps://`. @default what Node trusts */
  readonly tls?: BrokerTls | undefined
  /** Tasks that run at once in the parallel engine. More cost memory, and load on what they call. @default 100 */
  readonly concurrency?: number | undefined
  /**
   * Tasks and retry strategies, lists of them, or whole modules (`import * as tasks`), beside those of the flow itself. Where workers
   * run them, they only say what tasks need and give, if no worker has announced it yet.
   */
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
  'broker',
  'namespace',
  'tls',
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
 * one stood still for too long), {@link UnavailableError} when store or broker cannot be reached at the start, and the signal's
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
  const engine = chooseEngine(registry, options, options.store)
  const prepared = prepare(source, await signaturesOf(source, registry, engine, options.store))
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
  const engine = chooseEngine(TaskRegistry.of(options.tasks), options, store)
  return goOn(store, jobId, engine, options) as Promise<Outcome> // flows give objects
}

async function goOn(
  store: Store,
  jobId: string,
  engine: ChosenEngine,
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
  const { kind } = engine
  if (kind === 'here' && options.engine === undefined) await refuseCallsElsewhere(store, found)
  return drive(store, job.id, engine, options)
}

/** What workers may be running is run again here only if that is said. Throws {@link UsageError}. */
async function refuseCallsElsewhere(store: Store, { job, detail }: JobSummary): Promise<void> {
  const atoms = await store.atoms(detail.id)
  const isElsewhere = atoms.some(
    ({ state, replyTo }) => replyTo !== null && (state === 'RUNNING' || state === 'REVERTING'),
  )
  if (!isElsewhere) return
  throw new UsageError(`tasks of the job ${job.id} are with workers`, {
    hint: 'give the broker, so that it goes on over them; or engine: "parallel" to run again here what they may be running',
  })
}

/** An engine that is made, started and stopped here, or one that was given. */
type ChosenEngine =
  | { readonly kind: 'given'; readonly engine: Engine }
  | { readonly kind: 'here'; readonly engine: Engine }
  | { readonly kind: 'workers'; readonly broker: BrokerPlace }

async function drive(
  store: Store,
  jobId: string,
  chosen: ChosenEngine,
  options: RunOptions,
  plan?: Plan,
): Promise<Outcome<Json>> {
  const clock = new StoreClock(store, options.clock ?? realClock)
  await clock.refresh()
  const { engine, conductor, stop } = await startEngine(store, chosen, options)
  try {
    const end = await runLocally({
      store,
      jobId,
      plan,
      engine,
      conductor,
      clock,
      logger: options.logger ?? silentLogger,
      isShared: store.kind !== 'memory' || chosen.kind === 'workers',
      onEvent: options.onEvent,
      onProgress: options.onProgress,
      signal: options.signal,
      onAbort: options.onAbort ?? 'cancel',
    })
    return await outcomeOfEnd(end, store, jobId)
  } finally {
    await stop()
  }
}

interface StartedEngine {
  readonly engine: Engine
  /** Id of the process, as the store is to know it: of the claim, and of the engine's reply queue. */
  readonly conductor: string
  readonly stop: () => Promise<void>
}

async function startEngine(
  store: Store,
  chosen: ChosenEngine,
  options: RunOptions,
): Promise<StartedEngine> {
  const conductor = uuidV7()
  const { logger = silentLogger, clock } = options
  switch (chosen.kind) {
    case 'given':
      return { engine: chosen.engine, conductor, stop: async () => {} }
    case 'here': {
      const { engine } = chosen
      await engine.start({ conductor })
      return { engine, conductor, stop: () => engine.stop({ graceMs: 0 }) }
    }
    case 'workers': {
      const { broker } = chosen
      const name = `${broker.namespace} run`
      const about = { broker, store, board: RUN_BOARD, parks: false, name, logger, clock }
      const opened = await openWorkerBased(about)
      const { engine } = opened
      const stop = async (): Promise<void> => {
        await engine.stop({ graceMs: 0 })
        await opened.stop()
      }
      try {
        await engine.start({ conductor })
      } catch (error) {
        await stop()
        throw error
      }
      return { engine, conductor, stop }
    }
  }
}

/** Throws {@link UsageError} for what does not go together; opens nothing. */
function chooseEngine(
  tasks: TaskRegistry,
  options: ResumeOptions,
  store: Store | undefined,
): ChosenEngine {
  const { logger, clock, concurrency } = options
  const broker = brokerPlace(options.broker, options.namespace, options.tls)
  const engine = options.engine ?? (broker === undefined ? 'parallel' : 'worker-based')
  if (engine === 'worker-based') {
    if (broker === undefined) {
      throw new UsageError('the worker-based engine needs a broker', {
        hint: 'write { engine: "worker-based", broker: "amqp://…" }',
      })
    }
    if (store === undefined) {
      throw new UsageError('a run over workers needs a store in a database', {
        hint: 'write { store: openStore("sqlite:FILE") }, started: what is at the broker outlives this process',
      })
    }
    if (concurrency !== undefined) {
      throw new UsageError('concurrency is of tasks that run here', {
        hint: 'workers have a concurrency of their own: zagflow worker --concurrency 16',
      })
    }
    return { kind: 'workers', broker }
  }
  const isOurs = engine === 'serial' || engine === 'parallel'
  if (!isOurs && typeof engine?.dispatch !== 'function') {
    throw new UsageError(
      `engine: expected serial, parallel, worker-based or an engine, got ${JSON.stringify(engine)}`,
    )
  }
  const isForBroker = broker !== undefined || options.namespace !== undefined || options.tls
  if (isForBroker) {
    throw new UsageError('broker, namespace and tls are of the worker-based engine', {
      hint: 'leave them out, or write engine: "worker-based"',
    })
  }
  if (engine === 'serial') return here(new SerialEngine({ tasks, logger, clock }))
  if (engine === 'parallel') {
    return here(new ParallelEngine({ tasks, logger, clock, concurrency }))
  }
  return { kind: 'given', engine }
}

function here(engine: Engine): ChosenEngine {
  return { kind: 'here', engine }
}

/** Of tasks that run here; where workers run them, also what these have announced. */
async function signaturesOf(
  source: SourceDocument,
  registry: TaskRegistry,
  { kind }: ChosenEngine,
  store: Store | undefined,
): Promise<Signatures> {
  if (kind !== 'workers' || store === undefined) return registry.signatures()
  return new KnownSignatures({ store, board: RUN_BOARD, here: registry }).of(source, registry)
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
