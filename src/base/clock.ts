/** Time as Zagflow sees it; tests give their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /**
   * Calls `fire` once, when `now()` has reached `atMs`, never before; at once (but not synchronously) when that is past.
   * Calling what it returns cancels it; cancelling twice or too late does nothing.
   */
  setTimer(fire: () => void, atMs: number): () => void
}

/** The longest wait of `setTimeout`; a longer one fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/** The machine's clock. Its timers keep the process alive. */
export const realClock: Clock = {
  now: () => Date.now(),
  setTimer(fire, atMs) {
    let timeout: NodeJS.Timeout
    const wait = (): void => {
      const left = atMs - Date.now()
      timeout = setTimeout(wake, Math.min(Math.max(left, 0), LONGEST_TIMEOUT_MS))
    }
    // A timeout may fire a millisecond early, and a long wait comes in pieces: look again.
    const wake = (): void => {
      if (Date.now() < atMs) wait()
      else fire()
    }
    wait()
    return () => clearTimeout(timeout)
  },
}

/** A clock that stands still until it is told to go on, for tests. */
export interface ManualClock extends Clock {
  /** Goes on by `ms`, firing what becomes due in order of due time; timers set meanwhile included. */
  advance(ms: number): void
  /** Goes on to the next timer and fires what is due then; false when there is none. */
  advanceToNext(): boolean
  /** Timers that are set. */
  readonly pending: number
  /** When the next timer is due; undefined when there is none. */
  readonly nextAt: number | undefined
}

/** A {@link ManualClock} that starts at `startMs`. @default 0 */
export function manualClock(startMs = 0): ManualClock {
  let nowMs = startMs
  /** Sorted by due time; equal ones in the order they were set. */
  const timers: { readonly atMs: number; readonly fire: () => void }[] = []
  const runDue = (untilMs: number): void => {
    for (let next = timers[0]; next !== undefined && next.atMs <= untilMs; next = timers[0]) {
      timers.shift()
      nowMs = Math.max(nowMs, next.atMs)
      next.fire()
    }
    nowMs = Math.max(nowMs, untilMs)
  }
  return {
    now: () => nowMs,
    setTimer(fire, atMs) {
      const timer = { atMs, fire }
      const index = timers.findIndex((other) => other.atMs > atMs)
      timers.splice(index === -1 ? timers.length : index, 0, timer)
      return () => {
        const at = timers.indexOf(timer)
        if (at !== -1) timers.splice(at, 1)
      }
    },
    advance: (ms) => runDue(nowMs + ms),
    advanceToNext() {
      const next = timers[0]
      if (next === undefined) return false
      runDue(Math.max(nowMs, next.atMs))
      return true
    },
    get pending() {
      return timers.length
    },
    get nextAt() {
      return timers[0]?.atMs
    },
  }
}
