/**
 * Finding jobs, also by what no store can look for: a condition on the input, the name of the conductor.
 *
 * Invariants
 * Q1  A condition is checked before anything is read.
 * Q2  Each call looks at `scan` jobs at most; `next` goes on behind the last one that was looked at, so that pages have neither gaps nor
 *     repetitions.
 * Q3  A job of which a condition cannot say whether it holds is not found; it is counted, and the first one told.
 */
import { UsageError } from '../base/errors.ts'
import type { Cel } from '../flow/template-of.ts'
import { writeCursor } from '../../persistence/cursor.ts'
import type { JobFilter, JobSummary, Store } from '../../persistence/store.ts'
import { compileWhere, type JobCondition } from './job-condition.ts'

/** What jobs are looked for. */
export interface JobSearch extends JobFilter {
  /**
   * A condition in CEL on the input, such as `cel("quantity > 10 && has(symbols.coupon)")`: sees the symbols of the input, `input` and
   * `job` (id, key, flow, board, run, priority, labels, scheduledFor). Equalities are looked for by the database, the rest here.
   */
  readonly where?: string | Cel | undefined
  /** Name or id of the conductor that works on them now. */
  readonly owner?: string | undefined
  /** Jobs that are looked at for `where`, at most; 1 to 10,000,000. @default 100,000 */
  readonly scan?: number | undefined
}

/** What can be said in a {@link JobSearch}. */
export const SEARCH_KEYS = [
  'board',
  'ids',
  'key',
  'states',
  'flowStates',
  'flow',
  'conductor',
  'conductors',
  'labels',
  'input',
  'createdBefore',
  'createdAfter',
  'order',
  'limit',
  'after',
  'where',
  'owner',
  'scan',
] as const satisfies readonly (keyof JobSearch)[]

/** One page of jobs that were found. */
export interface FoundJobs {
  readonly jobs: readonly JobSummary[]
  /** For the next page; null: there are no more. With a condition there may be more to look at, though none fits. */
  readonly next: string | null
  /** Jobs that were looked at. */
  readonly looked: number
  /** Jobs of which the condition could not say whether it holds, and why not of the first one. */
  readonly unclear: number
  readonly why?: string | undefined
}

const SCAN = 100_000
const PAGE = 1_000

/** Finds jobs, as far as `limit` (default 100). `onLook` is told how far it is. Throws {@link UsageError}, {@link InvalidInputError}. */
export async function findJobs(
  store: Pick<Store, 'findJobs' | 'processes'>,
  search: JobSearch,
  onLook: (looked: number, found: number) => void = () => {},
): Promise<FoundJobs> {
  const { where, owner, scan = SCAN, ...filter } = search
  if (!Number.isInteger(scan) || scan < 1 || scan > 10_000_000) {
    throw new UsageError(`scan: expected 1 to 10000000, got ${String(scan)}`)
  }
  const condition = where === undefined ? undefined : compileWhere(where)
  const conductors = owner === undefined ? undefined : await idsOf(store, owner)
  const asked: JobFilter = { ...filter, ...(conductors === undefined ? {} : { conductors }) }
  if (condition === undefined) {
    const { jobs, next } = await store.findJobs(asked)
    return { jobs, next, looked: jobs.length, unclear: 0 }
  }
  return look(store, asked, condition, scan, onLook)
}

async function look(
  store: Pick<Store, 'findJobs'>,
  filter: JobFilter,
  condition: JobCondition,
  scan: number,
  onLook: (looked: number, found: number) => void,
): Promise<FoundJobs> {
  const { limit = 100 } = filter
  const input = { ...condition.input, ...filter.input }
  const narrowed = Object.keys(input).length === 0 ? filter : { ...filter, input }
  const found: JobSummary[] = []
  let looked = 0
  let unclear = 0
  let why: string | undefined
  let after = filter.after
  for (;;) {
    const page = await store.findJobs({ ...narrowed, limit: Math.min(PAGE, scan - looked), after })
    for (const summary of page.jobs) {
      looked++
      const holds = condition.holds(summary)
      if (holds === true) found.push(summary)
      else if (holds !== false) {
        unclear++
        why ??= `${summary.job.id}: ${holds}`
      }
      if (found.length === limit) {
        const isLast = page.next === null && summary === page.jobs.at(-1)
        return { jobs: found, next: isLast ? null : writeCursor(summary.job), looked, unclear, why }
      }
    }
    onLook(looked, found.length)
    if (page.next === null || looked >= scan) {
      return { jobs: found, next: page.next, looked, unclear, why }
    }
    after = page.next
  }
}

/** Conductors that live and have that name or id; one that is gone only by its id. */
async function idsOf(store: Pick<Store, 'processes'>, owner: string): Promise<readonly string[]> {
  const living = await store.processes({ kind: 'conductor' })
  const ids = living.flatMap(({ id, name }) => (id === owner || name === owner ? [id] : []))
  return ids.length === 0 ? [owner] : ids
}
