/**
 * One job, claimed and driven to its end in this process, without a conductor.
 *
 * Owns: the claim, its driver and committer, and, where the store is shared, a lease and a look at the mailbox.
 *
 * Invariants
 * L1  A job that somebody who lives has claimed is not touched: two terminals cannot run the same.
 * L2  Jobs of `run()` are on a board of their own, where no conductor looks.
 * L3  Cancel and suspend are mail, as everywhere: they are durable before they work.
 * L4  When it is over, no timer and no listener of it is left.
 */
import { hostname } from 'node:os'
import { ClaimLostError, ConflictError, NotFoundError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import { uuidV7 } from '../base/ids.ts'
import type { Json } from '../base/json.ts'
import type { Logger } from '../base/logger.ts'
import { compile, type Plan } from '../flow/compile.ts'
import type { ResolvedDocument } from '../flow/resolved.ts'
import { Committer } from '../../engines/committer.ts'
import { FlowDriver, type DriveEnd, type FlowEvent } from '../../engines/drive.ts'
import type { Engine } from '../../engines/engine.ts'
import type { Claim, JobRecord, LoadedFlow, Store } from '../../persistence/store.ts'

/** The board of jobs that are run by who posts them. */
export const RUN_BOARD = 'run'

/** After a kill the next one waits so long at most; a process that stands still for longer may lose its job to who asks for it. */
const LEASE_MS = 3_000
const BEAT_EVERY_MS = 1_000
const LOOK_EVERY_MS = 1_000
const LOOK_FOR_LIFE_EVERY_MS = 200

export interface LocalRunOptions {
  readonly store: Store
  readonly jobId: string
  /** The compiled document, if it is at hand. */
  readonly plan?: Plan | undefined
  readonly engine: Engine
  /** Id of this process in the store, of its lease and claim. @default a new one */
  readonly conductor?: string | undefined
  /** The store's clock. */
  readonly clock: Clock
  readonly logger: Logger
  /** Whether others use this store too, so that they must be told who runs the job. */
  readonly isShared: boolean
  readonly onEvent?: ((event: FlowEvent) => void) | undefined
  readonly onProgress?:
    ((atom: string, progress: number, details: Json | undefined) => void) | undefined
  readonly signal?: AbortSignal | undefined
  readonly onAbort: 'cancel' | 'suspend'
}

/**
 * Claims the job and drives it until it has ended or stands still. Throws {@link ConflictError} when somebody else runs it,
 * {@link ClaimLostError} when somebody else took it meanwhile, {@link NotFoundError}, {@link UnavailableError}.
 */
export async function runLocally(options: LocalRunOptions): Promise<DriveEnd> {
  const { store, jobId, logger, isShared } = options
  const here = runningHere.get(store) ?? new Set()
  runningHere.set(store, here)
  if (here.has(jobId)) throw taken({ id: jobId }, 'it is being run by this process')
  here.add(jobId)
  const lease = new Lease(options.conductor ?? uuidV7(), store, logger, isShared)
  try {
    await lease.begin()
    const { claim, loaded } = await claimJob(options, lease.id)
    const plan = options.plan ?? (await compileStored(store, loaded))
    const mail = await store.mailOf(jobId)
    return await drive(options, { claim, loaded, plan, mail })
  } finally {
    here.delete(jobId)
    await lease.end()
  }
}

/** L1, within this process: a store in memory knows no leases. */
const runningHere = new WeakMap<Store, Set<string>>()

interface Claimed {
  readonly claim: Claim
  readonly loaded: LoadedFlow
  readonly plan: Plan
  readonly mail: Awaited<ReturnType<Store['mailOf']>>
}

async function drive(options: LocalRunOptions, claimed: Claimed): Promise<DriveEnd> {
  const { store, jobId, engine, clock, logger, onEvent, onProgress } = options
  const committer = new Committer({ store, clock, logger })
  const stops: (() => void)[] = []
  try {
    const end = await new Promise<DriveEnd>((onEnd) => {
      const driver = new FlowDriver({
        ...claimed,
        store,
        committer,
        engine,
        clock,
        logger,
        onEvent: harmless(onEvent, logger),
        onProgress: harmless(onProgress, logger),
        onEnd,
        parkAfterMs: Infinity,
      })
      stops.push(...watchMail(options, driver))
      driver.begin(claimed.mail)
    })
    if (end.kind === 'fenced') {
      throw new ClaimLostError(jobId, { reason: 'another process took it over' })
    }
    return end
  } finally {
    for (const stop of stops) stop()
    await committer.stop()
  }
}

/** L3: mail by hint and, where others may write, by looking; the signal by writing mail. */
function watchMail(options: LocalRunOptions, driver: FlowDriver): (() => void)[] {
  const { store, jobId, logger, isShared, signal } = options
  let isOver = false
  let reading = false
  let timer: NodeJS.Timeout | undefined
  const read = async (): Promise<void> => {
    if (reading || isOver) return
    reading = true
    try {
      const mail = await store.mailOf(jobId)
      if (!isOver) driver.receive(mail)
    } catch (error) {
      logger.warn({ error, job: jobId }, 'mail could not be read; looking again')
    } finally {
      reading = false
    }
  }
  const abort = async (): Promise<void> => {
    const key = `abort ${uuidV7()}`
    const body = { reason: reasonOf(signal, options.onAbort) }
    while (!isOver) {
      try {
        await store.mail(jobId, { key, kind: options.onAbort, body })
        return await read()
      } catch (error) {
        logger.warn({ error, job: jobId }, `cannot ${options.onAbort} now; trying again`)
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      }
    }
  }
  const onAbort = (): void => void abort() // catches its own errors
  const unlisten = store.onHint((hint) => {
    if (hint.kind === 'mail' && hint.jobId === jobId) void read() // catches its own errors
  })
  if (isShared) timer = setInterval(() => void read(), LOOK_EVERY_MS)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted === true) onAbort()
  return [
    () => {
      isOver = true
      unlisten()
      clearInterval(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  ]
}

function reasonOf(signal: AbortSignal | undefined, how: 'cancel' | 'suspend'): string {
  const reason: unknown = signal?.reason
  const done = how === 'cancel' ? 'cancelled' : 'suspended'
  if (typeof reason === 'string') return reason
  if (!(reason instanceof Error) || reason.name === 'AbortError') return done
  return reason.message
}

/** L1. Takes a job that is on no other's hands, whatever its last owner left. */
async function claimJob(
  options: LocalRunOptions,
  conductor: string,
): Promise<Pick<Claimed, 'claim' | 'loaded'>> {
  const { store, jobId } = options
  const found = await store.job(jobId)
  if (found === null) throw new NotFoundError('job', jobId)
  const { job } = found
  if (job.board !== RUN_BOARD) {
    throw taken(job, `it was posted to the board "${job.board}"`, 'conductors run what was posted')
  }
  if (job.state === 'CLAIMED' && job.conductor !== null) {
    await untilGone(options, job, job.conductor)
  }
  const claim = {
    jobId: job.id,
    posting: job.posting,
    claimId: uuidV7(),
    epoch: job.epoch + 1,
    conductor,
  }
  const [adopted] = await store.adopt([claim])
  if (adopted === undefined) throw taken(job, 'another process was faster')
  const [loaded] = await store.load([job.id])
  if (loaded === undefined) throw new NotFoundError('job', jobId)
  return { claim: adopted, loaded }
}

/**
 * A process that was killed has left its lease behind: this waits until it has run out. One that renews it lives, and keeps
 * the job. (Its process id says nothing: it may be one of another container.)
 */
async function untilGone(options: LocalRunOptions, job: JobRecord, owner: string): Promise<void> {
  const { store, logger, signal } = options
  let seenAt: number | undefined
  for (;;) {
    signal?.throwIfAborted()
    const process = (await store.processes()).find(({ id }) => id === owner)
    if (process === undefined) return
    if (seenAt === undefined) {
      seenAt = process.seenAt
      const { pid, host } = process
      logger.info({ job: job.id, pid, host }, 'looking whether the process that ran this job lives')
    } else if (process.seenAt !== seenAt) {
      throw taken(job, `it is being run by process ${process.pid} on ${process.host}`)
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_FOR_LIFE_EVERY_MS))
  }
}

function taken(job: { readonly id: string }, reason: string, hint?: string): ConflictError {
  return new ConflictError(`the job ${job.id}`, reason, { hint })
}

async function compileStored(store: Store, loaded: LoadedFlow): Promise<Plan> {
  const hash = loaded.detail.document
  const document = await store.document(hash)
  if (document === null) throw new NotFoundError('document', hash)
  return compile(document as unknown as ResolvedDocument, hash) // stored by `post` alone
}

/** Says that this process lives, for as long as it runs a job of a shared store. */
class Lease {
  readonly id: string
  readonly #store: Store
  readonly #logger: Logger
  readonly #isNeeded: boolean
  #timer: NodeJS.Timeout | undefined

  constructor(id: string, store: Store, logger: Logger, isNeeded: boolean) {
    this.id = id
    this.#store = store
    this.#logger = logger
    this.#isNeeded = isNeeded
  }

  async begin(): Promise<void> {
    if (!this.#isNeeded) return
    await this.#beat()
    this.#timer = setInterval(() => {
      this.#beat().catch((error: unknown) => {
        this.#logger.warn({ error }, 'the lease could not be renewed; trying again')
      })
    }, BEAT_EVERY_MS)
  }

  async end(): Promise<void> {
    if (!this.#isNeeded) return
    clearInterval(this.#timer)
    try {
      await this.#store.endProcess(this.id)
    } catch (error) {
      this.#logger.warn({ error }, 'the lease could not be given back; it runs out by itself')
    }
  }

  async #beat(): Promise<void> {
    await this.#store.beat({
      id: this.id,
      kind: 'conductor',
      name: `run-${process.pid}`,
      host: hostname(),
      pid: process.pid,
      board: RUN_BOARD,
      topics: [],
      tasks: [],
      load: {},
      leaseMs: LEASE_MS,
    })
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
