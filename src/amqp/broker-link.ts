/**
 * The contract of the AMQP unit: what engines and workers use of a broker. `Broker` (broker.ts) keeps it; nothing else of
 * amqplib is seen outside this unit.
 *
 * Invariants
 * B1  A publication is settled exactly once: confirmed, returned as unroutable (the return comes before the confirm), or
 *     failed because nobody knows (connection lost, refused, deadline).
 * B2  Connections, channels, topology and consumers come back by themselves, in this order, with growing delays, over all
 *     hosts in turn; listeners of `onConnected` are told after the topology stands and before consumers get deliveries.
 * B3  A delivery of a channel that is gone can be acknowledged without harm and without effect: the broker gives it again.
 * B4  Publishing and consuming have a connection each, so that a blocked publisher does not stop acknowledgements.
 * B5  What is unconfirmed is bounded (`window`); beyond it `publish` waits its turn in memory, and `hasRoom` is false.
 */
import type { Topology } from './topology.ts'

/** What is published. */
export interface Outgoing {
  /** '' is the default exchange: the routing key is a queue's name. */
  readonly exchange: string
  readonly routingKey: string
  /** JSON text. */
  readonly body: string
  readonly type: string
  readonly messageId?: string | undefined
  readonly correlationId?: string | undefined
  readonly replyTo?: string | undefined
  /** Survives a restart of the broker. @default true */
  readonly persistent?: boolean | undefined
  /** How long it may lie in a queue, in ms. @default for ever */
  readonly expirationMs?: number | undefined
  readonly headers?: { readonly [name: string]: string | number | boolean } | undefined
}

/** `unroutable`: no queue took it. */
export type Published = 'confirmed' | 'unroutable'

/** A message that came. Settle it once. */
export interface Delivery {
  readonly body: Buffer
  /** The AMQP property; not checked. */
  readonly type: string | undefined
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly messageId: string | undefined
  readonly correlationId: string | undefined
  readonly replyTo: string | undefined
  readonly headers: { readonly [name: string]: unknown }
  readonly exchange: string
  readonly routingKey: string
  readonly queue: string
  readonly redelivered: boolean
  /** False once its channel is gone: the broker gives the message to somebody again (B3). */
  readonly isOpen: boolean
  ack(): void
  /** Back to the queue: somebody gets it again, marked redelivered. */
  requeue(): void
  /** To the dead-letter queue with a reason, confirmed there, then acknowledged here. */
  bury(reason: string): void
}

export interface ConsumeOptions {
  /** Deliveries that are not settled yet, at most. */
  readonly prefetch: number
  /** Called when the broker ended the consumer because its queue was deleted (it is declared and consumed again by itself). */
  readonly onDeleted?: (() => void) | undefined
}

/** A consumer, over all connections to come. */
export interface Consumption {
  /** Changes how many deliveries may be unsettled. */
  setPrefetch(prefetch: number): void
  /** No more deliveries; those that are here can still be settled. */
  cancel(): Promise<void>
  /** Ends it; what is unsettled goes back to the queue. */
  close(): Promise<void>
}

export interface BrokerLink {
  readonly namespace: string
  readonly isConnected: boolean
  /** False while the broker blocks publishers, the window is full, or there is no connection: hold back what can wait. */
  readonly hasRoom: boolean
  /** Begins to connect and resolves when it has: rejects with `UnavailableError` after `connectTimeoutMs`, for good. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Adds to the topology: declared now, if connected, and at every connect. Same names must be the same things (Y2). Resolves when it stands. */
  declare(topology: Topology): Promise<void>
  /** Takes queues out of the topology; deletes them on the broker too, if `delete` (only while `ifEmpty` and `ifUnused`, if those are given). */
  undeclare(
    queues: readonly string[],
    options?: {
      readonly delete?: boolean
      readonly ifEmpty?: boolean
      readonly ifUnused?: boolean
    },
  ): Promise<void>
  /** How a queue stands, or null if there is none. */
  lookAt(queue: string): Promise<{ readonly messages: number; readonly consumers: number } | null>
  /** Mandatory and confirmed. Rejects with `UnavailableError` when nobody knows whether it arrived (B1). */
  publish(message: Outgoing): Promise<Published>
  consume(
    queue: string,
    options: ConsumeOptions,
    onDelivery: (delivery: Delivery) => void,
  ): Consumption
  /** Told at each connect, `generation` from 1, after the topology was declared (B2). */
  onConnected(listener: (generation: number) => void | Promise<void>): () => void
  onDisconnected(listener: (error: Error) => void): () => void
  /** Told when `hasRoom` becomes true again. */
  onRoom(listener: () => void): () => void
}
