/**
 * The connection of a service: posts jobs (`poster.ts`), gives handles of them, finds them, keeps flows and schedules.
 *
 * Owns: the store and the board (where it made them), an embedded conductor, who waits for ends, and the timers of these.
 *
 * Invariants (Z1 and Z2 are those of posting)
 * Z3  After `close()` no timer, listener or connection that was made here is left; what waits has got a `ClosedError`.
 */
import { ClosedError, NotFoundError } from '../base/errors.ts'
import { hashJson } from '../base/ids.ts'
import type { Json, JsonObject } from '../base/json.ts'
import type { Logger } from '../base/logger.ts'
import type { Conductor } from '../conductor/conductor.ts'
import type { SourceDocument } from '../flow/document.ts'
import type { Runnable } from '../flow/runnable.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, FlowVersion, JobRecord, Store } from '../../persistence/store.ts'
import { checkOptions } from './check-options.ts'
import { EndWatch } from './end-watch.ts'
import { findJobs, SEARCH_KEYS, type FoundJobs, type JobSearch } from './find-jobs.ts'
import { Job, type JobHost } from './job.ts'
import type { PostOptions } from './post-options.ts'
import { Poster, type PosterParts } from './poster.ts'
import { sourceOf } from '../posting/prepare.ts'
import {
  findSchedule,
  Schedule,
  scheduleStatus,
  type ScheduleOutcome,
  type ScheduleStatus,
} from './schedule.ts'
import {
  planSchedule,
  prepareSchedule,
  putSchedule,
  type PreparedSchedule,
} from './put-schedule.ts'
import { checkScheduleName, SCHEDULE_KEYS, type ScheduleOptions } from './schedule-spec.ts'
import { syncSchedules, type SchedulePlan } from './sync-schedules.ts'
import { settleBoards, type BoardPlace } from './tell-board.ts'

/** @internal What a connection is made of. */
export interface ZagflowParts extends PosterParts {
  readonly store: Store
  readonly board: JobBoard<Claim>
  readonly logger: Logger
  readonly pollMs: number
  /** Makes the embedded conductor, if there is to be one; it tells of jobs that it has done with. */
  readonly conductor?: ((onDone: (jobId: string) => void) => Conductor) | undefined
  /** Closes what was opened for this connection. */
  readonly release: () => Promise<void>
}

/** A connection: see {@link connect}. */
export class Zagflow {
  /** The store, for what has no method here. */
  readonly store: Store
  /** The board that is posted to. */
  readonly board: JobBoard<Claim>
  readonly #parts: ZagflowParts
  readonly #host: JobHost
  readonly #closing = new AbortController()
  readonly #poster: Poster
  readonly #conductor: Conductor | undefined
  #closed: Promise<void> | undefined

  /** @internal */
  constructor(parts: ZagflowParts) {
    const { store, board, logger, pollMs } = parts
    this.store = store
    this.board = board
    this.#parts = parts
    const ends = new EndWatch({
      store,
      logger,
      pollMs,
      listensToHistory: parts.conductor === undefined,
    })
    this.#host = { store, board, logger, pollMs, ends, closed: this.#closing.signal }
    this.#poster = new Poster(this.#host, parts)
    this.#conductor = parts.conductor?.((jobId) => ends.ask(jobId))
  }

  /** @internal */
  async start(): Promise<void> {
    await this.#conductor?.start()
  }

  /**
   * Posts a job: once this has resolved (and the transaction, if one was given, is committed) the job reaches an end, whatever
   * is killed. The flow is what a builder made, a flow document, or a registered `name` or `name@version`.
   *
   * Throws {@link InvalidFlowError}, {@link InvalidInputError}, {@link UsageError} before anything is stored;
   * {@link ConflictError} when the key belongs to other content; {@link NotFoundError} for a name that is not registered;
   * {@link UnavailableError}, after which nobody knows whether it was posted: with a `key` you may simply post again.
   *
   * @example
   * const job = await zag.post(checkout, { sku: "A1", quantity: 2 }, { key: `order ${orderId}` })
   * const { tracking } = await job.result()
   */
  post<Input, Output>(
    flow: Runnable<Input, Output>,
    input: NoInfer<Input>,
    options?: PostOptions,
  ): Promise<Job<Output>>
  post(flow: SourceDocument | string, input: JsonObject, options?: PostOptions): Promise<Job>
  post(
    flow: Runnable | SourceDocument | string,
    input: unknown,
    options?: PostOptions,
  ): Promise<Job<never>> {
    return this.#poster.post(flow, input, options)
  }

  /**
   * The handle of a job, by its id or by the key it was posted under on this board. Throws {@link NotFoundError},
   * {@link UnavailableError}. The type of its output is yours to say.
   */
  async job<Output = JsonObject>(idOrKey: string): Promise<Job<Output>> {
    this.#checkOpen()
    const found = await this.store.job(idOrKey, this.board.name)
    if (found === null) throw new NotFoundError('job', idOrKey)
    const { id, key, flow } = found.job
    return new Job<Output>(this.#host, { id, key, flow, created: false })
  }

  /** @internal The handle of a job that was just read. */
  handleOf({ id, key, flow }: JobRecord): Job {
    this.#checkOpen()
    return new Job(this.#host, { id, key, flow, created: false })
  }

  /** @internal Where jobs are shown that can be claimed. */
  get place(): BoardPlace {
    return this.#host
  }

  /**
   * Finds jobs of this board (or of `search.board`), newest first, page by page: give `next` of the one page as `after` of
   * the next. Throws {@link UsageError} for a condition that is none, {@link InvalidInputError}, {@link UnavailableError}.
   *
   * @example
   * const { jobs, next } = await zag.jobs({ flow: "checkout", flowStates: ["REVERTED"], where: cel("total > 100") })
   */
  async jobs(search: JobSearch = {}): Promise<FoundJobs> {
    this.#checkOpen()
    checkOptions('jobs()', search, SEARCH_KEYS)
    return findJobs(this.store, { board: this.board.name, ...search })
  }

  /**
   * Keeps a flow under its name, so that it can be posted by name. A new version is made when the content has changed since the
   * last one. Throws {@link InvalidFlowError}.
   */
  async register(flow: Runnable | SourceDocument): Promise<FlowVersion> {
    this.#checkOpen()
    const source = sourceOf(flow)
    const json = source as unknown as Json // parsing made it JSON
    return this.store.registerFlow(source.flow, json, hashJson(json))
  }

  /** The registered flows, or the versions of one, by name and version. */
  async flows(name?: string): Promise<readonly FlowVersion[]> {
    this.#checkOpen()
    return this.store.listFlows(name)
  }

  /**
   * Posts a flow again and again: at the times of a `cron` expression, or `every` so often. Whoever has a conductor on this board posts the
   * ticks, each once, whatever is killed. A schedule of that name is changed; one with the same content stays as it is, so that a
   * service may call this each time it starts. Without options: the handle of the one that is there.
   *
   * Throws {@link InvalidInputError} (what is wrong, and for a schedule that can never fire why), {@link InvalidFlowError},
   * {@link UsageError}; {@link NotFoundError} for a flow or schedule that is not there; {@link ConflictError} where it belongs to another group.
   *
   * @example
   * const nightly = await zag.schedule("nightly-report", {
   *   flow: report,
   *   input: { day: "${{ tick.date }}" },
   *   cron: "30 2 * * *",
   *   zone: "Europe/Berlin",
   *   overlap: "skip",
   * })
   * await nightly.pause()
   */
  schedule<Input, Output>(name: string, options: ScheduleOptions<Input, Output>): Promise<Schedule>
  schedule(name: string): Promise<Schedule>
  async schedule(name: string, options?: ScheduleOptions): Promise<Schedule> {
    this.#checkOpen()
    if (options === undefined) {
      await findSchedule(this, name)
      return new Schedule(this, name)
    }
    const outcome = await putSchedule(this, await this.#prepareSchedule(name, options))
    return new Schedule(this, name, outcome)
  }

  /** @internal What `schedule()` would do and store, for those who want to see it first. Throws as it does. */
  async planSchedule(
    name: string,
    options: ScheduleOptions,
  ): Promise<{ readonly record: ScheduleStatus; readonly outcome: ScheduleOutcome }> {
    this.#checkOpen()
    const planned = await planSchedule(this, await this.#prepareSchedule(name, options))
    return { ...planned, record: scheduleStatus(planned.record) }
  }

  /** The schedules of this board, or those of a group, by name. */
  async schedules(group?: string): Promise<readonly ScheduleStatus[]> {
    this.#checkOpen()
    return (await this.store.schedules(this.board.name, group)).map(scheduleStatus)
  }

  /**
   * Makes a group of schedules true: adds, changes and removes until the group is what is given; others are not touched. All are checked
   * before the first is stored. With `dryRun` nothing is stored: the plan is what would be done. Throws as {@link Zagflow.schedule} does.
   *
   * @example
   * await zag.syncSchedules("billing", { invoices: { flow: "invoices", cron: "0 6 1 * *" } })
   */
  async syncSchedules(
    group: string,
    schedules: { readonly [name: string]: Omit<ScheduleOptions, 'group'> },
    options: { readonly dryRun?: boolean | undefined } = {},
  ): Promise<SchedulePlan> {
    this.#checkOpen()
    checkScheduleName(group)
    checkOptions('syncSchedules()', options, ['dryRun'])
    const prepared: PreparedSchedule[] = []
    for (const [name, one] of Object.entries(schedules)) {
      prepared.push(await this.#prepareSchedule(name, { ...one, group }))
    }
    return syncSchedules(this, group, prepared, options)
  }

  /**
   * Ends the connection: an embedded conductor hands over what it runs (within its grace period), who waits for a job gets a
   * `ClosedError`, and what was opened is closed. Jobs go on wherever there are conductors. Calling it twice is fine.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    this.#poster.close()
    this.#host.ends.close()
    try {
      await this.#conductor?.stop()
      await this.#poster.settled()
      await settleBoards(this.store)
    } finally {
      await this.#parts.release()
    }
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new ClosedError('the connection')
  }

  async #prepareSchedule(name: string, options: ScheduleOptions): Promise<PreparedSchedule> {
    checkScheduleName(name)
    checkOptions(`schedule("${name}")`, options, SCHEDULE_KEYS)
    if (options.group !== undefined) checkScheduleName(options.group)
    const flow = await this.#poster.prepare(options.flow)
    return prepareSchedule(name, options, flow, this.board.name)
  }
}
