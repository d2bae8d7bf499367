/**
 * Takes requests from the queues of topics: checks them, and hands them on.
 *
 * Invariants
 * T1  Whatever comes, the consumer lives: what cannot be used is buried with a reason, and nothing of it is run.
 * T2  Answers go to reply queues of this namespace only, whatever a request names.
 * T3  All topics together have as many unsettled deliveries as there are places; each at least one (`share-prefetch.ts`).
 */
import type { BrokerLink, Consumption, Delivery } from '../amqp/broker-link.ts'
import type { Names } from '../amqp/names.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { callKeyText } from '../protocol/call-key.ts'
import type { RequestMessage } from '../protocol/messages.ts'
import { readRequest } from '../protocol/wire.ts'
import { sharePrefetch } from './share-prefetch.ts'

export interface Arrival {
  readonly key: string
  readonly request: RequestMessage
  readonly replyTo: string
  readonly copy: Delivery
}

export interface IntakeOptions {
  readonly link: Pick<BrokerLink, 'consume'>
  readonly names: Names
  readonly topics: readonly string[]
  readonly concurrency: number
  readonly clock: Clock
  readonly logger: Logger
  /** Unsettled deliveries, by queue. */
  unsettled(): ReadonlyMap<string, number>
  /** Calls that take places, and of which the broker counts no delivery. */
  uncounted(): number
  onRequest(arrival: Arrival): void
  /** The queue of that topic was deleted. */
  onDeleted(topic: string): void
}

/** Shares are looked at so often; a change begins a consumer again, so that it is not for each message. */
const SHARE_EVERY_MS = 1_000
/** The name of a queue has at most so many bytes in AMQP. */
const LONGEST_QUEUE_NAME = 255

interface Topic {
  readonly queue: string
  readonly consumption: Consumption
  prefetch: number
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #replyPrefix: string
  #topics: readonly Topic[] = []
  #cancelTimer: (() => void) | undefined

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#replyPrefix = `${options.names.replies}.`
  }

  start(): void {
    const { link, names, topics, concurrency, onDeleted } = this.#options
    const shares = sharePrefetch(
      concurrency,
      topics.map(() => ({ unsettled: 0, prefetch: 1 })),
    )
    this.#topics = topics.map((topic, at) => {
      const queue = names.topic(topic)
      const prefetch = shares[at] ?? 1
      const consumption = link.consume(
        queue,
        { prefetch, onDeleted: () => onDeleted(topic) },
        (delivery) => this.#take(delivery),
      )
      return { queue, consumption, prefetch }
    })
    this.#shareLater()
  }

  /** No more deliveries; those that are here can still be settled. */
  async cancel(): Promise<void> {
    this.#cancelTimer?.()
    await Promise.all(this.#topics.map(({ consumption }) => consumption.cancel()))
  }

  async close(): Promise<void> {
    this.#cancelTimer?.()
    await Promise.all(this.#topics.map(({ consumption }) => consumption.close()))
  }

  #take(copy: Delivery): void {
    const read = readRequest(copy)
    if (!read.ok) {
      this.#bury(copy, read.reason)
      return
    }
    const { replyTo } = copy
    const problem = this.#problemWith(replyTo)
    if (replyTo === undefined || problem !== undefined) {
      this.#bury(copy, problem ?? '')
      return
    }
    const { message: request } = read
    this.#options.onRequest({ key: callKeyText(request), request, replyTo, copy })
  }

  /** T2. */
  #problemWith(replyTo: string | undefined): string | undefined {
    if (replyTo === undefined || replyTo === '') return 'it has no reply_to'
    if (replyTo.startsWith(this.#replyPrefix) && Buffer.byteLength(replyTo) <= LONGEST_QUEUE_NAME) {
      return undefined
    }
    return `its reply_to is no reply queue of this namespace: ${replyTo.slice(0, 100)}`
  }

  /** T1. */
  #bury(copy: Delivery, reason: string): void {
    const { queue, messageId } = copy
    this.#options.logger.warn(
      { queue, messageId, reason },
      'put a message aside that is no request',
    )
    copy.bury(reason)
  }

  #shareLater(): void {
    const { clock } = this.#options
    this.#cancelTimer = clock.setTimer(() => {
      this.#share()
      this.#shareLater()
    }, clock.now() + SHARE_EVERY_MS)
  }

  /** T3. */
  #share(): void {
    const { concurrency, uncounted, unsettled } = this.#options
    const counts = unsettled()
    const loads = this.#topics.map(({ queue, prefetch }) => {
      return { unsettled: counts.get(queue) ?? 0, prefetch }
    })
    const shares = sharePrefetch(concurrency - uncounted(), loads)
    for (const [at, topic] of this.#topics.entries()) {
      const share = shares[at] ?? 1
      if (share === topic.prefetch) continue
      topic.prefetch = share
      topic.consumption.setPrefetch(share)
    }
  }
}
