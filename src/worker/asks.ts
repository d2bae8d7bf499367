/**
 * Asks owners whether doubtful copies may start: many in one message, again and again until there is a word.
 *
 * Invariants
 * A1  A held copy is asked for within `BATCH_MS` and then every `askEveryMs`; without connection as soon as there is one.
 * A2  Nothing is asked for what is not held any more.
 */
import type { BrokerLink } from '../amqp/broker-link.ts'
import type { Clock } from '../base/clock.ts'
import type { Call, Copy } from './book-call.ts'
import type { CallBook } from './call-book.ts'
import type { Messages } from './messages.ts'

const BATCH_MS = 50

export interface AsksOptions<C extends Copy> {
  readonly book: CallBook<C>
  readonly link: Pick<BrokerLink, 'isConnected' | 'publish'>
  readonly messages: Messages
  readonly clock: Clock
}

export class Asks<C extends Copy> {
  readonly #options: AsksOptions<C>
  #cancelTimer: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(options: AsksOptions<C>) {
    this.#options = options
  }

  /** There is something to ask. */
  soon(): void {
    const { clock } = this.#options
    this.#setTimer(clock.now() + BATCH_MS)
  }

  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #setTimer(atMs: number): void {
    if (this.#timerAt <= atMs) return
    this.#cancelTimer?.()
    this.#timerAt = atMs
    this.#cancelTimer = this.#options.clock.setTimer(() => {
      this.stop()
      this.#ask()
    }, atMs)
  }

  #ask(): void {
    const { book, link, messages, clock } = this.#options
    if (!link.isConnected) return // A1: whoever holds copies then has lost them, and they come again
    for (const [replyTo, calls] of byOwner(book.toAsk(clock.now()))) {
      for (const message of messages.ask(replyTo, calls)) {
        // A hint that is repeated: who does not hear this one hears the next.
        link.publish(message).catch(() => undefined)
      }
    }
    const { nextAskAt } = book
    if (nextAskAt !== undefined) this.#setTimer(Math.max(nextAskAt, clock.now() + BATCH_MS))
  }
}

/** Calls by the queue that their owner reads. */
export function byOwner<C extends Copy>(
  calls: readonly Call<C>[],
): ReadonlyMap<string, readonly Call<C>[]> {
  const owners = new Map<string, Call<C>[]>()
  for (const call of calls) {
    const known = owners.get(call.replyTo)
    if (known === undefined) owners.set(call.replyTo, [call])
    else known.push(call)
  }
  return owners
}
