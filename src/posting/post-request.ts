import { UsageError } from '../base/errors.ts'
import { uuidV5, uuidV7 } from '../base/ids.ts'
import type { PostRequest } from '../../persistence/store.ts'
import { completed, contentHash, type PreparedFlow } from './prepare.ts'

/** Namespace of job ids that are derived from a key (a UUID of version 4, made once for this). */
const KEYED_JOBS = '5f0c1b1e-7c0e-4b53-9a55-0d6f2f6a8b1d'

/** What a post says beside flow and input. */
export type PostDetails = Pick<
  PostRequest,
  | 'board'
  | 'state'
  | 'key'
  | 'priority'
  | 'delayMs'
  | 'dueAt'
  | 'labels'
  | 'traceparent'
  | 'postedBy'
  | 'scheduledFor'
>

const MAX_KEY = 255
const MAX_LABELS = 64

/**
 * All that is stored of a post. The id is derived from board and key where there is a key, so that every poster of one key
 * computes the same. Throws {@link InvalidInputError}, {@link UsageError}.
 */
export function postRequest(flow: PreparedFlow, input: unknown, details: PostDetails): PostRequest {
  const { board, key } = details
  checkDetails(details)
  const complete = completed(flow, input)
  return {
    ...details,
    labels: { ...flow.document.labels, ...details.labels },
    id: key === undefined ? uuidV7() : uuidV5(KEYED_JOBS, JSON.stringify([board, key])),
    flowId: uuidV7(),
    document: flow.document,
    documentHash: flow.documentHash,
    source: flow.source as unknown as PostRequest['source'], // parsing made it JSON
    sourceHash: flow.sourceHash,
    input: complete,
    contentHash: contentHash(flow, complete),
  }
}

function checkDetails({ key, priority, labels, traceparent, postedBy }: PostDetails): void {
  if (key !== undefined) checkText('key', key, MAX_KEY)
  if (traceparent !== undefined) checkText('traceparent', traceparent, MAX_KEY)
  if (postedBy !== undefined) checkText('postedBy', postedBy, MAX_KEY)
  const isInteger = priority === undefined || Number.isInteger(priority)
  if (!isInteger || Math.abs(priority ?? 0) > 1_000) {
    throw new UsageError(
      `priority: expected a whole number from -1000 to 1000, got ${String(priority)}`,
    )
  }
  if (labels === undefined) return
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) {
    throw new UsageError('labels: expected an object of texts', { hint: 'labels: { team: "a" }' })
  }
  const entries = Object.entries(labels)
  if (entries.length > MAX_LABELS) {
    throw new UsageError(`labels: expected at most ${MAX_LABELS}, got ${entries.length}`)
  }
  for (const [name, value] of entries) {
    checkText('the name of a label', name, 63)
    checkText(`labels.${name}`, value, 255, 0)
  }
}

function checkText(what: string, text: unknown, longest: number, shortest = 1): void {
  if (typeof text !== 'string') {
    throw new UsageError(`${what}: expected a text, got ${typeof text}`)
  }
  if (text.length < shortest || text.length > longest) {
    throw new UsageError(
      `${what}: expected ${shortest} to ${longest} characters, got ${text.length}`,
    )
  }
  // What PostgreSQL would refuse, every store refuses.
  if (/\0|\p{Surrogate}/u.test(text)) {
    throw new UsageError(`${what}: has a character that cannot be stored`, {
      hint: 'leave out \\u0000 and halves of surrogate pairs',
    })
  }
}
