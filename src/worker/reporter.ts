/**
 * Says what runs here: to each owner in one message, and the progress of each call.
 *
 * Invariants
 * P1  A call is reported 200 ms after its start, if it is not over by then, then as often as its request wants it (late by
 *     `TICK_MS` at most); all calls at once after a reconnect.
 * P2  Progress is a hint: it is left out while there is no room for it.
 * P3  While nothing runs, nothing ticks.
 */
import type { BrokerLink } from '../amqp/broker-link.ts'
import type { Clock } from '../base/clock.ts'
import type { Json } from '../base/json.ts'
import { byOwner } from './asks.ts'
import type { Call, Copy } from './book-call.ts'
import type { CallBook } from './call-book.ts'
import type { Messages } from './messages.ts'

const TICK_MS = 100

export interface ReporterOptions<C extends Copy> {
  readonly book: CallBook<C>
  readonly link: Pick<BrokerLink, 'isConnected' | 'hasRoom' | 'publish'>
  readonly messages: Messages
  readonly clock: Clock
}

export class Reporter<C extends Copy> {
  readonly #options: ReporterOptions<C>
  #cancelTick: (() => void) | undefined

  constructor(options: ReporterOptions<C>) {
    this.#options = options
  }

  /** There is something that may have to be reported. */
  watch(): void {
    if (this.#cancelTick !== undefined) return
    const { clock, book } = this.#options
    this.#cancelTick = clock.setTimer(() => {
      this.#cancelTick = undefined
      this.#report(book.toReport(clock.now()))
      if (book.running + book.held > 0) this.watch()
    }, clock.now() + TICK_MS)
  }

  /** P1: after a reconnect. */
  reportAll(): void {
    const { book, clock } = this.#options
    this.#report(book.toReport(clock.now(), { all: true }))
  }

  /** The answer to a question, to whoever asked. */
  answer(calls: readonly Call<C>[], replyTo: string): void {
    if (calls.length === 0) return
    for (const message of this.#options.messages.running(replyTo, calls)) this.#say(message)
  }

  progress(call: Call<C>, progress: number, details: Json | undefined): void {
    const { link, messages } = this.#options
    if (link.hasRoom) this.#say(messages.progress(call, progress, details)) // P2
  }

  stop(): void {
    this.#cancelTick?.()
    this.#cancelTick = undefined
  }

  #report(calls: readonly Call<C>[]): void {
    if (calls.length === 0 || !this.#options.link.isConnected) return
    for (const [replyTo, some] of byOwner(calls)) {
      for (const message of this.#options.messages.running(replyTo, some)) this.#say(message)
    }
  }

  #say(message: Parameters<BrokerLink['publish']>[0]): void {
    // What is lost is said again, or was a hint.
    this.#options.link.publish(message).catch(() => undefined)
  }
}
