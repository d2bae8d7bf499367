/** Jobs that are due, and those of the dead, in a database. */
import { promoteStatement, reapStatement } from '../claim-sql.ts'
import { jobColumns } from '../rows.ts'
import { sql } from '../sql.ts'
import type { UpkeepStore } from '../store/upkeep.ts'
import type { Statements } from './statements.ts'

/** Promotes and reaps, each by one statement. */
export function upkeepIn(statements: Statements): UpkeepStore {
  const { dialect } = statements
  return {
    async promote(board, limit) {
      const promoted = await statements.select(jobColumns, promoteStatement(dialect, board, limit))
      statements.hintClaimable(promoted.map((job) => job.board))
      return promoted
    },

    async reap(board, options) {
      const reaped = await statements.run(reapStatement(dialect, board, options.maxDeaths))
      const ids = (state: string) => {
        return reaped.filter((row) => row['state'] === state).map((row) => String(row['id']))
      }
      const released = [...ids('UNCLAIMED'), ...ids('POSTING')]
      if (released.length > 0) statements.hintClaimable([board])
      return { released, trashed: ids('TRASHED') }
    },

    async nextDue(board) {
      const [row] = await statements.run(sql`
        select min(due_at) as due from ${dialect.tables.jobs} where board = ${board} and state = 'PARKED'`)
      const due = row?.['due'] ?? null
      return due === null ? null : Number(due)
    },
  }
}
