/**
 * What came from a queue.
 *
 * Invariants
 * E1  A delivery is settled once, and only on the channel it came from: afterwards, and on a channel that is gone, nothing is sent.
 */
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Delivery } from './broker-link.ts'

/** The channel that deliveries came from. */
export interface Lane {
  readonly queue: string
  readonly channel: Channel
  /** False once the channel is gone. */
  isOpen: boolean
  /** Keeps a message for an operator; resolves when it is safe there, false when it is not to be settled any more. */
  bury(message: ConsumeMessage, reason: string): Promise<boolean>
}

export class ReceivedMessage implements Delivery {
  readonly body: Buffer
  readonly exchange: string
  readonly routingKey: string
  readonly redelivered: boolean
  readonly #lane: Lane
  readonly #message: ConsumeMessage
  #isSettled = false

  constructor(lane: Lane, message: ConsumeMessage) {
    this.#lane = lane
    this.#message = message
    this.body = message.content
    this.exchange = message.fields.exchange
    this.routingKey = message.fields.routingKey
    this.redelivered = message.fields.redelivered
  }

  get queue(): string {
    return this.#lane.queue
  }

  get type(): string | undefined {
    return textOf(this.#message.properties.type)
  }

  get contentType(): string | undefined {
    return textOf(this.#message.properties.contentType)
  }

  get contentEncoding(): string | undefined {
    return textOf(this.#message.properties.contentEncoding)
  }

  get messageId(): string | undefined {
    return textOf(this.#message.properties.messageId)
  }

  get correlationId(): string | undefined {
    return textOf(this.#message.properties.correlationId)
  }

  get replyTo(): string | undefined {
    return textOf(this.#message.properties.replyTo)
  }

  get headers(): { readonly [name: string]: unknown } {
    return this.#message.properties.headers ?? {}
  }

  get isOpen(): boolean {
    return this.#lane.isOpen
  }

  ack(): void {
    this.#settle((channel) => channel.ack(this.#message))
  }

  requeue(): void {
    this.#settle((channel) => channel.reject(this.#message, true))
  }

  bury(reason: string): void {
    if (this.#isSettled) return
    this.#isSettled = true
    void this.#lane.bury(this.#message, reason).then((isSafe) => {
      if (isSafe) this.#send((channel) => channel.ack(this.#message))
    })
  }

  #settle(send: (channel: Channel) => void): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#send(send)
  }

  /** E1. */
  #send(send: (channel: Channel) => void): void {
    if (!this.#lane.isOpen) return
    try {
      send(this.#lane.channel)
    } catch {
      // The channel is just closing: the broker gives the message to somebody again.
    }
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
