/** Jobs as people look at them, in a database. */
import { writeCursor } from '../cursor.ts'
import { readSummary, selectPage, selectSummaries } from '../find-sql.ts'
import { atomColumns, callColumns, historyColumns } from '../rows.ts'
import { HISTORY_PAGE, checkFilter, checkTexts } from '../rules.ts'
import { name, nothing, sql } from '../sql.ts'
import type { SearchStore } from '../store/search.ts'
import type { Statements } from './statements.ts'

/** Finds jobs, and reads what is stored of them. */
export function searchIn(statements: Statements): SearchStore {
  const { dialect } = statements
  return {
    async job(idOrKey, board) {
      checkTexts('the job', { id: idOrKey })
      const byId = await statements.run(selectSummaries(dialect, [sql`j.id = ${idOrKey}`], nothing))
      if (byId[0] !== undefined) return readSummary(byId[0])
      const conditions = [sql`j.key = ${idOrKey}`]
      if (board !== undefined) conditions.push(sql`j.board = ${board}`)
      const [row] = await statements.run(
        selectSummaries(dialect, conditions, name('order by j.created_at desc, j.id desc limit 1')),
      )
      return row === undefined ? null : readSummary(row)
    },

    async findJobs(filter) {
      checkFilter(filter)
      const limit = filter.limit ?? 100
      const rows = await statements.run(selectPage(dialect, filter, limit))
      const jobs = rows.slice(0, limit).map(readSummary)
      const last = jobs.at(-1)
      const isLast = last === undefined || rows.length <= limit
      return { jobs, next: isLast ? null : writeCursor(last.job) }
    },

    async history(jobId, options) {
      const { after = 0, limit = HISTORY_PAGE } = options
      return statements.select(
        historyColumns,
        sql`
        select * from ${dialect.tables.history} where job_id = ${jobId} and seq > ${after}
        order by seq limit ${name(String(Math.floor(limit)))}`,
      )
    },

    async atoms(flowId) {
      return statements.select(
        atomColumns,
        sql`select * from ${dialect.tables.atoms} where flow_id = ${flowId} order by path`,
      )
    },

    async calls(flowId, atom) {
      const that = atom === undefined ? nothing : sql`and atom = ${atom}`
      return statements.select(
        callColumns,
        sql`
        select * from ${dialect.tables.calls} where flow_id = ${flowId} ${that}
        order by atom, direction, call`,
      )
    },
  }
}
