import { NotFoundError } from '../base/errors.ts'
import { uuidV7 } from '../base/ids.ts'
import type { Json, JsonObject } from '../base/json.ts'
import type { ResolvedDocument } from '../flow/resolved.ts'
import type { AtomRecord, CallRecord, HistoryRecord } from '../machine/records.ts'
import type { FlowState } from '../machine/states.ts'
import type { FlowEvent } from '../../engines/drive.ts'
import type {
  FlowDetail,
  JobRecord,
  JobState,
  JobSummary,
  MailKind,
  ParkReason,
} from '../../persistence/store.ts'
import { checkOptions } from './check-options.ts'
import type { EndWatch } from './end-watch.ts'
import { outcomeOf, outputOf, type Outcome } from './outcome.ts'
import { releaseJob, retryJob, type Retried, type RetryOptions } from './retry.ts'
import type { BoardPlace } from './tell-board.ts'
import { watchJob, type WatchHost, type WatchOptions } from './watch.ts'

/** Where a job stands. */
export interface JobStatus {
  readonly state: JobState
  readonly flowState: FlowState
  /** While it is parked: what it waits for, and until when (epoch ms; null: for mail or an operator). */
  readonly parkedFor: ParkReason | null
  readonly dueAt: number | null
  /** Name of the conductor that has it. */
  readonly conductor: string | null
  /** Why it is in the trash, was cancelled or suspended. */
  readonly reason: string | null
}

/** All that is stored of a job and its present run, but for results and history. */
export interface JobDetails {
  readonly job: JobRecord
  readonly flow: FlowDetail
  readonly document: ResolvedDocument
  /** The source document, as it was posted. */
  readonly source: Json
  readonly atoms: readonly AtomRecord[]
  readonly calls: readonly CallRecord[]
}

/** Whether a wish came in time. */
export type Steered =
  /** It is durable, and will be obeyed: by the job's owner at once, by its next one else. */
  | { readonly accepted: true }
  /** Too late: the job has ended. */
  | { readonly accepted: false; readonly outcome: Outcome }

/** How to wait for a job. */
export interface WaitOptions {
  /** Ends the wait, not the job; its reason is thrown. */
  readonly signal?: AbortSignal | undefined
}

/** @internal What a handle needs of its connection. */
export interface JobHost extends WatchHost, BoardPlace {
  readonly ends: EndWatch
}

/** What a handle is made of. */
export interface JobIdentity {
  readonly id: string
  readonly key: string | null
  readonly flow: string
  /** Whether this very post made it (false: the key had been posted before). */
  readonly created: boolean
  /** Settles with the transaction that it was posted in: whether that was committed. */
  readonly committed?: Promise<boolean> | undefined
}

const RETRY_KEYS = ['from', 'input'] as const satisfies readonly (keyof RetryOptions)[]

/** A handle of a posted job. Many may exist of one job, in any process. */
export class Job<Output = JsonObject> {
  readonly id: string
  /** The key that it was posted under, if any. */
  readonly key: string | null
  /** Name of its flow. */
  readonly flow: string
  /** Whether the call that gave this handle made the job; false where it was there before. */
  readonly created: boolean
  readonly #host: JobHost
  readonly #committed: Promise<boolean> | undefined

  /** @internal */
  constructor(host: JobHost, identity: JobIdentity) {
    this.#host = host
    this.id = identity.id
    this.key = identity.key
    this.flow = identity.flow
    this.created = identity.created
    this.#committed = identity.committed
  }

  /**
   * Waits for the flow's output. Throws {@link FlowFailedError} when the job ends in any other way, {@link ClosedError} when
   * the connection is closed meanwhile. A suspended job is waited for until somebody resumes it.
   */
  async result(options: WaitOptions = {}): Promise<Output> {
    return outputOf(await this.outcome(options), this.flow)
  }

  /**
   * Waits for the job's end, whatever it is. With `orSuspended` a suspended job is an outcome too, else it is waited for
   * until somebody resumes it. Throws only {@link ClosedError}, {@link NotFoundError} (its transaction was rolled back) and
   * the signal's reason.
   */
  async outcome(
    options: WaitOptions & { readonly orSuspended?: boolean | undefined } = {},
  ): Promise<Outcome<Output>> {
    await this.#exists()
    const { signal, orSuspended = false } = options
    for (;;) {
      const summary = await this.#host.ends.wait(this.id, { acceptsSuspended: orSuspended, signal })
      const outcome = outcomeOf(summary, this.#host.store)
      if (outcome !== undefined) return outcome as Outcome<Output> // the document's output
    }
  }

  /** Where it stands now. Throws {@link NotFoundError}. */
  async state(): Promise<JobStatus> {
    const { job, detail } = await this.#summary()
    return {
      state: job.state,
      flowState: detail.state,
      parkedFor: job.parkedFor,
      dueAt: job.dueAt,
      conductor: job.state === 'CLAIMED' ? job.conductor : null,
      reason: job.reason ?? detail.reason,
    }
  }

  /**
   * Cancels the job: what runs is told by its signal, what ran is reverted, and the job ends REVERTED with the reason.
   * Cancelling twice does no harm. Throws {@link NotFoundError}, {@link UnavailableError}.
   */
  cancel(reason = 'cancelled'): Promise<Steered> {
    return this.#steer('cancel', reason)
  }

  /** Lets running tasks end and starts nothing more, until `resume()`. */
  suspend(reason = 'suspended'): Promise<Steered> {
    return this.#steer('suspend', reason)
  }

  /** Lets a suspended job go on; does nothing to others. */
  resume(): Promise<Steered> {
    return this.#steer('resume', 'resumed')
  }

  /**
   * Lets a job that has ended run again, as a new run: from its start, or from where it failed. Throws {@link ConflictError} when it has
   * not ended or nothing of it failed, {@link InvalidInputError} for an input that its flow does not take, {@link NotFoundError},
   * {@link UnavailableError}; then nothing was changed.
   *
   * @example
   * await job.retry({ from: "failed", input: (input) => ({ ...input, card: "visa" }) })
   */
  async retry(options: RetryOptions = {}): Promise<Retried> {
    checkOptions('retry()', options, RETRY_KEYS)
    await this.#exists()
    return retryJob(this.#host, this.id, options)
  }

  /**
   * Lets a job that is in the trash, suspended or on probation be claimed again, as it is. Throws {@link ConflictError} for
   * others, {@link NotFoundError}.
   */
  async release(): Promise<void> {
    await this.#exists()
    await releaseJob(this.#host, this.id)
  }

  /**
   * What happens to it from now on, or after the event with the number `after`, until it has ended. Any number of watchers may
   * come and go.
   *
   * @example
   * for await (const event of job.watch()) console.log(event.seq, event.name, event.state)
   */
  async *watch(options: WatchOptions = {}): AsyncGenerator<FlowEvent, void, undefined> {
    await this.#exists()
    yield* watchJob(this.#host, this.id, options)
  }

  /** Rows of its history after the number `after`, oldest first. `limit` @default 100 */
  async history(
    options: { readonly after?: number | undefined; readonly limit?: number | undefined } = {},
  ): Promise<readonly HistoryRecord[]> {
    return this.#host.store.history(this.id, {
      after: options.after ?? 0,
      limit: options.limit ?? 100,
    })
  }

  /** All that is stored of it and its present run, for showing. Mind the size of the flow. Throws {@link NotFoundError}. */
  async details(): Promise<JobDetails> {
    const { store } = this.#host
    const { job, detail } = await this.#summary()
    const [document, source, atoms, calls] = await Promise.all([
      store.document(detail.document),
      store.document(detail.source),
      store.atoms(detail.id),
      store.calls(detail.id),
    ])
    if (document === null || source === null) throw new NotFoundError('document', detail.document)
    return {
      job,
      flow: detail,
      document: document as unknown as ResolvedDocument, // stored by `post` alone
      source,
      atoms,
      calls,
    }
  }

  async #summary(): Promise<JobSummary> {
    await this.#exists()
    const found = await this.#host.store.job(this.id)
    if (found === null) throw new NotFoundError('job', this.id)
    return found
  }

  async #steer(kind: MailKind, reason: string): Promise<Steered> {
    await this.#exists()
    const { store } = this.#host
    const mail = { key: `${kind} ${uuidV7()}`, kind, body: { reason } }
    for (;;) {
      const answer = await store.mail(this.id, mail)
      if (answer === 'accepted' || answer === 'duplicate') return { accepted: true }
      if (answer === 'unknown') throw new NotFoundError('job', this.id)
      const found = await store.job(this.id)
      const outcome = found === null ? undefined : outcomeOf(found, store)
      // Undefined: an operator made it run again in between.
      if (outcome !== undefined) return { accepted: false, outcome: outcome as Outcome }
      if (found === null) throw new NotFoundError('job', this.id)
    }
  }

  /** Where it was posted in a transaction: once that was committed. */
  async #exists(): Promise<void> {
    if (this.#committed === undefined || (await this.#committed)) return
    throw new NotFoundError('job', this.id, {
      hint: 'the transaction that it was posted in was rolled back',
    })
  }
}
