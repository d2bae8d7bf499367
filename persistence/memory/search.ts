/** Jobs as people look at them, in memory: functions are as the methods of {@link SearchStore}. */
import { canonicalJson } from '../../src/base/codec.ts'
import type { AtomRecord, CallRecord, HistoryRecord } from '../../src/machine/records.ts'
import { readCursor, writeCursor } from '../cursor.ts'
import { HISTORY_PAGE, checkFilter } from '../rules.ts'
import type { JobFilter, JobSummary, SearchStore } from '../store.ts'
import { summary } from './job.ts'
import type { Job } from './job.ts'
import { compareJobs, compareText } from './order.ts'
import type { MemoryTables } from './tables.ts'

/** Options of {@link history}. */
export type HistoryOptions = Parameters<SearchStore['history']>[1]

export function job(tables: MemoryTables, idOrKey: string, board?: string): JobSummary | null {
  const byId = tables.jobs.get(idOrKey)
  if (byId !== undefined) return summary(byId)
  const boards = board === undefined ? [...tables.keys.keys()] : [board]
  const found = boards
    .map((name) => tables.jobs.get(tables.keys.get(name)?.get(idOrKey) ?? ''))
    .filter((job) => job !== undefined)
    .sort((a, b) => compareJobs('newest', a.record, b.record))[0]
  return found === undefined ? null : summary(found)
}

export function findJobs(
  tables: MemoryTables,
  filter: JobFilter,
): { readonly jobs: readonly JobSummary[]; readonly next: string | null } {
  checkFilter(filter)
  const order = filter.order ?? 'newest'
  const limit = filter.limit ?? 100
  const after = filter.after === undefined ? undefined : readCursor(filter.after)
  const matching: Job[] = []
  for (const job of candidates(tables, filter)) {
    if (after !== undefined && compareJobs(order, job.record, after) <= 0) continue
    if (matches(job, filter)) matching.push(job)
  }
  matching.sort((a, b) => compareJobs(order, a.record, b.record))
  const page = matching.slice(0, limit)
  const last = page.at(-1)
  return {
    jobs: page.map(summary),
    next: last === undefined || matching.length <= limit ? null : writeCursor(last.record),
  }
}

export function history(
  tables: MemoryTables,
  jobId: string,
  options: HistoryOptions,
): readonly HistoryRecord[] {
  const history = tables.jobs.get(jobId)?.history
  return history?.after(options.after ?? 0, options.limit ?? HISTORY_PAGE) ?? []
}

export function atoms(tables: MemoryTables, flowId: string): readonly AtomRecord[] {
  const atoms = tables.runs.get(flowId)?.rows.atoms() ?? []
  return atoms.sort((a, b) => compareText(a.path, b.path))
}

export function calls(tables: MemoryTables, flowId: string, atom?: string): readonly CallRecord[] {
  const calls = tables.runs.get(flowId)?.rows.calls(atom) ?? []
  return calls.sort(
    (a, b) =>
      compareText(a.atom, b.atom) || compareText(a.direction, b.direction) || a.call - b.call,
  )
}

/** Jobs among which a filter's are: who waits for some jobs asks for these often. */
function candidates(tables: MemoryTables, { ids }: JobFilter): Iterable<Job> {
  if (ids === undefined) return tables.jobs.values()
  return [...new Set(ids)].flatMap((id) => tables.jobs.get(id) ?? [])
}

function matches(job: Job, filter: JobFilter): boolean {
  const { record } = job
  const detail = job.runs.at(-1)?.detail
  if (filter.board !== undefined && record.board !== filter.board) return false
  if (filter.ids !== undefined && !filter.ids.includes(record.id)) return false
  if (filter.key !== undefined && record.key !== filter.key) return false
  if (filter.states !== undefined && !filter.states.includes(record.state)) return false
  if (filter.flowStates !== undefined) {
    if (detail === undefined || !filter.flowStates.includes(detail.state)) return false
  }
  if (filter.flow !== undefined && record.flow !== filter.flow) return false
  if (filter.conductor !== undefined && record.conductor !== filter.conductor) return false
  if (filter.conductors !== undefined && !filter.conductors.includes(record.conductor ?? '')) {
    return false
  }
  if (filter.createdBefore !== undefined && record.createdAt >= filter.createdBefore) return false
  if (filter.createdAfter !== undefined && record.createdAt <= filter.createdAfter) return false
  for (const [name, value] of Object.entries(filter.labels ?? {})) {
    if (!Object.hasOwn(record.labels, name) || record.labels[name] !== value) return false
  }
  for (const [name, value] of Object.entries(filter.input ?? {})) {
    const input = detail?.input
    if (input === undefined || !Object.hasOwn(input, name)) return false
    if (canonicalJson(input[name] ?? null) !== canonicalJson(value)) return false
  }
  return true
}
