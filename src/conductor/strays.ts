/**
 * Looks now and then whether the store says that this conductor holds jobs that it does not know of, and gives them back. There
 * should be none; a claim whose reply was lost, or whatever else went wrong, must not keep a job from its end while the
 * conductor lives.
 *
 * Invariants
 * Y1  A job is a stray only if the same claim of it was unknown here at two looks in a row, three leases apart: what is just being
 *     claimed or handed over is left alone.
 * Y2  It is given back under the fence of that claim, so that it is harmless if it is no stray after all.
 */
import type { Claim } from '../../persistence/store.ts'
import type { Flows } from './flows.ts'
import type { Handover } from './handover.ts'
import { Loop } from './loop.ts'
import type { ResolvedConductor } from './options.ts'

const AT_ONCE = 500
/** Leases between two looks. */
const APART = 3

export interface StraysOptions {
  readonly resolved: ResolvedConductor
  readonly flows: Flows
  readonly handover: Handover
  readonly isAllowed: () => boolean
}

export class Strays {
  readonly #options: StraysOptions
  readonly #loop: Loop
  /** Claims that were unknown at the last look. */
  #suspects: ReadonlySet<string> = new Set()

  constructor(options: StraysOptions) {
    this.#options = options
    this.#loop = new Loop(options.resolved.clock, () => this.#look())
  }

  start(): void {
    this.#loop.start(APART * this.#options.resolved.leaseMs)
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #look(): Promise<number> {
    const { resolved, isAllowed } = this.#options
    try {
      if (isAllowed()) await this.#giveBack(await this.#unknown())
    } catch (error) {
      resolved.logger.warn({ error }, 'could not look for stray claims; trying again')
    }
    return APART * resolved.leaseMs
  }

  /** Claims of this conductor in the store that are not in flight here. */
  async #unknown(): Promise<readonly Claim[]> {
    const { resolved, flows } = this.#options
    const { store, board, id: conductor } = resolved
    const { jobs } = await store.findJobs({
      board: board.name,
      conductor,
      states: ['CLAIMED'],
      limit: Math.min(10_000, flows.size + AT_ONCE),
    })
    return jobs.flatMap(({ job }) => {
      if (flows.has(job.id) || job.claimId === null) return []
      const { id: jobId, posting, claimId, epoch } = job
      return [{ jobId, posting, claimId, epoch, conductor }]
    })
  }

  async #giveBack(unknown: readonly Claim[]): Promise<void> {
    const { resolved, flows, handover } = this.#options
    const strays = unknown.filter(
      (claim) => this.#suspects.has(claim.claimId) && !flows.has(claim.jobId),
    )
    this.#suspects = new Set(unknown.map((claim) => claim.claimId))
    if (strays.length === 0) return
    const jobs = strays.map((claim) => claim.jobId)
    resolved.logger.warn(
      { jobs },
      'jobs are claimed by this conductor but not in flight; given back',
    )
    await handover.back(strays, { reason: 'its conductor did not know of its claim' })
  }
}
