/** `zagflow post`: a job for the conductors. */
import { sourceOf } from '../../posting/prepare.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { findFlow } from '../flow-source.ts'
import { readInput } from '../input.ts'
import { readLabels } from '../labels.ts'
import { followJob } from '../follow.ts'

export interface PostFlags {
  readonly input?: string
  readonly set: readonly string[]
  readonly label: readonly string[]
  readonly priority?: number
  readonly delay?: string
  readonly at?: string
  readonly key?: string
  readonly wait?: boolean
  readonly quiet?: boolean
}

export async function postCommand(
  context: Context,
  reference: string,
  flags: PostFlags,
): Promise<ExitCode> {
  const { terminal, settings, registered } = context
  const found = await findFlow(reference, {
    modules: settings.tasks,
    takesTasks: false,
    registered,
  })
  terminal.say(terminal.talk.dim(`flow: ${found.described}`))
  const input = readInput(flags.input, flags.set)
  const labels = readLabels(flags.label)
  const zag = await context.connection(found.tasks)
  const { key, priority, delay, at } = flags
  const job = await zag.post(sourceOf(found.flow), input, {
    key,
    priority,
    delay: delay as `${number}s` | undefined, // what is no duration is refused there, with a hint
    at,
    labels,
    postedBy: 'zagflow post',
  })
  const posted = { job: job.id, flow: job.flow, key: job.key, created: job.created }
  if (flags.wait === true) {
    const word = job.created ? 'posted' : 'was posted already'
    terminal.say(terminal.talk.dim(`job ${job.id} ${word}`))
    return followJob(context, job, { isQuiet: flags.quiet === true, printsOutput: true })
  }
  if (terminal.json) terminal.data(posted)
  else {
    terminal.print(job.id)
    terminal.say(
      job.created ? `posted; follow it: zagflow jobs watch ${job.id}` : 'was posted already',
    )
  }
  return EXIT.done
}
