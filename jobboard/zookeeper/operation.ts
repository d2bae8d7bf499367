/**
 * One call of a client, from the moment it was made until it settles.
 *
 * O1  It settles once: with its answer, with the server's refusal, or with an error that says whether it may have been carried out.
 * O2  It is bound to the session in which it was called (or which it named), or to the first that comes where there was none.
 * O3  Settling takes its timer and its listener away, and takes it off the connection or the queue that has it.
 */
import type { Clock } from '../../src/base/clock.ts'
import { NodeError, ZooKeeperUnavailableError } from './contract.ts'
import type { Packet } from './connection.ts'
import type { JuteRecord, JuteRequest } from './library.ts'
import { errorOf } from './answers.ts'
import { onAbort } from './signals.ts'

/** What whoever keeps operations needs of one. */
export interface Waiting extends Packet {
  /** The session that it belongs to; null while there was none since it was called. */
  readonly session: number | null
  bindTo(session: number): void
  /** Settles it: it has not been sent, and never will be. */
  refuse(reason: string): void
  /** Settles it: the session that it belongs to is gone, and it has not been sent. */
  refuseSession(reason: string): void
}

/** Where an operation is while it is not settled. */
export interface OperationHome {
  readonly clock: Clock
  /** As errors name them. */
  readonly servers: string
  /** Takes it off. Returns whether it was written to a server. */
  withdraw(operation: Waiting, options: { readonly isOverdue: boolean }): boolean
  /** Its connection went before it was written. */
  requeue(operation: Waiting): void
  /** A server said that the session is over. */
  sessionEnded(): void
  /** Why no server is reached at present, for messages. */
  lastFault(): string | undefined
}

export interface OperationDetails<T> {
  readonly path: string
  readonly request: JuteRequest
  readonly withinMs: number
  readonly signal: AbortSignal | undefined
  /** Null: whichever comes first. */
  readonly session: number | null
  /** Whether the caller named the session. */
  readonly isNamed: boolean
  /** Reads the answer. Throws where it is none. */
  readonly read: (payload: JuteRecord | null) => T
  /** Reads a refusal that is an answer all the same; undefined: it is a refusal. */
  readonly readRefusal?: ((code: number) => { readonly answer: T } | undefined) | undefined
}

export class Operation<T> implements Waiting {
  readonly request: JuteRequest
  readonly promise: Promise<T>
  readonly #home: OperationHome
  readonly #details: OperationDetails<T>
  readonly #cancelTimer: () => void
  readonly #forgetSignal: () => void
  #session: number | null
  #isSettled = false
  #resolve: (answer: T) => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(home: OperationHome, details: OperationDetails<T>) {
    this.request = details.request
    this.#home = home
    this.#details = details
    this.#session = details.session
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const { withinMs, signal } = details
    this.#cancelTimer = home.clock.setTimer(() => {
      const fault = home.lastFault()
      const because = fault === undefined ? '' : ` (${fault})`
      this.#giveUp(`no answer within ${withinMs} ms${because}`, { isOverdue: true })
    }, home.clock.now() + withinMs)
    this.#forgetSignal =
      signal === undefined
        ? () => {}
        : onAbort(signal, () =>
            this.#giveUp('the caller gave up', { isOverdue: false, cause: signal.reason }),
          )
  }

  get session(): number | null {
    return this.#session
  }

  bindTo(session: number): void {
    this.#session = session
  }

  refuse(reason: string): void {
    this.#settle(() => this.#reject(this.#unavailable('not sent', reason)))
  }

  refuseSession(reason: string): void {
    if (!this.#details.isNamed) this.refuse(reason)
    else this.#settle(() => this.#reject(new NodeError('SESSION_LOST', this.#details.path)))
  }

  answered(code: number, payload: JuteRecord | null): void {
    const { path, read, readRefusal } = this.#details
    if (this.#isSettled) return
    try {
      const refusal = code === 0 ? undefined : readRefusal?.(code)
      if (code === 0) {
        const answer = read(payload)
        this.#settle(() => this.#resolve(answer))
      } else if (refusal !== undefined) {
        this.#settle(() => this.#resolve(refusal.answer))
      } else this.#fail(errorOf(code, path, this.#home.servers))
    } catch (error) {
      if (error instanceof NodeError || error instanceof ZooKeeperUnavailableError) {
        this.#fail(error)
        return
      }
      this.#settle(() =>
        this.#reject(this.#unavailable('unknown', 'the answer cannot be read', error)),
      )
      throw error
    }
  }

  lost(isWritten: boolean, reason: string): void {
    if (this.#isSettled) return
    if (!isWritten) this.#home.requeue(this)
    else this.#settle(() => this.#reject(this.#unavailable('unknown', reason)))
  }

  #fail(error: NodeError | ZooKeeperUnavailableError): void {
    this.#settle(() => this.#reject(error))
    if (error instanceof NodeError && error.reply === 'SESSION_LOST') this.#home.sessionEnded()
  }

  #giveUp(
    reason: string,
    options: { readonly isOverdue: boolean; readonly cause?: unknown },
  ): void {
    if (this.#isSettled) return
    // Closing its connection, which this may do, must not settle it another way.
    this.#settle(() => {
      const isWritten = this.#home.withdraw(this, options)
      const outcome = isWritten ? 'unknown' : 'not sent'
      this.#reject(this.#unavailable(outcome, reason, options.cause))
    })
  }

  #settle(how: () => void): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#cancelTimer()
    this.#forgetSignal()
    how()
  }

  #unavailable(
    outcome: 'not sent' | 'unknown',
    reason: string,
    cause?: unknown,
  ): ZooKeeperUnavailableError {
    return new ZooKeeperUnavailableError(this.#home.servers, outcome, { reason, cause })
  }
}
