/**
 * When this process stood still: a busy machine lets processes wait for seconds, and that is nothing that a test of ours measures.
 *
 * Only gaps of the event loop above {@link LEAST_MS} count: shorter ones may be our own work.
 */
import type { CleanUp } from './clean-up.ts'

/** Shorter gaps are no standstills, in ms. */
const LEAST_MS = 200
const TICK_MS = 10

export interface Standstills {
  /** How long it stood still between two moments of `performance.now()`, in ms. @default `to`: now */
  between(from: number, to?: number): number
  /** How long it was awake since such a moment, in ms. */
  awakeSince(from: number): number
}

/** Begins to look, until the test is over. */
export function watchStandstills(t: CleanUp): Standstills {
  const gaps: { readonly from: number; readonly to: number }[] = []
  let tickedAt = performance.now()
  const look = (): void => {
    const now = performance.now()
    if (now - tickedAt > LEAST_MS) gaps.push({ from: tickedAt, to: now })
    tickedAt = now
  }
  const ticking = setInterval(look, TICK_MS)
  ticking.unref()
  t.after(() => clearInterval(ticking))
  const between = (from: number, to = performance.now()): number => {
    look() // who asks may be the first to run again
    let stood = 0
    for (const gap of gaps) stood += Math.max(0, Math.min(gap.to, to) - Math.max(gap.from, from))
    return stood
  }
  return { between, awakeSince: (from) => performance.now() - from - between(from) }
}

/**
 * Runs something whose times are short. Where it fails, and this process stood still meanwhile, it is run again, up to `tries` times
 * in all (default 4); a failure without such a cause is one.
 */
export async function undisturbed<T>(
  t: CleanUp,
  run: () => Promise<T>,
  { tries = 4 }: { readonly tries?: number } = {},
): Promise<T> {
  const still = watchStandstills(t)
  for (let left = tries; ; left--) {
    const startedAt = performance.now()
    try {
      return await run()
    } catch (error) {
      if (left <= 1 || still.between(startedAt) === 0) throw error
    }
  }
}
