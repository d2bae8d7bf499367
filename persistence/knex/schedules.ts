/** Schedules, in a database. */
import { scheduleColumns } from '../rows.ts'
import { checkFilter, checkPost, checkSchedule, checkTexts } from '../rules.ts'
import {
  addSchedule,
  changeSchedule,
  dueSchedules,
  removeSchedule,
  scheduleJobs,
  selectSchedules,
  stepSchedules,
} from '../schedule-sql.ts'
import type { ScheduleStore } from '../schedule-store.ts'
import type { Statements } from './statements.ts'

/** Keeps schedules; the jobs of a tick are posted in the transaction of its step. */
export function schedulesIn(statements: Statements): ScheduleStore {
  const { dialect } = statements
  return {
    async addSchedule(schedule, documents) {
      checkSchedule(schedule)
      const added = await statements.attempt(() => addSchedule(dialect, schedule, documents))
      if (added !== null) statements.hints.give({ kind: 'schedule', board: schedule.board })
      return added
    },

    async changeSchedule(place, change, documents = []) {
      const changed = await statements.attempt(() =>
        changeSchedule(dialect, place, change, documents),
      )
      if (changed !== null) statements.hints.give({ kind: 'schedule', board: place.board })
      return changed
    },

    async removeSchedule(board, schedule, revision) {
      return statements.attempt(() => removeSchedule(dialect, board, schedule, revision))
    },

    async schedule(board, schedule) {
      checkTexts('the schedule', { board, name: schedule })
      const statement = selectSchedules(dialect, board, { name: schedule })
      return (await statements.select(scheduleColumns, statement))[0] ?? null
    },

    async schedules(board, group) {
      return statements.select(scheduleColumns, selectSchedules(dialect, board, { group }))
    },

    async scheduleJobs(board, schedule, limit) {
      checkFilter({ limit })
      return statements.attempt(() => scheduleJobs(dialect, board, schedule, limit))
    },

    async dueSchedules(board, limit) {
      return statements.attempt(() => dueSchedules(dialect, board, limit))
    },

    async stepSchedules(board, steps) {
      if (steps.length === 0) return []
      for (const { posts } of steps) for (const request of posts) checkPost(request)
      const done = await statements.attempt(() => stepSchedules(dialect, board, steps))
      if (done.some((jobs) => jobs !== null && jobs.length > 0)) statements.hintClaimable([board])
      return done
    },
  }
}
