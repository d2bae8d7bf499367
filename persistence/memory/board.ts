/**
 * The lists in which the jobs of one board wait, in memory. Entries are left where they are when their job goes on; they are dropped
 * when they come up.
 */
import { Heap } from '../heap.ts'
import type { Job } from './job.ts'
import { compareJobs } from './order.ts'
import { MemoryPostings } from './postings.ts'

/** A job as it became claimable or parked; stale once it has left that posting or that due time. */
export interface Waiting {
  readonly job: Job
  readonly posting: number
  readonly dueAt: number
}

/** Jobs of one board: UNCLAIMED, in the order of claiming; PARKED, those due first; POSTING. */
export interface Board {
  readonly claimable: Heap<Waiting>
  readonly parked: Heap<Waiting>
  readonly postings: MemoryPostings
}

/** A board without jobs. */
export function newBoard(): Board {
  return {
    claimable: new Heap((a, b) => compareJobs('claim', a.job.record, b.job.record) < 0),
    parked: new Heap((a, b) => a.dueAt < b.dueAt),
    postings: new MemoryPostings(),
  }
}

/** The first job of a heap that `isWanted`; entries that are not `isValid` any more are dropped on the way. */
export function takeFirst(
  heap: Heap<Waiting>,
  isWanted: (entry: Waiting) => boolean,
  isValid = isWanted,
): Job | undefined {
  for (let first = heap.peek(); first !== undefined; first = heap.peek()) {
    const wanted = isWanted(first)
    if (!wanted && isValid(first)) return undefined
    heap.pop()
    if (wanted) return first.job
  }
  return undefined
}

/** Whether an entry of `claimable` is not stale. */
export function isClaimable({ job, posting }: Waiting): boolean {
  return job.record.state === 'UNCLAIMED' && job.record.posting === posting
}

/** Whether an entry of `parked` is not stale. */
export function isParked({ job, posting, dueAt }: Waiting): boolean {
  const { record } = job
  return record.state === 'PARKED' && record.posting === posting && record.dueAt === dueAt
}
