/** What conductors see to for all jobs of a board: those that are due, and those of the dead. */
import type { JobRecord } from './jobs.ts'

/** What the conductors of a board do for all of its jobs; any of them may, at any time. */
export interface UpkeepStore {
  /** PARKED jobs that are due become UNCLAIMED (POSTING, where their board is outside SQL), posting + 1. Returns them. */
  promote(board: string, limit: number): Promise<readonly JobRecord[]>
  /** Jobs claimed by conductors whose lease ran out become claimable (UNCLAIMED or POSTING, posting + 1, `disorder`); deaths in probation count, `maxDeaths` trash. */
  reap(
    board: string,
    options: { readonly maxDeaths: number },
  ): Promise<{ readonly released: readonly string[]; readonly trashed: readonly string[] }>
  /** When the next parked job of a board is due, if any. */
  nextDue(board: string): Promise<number | null>
}
