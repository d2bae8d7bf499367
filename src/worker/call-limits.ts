/**
 * How long a call may take, and what becomes of it when it takes longer or is aborted: first it is asked to end, then, after
 * a grace period, there is a verdict, whatever its body does.
 *
 * Invariants
 * L1  A call is asked to end at most once; the first reason stands.
 * L2  After that the call gives up at the latest `abortGraceMs` later, unless it ended before.
 * L3  A call without limits sets no timer.
 */
import type { Clock } from '../base/clock.ts'
import { formatDuration } from '../base/durations.ts'
import type { Failure } from '../base/failure.ts'
import type { CallAnswer } from '../protocol/call.ts'

/** Why a call was asked to end. */
export interface AbortCause {
  readonly kind: 'timeout' | 'heartbeat' | 'abort'
  /** For people: `no end within 30s`, or the reason that `abort` was given. */
  readonly message: string
}

/** What the limits ask of the call that they watch. */
export interface LimitedCall {
  /** Pass the abort on to the body. */
  askToEnd(cause: AbortCause): void
  /** The body did not end in time: answer without it. */
  giveUp(cause: AbortCause): void
}

export interface LimitOptions {
  /** From start to end, in ms. Absent: none. */
  readonly timeoutMs?: number | undefined
  /** Between two heartbeats, in ms. Absent: none. */
  readonly heartbeatMs?: number | undefined
  /** From the abort to the verdict, in ms. */
  readonly abortGraceMs: number
  readonly clock: Clock
}

/** The limits of one running call. */
export class CallLimits {
  readonly #call: LimitedCall
  readonly #options: LimitOptions
  #cause: AbortCause | undefined
  #lastBeatAt = 0
  #cancelTimeout: (() => void) | undefined
  #cancelHeartbeat: (() => void) | undefined
  #cancelGrace: (() => void) | undefined

  constructor(call: LimitedCall, options: LimitOptions) {
    this.#call = call
    this.#options = options
  }

  /** Why the call was asked to end, if it was. */
  get cause(): AbortCause | undefined {
    return this.#cause
  }

  /** Starts the clocks. */
  start(): void {
    if (this.#cause !== undefined) return
    const { timeoutMs, heartbeatMs, clock } = this.#options
    if (timeoutMs !== undefined) {
      const message = `no end within ${formatDuration(timeoutMs)}`
      this.#cancelTimeout = clock.setTimer(
        () => this.#ask({ kind: 'timeout', message }),
        clock.now() + timeoutMs,
      )
    }
    if (heartbeatMs !== undefined) {
      this.#lastBeatAt = clock.now()
      this.#watchHeartbeat(heartbeatMs)
    }
  }

  /** The body shows that it lives. */
  beat(): void {
    if (this.#options.heartbeatMs !== undefined) this.#lastBeatAt = this.#options.clock.now()
  }

  abort(reason: string, kind: AbortCause['kind'] = 'abort'): void {
    this.#ask({ kind, message: reason })
  }

  /** The call ended: no timer is left. */
  end(): void {
    this.#cancelTimeout?.()
    this.#cancelHeartbeat?.()
    this.#cancelGrace?.()
  }

  #watchHeartbeat(heartbeatMs: number): void {
    const { clock } = this.#options
    const dueAt = this.#lastBeatAt + heartbeatMs
    this.#cancelHeartbeat = clock.setTimer(() => {
      if (this.#lastBeatAt + heartbeatMs > clock.now()) {
        this.#watchHeartbeat(heartbeatMs)
        return
      }
      this.#ask({ kind: 'heartbeat', message: `no heartbeat for ${formatDuration(heartbeatMs)}` })
    }, dueAt)
  }

  #ask(cause: AbortCause): void {
    if (this.#cause !== undefined) return // L1
    this.#cause = cause
    this.#cancelTimeout?.()
    this.#cancelHeartbeat?.()
    const { clock, abortGraceMs } = this.#options
    // L2. Set before the body hears of it: it may end the call at once.
    this.#cancelGrace = clock.setTimer(() => this.#call.giveUp(cause), clock.now() + abortGraceMs)
    this.#call.askToEnd(cause)
  }
}

/** The error that an aborted body sees as `ctx.signal.reason`: named as the platform names them. */
export function abortError(cause: AbortCause): DOMException {
  return new DOMException(cause.message, cause.kind === 'abort' ? 'AbortError' : 'TimeoutError')
}

/** The answer for a body that did not end in time after it was asked to. */
export function verdict(cause: AbortCause, startedAt: number): CallAnswer {
  const failure: Failure =
    cause.kind === 'abort'
      ? { code: 'Cancelled', message: `${cause.message}; it did not end when it was asked to` }
      : { code: 'TimedOut', message: `${cause.message}, and it did not end when it was asked to` }
  return { kind: 'failed', failure, outcome: 'unknown', startedAt }
}

/** The answer of a body that was asked to end and then threw `thrown`. */
export function answerAfterAbort(
  cause: AbortCause,
  thrown: Failure,
  isEcho: boolean,
  startedAt: number,
): CallAnswer {
  if (cause.kind === 'abort' && !isEcho) {
    return { kind: 'failed', failure: thrown, outcome: 'failure', startedAt }
  }
  const failure: Failure = {
    code: cause.kind === 'abort' ? 'Cancelled' : 'TimedOut',
    message: cause.message,
    ...(isEcho ? {} : { cause: thrown }),
  }
  return { kind: 'failed', failure, outcome: 'failure', startedAt }
}

/** The answer of a body that was asked to end because of a limit and gave a result all the same: too late. */
export function answerTooLate(cause: AbortCause, startedAt: number): CallAnswer {
  const failure: Failure = {
    code: 'TimedOut',
    message: `${cause.message}; its result came later and does not count`,
  }
  return { kind: 'failed', failure, outcome: 'unknown', startedAt }
}
