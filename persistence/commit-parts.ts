/**
 * What a commit writes, table by table, in the order in which it is locked; the databases differ only in how they put it together.
 *
 * Invariants
 * 2  The flows whose fence holds are taken first; all else is restricted to those (the number is that of the folder's README).
 */
import {
  atomShape,
  callShape,
  endShape,
  fenceShape,
  flowShape,
  historyShape,
  resultShape,
  scopeShape,
  takenShape,
  type CommitRows,
} from './commit-rows.ts'
import {
  deleteTaken,
  endJobs,
  fenceJobs,
  insertRows,
  updateDetails,
  upsertRows,
} from './commit-sql.ts'
import {
  atomColumns,
  callColumns,
  historyColumns,
  resultColumns,
  scopeColumns,
  type RowShape,
} from './rows.ts'
import type { Sql } from './sql.ts'
import type { TableNames } from './tables.ts'

/** Takes flows: its statement returns the `id` and `flow_id` of those whose fence holds. */
export interface TakingPart {
  /** Of its statement within a bigger one; the first two letters tell it from all other parts. */
  readonly name: string
  readonly rows: 'fences' | 'ends'
  readonly shape: RowShape
  readonly statement: (tables: TableNames, from: Sql, now: Sql) => Sql
}

/** Writes rows of flows that were taken. */
export interface WritingPart {
  /** As of a {@link TakingPart}. */
  readonly name: string
  readonly rows: Exclude<keyof CommitRows, TakingPart['rows']>
  readonly shape: RowShape
  /** The first column of the rows: whose they are. */
  readonly owner: 'flow_id' | 'job_id'
  /** `also`: a further condition on the rows, `r`. */
  readonly statement: (tables: TableNames, from: Sql, now: Sql, also?: Sql) => Sql
}

/** First: the flows that stay claimed, then those whose claim ends. */
export const TAKING_PARTS: readonly TakingPart[] = [
  { name: 'fenced', rows: 'fences', shape: fenceShape, statement: fenceJobs },
  { name: 'ended', rows: 'ends', shape: endShape, statement: endJobs },
]

/** Then, of the flows that were taken. */
export const WRITING_PARTS: readonly WritingPart[] = [
  {
    name: 'flow',
    rows: 'flows',
    shape: flowShape,
    owner: 'flow_id',
    statement: (tables, from, now, also) => updateDetails(tables.flow_details, from, now, also),
  },
  {
    name: 'atom',
    rows: 'atoms',
    shape: atomShape,
    owner: 'flow_id',
    statement: ({ atoms }, from, _, also) => upsertRows(atoms, atomColumns, from, also),
  },
  {
    name: 'scope',
    rows: 'scopes',
    shape: scopeShape,
    owner: 'flow_id',
    statement: ({ scopes }, from, _, also) => upsertRows(scopes, scopeColumns, from, also),
  },
  {
    name: 'call',
    rows: 'calls',
    shape: callShape,
    owner: 'flow_id',
    statement: ({ calls }, from, _, also) => insertRows(calls, 'flow_id', callColumns, from, also),
  },
  {
    name: 'result',
    rows: 'results',
    shape: resultShape,
    owner: 'flow_id',
    statement: ({ results }, from, _, also) =>
      insertRows(results, 'flow_id', resultColumns, from, also),
  },
  {
    name: 'story',
    rows: 'history',
    shape: historyShape,
    owner: 'job_id',
    statement: ({ history }, from, _, also) =>
      insertRows(history, 'job_id', historyColumns, from, also),
  },
  {
    name: 'mail',
    rows: 'taken',
    shape: takenShape,
    owner: 'job_id',
    statement: ({ mailbox }, from, _, also) => deleteTaken(mailbox, from, also),
  },
]
