/** Conductors as a table. Pure. */
import type { FleetMember } from '../../../jobboard/jobboard.ts'
import type { ProcessRecord } from '../../../persistence/store.ts'
import type { BoardLook } from '../board-look.ts'
import type { Paint } from './paint.ts'
import { table } from './table.ts'
import { age, plainText } from './text.ts'

/** A conductor as the database and its board know it. */
export interface ConductorRow {
  readonly id: string
  readonly name: string
  readonly board: string
  /** In the database; undefined: it is there no longer, or never was. */
  readonly process: ProcessRecord | undefined
  readonly maxFlows: number
  readonly flows: number | undefined
  /** Whether its session at a board outside the database lives; null where that is not known, or it needs none. */
  readonly session: boolean | null
  readonly leads: boolean
}

/** Joins what the database says of conductors with what their board says. */
export function conductorRows(
  processes: readonly ProcessRecord[],
  board: string,
  look: BoardLook,
): readonly ConductorRow[] {
  const members = new Map<string, FleetMember>(
    look.kind === 'reached' ? look.members.map((member) => [member.id, member]) : [],
  )
  const leader = look.kind === 'reached' ? look.leader : null
  const rows = processes.map((process): ConductorRow => {
    const { id, name } = process
    const isHere = process.board === board && look.kind === 'reached'
    const session = isHere ? members.delete(id) : null
    const maxFlows = numberIn(process.load, 'maxFlows') ?? 0
    const flows = numberIn(process.load, 'flows') ?? 0
    const leads = isHere && id === leader
    return { id, name, board: process.board, process, maxFlows, flows, session, leads }
  })
  const others = [...members.values()].map(({ id, name, capacity }): ConductorRow => {
    const known = { process: undefined, maxFlows: capacity, flows: undefined }
    return { id, name, board, ...known, session: true, leads: id === leader }
  })
  return [...rows, ...others].sort((a, b) => order(a.board, b.board) || order(a.name, b.name))
}

export function conductorTable(
  rows: readonly ConductorRow[],
  now: number,
  { paint, columns }: { readonly paint: Paint; readonly columns: number },
): string {
  const boards = new Set(rows.map(({ board }) => board))
  return table(
    rows,
    [
      { title: 'CONDUCTOR', cell: ({ name }) => plainText(name) },
      { title: 'BOARD', cell: ({ board }) => (boards.size > 1 ? plainText(board) : '') },
      { title: 'HOST', cell: ({ process }) => plainText(process?.host ?? '') },
      { title: 'PID', cell: ({ process }) => String(process?.pid ?? '') },
      { title: 'FLOWS', cell: (row) => flows(row, paint) },
      { title: 'LEADS', cell: ({ leads }) => (leads ? paint.green('leads') : '') },
      { title: 'SESSION', cell: (row) => session(row, paint) },
      { title: 'SINCE', cell: ({ process }) => since(process?.startedAt, now) },
      { title: 'SEEN', cell: ({ process }) => since(process?.seenAt, now) },
    ],
    columns,
    (text) => paint.bold(text),
  )
}

/** The same for programs. */
export function conductorData(row: ConductorRow): { readonly [key: string]: unknown } {
  const { process, ...rest } = row
  const { host = null, pid = null, startedAt = null, seenAt = null } = process ?? {}
  return { ...rest, flows: row.flows ?? null, host, pid, startedAt, seenAt }
}

function flows({ flows, maxFlows }: ConductorRow, paint: Paint): string {
  const text = `${flows ?? '?'}/${maxFlows}`
  return flows !== undefined && flows >= maxFlows ? paint.yellow(text) : text
}

function session({ session }: ConductorRow, paint: Paint): string {
  if (session === null) return ''
  return session ? 'lives' : paint.yellow('none')
}

function since(at: number | undefined, now: number): string {
  return at === undefined ? '' : age(now - at)
}

function numberIn(load: ProcessRecord['load'], name: string): number | undefined {
  const value: unknown = typeof load === 'object' && load !== null ? Reflect.get(load, name) : null
  return typeof value === 'number' ? value : undefined
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
