/** Retries as builders take them → as documents and signatures have them. */
import { didYouMean } from '../base/did-you-mean.ts'
import { UsageError } from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { describe } from './document.ts'
import { toMs, type Duration } from './duration-option.ts'
import type { ResolvedTaskRetry } from './resolved.ts'
import { isExpression, templateOf, type Cel, type From } from './template-of.ts'
import { isRetryStrategy, type RetryStrategyDefinition } from './retry-strategy.ts'

/** Attempts of a task: the same atom again, nothing is reverted between them. */
export interface TaskRetry {
  /** All tries, the first included: a whole number from 1, or an expression that gives one. */
  readonly attempts: number | Cel
  /** Wait before the second attempt. @default '0s' */
  readonly delay?: Duration | undefined
  /** Each wait is this many times the one before, 1 to 1,000. @default 1 */
  readonly factor?: number | undefined
  /** No wait is longer. @default '365d' */
  readonly maxDelay?: Duration | undefined
  /** 0 to 1: the share of a wait that is random; it only shortens. @default 0 */
  readonly jitter?: number | undefined
  /** CEL over `failure` and the symbols in scope: false ends the attempts. */
  readonly when?: string | Cel | undefined
}

/** Controller of a flow: asked when something in it failed. Each new attempt first reverts what ran in the flow. */
export type Retry = RetryTimes | RetryForEach | RetryNever | RetryByStrategy

/** Runs the flow up to so many times. */
export interface RetryTimes extends TaskRetry {
  /** Symbol that holds the number of the attempt, from 1. */
  readonly provides?: string | undefined
  /** When it gives up, everything is reverted, not only up to the next retry outwards. */
  readonly then?: 'revertAll' | undefined
}

/** Runs the flow once for each value until one succeeds. */
export interface RetryForEach {
  /** The values, a path to a list of them, or an expression that gives one. */
  readonly forEach: readonly Json[] | From | Cel
  /** Symbol that holds the value of the attempt. */
  readonly provides?: string | undefined
  /** Wait before each attempt but the first. @default '0s' */
  readonly delay?: Duration | undefined
  /** CEL over `failure`: false ends the attempts. */
  readonly when?: string | Cel | undefined
  /** When it gives up, everything is reverted. */
  readonly then?: 'revertAll' | undefined
}

/** Does not run the flow again: `revert` asks the next retry outwards, `revertAll` reverts everything. */
export interface RetryNever {
  readonly never: 'revert' | 'revertAll'
}

/** Lets code decide, where tasks run; see `retryStrategy`. */
export interface RetryByStrategy {
  /** What `retryStrategy()` made, or the name of a strategy that a worker has. */
  readonly strategy: string | RetryStrategyDefinition
  /** Workers of that topic decide. */
  readonly topic?: string | undefined
  /** Handed to the strategy: constants, `from("path")`, `cel("…")`. */
  readonly with?: { readonly [name: string]: unknown } | undefined
  /** Symbol that holds the value that the strategy gave to the attempt. */
  readonly provides?: string | undefined
}

const TASK_RETRY_KEYS = ['attempts', 'delay', 'factor', 'maxDelay', 'jitter', 'when']

/** A task's retry as its signature has it: waits in ms. Throws {@link UsageError}. */
export function resolveTaskRetry(retry: TaskRetry, where: string): ResolvedTaskRetry {
  const source = sourceRetry(retry, where)
  for (const key of Object.keys(source)) {
    if (TASK_RETRY_KEYS.includes(key)) continue
    throw new UsageError(`${where} has an unknown key "${key}"`, {
      hint: didYouMean(key, TASK_RETRY_KEYS) ?? `known are ${TASK_RETRY_KEYS.join(', ')}`,
    })
  }
  const { attempts, delay, maxDelay, factor, jitter, when } = source
  const isCount = typeof attempts === 'number' && Number.isInteger(attempts) && attempts >= 1
  if (!isCount && typeof attempts !== 'string') {
    throw new UsageError(
      `${where}.attempts is ${describe(attempts)}, expected a whole number from 1`,
      {
        hint: '`attempts` counts all tries',
      },
    )
  }
  checkRange(factor, 1, 1_000, `${where}.factor`)
  checkRange(jitter, 0, 1, `${where}.jitter`)
  return {
    attempts,
    ...(delay === undefined ? {} : { delayMs: toMs(delay, `${where}.delay`) }),
    ...(typeof factor === 'number' ? { factor } : {}),
    ...(maxDelay === undefined ? {} : { maxDelayMs: toMs(maxDelay, `${where}.maxDelay`) }),
    ...(typeof jitter === 'number' ? { jitter } : {}),
    ...(typeof when === 'string' ? { when } : {}),
  }
}

/** A retry as a document has it. Only its values are converted; the document's schema checks the rest. */
export function sourceRetry(retry: TaskRetry | Retry, where: string): JsonObject {
  if (typeof retry !== 'object' || retry === null || Array.isArray(retry)) {
    throw new UsageError(`${where} is ${describe(retry)}, expected such as { attempts: 3 }`)
  }
  const source: { [key: string]: Json } = {}
  const entries: [string, unknown][] = Object.entries(retry)
  for (const [key, value] of entries) {
    if (value === undefined) continue
    if (key === 'when') source[key] = conditionOf(value, `${where}.when`)
    else if (key === 'strategy') source[key] = strategyName(value, where)
    else source[key] = templateOf(value, `${where}.${key}`)
  }
  return source
}

function strategyName(strategy: unknown, where: string): string {
  if (typeof strategy === 'string') return strategy
  if (isRetryStrategy(strategy)) return strategy.name
  throw new UsageError(
    `${where}.strategy is ${describe(strategy)}, expected what retryStrategy() makes`,
    {
      hint: 'or the name of a strategy that a worker has',
    },
  )
}

/** A condition as a document has it: CEL without `${{ }}`. */
export function conditionOf(condition: unknown, where: string): string {
  const text = isExpression(condition) ? condition.cel : condition
  if (typeof text === 'string' && text.trim() !== '') return text.trim()
  throw new UsageError(
    `${where} is ${describe(text)}, expected an expression such as "quantity > 10"`,
  )
}

function checkRange(value: Json | undefined, from: number, to: number, where: string): void {
  if (value === undefined) return
  if (typeof value === 'number' && value >= from && value <= to) return
  throw new UsageError(`${where} is ${describe(value)}, expected a number from ${from} to ${to}`)
}
