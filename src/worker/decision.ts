import { toJson, isRecord } from '../base/codec.ts'
import { TaskError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'

/** What a retry strategy may answer. */
export const DECISIONS = ['RETRY', 'REVERT', 'REVERT_ALL'] as const

/**
 * A strategy's answer in its one form, `{ decision, delayMs?, value? }`, from what `decide` returned: a decision, or an
 * object of that form. Throws what is wrong with it.
 */
export function readDecision(strategy: string, returned: unknown): Json {
  const answer = toJson(typeof returned === 'string' ? { decision: returned } : returned)
  if (!isRecord(answer) || !DECISIONS.some((decision) => decision === answer['decision'])) {
    throw invalid(
      strategy,
      'expected "RETRY", "REVERT" or "REVERT_ALL", or { decision, delayMs?, value? }',
    )
  }
  const { decision, delayMs, value } = answer
  if (delayMs !== undefined && (typeof delayMs !== 'number' || delayMs < 0)) {
    throw invalid(strategy, 'expected delayMs in milliseconds, 0 or more')
  }
  return {
    decision: decision ?? null,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(value === undefined ? {} : { value }),
  }
}

function invalid(strategy: string, expected: string): TaskError {
  return new TaskError(
    `the retry strategy "${strategy}" gave an answer that cannot be used; ${expected}`,
    {
      code: 'InvalidResult',
    },
  )
}
