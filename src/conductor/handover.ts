/**
 * What becomes of claims: on boards outside SQL a posting and its claim are taken away by their own operation, after the store
 * has said what is true; in SQL the row that was written is all there is to do.
 *
 * Invariants
 * H1  First the store, then the board: what the board still shows of a posting that is over is refused by adoption.
 * H2  All of it is idempotent and fenced, so it is tried until it is done.
 */
import type { JobBoard, Posting } from '../../jobboard/jobboard.ts'
import type { Claim, JobRecord, Store } from '../../persistence/store.ts'
import type { Repeater } from './repeat.ts'

export interface GiveBack {
  /** Shown by `jobs show`. */
  readonly reason?: string | undefined
  /** Not to be claimed before, in ms from now. */
  readonly delayMs?: number | undefined
}

export class Handover {
  readonly #store: Pick<Store, 'release' | 'findJobs' | 'posted'>
  readonly #board: JobBoard<Claim>
  readonly #repeater: Repeater

  constructor(
    store: Pick<Store, 'release' | 'findJobs' | 'posted'>,
    board: JobBoard<Claim>,
    repeater: Repeater,
  ) {
    this.#store = store
    this.#board = board
    this.#repeater = repeater
  }

  /** The store has ended (or parked) this posting. */
  over(claim: Claim): void {
    if (!this.#board.outsideStore) return
    void this.#repeater.untilDone('taking a job off the board', () => this.#board.consume(claim))
  }

  /** The store has given this claim back already, and made its job claimable again. */
  released(claim: Claim): void {
    if (!this.#board.outsideStore) return
    void this.#repeater.untilDone('posting a job again', async () => {
      await this.#board.consume(claim)
      await this.repost([claim.jobId])
    })
  }

  /** The claim is another's by now, or soon. */
  abandon(claim: Claim): void {
    if (!this.#board.outsideStore) return
    void this.#repeater.untilDone('giving a claim back', () => this.#board.abandon(claim))
  }

  /** Gives claims back; those that are others' by now are passed over by the fence. */
  async back(claims: readonly Claim[], how: GiveBack = {}): Promise<void> {
    if (claims.length === 0) return
    await this.#repeater.untilDone('giving claims back', async () => {
      await this.#store.release(claims, how)
      if (!this.#board.outsideStore) return
      for (const claim of claims) await this.#board.consume(claim)
      await this.repost(claims.map((claim) => claim.jobId))
    })
  }

  /** Puts jobs on a board outside SQL that the store says are claimable. Throws `UnavailableError`. */
  async repost(ids: readonly string[]): Promise<void> {
    if (!this.#board.outsideStore || ids.length === 0) return
    const { jobs } = await this.#store.findJobs({
      board: this.#board.name,
      ids,
      states: ['POSTING', 'UNCLAIMED'],
      limit: ids.length,
    })
    await this.post(jobs.map(({ job }) => job))
  }

  /** Puts these on a board outside SQL. Throws `UnavailableError`. */
  async post(jobs: readonly JobRecord[]): Promise<void> {
    if (!this.#board.outsideStore || jobs.length === 0) return
    for (const job of jobs) await this.#board.post(postingOf(job))
    const waiting = jobs.filter((job) => job.state === 'POSTING').map(postingOf)
    if (waiting.length > 0) await this.#store.posted(waiting)
  }
}

function postingOf(job: JobRecord): Posting {
  const { id: jobId, posting, priority, createdAt, epoch } = job
  return { jobId, posting, priority, createdAt, epoch }
}
