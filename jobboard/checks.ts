import { ClosedError, UsageError } from '../src/base/errors.ts'
import type { Posting } from './jobboard.ts'

/** Whether a board can be used: `new` until `start()`, `stopped` after `stop()`. */
export type BoardState = 'new' | 'started' | 'stopped'

/** Throws {@link UsageError} before `start()` and {@link ClosedError} after `stop()`. */
export function checkStarted(name: string, state: BoardState): void {
  if (state === 'new') {
    throw new UsageError(`the board "${name}" was not started`, {
      hint: 'await board.start() first',
    })
  }
  if (state === 'stopped') throw new ClosedError(`the board "${name}"`)
}

/** Throws {@link UsageError} for a claim that makes no sense. */
export function checkClaim(conductor: string, limit: number): void {
  if (typeof conductor !== 'string' || conductor === '') {
    throw new UsageError(
      `conductor: expected its id, got ${conductor === '' ? 'an empty one' : typeof conductor}`,
    )
  }
  if (!Number.isInteger(limit) || limit < 0) {
    throw new UsageError(`limit: expected a whole number from 0, got ${limit}`)
  }
}

/** Throws {@link UsageError} for a posting that no board could keep. */
export function checkPosting(posting: Posting): void {
  if (typeof posting.jobId !== 'string' || posting.jobId === '') {
    throw new UsageError('jobId: expected the id of a job, got none')
  }
  const numbers = { posting: 1, epoch: 0, createdAt: 0, priority: -Infinity }
  for (const [field, least] of Object.entries(numbers)) {
    const value = posting[field as keyof typeof numbers]
    if (!Number.isFinite(value) || value < least) {
      throw new UsageError(
        `${field} of job ${posting.jobId}: expected a number${least === -Infinity ? '' : ` from ${least}`}, got ${value}`,
      )
    }
  }
}
