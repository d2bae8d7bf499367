/** `zagflow jobs list|show|watch|history`: looking. */
import { findJobs } from '../../client/find-jobs.ts'
import { withResults } from '../../client/watch.ts'
import type { JobDetails } from '../../client/job.ts'
import { callsOf, type CallElsewhere } from '../calls-elsewhere.ts'
import { whyNotPosted } from '../board-look.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { followJob } from '../follow.ts'
import { readFilter, searchAt, type FilterFlags } from '../job-filter.ts'
import { findJob } from '../job-id.ts'
import { EventLines } from '../printing/event-lines.ts'
import { jobText } from '../printing/job.ts'
import { jobTable } from '../printing/jobs.ts'
import { count } from '../printing/text.ts'
import { ProgressLine } from '../progress-line.ts'
import { sayOwner, sayUnclear } from '../select-jobs.ts'

export interface ListFlags extends FilterFlags {
  readonly oldestFirst?: boolean
  readonly limit: number
  readonly after?: string
}

export interface WatchFlags {
  readonly after?: number
}

export interface HistoryFlags extends WatchFlags {
  readonly limit: number
}

/** `zagflow jobs list` */
export async function listCommand(context: Context, flags: ListFlags): Promise<ExitCode> {
  const { terminal } = context
  const query = readFilter(context, flags)
  const store = await context.sharedStore()
  const now = await store.now()
  const line = new ProgressLine(terminal)
  const search = {
    ...searchAt(query, now),
    order: flags.oldestFirst === true ? 'oldest' : 'newest',
    limit: flags.limit,
    after: flags.after,
  } as const
  const { jobs, next, looked, unclear, why } = await findJobs(store, search, (seen, found) =>
    line.set(`looked at ${count(seen, 'job')}, ${found} fit`),
  ).finally(() => line.end())
  if (terminal.json) {
    terminal.data({
      jobs: jobs.map(({ job, detail }) => ({
        ...job,
        flowState: detail.state,
        input: detail.input,
        failures: detail.failures,
      })),
      next,
      ...(query.search.where === undefined ? {} : { looked, unclear }),
    })
    return EXIT.done
  }
  sayUnclear(context, unclear, why)
  if (jobs.length === 0) await sayOwner(context, flags.owner)
  const isShort = jobs.length < flags.limit
  const more =
    isShort && next !== null ? `Looked at ${count(looked, 'job')}; go on: --after ${next}` : null
  if (jobs.length === 0) {
    terminal.say(more ?? (flags.after === undefined ? 'No job fits.' : 'There are no more.'))
    return EXIT.done
  }
  terminal.print(jobTable(jobs, now, terminal))
  if (more !== null) terminal.say(more)
  else if (next !== null)
    terminal.say(`${count(jobs.length, 'job')}; there are more: --after ${next}`)
  return EXIT.done
}

/** `zagflow jobs show JOB` */
export async function showCommand(context: Context, wanted: string): Promise<ExitCode> {
  const { terminal } = context
  const store = await context.sharedStore()
  const { job } = await findJob(store, wanted, context.boardName)
  const zag = await context.connection()
  const details = await (await zag.job(job.id)).details()
  const processes = await store.processes()
  const owner = processes.find(({ id }) => id === job.conductor)
  const elsewhere = {
    calls: owner === undefined ? [] : callsOf(owner).filter(({ jobId }) => jobId === job.id),
    workers: processes.filter(({ kind }) => kind === 'worker'),
  }
  if (terminal.json) {
    terminal.data(detailsData(details, elsewhere.calls))
    return EXIT.done
  }
  const now = await store.now()
  const waits = await whyNotPosted(context, job)
  terminal.print(jobText(details, { now, owner, elsewhere, waits, paint: terminal.paint }))
  return EXIT.done
}

function detailsData(
  { job, flow, atoms, calls, document }: JobDetails,
  elsewhere: readonly CallElsewhere[],
): unknown {
  return { job, flow, atoms, calls, document, elsewhere }
}

/** `zagflow jobs watch JOB` */
export async function watchCommand(
  context: Context,
  wanted: string,
  flags: WatchFlags,
): Promise<ExitCode> {
  const { job } = await findJob(await context.sharedStore(), wanted, context.boardName)
  const zag = await context.connection()
  return followJob(context, await zag.job(job.id), {
    isQuiet: false,
    printsOutput: false,
    after: flags.after,
  })
}

/** `zagflow jobs history JOB` */
export async function historyCommand(
  context: Context,
  wanted: string,
  flags: HistoryFlags,
): Promise<ExitCode> {
  const { terminal } = context
  const store = await context.sharedStore()
  const summary = await findJob(store, wanted, context.boardName)
  const { after = 0, limit } = flags
  const records = await store.history(summary.job.id, { after, limit })
  if (terminal.json) {
    terminal.data(await withResults(store, summary, records))
    return EXIT.done
  }
  const lines = new EventLines(summary.job.flow, terminal.paint)
  const width = String(summary.job.historySeq).length
  for (const record of records) {
    const { seq, kind, name, state, at, attempt, failure } = record
    const event = {
      kind,
      name,
      state,
      at,
      ...(attempt === null ? {} : { attempt }),
      ...(failure === null ? {} : { failure }),
    }
    terminal.print(`${terminal.paint.dim(String(seq).padStart(width))} ${lines.line(event)}`)
  }
  const last = records.at(-1)
  if (records.length === 0) terminal.say('Nothing has happened yet.')
  else if (last !== undefined && last.seq < summary.job.historySeq) {
    terminal.say(`there is more: --after ${last.seq}`)
  }
  return EXIT.done
}
