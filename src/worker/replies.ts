/**
 * Messages of a worker that must arrive: answers, and that a task is not known here.
 *
 * Invariants
 * R1  `onArrived` is called when the broker confirmed the message, and only then: the copy of the request is acknowledged
 *     after its answer is safe.
 * R2  A message that is not confirmed is sent again until it is, or until `abandon()`. It may so arrive twice: its owner counts
 *     it once.
 * R3  What is kept here is bounded by the places of the worker: without acknowledgements nothing more is delivered.
 */
import type { BrokerLink, Outgoing, Published } from '../amqp/broker-link.ts'
import { delayAfterAttempt } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { toFailure } from '../base/failure.ts'
import type { Logger } from '../base/logger.ts'

const PAUSE = { delayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.5 }

export interface RepliesOptions {
  readonly link: Pick<BrokerLink, 'publish'>
  /** Declares what a message needs that nothing could be done with. */
  readonly redeclare: () => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** Sends until it is confirmed. */
export class Replies {
  readonly #options: RepliesOptions
  readonly #pauses = new Set<() => void>()
  #pending = 0
  #isAbandoned = false
  #whenSettled: (() => void) | undefined

  constructor(options: RepliesOptions) {
    this.#options = options
  }

  /** Messages that are not confirmed yet. */
  get pending(): number {
    return this.#pending
  }

  send(message: Outgoing, onArrived: () => void): void {
    this.#pending += 1
    this.#try(message, onArrived, 1)
  }

  /** Resolves when nothing is pending. */
  settled(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenSettled = resolve
    })
  }

  /** Nothing more is sent, and nobody is told. */
  abandon(): void {
    this.#isAbandoned = true
    for (const cancel of this.#pauses) cancel()
    this.#pauses.clear()
  }

  #try(message: Outgoing, onArrived: () => void, attempt: number): void {
    // No async function: this is the way of every answer.
    this.#options.link.publish(message).then(
      (published) => this.#tried(published, message, onArrived, attempt),
      (error: unknown) => this.#again(toFailure(error).message, message, onArrived, attempt),
    )
  }

  #tried(published: Published, message: Outgoing, onArrived: () => void, attempt: number): void {
    if (published === 'unroutable') {
      this.#again('no queue takes it', message, onArrived, attempt)
      return
    }
    this.#pending -= 1
    if (!this.#isAbandoned) onArrived() // R1
    if (this.#pending === 0) this.#whenSettled?.()
  }

  /** R2. */
  #again(why: string, message: Outgoing, onArrived: () => void, attempt: number): void {
    if (this.#isAbandoned) return
    const { clock, logger, redeclare } = this.#options
    const { type, messageId } = message
    logger.warn(
      { why, type, call: messageId, attempt },
      'a reply was not confirmed; sends it again',
    )
    const delayMs = delayAfterAttempt(attempt, PAUSE, messageId ?? type)
    const cancel = clock.setTimer(() => {
      this.#pauses.delete(cancel)
      const retry = (): void => {
        if (!this.#isAbandoned) this.#try(message, onArrived, attempt + 1)
      }
      redeclare().then(retry, retry) // if it cannot, neither can the message arrive, and it is tried again
    }, clock.now() + delayMs)
    this.#pauses.add(cancel)
  }
}
