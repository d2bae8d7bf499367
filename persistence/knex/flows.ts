/** Documents and registered flows, in a database. */
import type { Json } from '../../src/base/json.ts'
import { readRecord, versionColumns } from '../rows.ts'
import { checkTexts } from '../rules.ts'
import { nothing, sql } from '../sql.ts'
import type { FlowStore, FlowVersion } from '../store/flows.ts'
import type { Statements } from './statements.ts'

/** Keeps documents, and the registry of flows. */
export function flowsIn(statements: Statements): FlowStore {
  const { dialect } = statements
  const findFlow = async (flow: string, version?: number): Promise<FlowVersion | null> => {
    const that = version === undefined ? nothing : sql`and version = ${version}`
    const [row] = await statements.run(sql`
        select * from ${dialect.tables.flows} where name = ${flow} ${that}
        order by version desc limit 1`)
    return row === undefined ? null : readRecord(versionColumns, row)
  }

  return {
    async document(hash) {
      const [row] = await statements.run(sql`
        select body from ${dialect.tables.documents} where hash = ${hash}`)
      return row === undefined ? null : (JSON.parse(String(row['body'])) as Json)
    },

    async registerFlow(flow, source, hash) {
      checkTexts('the flow', { name: flow })
      const { tables, now, database } = dialect
      return statements.attempt(async () => {
        for (;;) {
          const last = await findFlow(flow)
          if (last?.hash === hash) return last
          await database.run(sql`
            insert into ${tables.documents} (hash, body, used_at)
            values (${hash}, ${JSON.stringify(source)}, ${now()})
            on conflict (hash) do update set used_at = excluded.used_at`)
          const rows = await database.run(sql`
            insert into ${tables.flows} (name, version, hash, created_at)
            values (${flow}, ${(last?.version ?? 0) + 1}, ${hash}, ${now()})
            on conflict do nothing returning *`)
          // None: somebody else has just registered that number; perhaps the same content.
          if (rows[0] !== undefined) return readRecord(versionColumns, rows[0])
        }
      })
    },

    findFlow,

    async listFlows(flow) {
      const that = flow === undefined ? nothing : sql`where name = ${flow}`
      return statements.select(
        versionColumns,
        sql`select * from ${dialect.tables.flows} ${that} order by name, version`,
      )
    },
  }
}
