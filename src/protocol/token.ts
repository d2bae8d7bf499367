/** The proof in each message that whoever speaks of a call was given its request. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { CallKey } from './call.ts'
import { callKeyText } from './call-key.ts'

/** 192 of HMAC's 256 bits: 32 characters without padding. */
const TOKEN_BYTES = 24

/**
 * The token of a call: the first 24 bytes of HMAC-SHA-256(secret, key's text), as base64url. Every copy of a request
 * carries the same, whoever publishes it; only who knows the broker's secret can make it.
 */
export function tokenOf(secret: string, key: CallKey): string {
  return bytesOf(secret, key).toString('base64url')
}

/** Whether this is the call's token. Takes the same time wherever the two differ. */
export function isTokenOf(secret: string, key: CallKey, token: string): boolean {
  return isSameToken(tokenOf(secret, key), token)
}

/** The same, where the call's token is known. */
export function isSameToken(expected: string, got: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(got)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function bytesOf(secret: string, key: CallKey): Buffer {
  return createHmac('sha256', secret).update(callKeyText(key)).digest().subarray(0, TOKEN_BYTES)
}
