import { UsageError } from '../base/errors.ts'
import { toMs, type Duration } from './duration-option.ts'
import { nameProblem } from './names.ts'
import type { Failure } from '../base/failure.ts'
import type { Json } from '../base/json.ts'
import type { TaskContext } from './context.ts'

/** Marks strategies of every copy of this package. */
const STRATEGY = Symbol.for('zagflow.strategy')

/** One round of a flow: the value that it was given, and the first failure of each atom that failed in it. */
export interface Round {
  readonly value: Json
  readonly failures: { readonly [atom: string]: Failure }
}

export const DECISIONS = ['RETRY', 'REVERT', 'REVERT_ALL'] as const
/** `RETRY` runs the flow again, `REVERT` asks the next retry outwards, `REVERT_ALL` reverts everything. */
export type Decision = (typeof DECISIONS)[number]

/** A decision, how long to wait before the next round, and the value that the next round provides. */
export interface DecisionWithValue<Value> {
  readonly decision: Decision
  readonly delay?: Duration | undefined
  readonly value?: Value
}

/** What `decide` may answer. */
export type Answer<Value> = Decision | DecisionWithValue<Value>

/** What {@link retryStrategy} makes: give it to a flow as `retry: { strategy }`, and to a worker in its module. */
export interface RetryStrategyDefinition<Value = unknown> {
  readonly kind: 'strategy'
  /** For TypeScript alone: what it provides to its flow; absent at run time. */
  readonly '~value'?: Value
  readonly name: string
  /** A decision in its one form. `history` has a round for each that failed, oldest first. */
  decide(
    history: readonly Round[],
    given: { readonly [name: string]: Json },
    context: TaskContext,
  ): Promise<{ readonly decision: Decision; readonly delayMs?: number; readonly value?: Value }>
}

/**
 * Defines a retry strategy in code, for what the data forms cannot say. It runs where tasks run, so that conductors need
 * no code; its failure reverts. Throws {@link UsageError} for a name that is none.
 *
 * @example
 * const nextRegion = retryStrategy("nextRegion", (history, { regions }) =>
 *   history.length < regions.length ? { decision: "RETRY", value: regions[history.length] } : "REVERT")
 */
export function retryStrategy<Value = never>(
  name: string,
  decide: (
    history: readonly Round[],
    given: { readonly [name: string]: Json },
    context: TaskContext,
  ) => Answer<Value> | Promise<Answer<Value>>,
): RetryStrategyDefinition<Value> {
  const problem = typeof name === 'string' ? nameProblem(name) : 'a name is a text'
  if (problem !== undefined)
    throw new UsageError(`retryStrategy(${JSON.stringify(name)}): ${problem}`)
  if (typeof decide !== 'function') {
    throw new UsageError(`retryStrategy("${name}") needs a function`, {
      hint: 'give (history, given) => "RETRY"',
    })
  }
  const definition: RetryStrategyDefinition<Value> = {
    kind: 'strategy',
    name,
    async decide(history, given, context) {
      const answer = await decide(history, given, context)
      if (typeof answer === 'string') return { decision: answer }
      if (typeof answer !== 'object' || answer === null) return answer // refused by whoever asked
      const { delay, ...rest } = answer
      return delay === undefined
        ? rest
        : { ...rest, delayMs: toMs(delay, `the delay that "${name}" gave`) }
    },
  }
  Object.defineProperty(definition, STRATEGY, { value: true })
  return Object.freeze(definition)
}

/** Whether this is a retry strategy, of whatever copy of the package. */
export function isRetryStrategy(value: unknown): value is RetryStrategyDefinition {
  return typeof value === 'object' && value !== null && STRATEGY in value
}
