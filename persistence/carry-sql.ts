/** The statements by which a new run begins with what is kept of the one before it. All in the transaction that makes the run. */
import { atomShape, scopeShape } from './commit-rows.ts'
import { insertRows } from './commit-sql.ts'
import type { Dialect } from './dialect.ts'
import { atomColumns, callColumns, resultColumns, scopeColumns, writeCells } from './rows.ts'
import type { Column, RowShape } from './rows.ts'
import type { Cell, Sql } from './sql.ts'
import { name, sql } from './sql.ts'
import type { CarriedRun } from './store.ts'

/** Rows of one statement. */
const CHUNK = 2_000

/** Writes the kept rows under the new run, with the calls of kept atoms and the results of those that stand. */
export function carryStatements(
  dialect: Dialect,
  flowId: string,
  carried: CarriedRun,
): readonly Sql[] {
  const { atoms, calls, results, scopes } = dialect.tables
  const inserts = <T>(
    table: Sql,
    columns: readonly Column<T>[],
    shape: RowShape,
    list: readonly T[],
  ) =>
    chunksOf(list).map((chunk) => {
      const cells = chunk.map((record) => {
        const row: Cell[] = [flowId]
        writeCells(columns, record, row)
        return row
      })
      return insertRows(table, 'flow_id', columns, dialect.rows(shape, cells))
    })
  return [
    ...inserts(atoms, atomColumns, atomShape, carried.atoms),
    ...inserts(scopes, scopeColumns, scopeShape, carried.scopes),
    copy(
      calls,
      callColumns,
      sql`
      from ${calls} as v join ${atoms} as a on a.flow_id = ${flowId} and a.path = v.atom
      where v.flow_id = ${carried.flowId}`,
      flowId,
    ),
    copy(
      results,
      resultColumns,
      sql`
      from ${results} as v join ${atoms} as a on a.flow_id = ${flowId} and a.path = v.atom
      where v.flow_id = ${carried.flowId} and v.direction = 'execute' and v.call = a.execute_calls
        and a.state = 'SUCCESS'`,
      flowId,
    ),
  ]
}

function copy<T>(table: Sql, columns: readonly Column<T>[], from: Sql, flowId: string): Sql {
  const names = columns.map((column) => column.name)
  return sql`
    insert into ${table} (${name(['flow_id', ...names].join(', '))})
    select ${flowId}, ${name(names.map((column) => `v.${column}`).join(', '))} ${from}`
}

function chunksOf<T>(list: readonly T[]): readonly (readonly T[])[] {
  const chunks: (readonly T[])[] = []
  for (let at = 0; at < list.length; at += CHUNK) chunks.push(list.slice(at, at + CHUNK))
  return chunks
}
