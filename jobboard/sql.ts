/**
 * The board in the store's database: the job's row is the posting, and claiming it is adopting it. Claims last as long as their
 * conductor's one lease, which the conductor renews in the store; the jobs of a conductor whose lease ran out are given
 * back by any other one (`reap`).
 *
 * Invariants
 * Q1  Nothing is kept here but claim ids whose answer was lost: they are asked for again, so that no job is owned by a
 *     conductor that does not know it.
 * Q2  `consume` has nothing to do: the commit that ended the posting took it off the board.
 */
import { uuidV7 } from '../src/base/ids.ts'
import { checkClaim, checkPosting, checkStarted, type BoardState } from './checks.ts'
import type { BoardClaim, BoardEntry, BoardEvent, JobBoard, Owner, Posting } from './jobboard.ts'

/** What the board reads of a job's row. */
export interface SqlBoardJob {
  readonly id: string
  readonly board: string
  readonly state: string
  readonly posting: number
  readonly priority: number
  readonly createdAt: number
  readonly epoch: number
  readonly claimId: string | null
  readonly conductor: string | null
}

/** What the board asks of the store. */
export interface SqlBoardStore<C extends BoardClaim = BoardClaim> {
  claimJobs(request: {
    readonly board: string
    readonly conductor: string
    readonly claimIds: readonly string[]
  }): Promise<readonly C[]>
  release(claims: readonly BoardClaim[]): Promise<void>
  posted(postings: readonly { readonly jobId: string; readonly posting: number }[]): Promise<void>
  job(id: string): Promise<{ readonly job: SqlBoardJob } | null>
  findJobs(filter: {
    readonly board: string
    readonly states: readonly ('UNCLAIMED' | 'CLAIMED')[]
    readonly order: 'claim'
    readonly limit: number
    readonly after?: string | undefined
  }): Promise<{
    readonly jobs: readonly { readonly job: SqlBoardJob }[]
    readonly next: string | null
  }>
  onHint(listener: (hint: { readonly kind: string; readonly board?: string }) => void): () => void
}

/** Options of {@link SqlBoard}. */
export interface SqlBoardOptions<C extends BoardClaim> {
  /** A started store. The board neither starts nor stops it. */
  readonly store: SqlBoardStore<C>
  /** @default "main" */
  readonly name?: string | undefined
}

/** Rows read at once by `list`. */
const PAGE = 200

export class SqlBoard<C extends BoardClaim = BoardClaim> implements JobBoard<C> {
  readonly name: string
  readonly outsideStore = false
  readonly #store: SqlBoardStore<C>
  readonly #unlisten = new Set<() => void>()
  #state: BoardState = 'new'
  readonly #unanswered = new Map<string, readonly string[]>()

  constructor(options: SqlBoardOptions<C>) {
    this.name = options.name ?? 'main'
    this.#store = options.store
  }

  async start(): Promise<void> {
    this.#state = 'started'
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    for (const unlisten of this.#unlisten) unlisten()
    this.#unlisten.clear()
  }

  /** The job's row must be there; one that still waits for its board becomes claimable. */
  async post(posting: Posting): Promise<boolean> {
    checkStarted(this.name, this.#state)
    checkPosting(posting)
    await this.#store.posted([posting])
    return true
  }

  async claim(conductor: string, limit: number): Promise<readonly C[]> {
    checkStarted(this.name, this.#state)
    checkClaim(conductor, limit)
    // Q1: the store gives a claim id that it knows the job that it gave it before.
    const lost = this.#unanswered.get(conductor) ?? []
    const count = Math.max(limit - lost.length, 0)
    const claimIds = [...lost, ...Array.from({ length: count }, () => uuidV7())]
    if (claimIds.length === 0) return []
    this.#unanswered.delete(conductor)
    try {
      return await this.#store.claimJobs({ board: this.name, conductor, claimIds })
    } catch (error) {
      this.#unanswered.set(conductor, [...(this.#unanswered.get(conductor) ?? []), ...claimIds])
      throw error
    }
  }

  async abandon(claim: BoardClaim): Promise<void> {
    checkStarted(this.name, this.#state)
    await this.#store.release([claim])
  }

  async consume(_claim: BoardClaim): Promise<void> {
    checkStarted(this.name, this.#state)
  }

  async findOwner(jobId: string): Promise<Owner | null> {
    checkStarted(this.name, this.#state)
    const found = await this.#store.job(jobId)
    return found === null || found.job.board !== this.name ? null : ownerOf(found.job)
  }

  async *list(
    options: {
      readonly unclaimedOnly?: boolean | undefined
      readonly limit?: number | undefined
    } = {},
  ): AsyncIterable<BoardEntry> {
    checkStarted(this.name, this.#state)
    const states =
      options.unclaimedOnly === true
        ? (['UNCLAIMED'] as const)
        : (['UNCLAIMED', 'CLAIMED'] as const)
    let left = options.limit ?? Infinity
    let after: string | undefined
    while (left > 0) {
      const { jobs, next } = await this.#store.findJobs({
        board: this.name,
        states,
        order: 'claim',
        limit: Math.min(left, PAGE),
        after,
      })
      for (const { job } of jobs) yield entryOf(job)
      left -= jobs.length
      if (next === null) return
      after = next
    }
  }

  /** Tells of jobs that this process made claimable. Those of other processes are found by asking; lost leases by renewing. */
  watch(listener: (event: BoardEvent) => void): () => void {
    const unlisten = this.#store.onHint((hint) => {
      if (hint.kind === 'claimable' && hint.board === this.name) listener({ kind: 'posted' })
    })
    this.#unlisten.add(unlisten)
    return () => {
      this.#unlisten.delete(unlisten)
      unlisten()
    }
  }
}

function entryOf(job: SqlBoardJob): BoardEntry {
  return {
    jobId: job.id,
    posting: job.posting,
    priority: job.priority,
    createdAt: job.createdAt,
    epoch: job.epoch,
    owner: ownerOf(job),
  }
}

function ownerOf(job: SqlBoardJob): Owner | null {
  if (job.state !== 'CLAIMED' || job.conductor === null || job.claimId === null) return null
  return { conductor: job.conductor, claimId: job.claimId, epoch: job.epoch }
}
