/** What is stored of a job and of the run of its flow, and where a job can stand. */
import type { Failure } from '../../src/base/failure.ts'
import type { Json, JsonObject } from '../../src/base/json.ts'
import type { FlowState } from '../../src/machine/states.ts'

/**
 * States of a job and who writes them.
 * POSTING: whoever makes a job claimable whose board is outside SQL, until that board shows it. UNCLAIMED: the same for boards in
 * SQL (poster, promoter, owner that hands over), and who has put a POSTING job on its board.
 * CLAIMED: adoption. PARKED: the owner (waits for a time, mail or an operator) or the poster (a delay). COMPLETE, TRASHED: the owner;
 * the reaper trashes too, after deaths in probation.
 */
export const JOB_STATES = [
  'POSTING',
  'UNCLAIMED',
  'CLAIMED',
  'PARKED',
  'COMPLETE',
  'TRASHED',
] as const
/** One of {@link JOB_STATES}. */
export type JobState = (typeof JOB_STATES)[number]

/** Why a job is parked. */
export const PARK_REASONS = ['delay', 'retry', 'suspended', 'task'] as const
/** One of {@link PARK_REASONS}. */
export type ParkReason = (typeof PARK_REASONS)[number]

/** A job as its row says. Times in epoch ms. */
export interface JobRecord {
  readonly id: string
  readonly board: string
  /** The caller's key, if one was given. */
  readonly key: string | null
  /** Name of its flow. */
  readonly flow: string
  readonly state: JobState
  /** Grows each time the job becomes claimable. From 1. */
  readonly posting: number
  /** Bigger first. Default 0. */
  readonly priority: number
  /** Flow detail of its present run. */
  readonly flowId: string
  readonly epoch: number
  /** The present claim; or the last one, where its owner ended it (so that a lost answer can be read back, S3). */
  readonly claimId: string | null
  /** Who has claimed it now. */
  readonly conductor: string | null
  readonly revision: number
  /** Pieces of mail ever received. */
  readonly mail: number
  /** Last number used in its history. */
  readonly historySeq: number
  readonly dueAt: number | null
  readonly parkedFor: ParkReason | null
  /** Why it was trashed, or what an operator should know. */
  readonly reason: string | null
  readonly labels: { readonly [name: string]: string }
  readonly traceparent: string | null
  readonly postedBy: string | null
  readonly scheduledFor: number | null
  /** Its last claim ended in disorder: it is loaded alone next time. */
  readonly disorder: boolean
  /** It is being loaded alone now: a death of its conductor counts. */
  readonly probation: boolean
  /** Deaths of its conductors while it was on probation, since its last recorded answer. */
  readonly probationDeaths: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly endedAt: number | null
}

/** The record of one run of a flow. */
export interface FlowDetail {
  readonly id: string
  readonly jobId: string
  readonly parentId: string | null
  /** From 1; running a finished job again from its start makes a new one. */
  readonly run: number
  /** Hash of the resolved document, and of the source document that it came from. */
  readonly document: string
  readonly source: string
  readonly format: number
  readonly semantics: number
  readonly input: JsonObject
  readonly state: FlowState
  readonly output: Json
  /** What failed and was not healed; set when the flow ends. */
  readonly failures: readonly AtomFailure[]
  /** Why it was cancelled or suspended. */
  readonly reason: string | null
  readonly createdAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
}

/** A failure and the atom that it is of. */
export interface AtomFailure extends Failure {
  readonly atom: string
  /** `revert`: it was its revert that failed. */
  readonly direction?: 'revert' | undefined
}

/** A job with its present run. */
export interface JobSummary {
  readonly job: JobRecord
  readonly detail: FlowDetail
}

/** A posting of a job, as boards name it. */
export interface PostingRef {
  readonly jobId: string
  readonly posting: number
}
