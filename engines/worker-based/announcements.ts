/** What workers say of themselves, kept in the store. Hints: one that is not kept is made again soon. */
import type { Consumption, Delivery } from '../../src/amqp/broker-link.ts'
import type { Names } from '../../src/amqp/names.ts'
import type { AnnounceMessage } from '../../src/protocol/messages.ts'
import { readAnnounce } from '../../src/protocol/wire.ts'
import type { ResolvedWorkerBased } from './options.ts'

/** Announcements that are being stored at once, at most. */
const PREFETCH = 50

export interface AnnouncementsOptions {
  readonly resolved: ResolvedWorkerBased
  readonly names: Names
  /** Topics whose queues a worker found deleted. */
  readonly onLost: (topics: readonly string[]) => void
}

export class Announcements {
  readonly #options: AnnouncementsOptions
  #consumption: Consumption | null = null

  constructor(options: AnnouncementsOptions) {
    this.#options = options
  }

  start(): void {
    const { resolved, names } = this.#options
    this.#consumption = resolved.link.consume(
      names.announcements,
      { prefetch: PREFETCH },
      (delivery) => this.#read(delivery),
    )
  }

  async stop(): Promise<void> {
    await this.#consumption?.close()
    this.#consumption = null
  }

  #read(delivery: Delivery): void {
    const read = readAnnounce(delivery)
    if (!read.ok) {
      delivery.bury(read.reason)
      return
    }
    const { message } = read
    if (message.lost !== undefined && message.lost.length > 0) this.#options.onLost(message.lost)
    this.#keep(message).then(
      () => delivery.ack(),
      (error: unknown) => {
        const { logger } = this.#options.resolved
        logger.debug({ error, worker: message.worker }, 'an announcement was not kept')
        delivery.ack()
      },
    )
  }

  async #keep(message: AnnounceMessage): Promise<void> {
    const { store, board } = this.#options.resolved
    const { worker, name, host, pid, topics, tasks, load, leaseMs } = message
    if (leaseMs <= 0) {
      await store.endProcess(worker, 'worker')
      return
    }
    await store.beat({
      id: worker,
      kind: 'worker',
      name,
      host,
      pid,
      board,
      topics,
      tasks,
      ...(message.signatures === undefined ? {} : { signatures: message.signatures }),
      load,
      leaseMs,
    })
  }
}
