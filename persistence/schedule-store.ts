/**
 * What stores keep of schedules, as a part of the contract in `store.ts`.
 *
 * Invariants
 * C1  Each change of a schedule names the revision that it was made from, and takes place only if that still stands.
 * C2  A schedule's step and the jobs of its ticks are one transaction: a tick that is behind `nextAt` has its job, and no other has.
 * C3  Keys of ticks are deterministic (`schedule:<name>:<tick>`), so that a tick has one job however often it is posted.
 * C4  The database's clock decides what is due.
 */
import type { Json } from '../src/base/json.ts'
import type { ScheduleSpec } from '../src/schedule/spec.ts'
import type { JobRecord, JobSummary, PostRequest } from './store.ts'

/** A schedule as its row says. Times in epoch ms. */
export interface ScheduleRecord {
  readonly board: string
  /** Unique on its board. */
  readonly name: string
  /** The file or service that it belongs to; null: none. */
  readonly group: string | null
  readonly spec: ScheduleSpec
  /** Of flow and spec: says whether two schedules are the same. */
  readonly hash: string
  /** Name of its flow. */
  readonly flow: string
  /** The registered `name` or `name@version` that is posted; null: the stored document. */
  readonly reference: string | null
  /** Hashes of the documents that its last job had, or its first one would have. */
  readonly source: string
  readonly document: string
  readonly paused: boolean
  /** What `every` without `start` counts from. */
  readonly anchorAt: number
  /** The next tick, that nobody has decided about; null: there is none, it has ended. */
  readonly nextAt: number | null
  /** When it is looked at again; null: when its last job has ended, when it is resumed, or never. */
  readonly dueAt: number | null
  /** Ticks before it came while it was paused. */
  readonly missedBefore: number | null
  /** The last tick that was posted, and its job. */
  readonly lastTickAt: number | null
  readonly lastJobId: string | null
  /** Ticks that wait for the last job to end, oldest first. */
  readonly queued: readonly number[]
  /** How many ticks were posted; were given up because the last job had not ended; because nobody could post them in time. */
  readonly posted: number
  readonly skipped: number
  readonly missed: number
  /** Why it cannot post at the moment; it is tried again. */
  readonly problem: string | null
  /** Grows with each change. */
  readonly revision: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** A document that is kept with a schedule, by its hash. */
export interface KeptDocument {
  readonly hash: string
  readonly body: Json
}

/** What may be changed of a schedule. */
export type ScheduleChange = Partial<
  Omit<ScheduleRecord, 'board' | 'name' | 'revision' | 'createdAt' | 'updatedAt'>
>

/** A new schedule: what is not given is null, empty or 0. */
export type NewSchedule = Pick<
  ScheduleRecord,
  | 'board'
  | 'name'
  | 'group'
  | 'spec'
  | 'hash'
  | 'flow'
  | 'reference'
  | 'source'
  | 'document'
  | 'paused'
  | 'anchorAt'
  | 'nextAt'
  | 'dueAt'
>

/** A step of a schedule: its change, and the jobs of the ticks that are posted with it. */
export interface ScheduleStep {
  readonly name: string
  /** The revision that its row must have. */
  readonly revision: number
  readonly change: ScheduleChange
  readonly posts: readonly PostRequest[]
}

export interface DueSchedules {
  /** The database's clock. */
  readonly now: number
  /** Due ones that are not paused, and such as wait for a job that has ended. */
  readonly due: readonly { readonly schedule: ScheduleRecord; readonly isBusy: boolean }[]
  /** When the next one is due; null: none will be. */
  readonly nextAt: number | null
  /** Whether some wait for a job to end. */
  readonly waits: boolean
}

export interface ScheduleStore {
  /** Null: the board has a schedule of that name. */
  addSchedule(
    schedule: NewSchedule,
    documents: readonly KeptDocument[],
  ): Promise<ScheduleRecord | null>
  /** C1. Null: it was changed meanwhile, or is gone. */
  changeSchedule(
    place: { readonly board: string; readonly name: string; readonly revision: number },
    change: ScheduleChange,
    documents?: readonly KeptDocument[],
  ): Promise<ScheduleRecord | null>
  /** Its jobs stay. False: there is none. `revision`: only if that stands. */
  removeSchedule(board: string, name: string, revision?: number): Promise<boolean>
  schedule(board: string, name: string): Promise<ScheduleRecord | null>
  /** By name. */
  schedules(board: string, group?: string): Promise<readonly ScheduleRecord[]>
  /** Jobs of its ticks, the newest tick first. `limit`: 1 to 10,000. */
  scheduleJobs(board: string, name: string, limit: number): Promise<readonly JobSummary[]>
  /** What is due now, the longest due first, up to `limit`. */
  dueSchedules(board: string, limit: number): Promise<DueSchedules>
  /**
   * C1, C2: takes steps of schedules of one board (each schedule once), all in one transaction. In the order given: the jobs of its
   * ticks; null where its revision no longer stands, or somebody else is at it.
   */
  stepSchedules(
    board: string,
    steps: readonly ScheduleStep[],
  ): Promise<readonly (readonly JobRecord[] | null)[]>
}

/** The key of a tick's job. Keys of a schedule sort by their ticks. */
export function tickKey(name: string, tick: number): string {
  return `schedule:${name}:${new Date(tick).toISOString()}`
}

/** Keys of a schedule's jobs: from the first of these to before the second. */
export function tickKeys(name: string): readonly [from: string, to: string] {
  return [`schedule:${name}:`, `schedule:${name};`] // `;` is what follows `:`
}

/** The row of a new schedule. */
export function newScheduleRecord(schedule: NewSchedule, now: number): ScheduleRecord {
  return {
    missedBefore: null,
    lastTickAt: null,
    lastJobId: null,
    queued: [],
    posted: 0,
    skipped: 0,
    missed: 0,
    problem: null,
    ...schedule,
    revision: 1,
    createdAt: now,
    updatedAt: now,
  }
}
