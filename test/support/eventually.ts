import { setTimeout as sleep } from 'node:timers/promises'

/** How long, and how often, a condition is looked at. */
export interface EventuallyOptions {
  /**
   * Deadline in milliseconds. One look and the pause after it count for half a second at most: a machine that stood still meanwhile, or one
   * slow answer, is not what is waited for. @default 10000
   */
  readonly withinMs?: number
  /** Pause between two looks, in milliseconds. @default 10 */
  readonly everyMs?: number
}

/** What one look counts for at most, beyond its pause. */
const LOOK_MS = 500

/**
 * Looks at a condition until it holds, and returns what it returned then.
 *
 * `undefined`, `null`, `false` and a thrown AssertionError mean "not yet"; every other error ends the wait at once,
 * because a broken condition does not mend itself.
 * @throws Error with the last answer (or failed assertion, as its cause) when the deadline has passed.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<NonNullable<T>> {
  const { withinMs = 10_000, everyMs = 10 } = options
  let waitedMs = 0
  for (;;) {
    const lookedAt = performance.now()
    let last: unknown
    try {
      const answer = await condition()
      if (answer !== undefined && answer !== null && answer !== false) return answer
      last = answer
    } catch (error) {
      if (!isAssertionError(error)) throw error
      last = error
    }
    if (waitedMs >= withinMs) {
      throw isAssertionError(last)
        ? new Error(`not so within ${withinMs} ms: ${last.message}`, { cause: last })
        : new Error(`not so within ${withinMs} ms: the last answer was ${String(last)}`)
    }
    await sleep(everyMs)
    waitedMs += Math.min(performance.now() - lookedAt, everyMs + LOOK_MS)
  }
}

function isAssertionError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'ERR_ASSERTION'
}
