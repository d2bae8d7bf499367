/**
 * Posting: a flow is prepared, its job stored, and told of once it is there.
 *
 * Owns: what is known of tasks and of registered flows, and what goes on after the callers' transactions.
 *
 * Invariants
 * Z1  Nothing is stored of a post that is refused: document, input and options are checked before.
 * Z2  A job exists if and only if its transaction was committed; only then its board is told.
 */
import { ClosedError } from '../base/errors.ts'
import type { SourceDocument } from '../flow/document.ts'
import type { Runnable } from '../flow/runnable.ts'
import type { JobRecord } from '../../persistence/store.ts'
import { postRequest } from '../posting/post-request.ts'
import { isRunnable, prepare, sourceOf, type PreparedFlow } from '../posting/prepare.ts'
import { RegisteredFlows } from '../posting/registered-flows.ts'
import { KnownSignatures } from '../posting/signatures.ts'
import { TaskRegistry } from '../worker/registry.ts'
import { checkOptions } from './check-options.ts'
import { Job, type JobHost } from './job.ts'
import { dueOf, POST_KEYS, type PostOptions } from './post-options.ts'
import { tellBoard } from './tell-board.ts'
import { checkTransaction, wasCommitted } from './transaction.ts'
import { Unserved } from './unserved.ts'

/** What posting depends on, besides the connection. */
export interface PosterParts {
  /** Tasks of this process. */
  readonly tasks: TaskRegistry
  /** Tasks run on workers. @default false */
  readonly hasBroker?: boolean | undefined
  /** A conductor here runs tasks in this process, and says itself which of them nobody has. @default false */
  readonly runsTasks?: boolean | undefined
}

const NO_TASKS = new TaskRegistry()

/** Posts the jobs of one connection. */
export class Poster {
  readonly #host: JobHost
  readonly #signatures: KnownSignatures
  readonly #registered: RegisteredFlows
  readonly #unserved: Unserved
  /** What goes on after transactions were committed. */
  readonly #afterwards = new Set<Promise<unknown>>()

  constructor(host: JobHost, { tasks, hasBroker = false, runsTasks = false }: PosterParts) {
    const { store, logger } = host
    const board = host.board.name
    this.#host = host
    this.#signatures = new KnownSignatures({ store, board, here: tasks })
    this.#registered = new RegisteredFlows(store)
    this.#unserved = new Unserved({ store, board, logger, hasBroker, runsTasks })
  }

  /** As `Zagflow.post`. */
  async post(
    flow: Runnable | SourceDocument | string,
    input: unknown,
    options: PostOptions = {},
  ): Promise<Job<never>> {
    if (this.#host.closed.aborted) throw new ClosedError('the connection')
    checkOptions('post()', options, POST_KEYS)
    const { key, priority, labels, traceparent, postedBy, transaction } = options
    const trx = transaction === undefined ? undefined : checkTransaction(transaction)
    const when = dueOf(options)
    const prepared = await this.prepare(flow)
    const { store, board } = this.#host
    const request = postRequest(prepared, input, {
      board: board.name,
      state: board.outsideStore ? 'POSTING' : 'UNCLAIMED',
      key,
      priority,
      labels,
      traceparent,
      postedBy,
      ...when,
    })
    const { job, created } = await store.post(
      request,
      transaction === undefined ? undefined : { transaction },
    )
    const identity = { id: job.id, key: job.key, flow: job.flow, created }
    if (trx === undefined) {
      await this.#announce(job, prepared)
      return new Job(this.#host, identity)
    }
    const committed = this.#afterCommit(trx, job, prepared)
    return new Job(this.#host, { ...identity, committed })
  }

  /** Resolves a flow, or finds a registered one. Throws {@link InvalidFlowError}, {@link NotFoundError}. */
  async prepare(flow: Runnable | SourceDocument | string): Promise<PreparedFlow> {
    const source = typeof flow === 'string' ? await this.#registered.find(flow) : sourceOf(flow)
    const own = isRunnable(flow) ? TaskRegistry.of(flow) : NO_TASKS
    return prepare(source, await this.#signatures.of(source, own))
  }

  /** Looks for nobody any more who serves what was posted. */
  close(): void {
    this.#unserved.close()
  }

  /** Resolves when nothing goes on any more after callers' transactions; that ends soon after the connection was closed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#afterwards)
  }

  /** Z2: the board shows it, and whoever serves it is looked for. */
  async #announce(job: JobRecord, prepared: PreparedFlow): Promise<void> {
    const { id, state } = job
    await tellBoard(this.#host, job)
    const isDue = state === 'UNCLAIMED' || state === 'POSTING'
    if (isDue) this.#unserved.posted(id, prepared.document, prepared.documentHash)
  }

  #afterCommit(
    transaction: ReturnType<typeof checkTransaction>,
    job: JobRecord,
    prepared: PreparedFlow,
  ): Promise<boolean> {
    const { store, pollMs, closed } = this.#host
    const exists = async (): Promise<boolean> => (await store.job(job.id)) !== null
    const afterwards = wasCommitted(transaction, exists, {
      everyMs: pollMs,
      isOver: () => closed.aborted,
    }).then(async (committed) => {
      if (committed && !closed.aborted) await this.#announce(job, prepared)
      return committed
    })
    this.#afterwards.add(afterwards)
    void afterwards.finally(() => this.#afterwards.delete(afterwards)) // it never throws
    return afterwards
  }
}
