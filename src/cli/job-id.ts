/** The job that a user means: by its id, the beginning of its id, or its key. */
import { NotFoundError, UsageError } from '../base/errors.ts'
import type { JobSummary, Store } from '../../persistence/store.ts'

const WHOLE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const PART_OF_ID = /^[0-9a-f][0-9a-f-]{3,35}$/
/** Jobs that are looked at for the beginning of an id, newest first. */
const MOST = 20_000
const PAGE = 1_000
/** Ids begin with the time at which their poster made them; its clock may be wrong by this much. */
const SKEW_MS = 3_600_000

/** Throws {@link NotFoundError}, and {@link UsageError} for a beginning that several jobs share. */
export async function findJob(
  store: Pick<Store, 'job' | 'findJobs'>,
  wanted: string,
  board: string,
): Promise<JobSummary> {
  const exact = await store.job(wanted, board)
  if (exact !== null) return exact
  const start = wanted.toLowerCase()
  if (WHOLE_ID.test(start) || !PART_OF_ID.test(start)) throw notFound(wanted)
  const found = await byStart(store, start)
  const [first] = found
  if (first === undefined) throw notFound(wanted)
  if (found.length === 1) return first
  const some = found.slice(0, 5).map(({ job }) => `${job.id} (${job.flow})`)
  throw new UsageError(
    `${found.length === 5 ? 'at least 5' : found.length} jobs begin with ${wanted}: ${some.join(', ')}`,
    {
      hint: 'give more of the id',
    },
  )
}

async function byStart(
  store: Pick<Store, 'findJobs'>,
  start: string,
): Promise<readonly JobSummary[]> {
  const found: JobSummary[] = []
  // Ids of version 7 say when they were made; ids derived from keys do not, so all are looked at then.
  for (const window of [timesOf(start), {}]) {
    if (window === undefined) continue
    let after: string | undefined
    for (let looked = 0; looked < MOST && found.length < 5; looked += PAGE) {
      const page = await store.findJobs({ ...window, limit: PAGE, after })
      found.push(...page.jobs.filter(({ job }) => job.id.startsWith(start)))
      if (page.next === null) break
      after = page.next
    }
    if (found.length > 0) break
  }
  return found.slice(0, 5)
}

/** When jobs whose ids begin so were posted, if the beginning is long enough to say it. */
function timesOf(
  start: string,
): { readonly createdAfter: number; readonly createdBefore: number } | undefined {
  const digits = start.replaceAll('-', '').slice(0, 12)
  if (digits.length < 8) return undefined
  const least = Number.parseInt(digits.padEnd(12, '0'), 16)
  const most = Number.parseInt(digits.padEnd(12, 'f'), 16)
  return { createdAfter: least - SKEW_MS, createdBefore: most + SKEW_MS }
}

function notFound(wanted: string): NotFoundError {
  return new NotFoundError('job', wanted, { hint: 'see: zagflow jobs list' })
}
