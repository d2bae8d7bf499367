/**
 * `zagflow dead list|show|requeue|purge`: messages that nobody could use.
 *
 * Invariants
 * D1  Bodies are shown by `show` alone: they may hold data of users.
 * D2  A request that a job still waits for is not removed: nobody would ever answer it.
 */
import type { DeadLetter, OperatorLink } from '../../amqp/operator-link.ts'
import { ConflictError, NotFoundError, UsageError } from '../../base/errors.ts'
import type { Store } from '../../../persistence/store.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openOperatorLink } from '../operator.ts'
import { letterData, letterTable, letterText, type LetterSummary } from '../printing/letters.ts'
import { count } from '../printing/text.ts'

export interface DeadListFlags {
  readonly limit: number
}

export interface DeadRequeueFlags {
  readonly all?: boolean
}

export interface DeadPurgeFlags extends DeadRequeueFlags {
  readonly yes?: boolean
}

/** Calls that the store is asked about at once. */
const ASKED_AT_ONCE = 500

/** `zagflow dead list` */
export async function deadListCommand(context: Context, flags: DeadListFlags): Promise<ExitCode> {
  const { terminal } = context
  const link = await openOperatorLink(context)
  const { letters, inQueue } = await survey(link)
  const newest = letters.toSorted((a, b) => (b.at ?? 0) - (a.at ?? 0)).slice(0, flags.limit)
  const waited = newest.length === 0 ? [] : await stillWaited(await context.sharedStore(), newest)
  if (terminal.json) {
    terminal.data({ letters: newest.map((letter) => letterData(letter, waited)), inQueue })
    return EXIT.done
  }
  if (newest.length === 0) {
    terminal.say('There are none.')
    return EXIT.done
  }
  const { namespace } = context.requireBroker('')
  terminal.print(letterTable(newest, { waited, now: Date.now(), namespace, ...paintOf(context) }))
  if (inQueue > newest.length) terminal.say(`${newest.length} of ${inQueue}: --limit shows more`)
  return EXIT.done
}

/** `zagflow dead show ID` */
export async function deadShowCommand(context: Context, wanted: string): Promise<ExitCode> {
  const { terminal } = context
  const link = await openOperatorLink(context)
  const { letters } = await survey(link)
  const [id] = chosen(letters, [wanted])
  let found: DeadLetter | undefined
  await link.deadLetters.read((letter) => {
    if (letter.id === id) found = letter
    return 'keep'
  })
  if (found === undefined) throw new ConflictError(`the dead letter ${wanted}`, 'it is gone by now')
  if (terminal.json) {
    const { body, headers } = found
    terminal.data({ ...letterData(summaryOf(found), []), headers, body: bodyData(body) })
  } else terminal.print(letterText(found, terminal.paint))
  return EXIT.done
}

/** `zagflow dead requeue ID…|--all` */
export async function deadRequeueCommand(
  context: Context,
  wanted: readonly string[],
  flags: DeadRequeueFlags,
): Promise<ExitCode> {
  const { terminal } = context
  refuseNeither(wanted, flags, 'requeue')
  const link = await openOperatorLink(context)
  const { letters } = await survey(link)
  const ids = new Set(flags.all === true ? letters.map(({ id }) => id) : chosen(letters, wanted))
  const { requeued, stayed } = await link.deadLetters.read(
    ({ id }) => (ids.has(id) ? 'requeue' : 'keep'),
    { limit: letters.length },
  )
  if (terminal.json) terminal.data({ requeued, stayed })
  else {
    terminal.print(`sent back ${count(requeued, 'letter')}`)
    for (const { id, why } of stayed.slice(0, 20)) terminal.say(`${id} stays: ${why}`)
    if (stayed.length > 20) terminal.say(`… and ${stayed.length - 20} more`)
  }
  return stayed.length === 0 ? EXIT.done : EXIT.failed
}

/** `zagflow dead purge ID…|--all --yes` */
export async function deadPurgeCommand(
  context: Context,
  wanted: readonly string[],
  flags: DeadPurgeFlags,
): Promise<ExitCode> {
  const { terminal } = context
  refuseNeither(wanted, flags, 'purge')
  const link = await openOperatorLink(context)
  const { letters } = await survey(link)
  const ids = new Set(flags.all === true ? letters.map(({ id }) => id) : chosen(letters, wanted))
  const meant = letters.filter(({ id }) => ids.has(id))
  const waited = await stillWaited(await context.sharedStore(), meant) // D2
  for (const id of waited) ids.delete(id)
  const isMeant = ({ id }: { readonly id: string }): boolean => ids.has(id)
  const isDone = flags.yes === true
  const removed = !isDone
    ? letters.filter(isMeant).length
    : ids.size === 0
      ? 0
      : (await link.deadLetters.read((one) => (isMeant(one) ? 'remove' : 'keep'))).removed
  if (terminal.json) terminal.data({ removed, dryRun: !isDone, waitedFor: waited })
  else {
    terminal.print(`${isDone ? 'removed' : 'would remove'} ${count(removed, 'letter')}`)
    if (waited.length > 0) sayWaited(context, waited)
    if (!isDone && removed > 0) terminal.say('To remove them for good: --yes')
  }
  return EXIT.done
}

function sayWaited({ terminal }: Context, waited: readonly string[]): void {
  const some = waited.slice(0, 5).join(' ')
  terminal.say(`${count(waited.length, 'request')} of jobs that still wait for them stay: ${some}`)
  terminal.say('Send them back (zagflow dead requeue), or cancel their jobs first.')
}

function refuseNeither(wanted: readonly string[], flags: DeadRequeueFlags, verb: string): void {
  if (wanted.length > 0 === (flags.all === true)) {
    throw new UsageError(
      wanted.length === 0 ? `expected ids, or --all` : 'expected ids or --all, got both',
      { hint: `zagflow dead list shows ids; zagflow dead ${verb} --all` },
    )
  }
}

/** All letters, without their bodies. */
async function survey(
  link: OperatorLink,
): Promise<{ readonly letters: readonly LetterSummary[]; readonly inQueue: number }> {
  const letters: LetterSummary[] = []
  const { inQueue } = await link.deadLetters.read((letter) => {
    letters.push(summaryOf(letter))
    return 'keep'
  })
  return { letters, inQueue }
}

function summaryOf(letter: DeadLetter): LetterSummary {
  const { id, queue, reason, at, type, messageId, correlationId, contentType } = letter
  const { isRequest, call, body } = letter
  const about = { id, queue, reason, at, type, messageId, correlationId, contentType }
  return { ...about, isRequest, call, bytes: body.length }
}

/** The ids that are meant, by themselves or by how they begin. Throws {@link NotFoundError}, {@link UsageError}. */
function chosen(letters: readonly LetterSummary[], wanted: readonly string[]): readonly string[] {
  const all = [...new Set(letters.map(({ id }) => id))]
  return wanted.map((one) => {
    const found = all.filter((id) => id.startsWith(one.toLowerCase()))
    const [id] = found
    if (id === undefined || one === '') {
      throw new NotFoundError('dead letter', one, { hint: 'zagflow dead list shows them' })
    }
    if (found.length > 1) {
      throw new UsageError(`several dead letters begin with "${one}"`, {
        hint: found.slice(0, 4).join(', '),
      })
    }
    return id
  })
}

/** Ids of requests that jobs still wait for. */
async function stillWaited(
  store: Pick<Store, 'standing'>,
  letters: readonly LetterSummary[],
): Promise<readonly string[]> {
  const asked = letters.flatMap(({ id, isRequest, call }) => {
    return isRequest && call !== undefined ? [{ id, call }] : []
  })
  const waited: string[] = []
  for (let at = 0; at < asked.length; at += ASKED_AT_ONCE) {
    const some = asked.slice(at, at + ASKED_AT_ONCE)
    const standing = await store.standing(some.map(({ call }) => call))
    for (const [index, { id }] of some.entries()) {
      const one = standing[index]
      if (one !== undefined && one.job !== null && !one.settled) waited.push(id)
    }
  }
  return [...new Set(waited)]
}

/** JSON as JSON, else a text; what is neither, in base64. */
function bodyData(body: Buffer): unknown {
  const text = body.toString('utf8')
  try {
    return JSON.parse(text) as unknown
  } catch {
    return Buffer.from(text, 'utf8').equals(body) ? text : { base64: body.toString('base64') }
  }
}

function paintOf({ terminal }: Context): Pick<Context['terminal'], 'paint' | 'columns'> {
  return { paint: terminal.paint, columns: terminal.columns }
}
