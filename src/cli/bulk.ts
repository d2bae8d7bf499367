/**
 * One wish about many jobs: what would be done, a question, then many at a time.
 *
 * Invariants
 * J1  Nothing is done to what filters found before somebody said yes: at the terminal, or with `--yes`.
 * J2  Each job is a transaction of its own. What is refused stops no other; when the database is away the rest is left, and the same
 *     command again goes on with it.
 */
import { createInterface } from 'node:readline/promises'
import { UnavailableError, UsageError } from '../base/errors.ts'
import { ZagflowError } from '../base/zagflow-error.ts'
import type { JobSummary } from '../../persistence/store.ts'
import type { Context } from './context.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { jobTable } from './printing/jobs.ts'
import { outcomeTable } from './printing/outcomes.ts'
import { count } from './printing/text.ts'
import { ProgressLine } from './progress-line.ts'
import type { Selection } from './select-jobs.ts'

export interface BulkFlags {
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** What is wished for. */
export interface Wish {
  /** `cancel` */
  readonly verb: string
  /** `will be cancelled` */
  readonly done: string
  /** Why it cannot be done to a job, as far as its rows say; null: it can. */
  refusal(summary: JobSummary): string | null
  /** Does it, and says more for the one job that was named. Throws a {@link ZagflowError} where it is refused. */
  act(summary: JobSummary): Promise<Done>
  /** What it would come to, where that is not clear from `done`. Throws as `act` does. */
  plan?(summary: JobSummary): Promise<Done>
}

export interface Done {
  /** It was not done: `has ended already`. */
  readonly refused?: string | undefined
  /** Instead of the wish's `done`. */
  readonly text?: string | undefined
  /** More data for programs. */
  readonly data?: { readonly [key: string]: unknown } | undefined
  readonly hint?: string | undefined
}

/** What became of the wish for one job. */
export interface Outcome {
  readonly job: string
  readonly flow: string
  readonly outcome: 'done' | 'refused' | 'planned'
  readonly text: string
  readonly data?: Done['data']
}

/** Jobs at a time: enough that no answer of a database is waited for alone. */
const AT_ONCE = 100
const ROWS = 50
const SAMPLE = 10

/** Carries out a wish. Exit codes: 0 all done, 1 some were refused. */
export async function carryOut(
  context: Context,
  { jobs, isFound }: Selection,
  wish: Wish,
  flags: BulkFlags,
): Promise<ExitCode> {
  const { terminal } = context
  const [only] = jobs
  if (only === undefined) {
    if (terminal.json) terminal.data(reportOf([], flags.dryRun === true))
    else terminal.say('No job fits.')
    return EXIT.done
  }
  const isDry = flags.dryRun === true
  if (isFound && !isDry && flags.yes !== true && !(await isMeant(context, jobs, wish))) {
    terminal.say('Nothing was done.')
    return EXIT.done
  }
  if (!isFound && !isDry && jobs.length === 1 && !terminal.json) return one(context, only, wish)
  const outcomes = await all(context, jobs, wish, isDry)
  if (terminal.json) terminal.data(reportOf(outcomes, isDry))
  else print(context, outcomes, wish, isDry)
  const isRefused = outcomes.some(({ outcome }) => outcome === 'refused')
  return isRefused && !isDry ? EXIT.failed : EXIT.done
}

/** A job that was named. */
async function one({ terminal }: Context, summary: JobSummary, wish: Wish): Promise<ExitCode> {
  const { refused, text, hint } = await wish.act(summary)
  if (refused !== undefined) {
    terminal.say(`${summary.job.id} ${refused}`)
    return EXIT.failed
  }
  terminal.print(`${summary.job.id} ${text ?? wish.done}`)
  if (hint !== undefined) terminal.say(hint)
  return EXIT.done
}

async function all(
  context: Context,
  jobs: readonly JobSummary[],
  wish: Wish,
  isDry: boolean,
): Promise<readonly Outcome[]> {
  const outcomes = new Array<Outcome | undefined>(jobs.length)
  const line = new ProgressLine(context.terminal)
  const queue = jobs.entries()
  let done = 0
  let lost: unknown
  const work = async (): Promise<void> => {
    for (const [at, summary] of queue) {
      if (lost !== undefined) return
      try {
        outcomes[at] = await outcomeOf(summary, wish, isDry)
      } catch (error) {
        lost ??= error
        return
      }
      done++
      if (done % 50 === 0) line.set(`${wish.verb}: ${done} of ${count(jobs.length, 'job')}`)
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  } finally {
    line.end()
  }
  if (lost !== undefined) {
    const missing = `${done} of ${count(jobs.length, 'job')} were done before that`
    context.terminal.say(`${missing}; the same command again goes on with the rest.`)
    throw lost as Error // what was caught
  }
  return outcomes.filter((outcome) => outcome !== undefined)
}

/** Throws what is no refusal. */
async function outcomeOf(summary: JobSummary, wish: Wish, isDry: boolean): Promise<Outcome> {
  const { id, flow } = summary.job
  const named = { job: id, flow }
  const refusal = wish.refusal(summary)
  if (refusal !== null) return { ...named, outcome: 'refused', text: refusal }
  try {
    const { refused, text, data } = isDry
      ? ((await wish.plan?.(summary)) ?? {})
      : await wish.act(summary)
    if (refused !== undefined) return { ...named, outcome: 'refused', text: refused }
    const more = data === undefined ? {} : { data }
    return { ...named, outcome: isDry ? 'planned' : 'done', text: text ?? wish.done, ...more }
  } catch (error) {
    if (!(error instanceof ZagflowError) || error instanceof UnavailableError) throw error
    const text = error.message.split('\n')[0] ?? error.message
    return { ...named, outcome: 'refused', text: text.replace(`the job ${id}: `, '') }
  }
}

/** J1. Throws {@link UsageError} where nobody can be asked. */
async function isMeant(
  { terminal }: Context,
  jobs: readonly JobSummary[],
  wish: Wish,
): Promise<boolean> {
  const fit = count(jobs.length, 'job')
  if (!process.stdin.isTTY || !terminal.isLive) {
    throw new UsageError(`${fit} would be changed, and nobody is there to be asked`, {
      hint: `look with --dry-run, then do it with --yes`,
    })
  }
  const columns = process.stderr.columns || 80
  terminal.say(jobTable(jobs.slice(0, SAMPLE), Date.now(), { paint: terminal.talk, columns }))
  if (jobs.length > SAMPLE) terminal.say(`… and ${jobs.length - SAMPLE} more`)
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await prompt.question(`${capital(wish.verb)} ${fit}? [y/N] `)
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    prompt.close()
  }
}

function print(
  { terminal }: Context,
  outcomes: readonly Outcome[],
  wish: Wish,
  isDry: boolean,
): void {
  const refused = outcomes.filter(({ outcome }) => outcome === 'refused')
  const shown = outcomes.length <= ROWS ? outcomes : (isDry ? outcomes : refused).slice(0, ROWS)
  if (shown.length > 0) terminal.print(outcomeTable(shown, terminal))
  const rest = (isDry ? outcomes : refused).length - shown.length
  if (rest > 0 && outcomes.length > ROWS) terminal.say(`… and ${rest} more`)
  const others = outcomes.length - refused.length
  const words = isDry
    ? `would do it to ${count(others, 'job')}`
    : `${count(others, 'job')} ${wish.done}`
  terminal.say(refused.length === 0 ? words : `${words}; ${refused.length} refused`)
}

function reportOf(outcomes: readonly Outcome[], isDry: boolean): unknown {
  const refused = outcomes.filter(({ outcome }) => outcome === 'refused').length
  return {
    dryRun: isDry,
    done: isDry ? 0 : outcomes.length - refused,
    refused,
    jobs: outcomes.map(({ job, flow, outcome, text, data }) => ({
      job,
      flow,
      outcome,
      ...(outcome === 'refused' ? { why: text } : {}),
      ...data,
    })),
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
