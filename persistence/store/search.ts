/** Jobs as people look at them: found, and in detail. */
import type { JsonObject } from '../../src/base/json.ts'
import type { AtomRecord, CallRecord, HistoryRecord } from '../../src/machine/records.ts'
import type { FlowState } from '../../src/machine/states.ts'
import type { JobState, JobSummary } from './jobs.ts'

/** Conditions of a search; all must hold. */
export interface JobFilter {
  readonly board?: string | undefined
  readonly ids?: readonly string[] | undefined
  readonly key?: string | undefined
  readonly states?: readonly JobState[] | undefined
  readonly flowStates?: readonly FlowState[] | undefined
  readonly flow?: string | undefined
  readonly conductor?: string | undefined
  /** Claimed by one of these conductors (their ids). */
  readonly conductors?: readonly string[] | undefined
  readonly labels?: { readonly [name: string]: string } | undefined
  /** Input fields that must be equal, by name. */
  readonly input?: JsonObject | undefined
  readonly createdBefore?: number | undefined
  readonly createdAfter?: number | undefined
  /** Newest first unless told. */
  readonly order?: 'newest' | 'oldest' | 'claim' | undefined
  /** 1 to 10,000. Default 100. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly after?: string | undefined
}

/** Reading. None of it is locked: what is read may have changed when it arrives. */
export interface SearchStore {
  /** A job by its id, or else the newest with that key (on that board, if one is given); null: there is none. */
  job(idOrKey: string, board?: string): Promise<JobSummary | null>
  /** One page of jobs, and what to give as `after` for the next one (null: it was the last). Throws `InvalidInputError` for a filter that is none. */
  findJobs(
    filter: JobFilter,
  ): Promise<{ readonly jobs: readonly JobSummary[]; readonly next: string | null }>
  /** History of a job after `after` (its last `seq`), oldest first, up to `limit` (default 1,000) rows. */
  history(
    jobId: string,
    options: { readonly after?: number | undefined; readonly limit?: number | undefined },
  ): Promise<readonly HistoryRecord[]>
  /** The atoms of a run, by path. */
  atoms(flowId: string): Promise<readonly AtomRecord[]>
  /** The calls of a run, or those of one atom, by atom, direction and number. */
  calls(flowId: string, atom?: string): Promise<readonly CallRecord[]>
}
