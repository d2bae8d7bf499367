/** Processes by their leases, in memory: functions are as the methods of {@link ProcessStore}. */
import type { Heartbeat, ProcessRecord, ProcessStore } from '../store.ts'
import { compareText } from './order.ts'
import type { MemoryTables } from './tables.ts'

/** Conditions of {@link processes}. */
export type ProcessFilter = Parameters<ProcessStore['processes']>[0]

export function beat(tables: MemoryTables, process: Heartbeat): boolean {
  const now = tables.now()
  const { leaseMs, ...announced } = process
  const before = tables.processes.get(process.id)
  if (before !== undefined && before.kind !== process.kind) return false
  tables.processes.set(process.id, {
    ...announced,
    startedAt: before?.startedAt ?? now,
    seenAt: now,
    expiresAt: now + leaseMs,
  })
  return before === undefined || before.expiresAt > now
}

export function endProcess(tables: MemoryTables, id: string, kind?: ProcessRecord['kind']): void {
  if (kind === undefined || tables.processes.get(id)?.kind === kind) tables.processes.delete(id)
}

export function processes(
  tables: MemoryTables,
  filter: ProcessFilter = {},
): readonly ProcessRecord[] {
  const now = tables.now()
  const { kind, board } = filter
  return [...tables.processes.values()]
    .filter((process) => process.expiresAt > now)
    .filter((process) => kind === undefined || process.kind === kind)
    .filter((process) => board === undefined || process.board === board)
    .sort((a, b) => compareText(a.kind, b.kind) || compareText(a.id, b.id))
}
