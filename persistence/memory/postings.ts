/**
 * POSTING jobs of the store in memory: by priority, tenant and age. Entries are left where they are when their job goes on; they
 * are dropped when they come up.
 */
import { Heap } from '../heap.ts'
import { compareText } from './order.ts'
import type { Job } from './job.ts'
import { inTurns } from '../rules.ts'

interface Entry {
  readonly job: Job
  readonly posting: number
}

export class MemoryPostings {
  /** By priority, then tenant. */
  readonly #waiting = new Map<number, Map<string, Heap<Entry>>>()

  add(job: Job): void {
    const { priority, posting } = job.record
    let tenants = this.#waiting.get(priority)
    if (tenants === undefined)
      this.#waiting.set(priority, (tenants = new Map<string, Heap<Entry>>()))
    let heap = tenants.get(job.tenant)
    if (heap === undefined) tenants.set(job.tenant, (heap = new Heap(isOlder)))
    heap.push({ job, posting })
  }

  /** As {@link Store.nextPostings}; first postings of jobs that were made after `youngest` are left out. */
  next(options: {
    readonly limit: number
    readonly turn?: string | undefined
    readonly youngest: number
  }): readonly Job[] {
    const { limit, turn, youngest } = options
    for (const priority of [...this.#waiting.keys()].sort((a, b) => b - a)) {
      const tenants = this.#waiting.get(priority) ?? new Map<string, Heap<Entry>>()
      const names = [...tenants.keys()].sort(compareText)
      const after = turn === undefined ? 0 : names.filter((name) => name <= turn).length
      const lists: (readonly Job[])[] = []
      for (const name of [...names.slice(after), ...names.slice(0, after)]) {
        if (lists.length >= limit) break
        const heap = tenants.get(name) as Heap<Entry>
        const list = oldest(heap, limit, youngest)
        if (list.length > 0) lists.push(list)
        else if (heap.peek() === undefined) tenants.delete(name)
      }
      if (lists.length > 0) return inTurns(lists, limit)
      if (tenants.size === 0) this.#waiting.delete(priority)
    }
    return []
  }
}

/** Reads without taking. */
function oldest(heap: Heap<Entry>, limit: number, youngest: number): readonly Job[] {
  const entries: Entry[] = []
  const fresh: Entry[] = []
  while (entries.length < limit) {
    const entry = heap.pop()
    if (entry === undefined) break
    const { record } = entry.job
    const isWaiting = record.state === 'POSTING' && record.posting === entry.posting
    // A job may be entered twice: posted, unposted.
    if (!isWaiting || entries.at(-1)?.job === entry.job) continue
    const isFresh = entry.posting === 1 && record.createdAt > youngest
    if (isFresh) fresh.push(entry)
    else entries.push(entry)
  }
  for (const entry of [...entries, ...fresh]) heap.push(entry)
  return entries.map(({ job }) => job)
}

function isOlder(a: Entry, b: Entry): boolean {
  const age = a.job.record.createdAt - b.job.record.createdAt
  return age < 0 || (age === 0 && a.job.record.id < b.job.record.id)
}
