/** The orders in which the store in memory gives things. */
import type { JobFilter, JobRecord } from '../store.ts'

/** For sorting by UTF-16 units. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What jobs are sorted by. */
export type Sorted = Pick<JobRecord, 'priority' | 'createdAt' | 'id'>

/** For sorting jobs in one of the orders of {@link JobFilter}. */
export function compareJobs(order: NonNullable<JobFilter['order']>, a: Sorted, b: Sorted): number {
  const oldest = a.createdAt - b.createdAt || compareText(a.id, b.id)
  switch (order) {
    case 'newest':
      return -oldest
    case 'oldest':
      return oldest
    case 'claim':
      return b.priority - a.priority || oldest
  }
}
