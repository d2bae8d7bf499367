/**
 * Says that this worker lives, what it serves and how busy it is.
 *
 * Invariants
 * V1  Said every third of the lease, and at once at each connect and when a queue was found deleted.
 * V2  A deleted queue is told of until one message about it was confirmed.
 * V3  The last announcement has a lease of 0: it goes.
 */
import type { BrokerLink } from '../amqp/broker-link.ts'
import type { Clock } from '../base/clock.ts'
import type { AnnounceMessage } from '../protocol/messages.ts'
import type { Messages } from './messages.ts'

export interface AnnouncerOptions {
  readonly link: Pick<BrokerLink, 'isConnected' | 'publish'>
  readonly messages: Messages
  readonly clock: Clock
  readonly leaseMs: number
  /** What does not change. */
  readonly about: Pick<AnnounceMessage, 'name' | 'host' | 'pid' | 'topics' | 'tasks' | 'signatures'>
  load(): AnnounceMessage['load']
}

export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #lost = new Set<string>()
  #cancelTimer: (() => void) | undefined
  #isOver = false

  constructor(options: AnnouncerOptions) {
    this.#options = options
  }

  /** V1. */
  announce(): void {
    if (this.#isOver) return
    const { clock, leaseMs, link } = this.#options
    this.#cancelTimer?.()
    this.#cancelTimer = clock.setTimer(() => this.announce(), clock.now() + leaseMs / 3)
    if (!link.isConnected) return // said at the next connect
    this.#publish(leaseMs).catch(() => undefined) // said again with the next
  }

  /** The queue of a topic was deleted: copies in it may be lost. */
  tellLost(topic: string): void {
    this.#lost.add(topic)
    this.announce()
  }

  /** V3. Resolves when it was said, or could not be. */
  async end(): Promise<void> {
    this.#isOver = true
    this.#cancelTimer?.()
    if (this.#options.link.isConnected) await this.#publish(0).catch(() => undefined)
  }

  async #publish(leaseMs: number): Promise<void> {
    const { link, messages, about, load } = this.#options
    const lost = [...this.#lost]
    const message = messages.announce({
      ...about,
      load: load(),
      leaseMs,
      ...(lost.length === 0 ? {} : { lost }),
    })
    const published = await link.publish(message)
    if (published === 'confirmed') for (const topic of lost) this.#lost.delete(topic) // V2
  }
}
