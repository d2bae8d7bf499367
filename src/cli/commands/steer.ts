/** `zagflow jobs cancel|suspend|resume|retry|revert|release`: steering. */
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.ts'
import { uuidV7 } from '../../base/ids.ts'
import { RUN_BOARD } from '../../client/local-run.ts'
import { completeInput } from '../../flow/resolve.ts'
import type { ResolvedDocument } from '../../flow/resolved.ts'
import type { JobRecord } from '../../../persistence/store.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { readInput } from '../input.ts'
import { findJob } from '../job-id.ts'

export interface ReasonFlags {
  readonly reason?: string
}

export interface RetryFlags {
  readonly input?: string
  readonly set: readonly string[]
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

/** `zagflow jobs cancel|suspend|resume JOB…` */
export async function steerCommand(
  context: Context,
  wish: 'cancel' | 'suspend' | 'resume',
  wanted: readonly string[],
  flags: ReasonFlags,
): Promise<ExitCode> {
  const { terminal } = context
  const store = await context.sharedStore()
  const found = []
  // All of them are found before one is touched.
  for (const one of wanted) found.push(await findJob(store, one, context.boardName))
  const zag = await context.connection()
  let code: ExitCode = EXIT.done
  const reports: unknown[] = []
  for (const { job, detail } of found) {
    if (wish === 'resume') refuseResume(job, detail.state)
    const handle = await zag.job(job.id)
    const steered =
      wish === 'resume' ? await handle.resume() : await handle[wish](flags.reason ?? DONE[wish])
    if (!steered.accepted) code = EXIT.failed
    reports.push({
      job: job.id,
      accepted: steered.accepted,
      ...(steered.accepted ? {} : { state: steered.outcome.state }),
    })
    if (terminal.json) continue
    if (!steered.accepted) {
      terminal.say(`${job.id} has ended already: ${steered.outcome.state}`)
      continue
    }
    terminal.print(`${job.id} ${WILL[wish]}`)
    const isIdle = job.board === RUN_BOARD && job.state !== 'CLAIMED'
    if (isIdle) terminal.say(`It is run by nobody now: zagflow run --resume ${job.id} --tasks …`)
  }
  if (terminal.json) terminal.data(reports)
  return code
}

const DONE = { cancel: 'cancelled by an operator', suspend: 'suspended by an operator' } as const

function refuseResume(job: JobRecord, state: string): void {
  if (job.board === RUN_BOARD) {
    throw new UsageError(`the job ${job.id} belongs to zagflow run, not to conductors`, {
      hint: `go on with: zagflow run --resume ${job.id} --tasks …`,
    })
  }
  const isSuspended = state === 'SUSPENDED' || state === 'SUSPENDING'
  if (isSuspended || job.parkedFor === 'suspended') return
  if (job.state === 'TRASHED') {
    throw new UsageError(`the job ${job.id} is in the trash`, {
      hint: `see zagflow jobs show ${job.id}, then zagflow jobs release`,
    })
  }
}

/** `zagflow jobs retry JOB` */
export async function retryCommand(
  context: Context,
  wanted: string,
  flags: RetryFlags,
): Promise<ExitCode> {
  const { terminal } = context
  const store = await context.sharedStore()
  const { job, detail } = await findJob(store, wanted, context.boardName)
  if (job.state !== 'COMPLETE' && job.state !== 'TRASHED') {
    throw new ConflictError(`the job ${job.id}`, 'it has not ended', {
      hint: `cancel it first, or wait: zagflow jobs watch ${job.id}`,
    })
  }
  const isOther = flags.input !== undefined || flags.set.length > 0
  const base = flags.input ?? JSON.stringify(detail.input)
  const document = await store.document(detail.document)
  if (document === null) throw new NotFoundError('document', detail.document)
  const input = isOther
    ? completeInput(document as unknown as ResolvedDocument, readInput(base, flags.set)) // stored by `post` alone
    : undefined
  const again = await store.rerun(job.id, { flowId: uuidV7(), input })
  if (again === null) throw new ConflictError(`the job ${job.id}`, 'it goes on already')
  if (terminal.json) terminal.data({ job: job.id, state: again.state, posting: again.posting })
  else {
    terminal.print(`${job.id} runs again from its start`)
    terminal.say(next(again))
  }
  return EXIT.done
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
  const released = job.board === RUN_BOARD ? null : await store.releaseJob(job.id)
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
  const released = await store.releaseJob(job.id)
  if (released === null) {
    throw new ConflictError(
      `the job ${job.id}`,
      `it is ${job.state}: there is nothing to release it from`,
    )
  }
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
