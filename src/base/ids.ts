import { createHash, randomFillSync } from 'node:crypto'
import { canonicalJson } from './codec.ts'
import type { Json } from './json.ts'

/** Random bytes are fetched for many ids at once: a call costs more than the bytes. */
const pool = Buffer.alloc(1024)
let used = pool.length
let lastMs = 0
let counter = 0

/**
 * A UUID of version 7 (RFC 9562): 48 bits of time, then a counter of 12 bits that grows within a millisecond, then 62
 * random bits. Ids of one process are strictly increasing, also when the clock goes back.
 */
export function uuidV7(nowMs: number = Date.now()): string {
  if (used + 10 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  if (nowMs > lastMs) {
    lastMs = Math.floor(nowMs)
    counter = pool.readUInt16BE(used) & 0x7ff // half the range is left to grow
  } else if (++counter > 0xfff) {
    lastMs += 1
    counter = 0
  }
  const time = lastMs.toString(16).padStart(12, '0')
  const random = pool.toString('hex', used + 2, used + 10)
  used += 10
  const variant = ((Number.parseInt(random.slice(0, 1), 16) & 0x3) | 0x8).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${variant}${random.slice(1, 4)}-${random.slice(4)}`
}

/**
 * The UUID of version 5 (RFC 9562) of a name within a namespace, which is a UUID: the same two always give the same id.
 * Throws a RangeError when the namespace is no UUID.
 */
export function uuidV5(namespace: string, name: string): string {
  const bytes = Buffer.from(namespace.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16 || namespace.length !== 36) {
    throw new RangeError(`expected a UUID as namespace, got ${JSON.stringify(namespace)}`)
  }
  const hash = createHash('sha1').update(bytes).update(name, 'utf8').digest()
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6)
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Identifies a JSON value by its content: SHA-256 of its canonical form, in hex. */
export function hashJson(value: Json): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}
