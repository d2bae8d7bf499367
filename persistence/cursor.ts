import { InvalidInputError } from '../src/base/errors.ts'

/** Where a page of jobs ended: the sort key of its last job. */
export interface Cursor {
  readonly priority: number
  readonly createdAt: number
  readonly id: string
}

/** The text that `findJobs` gives as `next`. Opaque to callers. */
export function writeCursor(cursor: Cursor): string {
  const text = JSON.stringify([cursor.priority, cursor.createdAt, cursor.id])
  return Buffer.from(text, 'utf8').toString('base64url')
}

/** Reads `after`. Throws {@link InvalidInputError} when it is no text that {@link writeCursor} gave. */
export function readCursor(text: string): Cursor {
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    throw invalidCursor(text)
  }
  if (!Array.isArray(parts) || parts.length !== 3) throw invalidCursor(text)
  const [priority, createdAt, id] = parts as readonly unknown[]
  if (!Number.isSafeInteger(priority) || !Number.isSafeInteger(createdAt)) throw invalidCursor(text)
  if (typeof id !== 'string' || id.includes('\0')) throw invalidCursor(text)
  return { priority: Number(priority), createdAt: Number(createdAt), id }
}

function invalidCursor(text: string): InvalidInputError {
  const got = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return new InvalidInputError(
    [{ path: 'after', message: 'no page begins here', expected: '`next` of the page before', got }],
    { subject: 'the filter' },
  )
}
