/**
 * Keeps messages that nobody could use, with the reason.
 *
 * Invariants
 * G1  A message is acknowledged where it came from only when the dead-letter queue has confirmed it; until then it is tried again,
 *     for as long as its channel lives. It may be buried twice, never lost.
 * G2  Headers are made afresh: what the broker wrote of earlier deaths (`x-death`) would make it drop the message as a cycle.
 */
import type { ConsumeMessage, Options } from 'amqplib'
import { delayAfterAttempt } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Lane } from './delivery.ts'
import { fits, type Publisher } from './publisher.ts'
import { pause } from './timing.ts'

/** Headers of a buried message: why, from which queue, when (epoch ms). */
export const REASON_HEADER = 'x-zagflow-reason'
export const QUEUE_HEADER = 'x-zagflow-queue'
export const AT_HEADER = 'x-zagflow-at'

export interface GraveyardOptions {
  /** The fanout exchange of the dead-letter queue. */
  readonly exchange: string
  readonly publisher: Publisher
  readonly clock: Clock
  readonly logger: Logger
  /** Declares the dead-letter queue again. */
  readonly redeclare: () => Promise<void>
}

const KEPT = [
  'type',
  'messageId',
  'correlationId',
  'replyTo',
  'contentType',
  'contentEncoding',
] as const
const LONGEST_REASON = 1000
const RETRYING = { delayMs: 200, factor: 2, maxDelayMs: 10_000, jitter: 0.5 }

export class Graveyard {
  readonly #options: GraveyardOptions
  readonly #ending = new AbortController()

  constructor(options: GraveyardOptions) {
    this.#options = options
  }

  /** Resolves true when the message is safe, false when its channel was lost before. */
  async bury(lane: Lane, message: ConsumeMessage, reason: string): Promise<boolean> {
    const { exchange, publisher, clock, logger, redeclare } = this.#options
    const messageId: unknown = message.properties.messageId
    logger.warn({ queue: lane.queue, messageId, reason }, 'a message was put to the dead ones')
    const properties = propertiesOf(message, lane.queue, reason, clock.now())
    for (let attempt = 1; lane.isOpen && !this.#ending.signal.aborted; attempt++) {
      try {
        const routingKey = message.fields.routingKey
        const grave = { exchange, routingKey, content: message.content, properties }
        if ((await publisher.publish(grave)) === 'confirmed') return true
        await redeclare()
      } catch (error) {
        logger.warn({ error, queue: lane.queue }, 'could not bury a message; trying again')
      }
      await pause(clock, delayAfterAttempt(attempt, RETRYING, lane.queue), this.#ending.signal)
    }
    return false
  }

  stop(): void {
    this.#ending.abort()
  }
}

/** The original properties, where AMQP can carry them again (G2). */
function propertiesOf(
  { properties }: ConsumeMessage,
  queue: string,
  reason: string,
  now: number,
): Options.Publish {
  const kept: readonly [string, unknown][] = KEPT.map((name) => [name, properties[name]])
  return {
    ...Object.fromEntries(kept.filter(([, value]) => typeof value === 'string' && fits(value))),
    persistent: true,
    headers: {
      [REASON_HEADER]:
        reason.length > LONGEST_REASON ? `${reason.slice(0, LONGEST_REASON)}…` : reason,
      [QUEUE_HEADER]: queue,
      [AT_HEADER]: now,
    },
  }
}
