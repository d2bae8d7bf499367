import type { Column, RowShape } from './rows.ts'
import {
  atomColumns,
  callColumns,
  historyColumns,
  resultColumns,
  scopeColumns,
  seal,
  writeCells,
} from './rows.ts'
import type { Cell } from './sql.ts'
import type { FlowCommit } from './store.ts'

type Rows = readonly (readonly Cell[])[]

/** A batch as rows by table. A table without rows gets no statement. A row may end before its last columns: they are null. */
export interface CommitRows {
  /** Flows that stay claimed: their fence. */
  readonly fences: Rows
  /** Flows whose claim ends: their fence, and what becomes of the job. */
  readonly ends: Rows
  readonly flows: Rows
  readonly atoms: Rows
  readonly scopes: Rows
  readonly calls: Rows
  readonly results: Rows
  readonly history: Rows
  /** Mail that is taken out of the mailbox. */
  readonly taken: Rows
}

export const fenceShape: RowShape = {
  id: 'text',
  flow_id: 'text',
  epoch: 'int',
  claim_id: 'text',
  revision: 'int',
  history_seq: 'int',
  answered: 'int',
}

export const endShape: RowShape = {
  ...fenceShape,
  mail_read: 'int',
  state: 'text',
  parked_for: 'text',
  due_at: 'time',
  reason: 'text',
}

/** A change of a flow detail; `has_…` tells what is to be set, since null is a value too. */
export const flowShape: RowShape = {
  flow_id: 'text',
  state: 'text',
  has_reason: 'int',
  reason: 'text',
  has_output: 'int',
  output: 'text',
  has_failures: 'int',
  failures: 'text',
  started: 'int',
  ended: 'int',
}

export const takenShape: RowShape = { job_id: 'text', key: 'text' }

/** The rows of a table: the id of their flow (or job), then their columns. */
function shapeOf<T>(owner: string, columns: readonly Column<T>[]): RowShape {
  return Object.fromEntries([
    [owner, 'text'] as const,
    ...columns.map(({ name, kind }) => [name, kind] as const),
  ])
}

export const atomShape = shapeOf('flow_id', atomColumns)
export const scopeShape = shapeOf('flow_id', scopeColumns)
export const callShape = shapeOf('flow_id', callColumns)
export const resultShape = shapeOf('flow_id', resultColumns)
export const historyShape = shapeOf('job_id', historyColumns)

/** Makes the rows of a batch. Throws what `JSON.stringify` throws for values that are none. */
export function commitRows(batch: readonly FlowCommit[]): CommitRows {
  const fences: Cell[][] = []
  const ends: Cell[][] = []
  const flows: Cell[][] = []
  const atoms: Cell[][] = []
  const scopes: Cell[][] = []
  const calls: Cell[][] = []
  const results: Cell[][] = []
  const history: Cell[][] = []
  const taken: Cell[][] = []
  for (const change of batch) {
    const { jobId, flowId } = change
    const fence: Cell[] = [
      jobId,
      flowId,
      change.epoch,
      change.claimId,
      change.revision,
      change.historySeq,
      change.calls.length > 0 ? 1 : 0,
    ]
    if (change.job === undefined) fences.push(fence)
    else ends.push([...fence, ...endCells(change, change.job)])
    if (change.flow !== undefined) flows.push([flowId, ...flowCells(change.flow)])
    add(atoms, flowId, atomColumns, lastOfEach(change.atoms))
    add(scopes, flowId, scopeColumns, lastOfEach(change.scopes))
    add(calls, flowId, callColumns, change.calls)
    add(results, flowId, resultColumns, change.results)
    add(history, jobId, historyColumns, change.history)
    for (const key of change.mailTaken ?? []) taken.push([jobId, key])
  }
  return { fences, ends, flows, atoms, scopes, calls, results, history, taken }
}

function add<T>(
  rows: Cell[][],
  owner: string,
  columns: readonly Column<T>[],
  records: readonly T[],
): void {
  for (const record of records) {
    const row: Cell[] = [owner]
    writeCells(columns, record, row)
    // Most of the last columns are null; a row that ends before them is less to send and to parse.
    while (row.at(-1) === null) row.pop()
    rows.push(row)
  }
}

/** A statement may not change one row twice: the last record of a path stands. */
function lastOfEach<T extends { readonly path: string }>(records: readonly T[]): readonly T[] {
  if (records.length < 2) return records
  const byPath = new Map<string, T>()
  for (const record of records) byPath.set(record.path, record)
  return byPath.size === records.length ? records : [...byPath.values()]
}

function endCells(change: FlowCommit, job: NonNullable<FlowCommit['job']>): Cell[] {
  const mailRead = job.state === 'UNCLAIMED' ? null : (change.mailRead ?? null)
  switch (job.state) {
    case 'PARKED':
      return [mailRead, job.state, job.parkedFor, job.dueAt ?? null, null]
    case 'TRASHED':
      return [mailRead, job.state, null, null, job.reason]
    case 'COMPLETE':
    case 'UNCLAIMED':
      return [mailRead, job.state, null, null, null]
  }
}

function flowCells(flow: NonNullable<FlowCommit['flow']>): Cell[] {
  const { state, reason, output, failures } = flow
  const hasFailures = failures !== undefined && failures.length > 0
  return [
    state,
    reason === undefined ? 0 : 1,
    reason ?? null,
    output === undefined ? 0 : 1,
    output === undefined || output === null ? null : seal(output),
    failures === undefined ? 0 : 1,
    hasFailures ? seal(failures) : null,
    flow.started === true ? 1 : 0,
    flow.ended === true ? 1 : 0,
  ]
}
