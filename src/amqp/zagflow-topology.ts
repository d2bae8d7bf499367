/**
 * What Zagflow keeps on a broker, piece by piece. Every function gives the whole piece: whoever needs it declares it.
 *
 * Invariants
 * T1  Nothing here needs more than RabbitMQ 3.10 has, nor anything that 4.x took away: no priorities, no global prefetch, no
 *     transient queues but exclusive ones, no mirrored queues.
 * T2  Limits of deliveries are always given, for 4.x has one of 20 otherwise, after which messages are lost.
 * T3  Nobody sets `x-consumer-timeout`: brokers before 3.12 do not know it, and a queue is declared alike by everybody (Y2).
 *     A call may outlast the broker's timeout: its copy comes back, is asked about, and dropped.
 */
import type { Names } from './names.ts'
import type { QueueSpec, Topology } from './topology.ts'

/** In practice none; the largest that every version takes. */
const NO_LIMIT = 2_147_483_647
/** Deliveries of a request, at most. Only a backstop: owners count starts, and end a call long before. */
const REQUEST_DELIVERIES = 100

/** How long an announcement is of interest, in ms. */
export const ANNOUNCEMENT_TTL_MS = 60_000
/** Announcements that are kept when no conductor reads them. */
export const ANNOUNCEMENTS_KEPT = 10_000
/** Wake-ups that are kept when no conductor reads them; beyond it the oldest are dropped, and the sweep of SQL finds what is due. */
export const WAKEUPS_KEPT = 100_000

/** Exchanges, and the queues that every conductor reads. */
export function baseTopology(names: Names): Topology {
  const dead = deadTopology(names)
  return {
    exchanges: [
      { name: names.requests, type: 'direct' },
      { name: names.unrouted, type: 'fanout' },
      { name: names.replies, type: 'direct', alternate: names.unrouted },
      { name: names.control, type: 'direct' },
      ...dead.exchanges,
    ],
    queues: [
      quorum(names.unclaimed, names.unrouted, ''),
      {
        name: names.announcements,
        kind: 'classic',
        arguments: {
          'x-message-ttl': ANNOUNCEMENT_TTL_MS,
          'x-max-length': ANNOUNCEMENTS_KEPT,
          'x-overflow': 'drop-head',
        },
        bindings: [{ exchange: names.replies, key: names.announcements }],
      },
      ...dead.queues,
    ],
  }
}

/** Where messages end that nobody could use. Every link declares it by itself. */
export function deadTopology(names: Names): Topology {
  return {
    exchanges: [{ name: names.dead, type: 'fanout' }],
    queues: [quorum(names.dead, names.dead, '')],
  }
}

/** The queue of a topic's requests. */
export function topicQueue(names: Names, topic: string): QueueSpec {
  return {
    name: names.topic(topic),
    kind: 'quorum',
    arguments: {
      'x-delivery-limit': REQUEST_DELIVERIES,
      'x-dead-letter-exchange': names.dead,
      // Only with both is a dead message kept until its target has it.
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    },
    bindings: [{ exchange: names.requests, key: topic }],
  }
}

/** What one incarnation of a conductor is told. One reader at a time: who adopts its flows waits in line. */
export function replyQueue(names: Names, conductor: string): QueueSpec {
  return replyQueueNamed(names, names.replyQueue(conductor))
}

/** The same, of a name that stands in a row. */
export function replyQueueNamed(names: Names, queue: string): QueueSpec {
  return {
    name: queue,
    kind: 'quorum',
    arguments: { 'x-delivery-limit': NO_LIMIT, 'x-single-active-consumer': true },
    bindings: [{ exchange: names.replies, key: queue }],
  }
}

/** What one worker is told. It dies with the worker's connection, so its absence says that the connection is gone. */
export function controlQueue(names: Names, worker: string): QueueSpec {
  return {
    name: names.controlQueue(worker),
    kind: 'classic',
    exclusive: true,
    bindings: [{ exchange: names.control, key: worker }],
  }
}

/** An empty queue whose absence says that the broker was wiped. */
export function markerQueue(names: Names, uuid: string): QueueSpec {
  return {
    name: names.marker(uuid),
    kind: 'quorum',
    arguments: { 'x-delivery-limit': NO_LIMIT },
    bindings: [],
  }
}

/** A topology of queues alone. */
export function queuesOnly(...queues: readonly QueueSpec[]): Topology {
  return { exchanges: [], queues }
}

function quorum(name: string, exchange: string, key: string): QueueSpec {
  return {
    name,
    kind: 'quorum',
    arguments: { 'x-delivery-limit': NO_LIMIT },
    bindings: [{ exchange, key }],
  }
}
