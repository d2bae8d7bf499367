/** The jobs that a command is to act on: those that are named, or those that filters find. */
import { didYouMean } from '../base/did-you-mean.ts'
import { UsageError } from '../base/errors.ts'
import { findJobs, type JobSearch } from '../client/find-jobs.ts'
import type { JobSummary, Store } from '../../persistence/store.ts'
import type { Context } from './context.ts'
import { hasFilter, readFilter, searchAt, type FilterFlags } from './job-filter.ts'
import { findJob } from './job-id.ts'
import { count } from './printing/text.ts'
import { ProgressLine } from './progress-line.ts'

export interface SelectFlags extends FilterFlags {
  readonly limit?: number
}

export interface Selection {
  readonly jobs: readonly JobSummary[]
  /** By filters, not by their names. */
  readonly isFound: boolean
}

const PAGE = 10_000
const SCAN = 100_000

/**
 * Selects jobs, oldest first. `suits`: which of those that filters find the command is for, where no state was given. Throws
 * {@link UsageError} where neither jobs nor filters were given: nobody means all of them by accident.
 */
export async function selectJobs(
  context: Context,
  wanted: readonly string[],
  flags: SelectFlags,
  suits: Pick<JobSearch, 'states' | 'flowStates'>,
): Promise<Selection> {
  if (wanted.length === 0 && !hasFilter(flags)) {
    throw new UsageError('expected jobs, or filters that say which', {
      hint: 'name them by id or key, or give --flow, --state, --label, --where, --owner, --key, --newer-than or --older-than',
    })
  }
  if (wanted.length > 0 && hasFilter(flags)) {
    throw new UsageError('expected jobs or filters, got both')
  }
  if (wanted.length === 0) return { jobs: await foundJobs(context, flags, suits), isFound: true }
  const store = await context.sharedStore()
  const jobs = new Map<string, JobSummary>()
  // All of them are found before one is touched.
  for (const one of wanted) {
    const summary = await findJob(store, one, context.boardName)
    jobs.set(summary.job.id, summary)
  }
  return { jobs: [...jobs.values()].slice(0, flags.limit), isFound: false }
}

async function foundJobs(
  context: Context,
  flags: SelectFlags,
  suits: Pick<JobSearch, 'states' | 'flowStates'>,
): Promise<readonly JobSummary[]> {
  const { terminal } = context
  const query = readFilter(context, flags)
  const store: Store = await context.sharedStore()
  const search: JobSearch = {
    ...(flags.state.length === 0 ? { ...query.search, ...suits } : query.search),
    ...(({ createdAfter, createdBefore }) => ({ createdAfter, createdBefore }))(
      searchAt(query, await store.now()),
    ),
    order: 'oldest',
  }
  const jobs: JobSummary[] = []
  const { limit = Number.POSITIVE_INFINITY, scan = SCAN } = flags
  const line = new ProgressLine(terminal)
  let looked = 0
  let unclear = 0
  let why: string | undefined
  let after: string | undefined
  try {
    do {
      const page = await findJobs(
        store,
        { ...search, after, limit: Math.min(PAGE, limit - jobs.length), scan: scan - looked },
        (more, found) =>
          line.set(`looked at ${count(looked + more, 'job')}, ${jobs.length + found} fit`),
      )
      looked += page.looked
      unclear += page.unclear
      why ??= page.why
      jobs.push(...page.jobs)
      after = page.next ?? undefined
    } while (after !== undefined && jobs.length < limit && looked < scan)
  } finally {
    line.end()
  }
  sayUnclear(context, unclear, why)
  if (jobs.length === 0) await sayOwner(context, flags.owner)
  if (after !== undefined && jobs.length < limit) {
    terminal.say(`Looked at the oldest ${count(looked, 'job')}; look at more with --scan`)
  }
  return jobs
}

/** Q3: what a condition could not judge is passed over, and said. */
export function sayUnclear(context: Context, unclear: number, why: string | undefined): void {
  if (unclear === 0) return
  const jobs = unclear === 1 ? 'One job was' : `${count(unclear, 'job')} were`
  context.terminal.say(`${jobs} passed over, the condition does not fit: ${why ?? ''}`)
}

/** Nothing was found of an owner whom nobody knows: perhaps the name is wrong. */
export async function sayOwner(context: Context, owner: string | undefined): Promise<void> {
  if (owner === undefined) return
  const living = await (await context.sharedStore()).processes({ kind: 'conductor' })
  if (living.some(({ id, name }) => id === owner || name === owner)) return
  const names = [...new Set(living.map(({ name }) => name))]
  const hint = didYouMean(owner, names) ?? (names.length === 0 ? 'none lives' : names.join(', '))
  context.terminal.say(`No conductor that lives is called ${owner}: ${hint}`)
}
