/**
 * What a task is given beside its arguments. Everything that costs is made when it is first asked for: most calls need
 * neither a signal nor a logger.
 *
 * Invariants
 * X1  Every member can be taken out (`{ signal, progress }`) and used without its context.
 * X2  Progress is reported at most 20 times at once and 10 times a second after that; the newest value always arrives,
 *     before the answer.
 * X3  Nothing that a task gives to a member throws: junk is left out, and logged.
 */
import { toJson } from '../base/codec.ts'
import type { Failure } from '../base/failure.ts'
import type { Json } from '../base/json.ts'
import type { Logger } from '../base/logger.ts'
import type { RevertContext } from '../flow/context.ts'
import type { CallOutcome } from '../machine/records.ts'
import type { CallRequest } from '../protocol/call.ts'
import { callKeyText as idempotencyKey } from '../protocol/call-key.ts'
import { abortError, type AbortCause } from './call-limits.ts'

export { idempotencyKey }

/** What a context asks of the call that it belongs to. */
export interface ContextHost {
  readonly request: CallRequest
  readonly logger: Logger
  /** Why the call was asked to end, if it was. */
  readonly cause: AbortCause | undefined
  now(): number
  beat(): void
  /** Looks for an abort that could not come in because the loop was busy (threads). */
  listen(): void
  report(progress: number, details: Json | undefined): void
}

const PROGRESS_BURST = 20
const PROGRESS_EVERY_MS = 100
/** The context of one call. */
export class CallContext implements RevertContext {
  readonly #host: ContextHost
  #controller: AbortController | undefined
  #logger: Logger | undefined
  #progress: ((progress: number, details?: unknown) => void) | undefined
  #heartbeat: (() => void) | undefined
  #tokens = PROGRESS_BURST
  #filledAt = 0
  #latest: { readonly progress: number; readonly details: Json | undefined } | undefined
  #flushTimer: NodeJS.Timeout | undefined

  constructor(host: ContextHost) {
    this.#host = host
  }

  /** Aborts on cancel, timeout and shutdown; its reason is a DOMException named `AbortError` or `TimeoutError`. */
  get signal(): AbortSignal {
    this.#host.listen()
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      const { cause } = this.#host
      if (cause !== undefined) this.#controller.abort(abortError(cause))
    }
    return this.#controller.signal
  }

  /** Reports how far the task is, from 0 to 1, with details that JSON can carry. It is a heartbeat, too. */
  get progress(): (progress: number, details?: unknown) => void {
    this.#progress ??= (progress, details) => this.#report(progress, details)
    return this.#progress
  }

  /** Says that the task lives, where it has a heartbeat timeout. */
  get heartbeat(): () => void {
    this.#heartbeat ??= () => {
      this.#host.beat()
      this.#host.listen()
    }
    return this.#heartbeat
  }

  get logger(): Logger {
    const { request, logger } = this.#host
    this.#logger ??= logger.child({
      job: request.jobId,
      flowId: request.flowId,
      atom: request.atom,
      direction: request.direction,
      call: request.call,
    })
    return this.#logger
  }

  /** Tries of this direction within the round, this one included. */
  get attempt(): number {
    return this.#host.request.attempt
  }

  /** The same for every copy of the same call; see {@link idempotencyKey}. */
  get idempotencyKey(): string {
    return idempotencyKey(this.#host.request)
  }

  /** Reverts: what is known of the execution. */
  get outcome(): CallOutcome {
    return this.#host.request.outcome ?? 'unknown'
  }

  /** Reverts: failures of the flow so far, by atom. */
  get failures(): { readonly [atom: string]: Failure } {
    return this.#host.request.failures ?? {}
  }

  get flowId(): string {
    return this.#host.request.flowId
  }

  /** Name of the flow. */
  get flow(): string {
    return this.#host.request.flow
  }

  /** Path of the atom, such as `checkout/settle/payment.charge`. */
  get atom(): string {
    return this.#host.request.atom
  }

  /** Id of the job. */
  get job(): string {
    return this.#host.request.jobId
  }

  /** @internal Aborts the signal, if anybody has asked for it. */
  abort(cause: AbortCause): void {
    this.#controller?.abort(abortError(cause))
  }

  /** @internal Whether this is the error with which the signal was aborted. */
  isAbortReason(error: unknown): boolean {
    return this.#controller !== undefined && this.#controller.signal.reason === error
  }

  /** @internal The call ended: what is still to be reported is reported now. */
  end(): void {
    clearTimeout(this.#flushTimer)
    this.#flush()
  }

  #report(progress: number, details: unknown): void {
    this.#host.beat()
    this.#host.listen()
    if (typeof progress !== 'number' || Number.isNaN(progress)) return // X3
    const clamped = Math.min(Math.max(progress, 0), 1)
    this.#latest = { progress: clamped, details: this.#carried(details) }
    const now = this.#host.now()
    const refill = Math.floor((now - this.#filledAt) / PROGRESS_EVERY_MS)
    if (refill > 0) {
      this.#tokens = Math.min(PROGRESS_BURST, this.#tokens + refill)
      this.#filledAt = now
    }
    if (this.#tokens > 0) {
      this.#tokens -= 1
      this.#flush()
    } else {
      this.#flushTimer ??= setTimeout(() => this.#flush(), PROGRESS_EVERY_MS).unref()
    }
  }

  #flush(): void {
    this.#flushTimer = undefined
    const latest = this.#latest
    if (latest === undefined) return
    this.#latest = undefined
    this.#host.report(latest.progress, latest.details)
  }

  #carried(details: unknown): Json | undefined {
    if (details === undefined) return undefined
    try {
      return toJson(details, { maxBytes: 64 * 1024 })
    } catch (error) {
      this.logger.warn({ error: String(error) }, 'details of progress were left out')
      return undefined
    }
  }
}
