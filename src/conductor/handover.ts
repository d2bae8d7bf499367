/**
 * What becomes of claims and postings on boards outside the store: they are put there and taken away by operations of their own, after
 * the store has said what is true. In SQL the row that was written is all there is to do.
 *
 * Owns: claims that have to leave the board, and one round of work on them at a time.
 *
 * Invariants
 * H1  First the store, then the board: what the board still shows of a posting that is over is refused by adoption.
 * H2  All of it is idempotent and fenced, so it is tried until it is done.
 * H3  A posting is taken off the board only if the store says that it is over; if it is not, the claim alone is given up, for it may
 *     be another's posting by now.
 * H4  Many at once: what piles up while a round is under way goes with the next one, so that thousands of flows are handed over as fast as
 *     the board takes them.
 */
import type { JobBoard, Posting } from '../../jobboard/jobboard.ts'
import type { Claim, JobRecord, Store } from '../../persistence/store.ts'
import { atOnce } from './at-once.ts'
import type { Repeater } from './repeat.ts'

export interface GiveBack {
  /** Shown by `jobs show`. */
  readonly reason?: string | undefined
  /** Not to be claimed before, in ms from now. */
  readonly delayMs?: number | undefined
}

/** What was put on a board. */
export interface Posted {
  readonly shown: number
  /** There was no room for all of them. */
  readonly isFull: boolean
}

/** `over`: the store has ended the posting. `look`: the store is asked. `free`: the claim alone is given up. */
type Leaving = 'over' | 'look' | 'free'

/** Operations of the board that are under way at once. */
const OPERATIONS = 64
/** Claims of one round. */
const ROUND = 1000

export class Handover {
  readonly #store: Pick<Store, 'release' | 'findJobs' | 'posted'>
  readonly #board: JobBoard<Claim>
  readonly #repeater: Repeater
  /** By claim id. */
  readonly #leaving = new Map<string, { readonly claim: Claim; readonly how: Leaving }>()
  #isUnderWay = false

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
    this.#leave([claim], 'over')
  }

  /** The store has given this claim back already, and made its job claimable again. */
  released(claim: Claim): void {
    this.#leave([claim], 'look')
  }

  /** The claim is another's by now, or soon; or it was not adopted. */
  abandon(claim: Claim): void {
    this.#leave([claim], 'look')
  }

  /** The store cannot be asked: others may claim these. */
  free(claims: readonly Claim[]): void {
    this.#leave(claims, 'free')
  }

  /** Gives claims back; those that are others' by now are passed over by the fence. Resolves when the store has them. */
  async back(claims: readonly Claim[], how: GiveBack = {}): Promise<void> {
    if (claims.length === 0) return
    await this.#repeater.untilDone('giving claims back', () => this.#store.release(claims, how))
    this.#leave(claims, 'look')
  }

  /** Puts jobs on a board outside SQL that the store says are claimable. Throws `UnavailableError`. */
  async repost(ids: readonly string[]): Promise<void> {
    if (!this.#board.outsideStore) return
    for (let at = 0; at < ids.length; at += ROUND) {
      const jobs = await this.#rowsOf(ids.slice(at, at + ROUND))
      await this.post(jobs.filter(isClaimable))
    }
  }

  /**
   * Puts these, which stand in the order of claiming, on a board outside SQL. What it has no room for stays POSTING, for the leader of the
   * fleet. `ages`: what they are sorted by on the board, instead of their creation. Throws `UnavailableError`.
   */
  async post(jobs: readonly JobRecord[], ages?: ReadonlyMap<string, number>): Promise<Posted> {
    if (!this.#board.outsideStore || jobs.length === 0) return { shown: 0, isFull: false }
    const shown: JobRecord[] = []
    let full = -Infinity
    try {
      await atOnce(OPERATIONS, jobs, async (job) => {
        if (job.priority <= full) return
        const createdAt = ages?.get(job.id) ?? job.createdAt
        if (await this.#board.post({ ...postingOf(job), createdAt })) shown.push(job)
        else full = Math.max(full, job.priority)
      })
    } finally {
      const waited = shown.filter((job) => job.state === 'POSTING').map(postingOf)
      if (waited.length > 0) await this.#store.posted(waited)
    }
    return { shown: shown.length, isFull: full > -Infinity }
  }

  #leave(claims: readonly Claim[], how: Leaving): void {
    if (!this.#board.outsideStore || claims.length === 0) return
    for (const claim of claims) this.#leaving.set(claim.claimId, { claim, how })
    if (this.#isUnderWay) return
    this.#isUnderWay = true
    void this.#allLeave() // it never throws
  }

  async #allLeave(): Promise<void> {
    while (this.#leaving.size > 0) {
      const done = await this.#repeater.untilDone('taking claims off the board', () =>
        this.#someLeave(),
      )
      if (done === undefined) break
    }
    this.#isUnderWay = false
  }

  async #someLeave(): Promise<true> {
    const round = [...this.#leaving.values()].slice(0, ROUND)
    const asked = round.filter(({ how }) => how === 'look').map(({ claim }) => claim.jobId)
    const jobs = new Map((await this.#rowsOf(asked)).map((job) => [job.id, job]))
    await atOnce(OPERATIONS, round, async ({ claim, how }) => {
      const job = jobs.get(claim.jobId)
      const isOver = how === 'over' || (how === 'look' && isOverOf(claim, job))
      if (isOver) await this.#board.consume(claim)
      // The board may have been rebuilt from an older state: the next claim goes on above what the store knows.
      else await this.#board.abandon(claim, { epoch: job?.epoch })
      this.#leaving.delete(claim.claimId)
    })
    await this.post([...jobs.values()].filter(isClaimable).sort(byClaimOrder))
    return true
  }

  async #rowsOf(ids: readonly string[]): Promise<readonly JobRecord[]> {
    if (ids.length === 0) return []
    const { jobs } = await this.#store.findJobs({
      board: this.#board.name,
      ids,
      limit: ids.length,
    })
    return jobs.map(({ job }) => job)
  }
}

/** H3. */
function isOverOf(claim: Claim, job: JobRecord | undefined): boolean {
  if (job?.posting !== claim.posting) return true
  return !isClaimable(job) && job.state !== 'CLAIMED'
}

function isClaimable({ state }: JobRecord): boolean {
  return state === 'POSTING' || state === 'UNCLAIMED'
}

function byClaimOrder(a: JobRecord, b: JobRecord): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)
}

function postingOf(job: JobRecord): Posting {
  const { id: jobId, posting, priority, createdAt, epoch } = job
  return { jobId, posting, priority, createdAt, epoch }
}
