/** Who lives, in a database. */
import { processColumns } from '../rows.ts'
import { nothing, sql } from '../sql.ts'
import type { ProcessStore } from '../store/processes.ts'
import type { Statements } from './statements.ts'

/** Keeps leases. */
export function processesIn(statements: Statements): ProcessStore {
  const { dialect } = statements
  return {
    async beat(process) {
      const { tables, now, database } = dialect
      const { processes } = tables
      const { id, leaseMs } = process
      const json = (value: unknown): string | null => {
        return value === undefined ? null : JSON.stringify(value)
      }
      const told = sql`kind = ${process.kind}, name = ${process.name}, host = ${process.host}, pid = ${process.pid},
        board = ${process.board}, topics = ${json(process.topics)}, tasks = ${json(process.tasks)},
        signatures = ${json(process.signatures)}, load = ${json(process.load)},
        seen_at = ${now()}, expires_at = ${now()} + ${leaseMs}`
      return statements.attempt(async () => {
        const renewed = await database.run(sql`
          update ${processes} set ${told}
          where id = ${id} and kind = ${process.kind} and expires_at > ${now()} returning id`)
        if (renewed.length > 0) return true
        const [row] = await database.run(sql`
          insert into ${processes} (id, kind, name, host, pid, board, topics, tasks, signatures, load, started_at, seen_at, expires_at)
          values (${id}, ${process.kind}, ${process.name}, ${process.host}, ${process.pid}, ${process.board},
            ${json(process.topics)}, ${json(process.tasks)}, ${json(process.signatures)}, ${json(process.load)},
            ${now()}, ${now()}, ${now()} + ${leaseMs})
          on conflict (id) do update set ${told} where ${processes}.kind = ${process.kind}
          returning started_at, seen_at`)
        // It was there and had run out, unless it began now.
        return row !== undefined && Number(row['started_at']) === Number(row['seen_at'])
      })
    },

    async endProcess(id, kind) {
      const { processes } = dialect.tables
      const ofKind = kind === undefined ? nothing : sql`and kind = ${kind}`
      await statements.run(sql`delete from ${processes} where id = ${id} ${ofKind}`)
    },

    async processes(filter = {}) {
      const { tables, now } = dialect
      const kind = filter.kind === undefined ? nothing : sql`and kind = ${filter.kind}`
      const board = filter.board === undefined ? nothing : sql`and board = ${filter.board}`
      return statements.select(
        processColumns,
        sql`select * from ${tables.processes} where expires_at > ${now()} ${kind} ${board} order by kind, id`,
      )
    },
  }
}
