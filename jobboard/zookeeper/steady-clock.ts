import type { Clock } from '../../src/base/clock.ts'

/** The longest wait of `setTimeout`. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Epoch ms as of this process's start, going on steadily: what an hour is does not change when the machine's time is set. Hosts whose
 * time is kept agree about it.
 */
export const steadyClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  setTimer(fire, atMs) {
    let timeout: NodeJS.Timeout
    const arm = (): void => {
      const left = atMs - steadyClock.now()
      timeout = setTimeout(wake, Math.min(Math.max(left, 0), LONGEST_TIMEOUT_MS))
    }
    // A timeout may fire a little early.
    const wake = (): void => {
      if (steadyClock.now() < atMs) arm()
      else fire()
    }
    arm()
    return () => clearTimeout(timeout)
  },
}
