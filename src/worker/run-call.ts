/**
 * Running one call, as a pipeline of named steps: find → validate arguments → run with context → validate result → encode →
 * answer. Whatever user code does becomes one of the answers.
 *
 * Invariants
 * N1  A call is answered exactly once; what its body does after that is ignored.
 * N2  It may be answered before `runCall` returns: a body that returns no promise costs no tick.
 * N3  A body never sees, and never keeps, a value that anybody else holds: arguments and results are copies.
 * N4  A call that was asked to end by a limit is never a success.
 */
import { toJson } from '../base/codec.ts'
import type { Clock } from '../base/clock.ts'
import { toFailure, type Failure } from '../base/failure.ts'
import type { Json, JsonObject } from '../base/json.ts'
import type { Logger } from '../base/logger.ts'
import type { RetryStrategyDefinition } from '../flow/retry-strategy.ts'
import type { TaskDefinition } from '../flow/task.ts'
import type { CallAnswer, CallListener, CallRequest } from '../protocol/call.ts'
import { CallContext, type ContextHost } from './call-context.ts'
import {
  answerAfterAbort,
  answerTooLate,
  CallLimits,
  verdict,
  type AbortCause,
  type LimitedCall,
} from './call-limits.ts'
import { readDecision } from './decision.ts'

/** Where a call finds what it runs. Both throw when there is nothing of that name. */
export interface Tasks {
  get(name: string): TaskDefinition
  strategy(name: string): RetryStrategyDefinition
}

/** What a call runs in; the same for all calls of an engine or worker. */
export interface CallEnvironment {
  readonly tasks: Tasks
  readonly logger: Logger
  readonly clock: Clock
  /** From the abort of a call to the verdict about it, in ms. */
  readonly abortGraceMs: number
  /** Threads: the abort that could not come in because the body never gave up its thread. */
  readonly heardAbort?: (() => AbortCause | undefined) | undefined
  /** Threads: passes a heartbeat on. */
  readonly beat?: (() => void) | undefined
}

/** A call under way. */
export interface RunningCall {
  /** Asks it to end. After the grace period it is answered without its body. */
  abort(reason: string, kind?: AbortCause['kind']): void
  /** Nobody waits for it any more: no timer of it is left, and no answer comes. */
  drop(): void
}

/** Runs a call and answers it through `listener`, perhaps before it returns. Never throws what user code throws. */
export function runCall(
  request: CallRequest,
  environment: CallEnvironment,
  listener: CallListener,
): RunningCall {
  const body = new Body(request, environment, listener)
  body.start()
  return body
}

/** A step takes what the one before gave; one that does not apply returns its input. */
type Step = (body: Body, input: unknown) => unknown

const STEPS: { readonly [D in CallRequest['direction']]: readonly Step[] } = {
  execute: [findTask, validateArguments, execute, validateResult, encode],
  revert: [findTask, validateRevertArguments, revert, encode],
  decide: [findStrategy, decide, encode],
}

/** The call was answered in a way that skips the steps that are left. */
const NOTHING_TO_DO = Symbol('nothing to do')

class Body implements RunningCall, LimitedCall, ContextHost {
  readonly request: CallRequest
  readonly environment: CallEnvironment
  readonly startedAt: number
  task: TaskDefinition | undefined
  strategy: RetryStrategyDefinition | undefined
  /** Code of what is thrown in the present step, where it has none of its own. */
  codeOfStep = 'TaskFailed'
  readonly #listener: CallListener
  /** Made when there is a limit, or an abort. */
  #limits: CallLimits | undefined
  #context: CallContext | undefined
  #answered = false

  constructor(request: CallRequest, environment: CallEnvironment, listener: CallListener) {
    this.request = request
    this.environment = environment
    this.#listener = listener
    this.startedAt = environment.clock.now()
  }

  get context(): CallContext {
    this.#context ??= new CallContext(this)
    return this.#context
  }

  get logger(): Logger {
    return this.environment.logger
  }

  get cause(): AbortCause | undefined {
    return this.#limits?.cause
  }

  start(): void {
    const { timeoutMs, heartbeatMs } = this.request
    if (timeoutMs !== undefined || heartbeatMs !== undefined) this.#watch().start()
    this.#proceed(0, undefined)
  }

  abort(reason: string, kind: AbortCause['kind'] = 'abort'): void {
    if (!this.#answered) this.#watch().abort(reason, kind)
  }

  drop(): void {
    this.#answered = true
    this.#limits?.end()
    this.#context?.end()
  }

  askToEnd(cause: AbortCause): void {
    this.#context?.abort(cause)
  }

  giveUp(cause: AbortCause): void {
    this.#answer(verdict(cause, this.startedAt))
  }

  now(): number {
    return this.environment.clock.now()
  }

  beat(): void {
    this.#limits?.beat()
    this.environment.beat?.()
  }

  listen(): void {
    const cause = this.environment.heardAbort?.()
    if (cause !== undefined) this.abort(cause.message, cause.kind)
  }

  report(progress: number, details: Json | undefined): void {
    if (!this.#answered) this.#listener.progress?.(this.request, progress, details)
  }

  #watch(): CallLimits {
    this.#limits ??= new CallLimits(this, {
      timeoutMs: this.request.timeoutMs,
      heartbeatMs: this.request.heartbeatMs,
      abortGraceMs: this.environment.abortGraceMs,
      clock: this.environment.clock,
    })
    return this.#limits
  }

  /** Takes the steps from `index` on, as long as none has to be waited for. */
  #proceed(index: number, input: unknown): void {
    const steps = STEPS[this.request.direction]
    let value = input
    try {
      for (let at = index; at < steps.length; at++) {
        value = steps[at]?.(this, value)
        if (value === NOTHING_TO_DO) {
          value = null
          break
        }
        if (isThenable(value)) {
          void this.#proceedLater(at + 1, value) // settles by an answer
          return
        }
      }
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#succeed(value as Json) // the last step encodes
  }

  async #proceedLater(index: number, promise: PromiseLike<unknown>): Promise<void> {
    let value: unknown
    try {
      value = await promise
    } catch (error) {
      this.#fail(error)
      return
    }
    if (!this.#answered) this.#proceed(index, value)
  }

  #succeed(result: Json): void {
    const cause = this.#limits?.cause
    if (cause !== undefined && cause.kind !== 'abort') {
      this.#answer(answerTooLate(cause, this.startedAt)) // N4
    } else {
      this.#answer({ kind: 'succeeded', result, startedAt: this.startedAt })
    }
  }

  #fail(error: unknown): void {
    if (this.#answered) return
    const failure = this.#describe(error)
    const cause = this.#limits?.cause
    if (cause === undefined) {
      this.#answer({ kind: 'failed', failure, outcome: 'failure', startedAt: this.startedAt })
    } else {
      const isEcho = this.#context?.isAbortReason(error) === true || isAbortError(failure)
      this.#answer(answerAfterAbort(cause, failure, isEcho, this.startedAt))
    }
  }

  #describe(error: unknown): Failure {
    const failure = toFailure(error, { code: this.codeOfStep })
    if (this.codeOfStep === 'NotSerialisable') {
      return { ...failure, message: `the result of ${this.request.task}: ${failure.message}` }
    }
    // The same arguments and the same tasks are there at the next attempt.
    const isHopeless = failure.code === 'InvalidArguments' || failure.code === 'UnknownTask'
    return isHopeless ? { ...failure, retryable: false } : failure
  }

  #answer(answer: CallAnswer): void {
    if (this.#answered) return // N1
    this.#limits?.end()
    this.#context?.end()
    this.#answered = true
    this.#listener.answer(this.request, answer)
  }
}

function findTask(body: Body): unknown {
  body.task = body.environment.tasks.get(body.request.task)
  return undefined
}

function validateArguments(body: Body): unknown {
  body.codeOfStep = 'InvalidArguments'
  return body.task?.validateArguments(copyOf(body.request.args))
}

function execute(body: Body, args: unknown): unknown {
  body.codeOfStep = 'TaskFailed'
  return body.task?.execute(args as never, body.context) // checked by the step before
}

function validateResult(body: Body, result: unknown): unknown {
  body.codeOfStep = 'InvalidResult'
  return body.task?.validateResult(result)
}

function encode(body: Body, value: unknown): unknown {
  body.codeOfStep = 'NotSerialisable'
  return toJson(value)
}

/** A task without `revert` reverts to nothing; and so does one that never ran, for its arguments were refused. */
function validateRevertArguments(body: Body): unknown {
  const { failure } = body.request
  if (body.task?.revert === undefined) return NOTHING_TO_DO
  if (failure?.code === 'InvalidArguments' && body.request.outcome !== 'success') {
    return NOTHING_TO_DO
  }
  return validateArguments(body)
}

function revert(body: Body, args: unknown): unknown {
  const { outcome, result, failure } = body.request
  body.codeOfStep = 'TaskFailed'
  const input =
    outcome === 'success'
      ? { args, result: copyOf(result ?? null) }
      : { args, failure: failure ?? UNKNOWN }
  return body.task?.revert?.(input as never, body.context) // checked by the step before
}

/** What a revert is told when nobody knows how the execution ended. */
const UNKNOWN: Failure = {
  code: 'UnknownOutcome',
  message: 'nobody knows whether the execution succeeded',
}

function findStrategy(body: Body): unknown {
  body.strategy = body.environment.tasks.strategy(body.request.task)
  return undefined
}

async function decide(body: Body): Promise<unknown> {
  const { task, rounds, args } = body.request
  const history = (rounds ?? []).map(({ value, failures }) => ({ value, failures }))
  body.codeOfStep = 'TaskFailed'
  const decision = await body.strategy?.decide(copyOf(history), copyOf(args), body.context)
  body.codeOfStep = 'InvalidResult'
  return readDecision(task, decision)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value instanceof Promise) return true
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  )
}

/** Most libraries throw the reason of the signal that they were given, or an error of this name. */
function isAbortError(failure: Failure): boolean {
  return failure.name === 'AbortError' || failure.name === 'TimeoutError'
}

/** N3. Only what can be changed is copied. */
function copyOf<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyOf) as T // a list stays a list
  const copy: { [key: string]: unknown } = {}
  for (const key of Object.keys(value)) copy[key] = copyOf((value as JsonObject)[key])
  return copy as T // the same keys, the same values
}
