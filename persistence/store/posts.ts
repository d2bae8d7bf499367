/**
 * Posting jobs, and telling boards outside the store of them.
 *
 * Invariants
 * S7  A key posts one job per board: the same content again is the same job, other content is a conflict.
 */
import type { Json, JsonObject } from '../../src/base/json.ts'
import type { ResolvedDocument } from '../../src/flow/resolved.ts'
import type { JobRecord, PostingRef } from './jobs.ts'

/** All that is stored of a post; checked, resolved and hashed by the poster. */
export interface PostRequest {
  /** UUIDv7, or derived from board and key (the caller computes it). */
  readonly id: string
  readonly flowId: string
  readonly board: string
  readonly key?: string | undefined
  /**
   * POSTING for boards outside SQL, else UNCLAIMED; with `dueAt` the job is PARKED until then. It is remembered: whenever the job
   * becomes claimable again it is in this state.
   */
  readonly state: 'POSTING' | 'UNCLAIMED'
  readonly dueAt?: number | undefined
  /** Milliseconds from now by the database's clock; instead of `dueAt`. */
  readonly delayMs?: number | undefined
  readonly priority?: number | undefined
  readonly labels?: { readonly [name: string]: string } | undefined
  readonly traceparent?: string | undefined
  readonly postedBy?: string | undefined
  readonly scheduledFor?: number | undefined
  readonly document: ResolvedDocument
  /** Hash of the resolved document. */
  readonly documentHash: string
  readonly source: Json
  readonly sourceHash: string
  readonly input: JsonObject
  /** Hash of source document and completed input: says whether two posts are the same. */
  readonly contentHash: string
}

/** What posters do, and those who lead boards outside the store. */
export interface PostStore {
  /** Posts a job (logbook, flow detail, job and documents in one transaction, or in the caller's). Throws `ConflictError` (S7). */
  post(
    request: PostRequest,
    options?: { readonly transaction?: unknown },
  ): Promise<{ readonly job: JobRecord; readonly created: boolean }>
  /** POSTING → UNCLAIMED, once its board shows that posting. Others are passed over. */
  posted(postings: readonly PostingRef[]): Promise<void>
  /** UNCLAIMED → POSTING: the board does not show that posting. Others are passed over. From then on the job's board is outside SQL. */
  unposted(postings: readonly PostingRef[]): Promise<void>
  /**
   * POSTING jobs of the biggest priority that has any, but for the first postings of jobs that are younger than `restMs` (default 0: their
   * posters are showing them just now): one of each tenant (label `tenant`) in turn,
   * beginning behind the tenant `turn`, then a second one of each; of a tenant the oldest first. Costs what it gives, whatever the
   * backlog. `limit`: 1 to 100,000.
   */
  nextPostings(
    board: string,
    options: {
      readonly limit: number
      readonly turn?: string | undefined
      readonly restMs?: number | undefined
    },
  ): Promise<readonly JobRecord[]>
  /** UNCLAIMED jobs of a board in the order of claiming: what a board outside SQL has to show. `limit`: 1 to 100,000. */
  unclaimed(board: string, limit: number): Promise<readonly PostingRef[]>
}
