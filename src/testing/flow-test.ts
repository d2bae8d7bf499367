/**
 * A flow under test: everything in memory, time under control, tasks replaced, failures injected, crashes simulated.
 *
 * Invariants
 * T1  The same code decides, checkpoints and runs as in production: memory is only where it is kept.
 * T2  Time stands still while a task runs. With `time: 'auto'` it goes on to the next timer whenever nothing else can happen;
 *     a task that is silent for a second of real time is taken to hang.
 */
import { manualClock, type ManualClock } from '../base/clock.ts'
import { formatDuration, parseDuration } from '../base/durations.ts'
import { UsageError } from '../base/errors.ts'
import { uuidV7 } from '../base/ids.ts'
import type { JsonObject } from '../base/json.ts'
import type { Logger } from '../base/logger.ts'
import { compile } from '../flow/compile.ts'
import type { SourceDocument } from '../flow/document.ts'
import type { Duration } from '../flow/duration-option.ts'
import type { Runnable } from '../flow/runnable.ts'
import type { AtomState, FlowState } from '../machine/states.ts'
import { checkOptions } from '../client/check-options.ts'
import { RUN_BOARD } from '../client/local-run.ts'
import { outcomeOf, type Outcome } from '../client/outcome.ts'
import { postRequest } from '../posting/post-request.ts'
import { isRunnable, prepare, sourceOf } from '../posting/prepare.ts'
import { withResults } from '../client/watch.ts'
import type { FlowEvent } from '../../engines/drive.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Store } from '../../persistence/store.ts'
import { TaskRegistry } from '../worker/registry.ts'
import { Incarnation } from './incarnation.ts'
import type { Injection } from './injections.ts'
import { testTasks, type Replacement, type TestCall } from './test-tasks.ts'

/** A moment of a run at which its process dies. */
export interface CrashPoint {
  /** The number of the commit, from 1. */
  readonly commit: number
  /** `before`: what it was to write is lost. `after`: it is written, and nothing that follows from it was done. */
  readonly when: 'before' | 'after'
}

/** Options of {@link testFlow}. */
export interface TestOptions {
  /** Tasks beside those of the flow: definitions, lists of them, whole modules. */
  readonly tasks?: unknown
  /** What runs instead of tasks, by their names. Their declared arguments and results are still checked. */
  readonly replace?: { readonly [task: string]: Replacement } | undefined
  /** What goes wrong: `failing(…)`, `hanging(…)`. */
  readonly inject?: readonly Injection[] | undefined
  /** `auto`: time goes on by itself when nothing else can happen. `manual`: only by `advance()`. @default 'auto' */
  readonly time?: 'auto' | 'manual' | undefined
  /** The time at which the test begins. @default 2030-01-01T00:00:00Z */
  readonly now?: Date | undefined
  /** @default 'parallel' */
  readonly engine?: 'serial' | 'parallel' | undefined
  /** The process dies there, and is started again at once. `crashEverywhere` tries every such point. */
  readonly crashAt?: CrashPoint | undefined
  /** What tasks log. @default silent */
  readonly logger?: Logger | undefined
}

const KEYS = [
  'tasks',
  'replace',
  'inject',
  'time',
  'now',
  'engine',
  'crashAt',
  'logger',
] as const satisfies readonly (keyof TestOptions)[]

/** Rounds of the event loop without any sign of life after which nothing else can happen. */
const QUIET_ROUNDS = 4
/** T2, in real ms. */
const PATIENCE_MS = 1_000
/** It is waited for in so many parts: of a machine that stands still meanwhile, one part passes. */
const PATIENCE_PARTS = 10

/**
 * Starts a flow under test. Throws {@link InvalidFlowError}, {@link InvalidInputError}, {@link UsageError}.
 *
 * @example
 * const test = testFlow(checkout, { sku: "A1", quantity: 2, total: 20 }, {
 *   replace: { "payment.charge": async () => ({ receipt: "r1" }) },
 *   inject: [failing("shipping.ship")],
 * })
 * const outcome = await test.outcome()
 * assert.equal(outcome.state, "REVERTED")
 * assert.deepEqual(test.reverted, ["checkout/shipping.ship", "checkout/payment.charge", "checkout/inventory.reserve"])
 */
export function testFlow<Input, Output>(
  flow: Runnable<Input, Output>,
  input: NoInfer<Input>,
  options?: TestOptions,
): FlowTest<Output>
export function testFlow(flow: SourceDocument, input: JsonObject, options?: TestOptions): FlowTest
export function testFlow(
  flow: Runnable | SourceDocument,
  input: unknown,
  options: TestOptions = {},
): FlowTest<never> {
  return new FlowTest(flow, input, options)
}

/** A flow under test: made by {@link testFlow}. */
export class FlowTest<Output = JsonObject> {
  /** Every transition so far, in the order of the machine: as it was when a method of the test was last awaited. */
  readonly events: FlowEvent[] = []
  /** Every call of a task, in the order in which they began; injected ones and those of earlier lives included. */
  readonly calls: TestCall[] = []
  /** The store of the test, to look into. */
  readonly store: Store
  readonly #clock: ManualClock
  readonly #startedAt: number
  readonly #options: TestOptions
  readonly #begun: Promise<string>
  readonly #start: () => Incarnation
  #life: Incarnation | undefined
  #crashAt: CrashPoint | undefined
  #commits = 0
  #busy = 0
  /** Grows with everything that happens. */
  #signs = 0
  #onSign: (() => void) | undefined

  /** @internal */
  constructor(flow: Runnable | SourceDocument, input: unknown, options: TestOptions) {
    checkOptions('testFlow()', options, KEYS)
    this.#options = options
    this.#startedAt = (options.now ?? new Date('2030-01-01T00:00:00Z')).getTime()
    const clock = (this.#clock = manualClock(this.#startedAt))
    const store = (this.store = new MemoryStore({ clock }))
    this.#crashAt = options.crashAt
    const given = TaskRegistry.of(options.tasks)
    if (isRunnable(flow)) given.add(flow)
    const { registry, signatures } = testTasks(given, {
      replace: options.replace ?? {},
      inject: options.inject ?? [],
      host: {
        now: () => clock.now(),
        called: (call) => {
          this.calls.push(call)
          this.#sign()
        },
        busy: (change) => {
          this.#busy += change
          this.#sign()
        },
      },
    })
    const prepared = prepare(sourceOf(flow), signatures)
    const request = postRequest(prepared, input, { board: RUN_BOARD, state: 'POSTING' })
    const plan = compile(prepared.document, prepared.documentHash)
    this.#start = () => {
      const life = new Incarnation({
        store,
        jobId: request.id,
        plan,
        tasks: registry,
        engine: options.engine ?? 'parallel',
        clock,
        logger: options.logger,
        onEvent: () => this.#sign(),
        diesAt: (when) => this.#diesAt(when),
        onDeath: () => this.#sign(),
      })
      const sign = (): void => this.#sign()
      life.end.then(sign, sign) // the outcome is read from the store
      return life
    }
    this.#begun = store.post(request).then(({ job }) => {
      this.#life = this.#start()
      return job.id
    })
  }

  /** Paths of the atoms that were called to execute, in the order in which these calls began. */
  get executed(): readonly string[] {
    return this.calls.filter(({ direction }) => direction === 'execute').map(({ atom }) => atom)
  }

  /** Paths of the tasks that are reverted, in the order in which that happened. */
  get reverted(): readonly string[] {
    return this.events
      .filter(({ kind, state }) => kind === 'task' && state === 'REVERTED')
      .map(({ name }) => name)
  }

  /** Ms of the test's time since it began. */
  get elapsedMs(): number {
    return this.#clock.now() - this.#startedAt
  }

  /** Commits so far, over all lives. */
  get commits(): number {
    return this.#commits
  }

  /** The state of an atom, or (without a path) of the flow. */
  async state(path?: string): Promise<AtomState | FlowState> {
    const jobId = await this.#begun
    const found = await this.store.job(jobId)
    if (found === null) throw new UsageError('the test has no job')
    if (path === undefined) return found.detail.state
    const atoms = await this.store.atoms(found.detail.id)
    return atoms.find((atom) => atom.path === path)?.state ?? 'PENDING'
  }

  /**
   * Runs the flow to its end (or to its suspension) and gives the outcome. Throws {@link UsageError} when it cannot go on
   * by itself: it waits for `advance()`, or crashed and was not restarted.
   */
  async outcome(): Promise<Outcome<Output>> {
    const jobId = await this.#begun
    for (;;) {
      await this.#settle()
      const summary = await this.store.job(jobId)
      const outcome = summary === null ? undefined : outcomeOf(summary, this.store)
      if (outcome !== undefined) return outcome as Outcome<Output> // the document's output
      if (this.#life?.isDead === true) {
        throw new UsageError('the process of the test has crashed', { hint: 'call restart()' })
      }
      if (this.#options.time === 'manual') {
        if (this.#busy > 0) await this.#nextSign()
        else throw this.#stuck()
      } else if (this.#busy > 0 && !(await this.#isSilent())) {
        continue
      } else if (!this.#clock.advanceToNext()) {
        if (this.#busy === 0) throw this.#stuck()
        await this.#nextSign()
      }
    }
  }

  /** Lets time go on by a duration, such as `1h`: timers fire in their order, and what they cause happens in between. */
  async advance(duration: Duration): Promise<void> {
    const until = this.#clock.now() + parseDuration(duration)
    await this.#begun
    await this.#settle()
    // Timers that are set meanwhile count, so time goes in steps.
    for (let at = this.#nextTimer(); at !== undefined && at <= until; at = this.#nextTimer()) {
      this.#clock.advance(at - this.#clock.now())
      await this.#settle()
    }
    this.#clock.advance(until - this.#clock.now())
    await this.#settle()
  }

  /** Waits until nothing more can happen without time going on; tasks that wait for something of their own are not awaited. */
  async settled(): Promise<void> {
    await this.#begun
    await this.#settle()
  }

  /** Cancels the flow, as `job.cancel()` does. */
  cancel(reason = 'cancelled'): Promise<void> {
    return this.#mail('cancel', reason)
  }

  /** Suspends the flow, as `job.suspend()` does. */
  suspend(reason = 'suspended'): Promise<void> {
    return this.#mail('suspend', reason)
  }

  /** Lets a suspended flow go on. Throws {@link UsageError} when it is not suspended. */
  async resume(): Promise<void> {
    const jobId = await this.#begun
    await this.#settle()
    const found = await this.store.job(jobId)
    if (found?.job.parkedFor !== 'suspended') throw new UsageError('the flow is not suspended')
    await this.#mail('resume', 'resumed')
    await this.store.releaseJob(jobId)
    this.#life = this.#start()
  }

  /** The process dies now, as by `kill -9`: of what it did only the commits are left. */
  async crash(): Promise<void> {
    await this.#begun
    this.#life?.crash()
    await this.#settle()
  }

  /** Starts the process again after {@link crash}: it goes on from what was committed. */
  async restart(): Promise<void> {
    await this.#begun
    if (this.#life?.isDead !== true) throw new UsageError('the process of the test is alive')
    this.#life = this.#start()
  }

  async #mail(kind: 'cancel' | 'suspend' | 'resume', reason: string): Promise<void> {
    const jobId = await this.#begun
    await this.store.mail(jobId, { key: `${kind} ${uuidV7()}`, kind, body: { reason } })
    await this.#settle()
  }

  #diesAt(when: 'before' | 'after'): boolean {
    if (when === 'before') this.#commits += 1
    this.#sign()
    const point = this.#crashAt
    if (point === undefined || point.commit !== this.#commits || point.when !== when) return false
    this.#crashAt = undefined
    queueMicrotask(() => (this.#life = this.#start()))
    return true
  }

  #nextTimer(): number | undefined {
    return this.#clock.nextAt
  }

  #stuck(): UsageError {
    const next = this.#nextTimer()
    if (next === undefined) return new UsageError('the flow waits for something that never comes')
    const inMs = next - this.#clock.now()
    return new UsageError(`the flow waits for a time that is ${formatDuration(inMs)} away`, {
      hint: `advance("${formatDuration(inMs)}"), or leave out time: "manual"`,
    })
  }

  /** Until nothing has happened for some rounds of the event loop. */
  async #settle(): Promise<void> {
    for (let quiet = 0, seen = this.#signs; quiet < QUIET_ROUNDS;) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (this.#signs === seen) quiet += 1
      else {
        quiet = 0
        seen = this.#signs
      }
    }
    await this.#readEvents()
  }

  /** From history, for a process that died has told nobody of its last commit. */
  async #readEvents(): Promise<void> {
    const jobId = await this.#begun
    const summary = await this.store.job(jobId)
    if (summary === null) return
    for (;;) {
      const after = this.events.at(-1)?.seq ?? 0
      const records = await this.store.history(jobId, { after, limit: 1_000 })
      if (records.length === 0) return
      this.events.push(...(await withResults(this.store, summary, records)))
    }
  }

  /** T2: whether the tasks that run have nothing to say for long. */
  async #isSilent(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<boolean>((resolve) => {
      const wait = (parts: number): void => {
        if (parts === 0) resolve(true)
        else timer = setTimeout(() => wait(parts - 1), PATIENCE_MS / PATIENCE_PARTS)
      }
      wait(PATIENCE_PARTS)
    })
    try {
      return await Promise.race([silence, this.#nextSign().then(() => false)])
    } finally {
      clearTimeout(timer)
    }
  }

  #nextSign(): Promise<void> {
    return new Promise((resolve) => (this.#onSign = resolve))
  }

  #sign(): void {
    this.#signs += 1
    this.#onSign?.()
    this.#onSign = undefined
  }
}
