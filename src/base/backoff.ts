import { MAX_DURATION_MS } from './durations.ts'

/** How the waits between attempts grow. */
export interface Backoff {
  /** Wait after the first attempt, in ms. @default 0 */
  readonly delayMs?: number | undefined
  /** Each wait is this many times the one before. @default 1 */
  readonly factor?: number | undefined
  /** No wait is longer, in ms. @default 365 days */
  readonly maxDelayMs?: number | undefined
  /** 0 to 1: the share of a wait that is random. It only shortens: a wait of 10 s with 0.2 is 8 to 10 s. @default 0 */
  readonly jitter?: number | undefined
}

/**
 * Milliseconds to wait after attempt `attempt` (1 is the first) failed, whole, 0 to `maxDelayMs`. The jitter comes from
 * `seed` and `attempt` alone, so that a resumed flow computes the same wait again.
 */
export function delayAfterAttempt(attempt: number, backoff: Backoff, seed: string): number {
  const first = backoff.delayMs ?? 0
  if (first <= 0) return 0
  const limit = Math.min(backoff.maxDelayMs ?? MAX_DURATION_MS, MAX_DURATION_MS)
  const full = Math.min(first * (backoff.factor ?? 1) ** Math.max(0, attempt - 1), limit)
  const jitter = Math.min(Math.max(backoff.jitter ?? 0, 0), 1)
  const share = jitter === 0 ? 1 : 1 - jitter * fraction(`${seed}#${attempt}`)
  return Math.round(Math.max(0, full * share))
}

/** A number in [0, 1) that depends on the text alone: FNV-1a, then the mixer of MurmurHash3, so that near seeds give far numbers. */
function fraction(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
