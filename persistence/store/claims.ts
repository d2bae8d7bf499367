/**
 * Whose a job is: claims, and what their owner needs to go on with a flow.
 *
 * Invariants
 * S6  The epoch of a job only grows. Adoption takes it only if it is above the stored one, or is the same claim again.
 */
import type { Json } from '../../src/base/json.ts'
import type { AtomRecord, Direction, ScopeRecord } from '../../src/machine/records.ts'
import type { FlowDetail, JobRecord } from './jobs.ts'

/** The board's word that this conductor owns this posting of a job. Epoch and claim id are the fence. */
export interface Claim {
  readonly jobId: string
  readonly posting: number
  readonly claimId: string
  readonly epoch: number
  readonly conductor: string
  /** Set where claiming was itself the adoption (boards in SQL). */
  readonly adopted?: JobRecord | undefined
}

/** All that is stored of a flow, for its owner. */
export interface LoadedFlow {
  readonly job: JobRecord
  readonly detail: FlowDetail
  readonly atoms: readonly AtomRecord[]
  readonly scopes: readonly ScopeRecord[]
}

/** Names the value that one call gave. */
export interface ResultRef {
  readonly atom: string
  readonly direction: Direction
  readonly call: number
}

/** What conductors do to take jobs, and to give them back. */
export interface ClaimStore {
  /** SQL boards: claims up to `claimIds.length` of the best claimable jobs, by priority, then age, in one statement; epoch + 1. */
  claimJobs(request: {
    readonly board: string
    readonly conductor: string
    readonly claimIds: readonly string[]
  }): Promise<readonly Claim[]>
  /** Adopts claims made on a board outside SQL (S6). A claim that is not returned is lost: release it on the board. */
  adopt(claims: readonly Claim[]): Promise<readonly Claim[]>
  /** All that is stored of the flows of these jobs; in the order asked, absent ones left out. */
  load(jobIds: readonly string[]): Promise<readonly LoadedFlow[]>
  /** Gives claims back in order (fenced): UNCLAIMED (or POSTING), posting + 1. `delayMs`: PARKED until then instead. */
  release(
    claims: readonly Claim[],
    options?: { readonly delayMs?: number | undefined; readonly reason?: string | undefined },
  ): Promise<void>
  /**
   * Marks a claim's job as loaded alone (fenced); its first commit clears the mark, and the first that records an answer forgets
   * its deaths so far: only deaths in a row count. False: fenced.
   */
  beginProbation(claim: Claim): Promise<boolean>
  /** Values that calls gave, in the order asked; absent ones are undefined. */
  results(flowId: string, refs: readonly ResultRef[]): Promise<readonly (Json | undefined)[]>
}
