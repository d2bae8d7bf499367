/** Jobs that are due, and those of the dead, in memory: functions are as the methods of {@link UpkeepStore}. */
import { deathsReason } from '../rules.ts'
import type { JobRecord, UpkeepStore } from '../store.ts'
import { isParked, takeFirst } from './board.ts'
import { endInDisorder, trash } from './job.ts'
import type { MemoryTables } from './tables.ts'

/** Options of {@link reap}. */
export type ReapOptions = Parameters<UpkeepStore['reap']>[1]

export function promote(tables: MemoryTables, board: string, limit: number): readonly JobRecord[] {
  const now = tables.now()
  const { parked } = tables.board(board)
  const promoted: JobRecord[] = []
  while (promoted.length < limit) {
    const job = takeFirst(parked, (entry) => isParked(entry) && entry.dueAt <= now, isParked)
    if (job === undefined) break
    job.record.updatedAt = now
    tables.makeClaimable(job)
    promoted.push({ ...job.record })
  }
  return promoted
}

export function reap(
  tables: MemoryTables,
  board: string,
  options: ReapOptions,
): { readonly released: readonly string[]; readonly trashed: readonly string[] } {
  const now = tables.now()
  const released: string[] = []
  const trashed: string[] = []
  for (const [conductor, jobs] of tables.claimed) {
    if ((tables.processes.get(conductor)?.expiresAt ?? 0) > now) continue
    for (const job of [...jobs]) {
      const { record } = job
      if (record.board !== board) continue
      const wasAlone = record.probation
      endInDisorder(record)
      tables.unclaim(job)
      record.claimId = null
      record.updatedAt = now
      if (wasAlone && record.probationDeaths >= options.maxDeaths) {
        trash(record, deathsReason(record.probationDeaths), now)
        trashed.push(record.id)
      } else {
        tables.makeClaimable(job)
        released.push(record.id)
      }
    }
  }
  return { released, trashed }
}

export function nextDue(tables: MemoryTables, board: string): number | null {
  const { parked } = tables.board(board)
  for (let first = parked.peek(); first !== undefined; first = parked.peek()) {
    if (isParked(first)) return first.dueAt
    parked.pop()
  }
  return null
}
