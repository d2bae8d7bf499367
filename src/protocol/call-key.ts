import { createHash } from 'node:crypto'
import type { CallKey } from './call.ts'

/** Payment providers and HTTP gateways take keys of 255 characters, and so does the property `message_id` of AMQP. */
const LONGEST_KEY = 255

/**
 * The key that every copy of one call carries, and no other call: `<flow id>/<atom>#<direction>.<call>`. One that would be
 * longer than 255 characters has the SHA-256 of the atom's path in its place. It is part of what tasks may store, so it
 * never changes between versions.
 */
export function callKeyText(key: Omit<CallKey, 'jobId'>): string {
  const end = `#${key.direction}.${key.call}`
  const readable = `${key.flowId}/${key.atom}${end}`
  if (readable.length <= LONGEST_KEY) return readable
  return `${key.flowId}/sha256:${createHash('sha256').update(key.atom).digest('hex')}${end}`
}
