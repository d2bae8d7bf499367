/** `zagflow jobs cancel|suspend|resume|retry|revert|release`: steering, one job or many. */
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.ts'
import { uuidV7 } from '../../base/ids.ts'
import { RUN_BOARD } from '../../client/local-run.ts'
import { decideRetry, releaseJob, type Retried, type RetryOptions } from '../../client/retry.ts'
import { tellBoard } from '../../client/tell-board.ts'
import type { JobRecord } from '../../../persistence/store.ts'
import { carryOut, type BulkFlags, type Done, type Wish } from '../bulk.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assignSets, readInput } from '../input.ts'
import { findJob } from '../job-id.ts'
import { count } from '../printing/text.ts'
import { selectJobs, type SelectFlags } from '../select-jobs.ts'

export interface SteerFlags extends SelectFlags, BulkFlags {
  readonly reason?: string
}

export interface RetryFlags extends SelectFlags, BulkFlags {
  readonly input?: string
  readonly set: readonly string[]
  readonly fromFailed?: boolean
  readonly fromStart?: boolean
}

export interface RevertFlags {
  readonly again?: boolean
  readonly skip?: boolean
}

const WILL = {
  cancel: 'will be cancelled, and what ran reverted',
  suspend: 'will be suspended once what runs has ended',
  resume: 'goes on',
} as const

const OPEN = ['POSTING', 'UNCLAIMED', 'CLAIMED', 'PARKED'] as const

/** Which jobs a wish is for, of those that filters find. */
const SUITS = {
  cancel: { states: OPEN },
  suspend: { states: OPEN, flowStates: ['PENDING', 'RUNNING', 'REVERTING', 'RESUMING'] },
  resume: { states: OPEN, flowStates: ['SUSPENDED', 'SUSPENDING'] },
  retry: { states: ['COMPLETE', 'TRASHED'], flowStates: ['FAILURE', 'REVERTED'] },
} as const

/** `zagflow jobs cancel|suspend|resume JOB…|FILTERS` */
export async function steerCommand(
  context: Context,
  wish: 'cancel' | 'suspend' | 'resume',
  wanted: readonly string[],
  flags: SteerFlags,
): Promise<ExitCode> {
  const selection = await selectJobs(context, wanted, flags, SUITS[wish])
  const zag = await context.connection()
  const reason = flags.reason ?? (wish === 'resume' ? undefined : DONE[wish])
  const bulk: Wish = {
    verb: wish,
    done: WILL[wish],
    refusal({ job, detail }) {
      if (wish === 'resume') return whyNotResumed(job, detail.state)?.why ?? null
      return job.endedAt === null ? null : ended(detail.state)
    },
    async act({ job, detail }) {
      const no = wish === 'resume' ? whyNotResumed(job, detail.state) : undefined
      if (no !== undefined) throw new UsageError(`the job ${job.id} ${no.why}`, { hint: no.hint })
      const handle = zag.handleOf(job)
      const steered = wish === 'resume' ? await handle.resume() : await handle[wish](reason)
      if (!steered.accepted) return { refused: ended(steered.outcome.state) }
      const isIdle = job.board === RUN_BOARD && job.state !== 'CLAIMED'
      if (!isIdle) return {}
      return { hint: `It is run by nobody now: zagflow run --resume ${job.id} --tasks …` }
    },
  }
  return carryOut(context, selection, bulk, flags)
}

function ended(state: string): string {
  return `has ended already: ${state}`
}

const DONE = { cancel: 'cancelled by an operator', suspend: 'suspended by an operator' } as const

function whyNotResumed(
  job: JobRecord,
  state: string,
): { readonly why: string; readonly hint: string } | undefined {
  if (job.board === RUN_BOARD) {
    return {
      why: 'belongs to zagflow run, not to conductors',
      hint: `go on with: zagflow run --resume ${job.id} --tasks …`,
    }
  }
  const isSuspended = state === 'SUSPENDED' || state === 'SUSPENDING'
  if (isSuspended || job.parkedFor === 'suspended' || job.state !== 'TRASHED') return undefined
  return {
    why: 'is in the trash',
    hint: `see zagflow jobs show ${job.id}, then zagflow jobs release`,
  }
}

/** `zagflow jobs retry JOB…|FILTERS` */
export async function retryCommand(
  context: Context,
  wanted: readonly string[],
  flags: RetryFlags,
): Promise<ExitCode> {
  const options = retryOptions(flags)
  const selection = await selectJobs(context, wanted, flags, SUITS.retry)
  const zag = await context.connection()
  const isFromFailed = options.from === 'failed'
  const textOf = (retried: Retried): string => {
    if (!isFromFailed) return 'runs again from its start'
    const { kept, outdated } = retried
    if (kept.length === 0) return 'runs again from its start: nothing of it stands'
    const old = outdated.length === 0 ? '' : `, ${outdated.length} of the old input`
    return `runs again from where it failed; ${count(kept.length, 'task')} kept${old}`
  }
  const doneOf = (retried: Retried, job: JobRecord): Done => ({
    text: textOf(retried),
    data: { ...retried },
    hint: [...outdatedText(retried), next(job)].join('\n'),
  })
  const bulk: Wish = {
    verb: 'retry',
    done: isFromFailed ? 'run again from where they failed' : 'run again from their start',
    refusal: ({ job }) => (job.endedAt === null ? 'it has not ended' : null),
    async plan({ job }) {
      return doneOf((await decideRetry(zag.store, job.id, options)).retried, job)
    },
    async act({ job }) {
      return doneOf(await zag.handleOf(job).retry(options), job)
    },
  }
  return carryOut(context, selection, bulk, flags)
}

/** Reads the new input, if there is one. Throws {@link UsageError}, {@link InvalidInputError}. */
function retryOptions({ input, set, fromFailed, fromStart }: RetryFlags): RetryOptions {
  if (fromFailed === true && fromStart === true) {
    throw new UsageError('expected --from-failed or --from-start, got both')
  }
  const from = fromFailed === true ? 'failed' : 'start'
  if (input === undefined && set.length === 0) return { from }
  const whole = input === undefined ? undefined : readInput(input, set)
  return { from, input: (had) => whole ?? assignSets(had, set) }
}

function outdatedText({ outdated }: Retried): readonly string[] {
  if (outdated.length === 0) return []
  const some = outdated.slice(0, 5).join(', ')
  return [`These keep what they gave for the old input: ${some}${outdated.length > 5 ? ', …' : ''}`]
}

/** `zagflow jobs revert JOB ATOM --again|--skip` */
export async function revertCommand(
  context: Context,
  wanted: string,
  atom: string,
  flags: RevertFlags,
): Promise<ExitCode> {
  const { terminal } = context
  if (flags.again !== true && flags.skip !== true) {
    throw new UsageError('expected --again (try the revert again) or --skip (take it as done)')
  }
  const how = flags.skip === true ? 'skip' : 'again'
  const store = await context.sharedStore()
  const { job, detail } = await findJob(store, wanted, context.boardName)
  const atoms = await store.atoms(detail.id)
  const stuck = atoms.filter(({ state }) => state === 'REVERT_FAILURE').map(({ path }) => path)
  const path = stuck.includes(atom) ? atom : `${job.flow}/${atom}`
  if (!stuck.includes(path)) {
    const isKnown = atoms.some((one) => one.path === atom)
    if (isKnown || stuck.length === 0) {
      throw new UsageError(
        stuck.length === 0
          ? `no revert of the job ${job.id} has failed`
          : `the revert of ${atom} has not failed`,
        { hint: stuck.length === 0 ? undefined : `these have: ${stuck.join(', ')}` },
      )
    }
    throw new NotFoundError('failed revert', atom, { candidates: stuck })
  }
  const key = `resolve-revert ${uuidV7()}`
  const answer = await store.mail(job.id, {
    key,
    kind: 'resolve-revert',
    body: { atom: path, how },
  })
  if (answer === 'ended' || answer === 'unknown') {
    throw new ConflictError(`the job ${job.id}`, 'it has ended meanwhile')
  }
  // Of `run`: whoever goes on with it releases it.
  const zag = await context.connection()
  const released = job.board === RUN_BOARD ? null : await store.releaseJob(job.id)
  if (released !== null) await tellBoard(zag.place, released)
  if (terminal.json) terminal.data({ job: job.id, atom: path, how })
  else {
    terminal.print(
      how === 'again' ? `the revert of ${path} is tried again` : `${path} counts as reverted`,
    )
    terminal.say(next(released ?? job))
  }
  return EXIT.done
}

/** `zagflow jobs release JOB` */
export async function releaseCommand(context: Context, wanted: string): Promise<ExitCode> {
  const { terminal } = context
  const store = await context.sharedStore()
  const { job } = await findJob(store, wanted, context.boardName)
  const zag = await context.connection()
  const released = await releaseJob(zag.place, job.id)
  if (terminal.json)
    terminal.data({ job: job.id, state: released.state, posting: released.posting })
  else {
    terminal.print(`${job.id} can be claimed again`)
    terminal.say(next(released))
  }
  return EXIT.done
}

/** How to see what comes of it. */
function next(job: JobRecord): string {
  return job.board === RUN_BOARD
    ? `Go on with: zagflow run --resume ${job.id} --tasks …`
    : `Follow it: zagflow jobs watch ${job.id}`
}
