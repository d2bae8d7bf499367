/**
 * What Zagflow declares on a broker, as data. One namespace serves one database.
 *
 * Invariants
 * Y1  Everything here can be declared by RabbitMQ 3.10 and by 4.x, again and again, by anybody, in any order.
 * Y2  A name never changes what it is: a declaration with other arguments would close the channel (406). What changes gets
 *     another name.
 * Y3  What carries work (requests, replies, what is dead) is durable and replicated (quorum). What carries hints (wake-ups,
 *     announcements) is durable and classic, bounded, and may be lost.
 * Y4  Only a worker's control queue dies with its connection: its absence says that the connection is gone.
 */

/** An exchange to be declared. */
export interface ExchangeSpec {
  readonly name: string
  readonly type: 'direct' | 'fanout' | 'topic'
  /** Takes what no queue is bound for. */
  readonly alternate?: string | undefined
  /** Exchanges that it takes messages from. */
  readonly bindings?: readonly { readonly exchange: string; readonly key: string }[] | undefined
}

/** A queue to be declared. */
export interface QueueSpec {
  readonly name: string
  readonly kind: 'quorum' | 'classic'
  /** Dies with the connection that declares it (classic only). */
  readonly exclusive?: boolean | undefined
  readonly arguments?: { readonly [name: string]: string | number | boolean } | undefined
  readonly bindings: readonly { readonly exchange: string; readonly key: string }[]
}

/** Exchanges and queues, in the order in which they are declared: exchanges first. */
export interface Topology {
  readonly exchanges: readonly ExchangeSpec[]
  readonly queues: readonly QueueSpec[]
}
