/** What operators do to jobs: release what is stuck, run again what has ended, delete what is old. */
import type { JsonObject } from '../../src/base/json.ts'
import type { AtomRecord, ScopeRecord } from '../../src/machine/records.ts'
import type { JobRecord } from './jobs.ts'

/** What a new run begins with of the one before it: rows that `carryOver` of the machine kept. */
export interface CarriedRun {
  /** The run that this was decided on, and the job's revision then. */
  readonly flowId: string
  readonly revision: number
  readonly atoms: readonly AtomRecord[]
  readonly scopes: readonly ScopeRecord[]
}

/** What was deleted. */
export interface PruneReport {
  readonly jobs: number
  readonly documents: number
}

/** What `zagflow jobs` and `zagflow prune` do. */
export interface OperatorStore {
  /** TRASHED, or parked for suspension or probation, becomes claimable again. Null: not in such a state. */
  releaseJob(jobId: string): Promise<JobRecord | null>
  /**
   * A job that ended runs again, as a new run with this input; posting + 1. From its start, or (`carried`) with these
   * rows, the calls of their atoms and the results of those that stand, and RESUMING instead of PENDING. All in one transaction.
   * Null: the job has not ended, or is not as `carried` was decided on. The same `flowId` again is the same wish.
   */
  rerun(
    jobId: string,
    options: {
      readonly flowId: string
      readonly input?: JsonObject | undefined
      readonly carried?: CarriedRun | undefined
    },
  ): Promise<JobRecord | null>
  /** Deletes jobs that ended more than `olderThanMs` ago, with all their rows, and documents that nothing names. */
  prune(options: {
    readonly olderThanMs: number
    readonly board?: string | undefined
    readonly dryRun?: boolean | undefined
  }): Promise<PruneReport>
}
