/**
 * Rows and records: what stands in which column, for both databases, with one function each way.
 *
 * Values (everything that flows, tasks and users wrote) stand in an envelope, `{ enc, v | ref }`, so that compression,
 * encryption and values kept elsewhere need no migration. Today `enc` is `json` and the value is in `v`.
 */
import { UsageError } from '../src/base/errors.ts'
import type { Json } from '../src/base/json.ts'
import type { ResolvedDocument } from '../src/flow/resolved.ts'
import type {
  AtomRecord,
  CallRecord,
  HistoryRecord,
  ResultRecord,
  ScopeRecord,
} from '../src/machine/records.ts'
import { propertyOf } from './property.ts'
import type { ScheduleRecord } from './schedule-store.ts'
import type { Cell, Row, Sql } from './sql.ts'
import { name } from './sql.ts'
import type {
  BrokerRecord,
  FlowDetail,
  FlowVersion,
  JobRecord,
  ProcessRecord,
  ReplyQueueRecord,
  StoredMail,
} from './store.ts'

/**
 * `int`: 32 bits. `count`: the same, never NULL; 0 is sent as NULL. `time`: epoch milliseconds, 64 bits. `value`: an envelope,
 * NULL for null. `sealed`: an envelope, never NULL. `list`: an envelope, NULL for an empty list. `json`: plain JSON that queries
 * look into.
 */
export type ColumnKind =
  'text' | 'int' | 'count' | 'time' | 'flag' | 'value' | 'sealed' | 'list' | 'json'

/** Columns of rows that are sent as parameters. */
export type RowShape = { readonly [column: string]: ColumnKind }

export interface Column<T> {
  readonly name: string
  readonly field: keyof T & string
  readonly kind: ColumnKind
}

/** Makes columns: `[field, kind]`, and the name where it is not the field in snake case. */
function columns<T>(
  ...specs: readonly (readonly [keyof T & string, ColumnKind, string?])[]
): readonly Column<T>[] {
  return specs.map(([field, kind, name]) => {
    const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    return { field, kind, name: name ?? snake }
  })
}

export const jobColumns = columns<JobRecord>(
  ['id', 'text'],
  ['board', 'text'],
  ['key', 'text'],
  ['flow', 'text'],
  ['state', 'text'],
  ['posting', 'int'],
  ['priority', 'int'],
  ['flowId', 'text'],
  ['epoch', 'int'],
  ['claimId', 'text'],
  ['conductor', 'text'],
  ['revision', 'int'],
  ['mail', 'int'],
  ['historySeq', 'int'],
  ['dueAt', 'time'],
  ['parkedFor', 'text'],
  ['reason', 'text'],
  ['labels', 'json'],
  ['traceparent', 'text'],
  ['postedBy', 'text'],
  ['scheduledFor', 'time'],
  ['disorder', 'flag'],
  ['probation', 'flag'],
  ['probationDeaths', 'int'],
  ['createdAt', 'time'],
  ['updatedAt', 'time'],
  ['endedAt', 'time'],
)

export const detailColumns = columns<FlowDetail>(
  ['id', 'text'],
  ['jobId', 'text'],
  ['parentId', 'text'],
  ['run', 'int'],
  ['document', 'text'],
  ['source', 'text'],
  ['format', 'int'],
  ['semantics', 'int'],
  ['input', 'sealed'],
  ['state', 'text'],
  ['output', 'value'],
  ['failures', 'list'],
  ['reason', 'text'],
  ['createdAt', 'time'],
  ['startedAt', 'time'],
  ['endedAt', 'time'],
)

export const atomColumns = columns<AtomRecord>(
  ['path', 'text'],
  ['kind', 'text'],
  ['state', 'text'],
  ['attempt', 'int'],
  ['executeCalls', 'int'],
  ['revertCalls', 'int'],
  ['dueAt', 'time'],
  ['outcome', 'text'],
  ['ignored', 'text'],
  ['failure', 'value'],
  ['revertFailure', 'value'],
  ['rounds', 'value'],
  ['replyTo', 'text'],
  ['copy', 'int'],
  ['starts', 'count'],
)

export const scopeColumns = columns<ScopeRecord>(
  ['path', 'text'],
  ['state', 'text'],
  ['intention', 'text'],
  ['dueAt', 'time'],
  ['ignored', 'text'],
  ['failure', 'value'],
)

export const callColumns = columns<CallRecord>(
  ['atom', 'text'],
  ['direction', 'text'],
  ['call', 'int'],
  ['attempt', 'int'],
  ['outcome', 'text'],
  ['startedAt', 'time'],
  ['endedAt', 'time'],
  ['failure', 'value'],
)

export const resultColumns = columns<ResultRecord>(
  ['atom', 'text'],
  ['direction', 'text'],
  ['call', 'int'],
  ['value', 'sealed'],
)

export const historyColumns = columns<HistoryRecord>(
  ['seq', 'int'],
  ['at', 'time'],
  ['kind', 'text'],
  ['name', 'text'],
  ['from', 'text', 'from_state'],
  ['state', 'text'],
  ['attempt', 'int'],
  ['call', 'int'],
  ['failure', 'value'],
)

export const mailColumns = columns<StoredMail>(
  ['jobId', 'text'],
  ['key', 'text'],
  ['kind', 'text'],
  ['body', 'sealed'],
  ['at', 'time'],
  ['count', 'int', 'number'],
)

export const processColumns = columns<ProcessRecord>(
  ['id', 'text'],
  ['kind', 'text'],
  ['name', 'text'],
  ['host', 'text'],
  ['pid', 'int'],
  ['board', 'text'],
  ['topics', 'json'],
  ['tasks', 'json'],
  ['signatures', 'json'],
  ['load', 'json'],
  ['startedAt', 'time'],
  ['seenAt', 'time'],
  ['expiresAt', 'time'],
)

export const brokerColumns = columns<BrokerRecord>(
  ['name', 'text'],
  ['epoch', 'int'],
  ['marker', 'text'],
  ['secret', 'text'],
)

export const replyQueueColumns = columns<ReplyQueueRecord>(
  ['queue', 'text'],
  ['conductor', 'text'],
  ['orphaned', 'flag'],
)

export const versionColumns = columns<FlowVersion>(
  ['name', 'text'],
  ['version', 'int'],
  ['hash', 'text'],
  ['createdAt', 'time'],
)

export const scheduleColumns = columns<ScheduleRecord>(
  ['board', 'text'],
  ['name', 'text'],
  ['group', 'text', 'group_name'],
  ['spec', 'sealed'],
  ['hash', 'text'],
  ['flow', 'text'],
  ['reference', 'text'],
  ['source', 'text'],
  ['document', 'text'],
  ['paused', 'flag'],
  ['anchorAt', 'time'],
  ['nextAt', 'time'],
  ['dueAt', 'time'],
  ['missedBefore', 'time'],
  ['lastTickAt', 'time'],
  ['lastJobId', 'text'],
  ['queued', 'list'],
  ['posted', 'int'],
  ['skipped', 'int'],
  ['missed', 'int'],
  ['problem', 'text'],
  ['revision', 'int'],
  ['createdAt', 'time'],
  ['updatedAt', 'time'],
)

/** All columns of a table, by their own names, where another table is in the statement too. */
export function allColumns<T>(table: Sql, columns: readonly Column<T>[]): Sql {
  return name(columns.map((column) => `${table.text}.${column.name} as ${column.name}`).join(', '))
}

/** The record in a row; `prefix` stands before each column's name. */
export function readRecord<T>(columns: readonly Column<T>[], row: Row, prefix = ''): T {
  const record: { [field: string]: unknown } = {}
  for (const { field, name, kind } of columns) record[field] = readCell(kind, row[prefix + name])
  // The columns were written from records of this type, and migrations keep them so.
  return record as T
}

/** The cells of a record, in the order of its columns. */
export function writeCells<T>(columns: readonly Column<T>[], record: T, into: Cell[]): void {
  for (const { field, kind } of columns) into.push(writeCell(kind, record[field]))
}

function readCell(kind: ColumnKind, cell: unknown): unknown {
  if (cell === null || cell === undefined) return kind === 'list' ? [] : null
  switch (kind) {
    case 'text':
      return cell
    case 'int':
    case 'count':
    case 'time':
      return Number(cell)
    case 'flag':
      return cell === true || cell === 1
    case 'value':
    case 'sealed':
    case 'list':
      return unseal(cell)
    case 'json':
      return typeof cell === 'string' ? JSON.parse(cell) : cell
  }
}

function writeCell(kind: ColumnKind, value: unknown): Cell {
  if (kind === 'sealed') return seal(value)
  if (value === null || value === undefined) return null
  switch (kind) {
    case 'value':
      return seal(value)
    case 'list':
      return Array.isArray(value) && value.length === 0 ? null : seal(value)
    case 'json':
      return JSON.stringify(value)
    case 'count':
      // Most are 0, and nulls at the end of a row are not sent.
      return value === 0 ? null : (value as Cell)
    default:
      // Texts, numbers and flags, by the types of the records.
      return value as Cell
  }
}

/** Puts a value into its envelope. */
export function seal(value: unknown): string {
  return sealText(JSON.stringify(value ?? null))
}

/** Puts a JSON text into an envelope. */
export function sealText(json: string): string {
  return `{"enc":"json","v":${json}}`
}

/** Takes a value out of its envelope. Throws {@link UsageError} for an envelope that only a later version can open. */
export function unseal(cell: unknown): Json {
  const envelope: unknown = typeof cell === 'string' ? JSON.parse(cell) : cell
  if (typeof envelope === 'object' && envelope !== null && 'enc' in envelope && 'v' in envelope) {
    // What is under `v` was JSON when it was written.
    if (envelope.enc === 'json') return envelope.v as Json
  }
  const enc = JSON.stringify(propertyOf(envelope, 'enc'))
  throw new UsageError(`a stored value is in an envelope that this version cannot open: ${enc}`, {
    hint: 'a newer Zagflow wrote it; upgrade this one',
  })
}

/** A resolved document as the JSON that it is (R2): its optional fields are absent, never undefined, once it went through the codec. */
export function documentJson(document: ResolvedDocument): Json {
  return document as unknown as Json
}
