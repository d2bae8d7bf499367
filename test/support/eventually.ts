import { setTimeout as sleep } from 'node:timers/promises'

/** How long, and how often, a condition is looked at. */
export interface EventuallyOptions {
  /** Deadline in milliseconds. @default 5000 */
  readonly withinMs?: number
  /** Pause between two looks, in milliseconds. @default 10 */
  readonly everyMs?: number
}

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
  const { withinMs = 5_000, everyMs = 10 } = options
  const deadline = performance.now() + withinMs
  for (;;) {
    let last: unknown
    try {
      const answer = await condition()
      if (answer !== undefined && answer !== null && answer !== false) return answer
      last = answer
    } catch (error) {
      if (!isAssertionError(error)) throw error
      last = error
    }
    if (performance.now() >= deadline) {
      throw isAssertionError(last)
        ? new Error(`not so within ${withinMs} ms: ${last.message}`, { cause: last })
        : new Error(`not so within ${withinMs} ms: the last answer was ${String(last)}`)
    }
    await sleep(everyMs)
  }
}

function isAssertionError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'ERR_ASSERTION'
}
