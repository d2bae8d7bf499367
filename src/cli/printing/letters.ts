/** Messages that nobody could use, as a table and one by one. Pure. */
import type { DeadLetter } from '../../amqp/operator-link.ts'
import type { Paint } from './paint.ts'
import { table } from './table.ts'
import { age, moment, pad, plainText } from './text.ts'

/** A letter without what is in it. */
export type LetterSummary = Omit<DeadLetter, 'body' | 'headers'> & { readonly bytes: number }

export interface LetterTableOptions {
  /** Ids of requests that jobs still wait for. */
  readonly waited: readonly string[]
  readonly now: number
  readonly namespace: string
  readonly paint: Paint
  readonly columns: number
}

export function letterTable(
  letters: readonly LetterSummary[],
  options: LetterTableOptions,
): string {
  const { waited, now, namespace, paint, columns } = options
  return table(
    letters,
    [
      { title: 'ID', cell: ({ id }) => id },
      { title: 'AGE', cell: ({ at }) => (at === undefined ? '' : age(now - at)) },
      { title: 'TYPE', cell: ({ type }) => plainText(type ?? '').slice(0, 20) },
      { title: 'FROM', cell: ({ queue }) => shortQueue(queue, namespace) },
      { title: 'JOB', cell: ({ call }) => plainText(call?.jobId ?? '').slice(0, 13) },
      { title: 'ATOM', cell: ({ call }) => plainText(call?.atom ?? '').slice(0, 40) },
      {
        title: 'WAITED FOR',
        cell: ({ id }) => (waited.includes(id) ? paint.yellow('yes') : ''),
      },
      { title: 'WHY', cell: ({ reason }) => plainText(withoutBody(reason)), isWide: true },
    ],
    columns,
    (text) => paint.bold(text),
  )
}

/** All of one. */
export function letterText(letter: DeadLetter, paint: Paint): string {
  const { id, reason, queue, at, type, messageId, correlationId, contentType, headers, body } =
    letter
  const facts: (readonly [string, string | undefined])[] = [
    ['letter', id],
    ['why', reason],
    ['from', queue],
    ['since', at === undefined ? undefined : moment(at)],
    ['type', type],
    ['message id', messageId],
    ['flow', correlationId],
    ['content type', contentType],
    ['bytes', String(body.length)],
    ...Object.entries(headers).map(([name, value]) => [name, headerText(value)] as const),
  ]
  const said = facts.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]))
  const widest = Math.max(...said.map(({ name }) => name.length))
  const lines = said.map(({ name, value }) => {
    return `${paint.dim(pad(plainText(name), widest))}  ${plainText(value)}`
  })
  return [...lines, '', bodyText(body)].join('\n')
}

/** For programs. */
export function letterData(
  letter: LetterSummary,
  waited: readonly string[],
): { readonly [key: string]: unknown } {
  const { id, at, reason, queue, type, messageId, correlationId, contentType, call, bytes } = letter
  return {
    ...{
      id,
      at,
      reason: withoutBody(reason),
      queue,
      type,
      messageId,
      correlationId,
      contentType,
      bytes,
    },
    ...(call === undefined ? {} : { call }),
    isWaitedFor: waited.includes(id),
  }
}

/** What the parser of JSON says begins with a piece of the body, which only `show` shows. */
function withoutBody(reason: string): string {
  return reason.replace(/^(the body is no JSON).*$/s, '$1')
}

function shortQueue(queue: string | undefined, namespace: string): string {
  if (queue === undefined) return ''
  const short = queue.startsWith(`${namespace}.`) ? queue.slice(namespace.length + 1) : queue
  return plainText(short).slice(0, 48)
}

function headerText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

/** JSON in lines, else the text; bytes that are no text as they begin. */
function bodyText(body: Buffer): string {
  const text = body.toString('utf8')
  if (!Buffer.from(text, 'utf8').equals(body)) {
    return `(no text) ${body.subarray(0, 256).toString('hex')}${body.length > 256 ? '…' : ''}`
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
      .split('\n')
      .map((line) => line.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' '))
      .join('\n')
  } catch {
    return plainText(text)
  }
}
