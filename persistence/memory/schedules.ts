/** Schedules, and the jobs of their ticks, in memory: functions are as the methods of {@link ScheduleStore}. */
import { checkFilter, checkPost, checkSchedule, checkTexts } from '../rules.ts'
import { tickKeys } from '../schedule-store.ts'
import type {
  DueSchedules,
  KeptDocument,
  NewSchedule,
  ScheduleChange,
  ScheduleRecord,
  ScheduleStep,
  ScheduleStore,
} from '../schedule-store.ts'
import type { JobRecord, JobSummary } from '../store.ts'
import { summary } from './job.ts'
import { findOrAdd } from './posts.ts'
import type { MemoryTables } from './tables.ts'

/** A schedule, as it was when its change was decided on. */
export type SchedulePlace = Parameters<ScheduleStore['changeSchedule']>[0]

export function addSchedule(
  tables: MemoryTables,
  schedule: NewSchedule,
  documents: readonly KeptDocument[],
): ScheduleRecord | null {
  checkSchedule(schedule)
  for (const { hash, body } of documents) tables.keep(hash, body)
  const added = tables.schedules.add(schedule, tables.now())
  if (added !== null) tables.hints.give({ kind: 'schedule', board: schedule.board })
  return added
}

export function changeSchedule(
  tables: MemoryTables,
  place: SchedulePlace,
  change: ScheduleChange,
  documents: readonly KeptDocument[] = [],
): ScheduleRecord | null {
  for (const { hash, body } of documents) tables.keep(hash, body)
  const changed = tables.schedules.change(place, change, tables.now())
  if (changed !== null) tables.hints.give({ kind: 'schedule', board: place.board })
  return changed
}

export function removeSchedule(
  tables: MemoryTables,
  board: string,
  name: string,
  revision?: number,
): boolean {
  return tables.schedules.remove(board, name, revision)
}

export function schedule(tables: MemoryTables, board: string, name: string): ScheduleRecord | null {
  checkTexts('the schedule', { board, name })
  return tables.schedules.find(board, name)
}

export function schedules(
  tables: MemoryTables,
  board: string,
  group?: string,
): readonly ScheduleRecord[] {
  return tables.schedules.list(board, group)
}

export function scheduleJobs(
  tables: MemoryTables,
  board: string,
  schedule: string,
  limit: number,
): readonly JobSummary[] {
  checkFilter({ limit })
  const [from, to] = tickKeys(schedule)
  return [...(tables.keys.get(board) ?? [])]
    .filter(([key]) => key >= from && key < to)
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .slice(0, limit)
    .flatMap(([, id]) => {
      const job = tables.jobs.get(id)
      return job === undefined ? [] : [summary(job)]
    })
}

export function dueSchedules(tables: MemoryTables, board: string, limit: number): DueSchedules {
  return tables.schedules.due(board, limit, tables.now(), (jobId) => {
    return jobId !== null && tables.jobs.get(jobId)?.record.endedAt === null
  })
}

export function stepSchedules(
  tables: MemoryTables,
  board: string,
  steps: readonly ScheduleStep[],
): readonly (readonly JobRecord[] | null)[] {
  for (const { posts } of steps) for (const request of posts) checkPost(request)
  const now = tables.now()
  return steps.map(({ name, revision, change, posts }) => {
    if (tables.schedules.find(board, name)?.paused !== false) return null
    if (tables.schedules.change({ board, name, revision }, change, now) === null) return null
    return posts.map((request) => ({ ...findOrAdd(tables, request).job.record }))
  })
}
