/**
 * Reads what owners say to this worker: go, drop, cancel, report.
 *
 * Invariants
 * Q1  The queue dies with the connection: that it is gone tells owners that this worker lost its copies.
 * Q2  Whatever comes, the consumer lives.
 * Q3  Words are taken in the order in which they came, each once.
 */
import type { BrokerLink, Consumption, Delivery } from '../amqp/broker-link.ts'
import type { Logger } from '../base/logger.ts'
import { callKeyText } from '../protocol/call-key.ts'
import type { ControlMessage } from '../protocol/messages.ts'
import { readControl } from '../protocol/wire.ts'
import type { Copy, Effect } from './book-call.ts'
import type { CallBook } from './call-book.ts'

/** Words that are read at once. */
const PREFETCH = 100

export interface ControlOptions {
  readonly link: Pick<BrokerLink, 'consume'>
  readonly queue: string
  readonly logger: Logger
  onMessage(message: ControlMessage): void
}

export class Control {
  readonly #options: ControlOptions
  #consumption: Consumption | undefined

  constructor(options: ControlOptions) {
    this.#options = options
  }

  start(): void {
    const { link, queue } = this.#options
    this.#consumption = link.consume(queue, { prefetch: PREFETCH }, (delivery) =>
      this.#take(delivery),
    )
  }

  async close(): Promise<void> {
    await this.#consumption?.close()
  }

  #take(delivery: Delivery): void {
    const read = readControl(delivery)
    if (!read.ok) {
      const { queue } = delivery
      const { reason } = read
      this.#options.logger.warn(
        { queue, reason },
        'put a message aside that is no word of an owner',
      )
      delivery.bury(reason)
      return
    }
    delivery.ack()
    this.#options.onMessage(read.message)
  }
}

/** What a word means for the calls that are here. `report` changes nothing. */
export function effectsOf<C extends Copy>(
  message: ControlMessage,
  book: CallBook<C>,
  now: number,
): readonly Effect<C>[] {
  switch (message.type) {
    case 'go':
      return message.calls.flatMap((call) => book.go(callKeyText(call), now, call.hold))
    case 'drop':
      return message.calls.flatMap((call) => book.drop(callKeyText(call), call.hold))
    case 'cancel':
      return message.calls.flatMap((call) => book.cancel(callKeyText(call), call.reason, now))
    case 'report':
      return []
  }
}
