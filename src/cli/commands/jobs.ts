/** `zagflow jobs list|show|watch|history`: looking. */
import { UsageError } from '../../base/errors.ts'
import { didYouMean } from '../../base/did-you-mean.ts'
import { withResults } from '../../client/watch.ts'
import type { JobDetails } from '../../client/job.ts'
import type { JsonObject } from '../../base/json.ts'
import { FLOW_STATES, type FlowState } from '../../machine/states.ts'
import { JOB_STATES, type JobState } from '../../../persistence/store.ts'
import { callsOf, type CallElsewhere } from '../calls-elsewhere.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { followJob } from '../follow.ts'
import { readSet } from '../input.ts'
import { findJob } from '../job-id.ts'
import { readLabels } from '../labels.ts'
import { EventLines } from '../printing/event-lines.ts'
import { jobText } from '../printing/job.ts'
import { jobTable } from '../printing/jobs.ts'
import { count } from '../printing/text.ts'
import { durationOf } from './database.ts'

export interface ListFlags {
  readonly state: readonly string[]
  readonly flow?: string
  readonly label: readonly string[]
  readonly where: readonly string[]
  readonly key?: string
  readonly newerThan?: string
  readonly olderThan?: string
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
  const { terminal, settings } = context
  const { states, flowStates } = readStates(flags.state)
  const labels = readLabels(flags.label)
  const input = readWhere(flags.where)
  const newer =
    flags.newerThan === undefined ? undefined : durationOf('--newer-than', flags.newerThan)
  const older =
    flags.olderThan === undefined ? undefined : durationOf('--older-than', flags.olderThan)
  const store = await context.sharedStore()
  const now = await store.now()
  const { jobs, next } = await store.findJobs({
    // Jobs of all boards, unless one is named: also those of `zagflow run`.
    board: settings.board === 'sql:' ? undefined : context.boardName,
    states,
    flowStates,
    flow: flags.flow,
    key: flags.key,
    labels: flags.label.length === 0 ? undefined : labels,
    input: flags.where.length === 0 ? undefined : input,
    createdAfter: newer === undefined ? undefined : now - newer,
    createdBefore: older === undefined ? undefined : now - older,
    order: flags.oldestFirst === true ? 'oldest' : 'newest',
    limit: flags.limit,
    after: flags.after,
  })
  if (terminal.json) {
    terminal.data({
      jobs: jobs.map(({ job, detail }) => ({
        ...job,
        flowState: detail.state,
        input: detail.input,
        failures: detail.failures,
      })),
      next,
    })
    return EXIT.done
  }
  if (jobs.length === 0) {
    terminal.say(flags.after === undefined ? 'No job fits.' : 'There are no more.')
    return EXIT.done
  }
  terminal.print(jobTable(jobs, now, terminal))
  if (next !== null) terminal.say(`${count(jobs.length, 'job')}; there are more: --after ${next}`)
  return EXIT.done
}

function readStates(given: readonly string[]): {
  readonly states: readonly JobState[] | undefined
  readonly flowStates: readonly FlowState[] | undefined
} {
  const states: JobState[] = []
  const flowStates: FlowState[] = []
  for (const one of given.flatMap((text) => text.split(','))) {
    const name = one.trim().toUpperCase()
    const state = JOB_STATES.find((known) => known === name)
    const flowState = FLOW_STATES.find((known) => known === name)
    if (state !== undefined) states.push(state)
    else if (flowState !== undefined) flowStates.push(flowState)
    else {
      const known = [...JOB_STATES, ...FLOW_STATES]
      throw new UsageError(`--state: there is no state "${one}"`, {
        hint: didYouMean(name, known) ?? `states are ${known.join(', ')}`,
      })
    }
  }
  return {
    states: states.length === 0 ? undefined : states,
    flowStates: flowStates.length === 0 ? undefined : flowStates,
  }
}

function readWhere(given: readonly string[]): JsonObject {
  const input: { [symbol: string]: JsonObject[string] } = {}
  for (const one of given) {
    const [path, value] = readSet(one, '--where')
    const [symbol = '', ...rest] = path
    if (rest.length > 0) {
      throw new UsageError(`--where ${one}: only whole values of the input can be searched`, {
        hint: `write --where '${symbol}={ … }' with all of it`,
      })
    }
    input[symbol] = value
  }
  return input
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
  terminal.print(jobText(details, { now, owner, elsewhere, paint: terminal.paint }))
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
