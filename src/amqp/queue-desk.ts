/**
 * Questions about single queues.
 *
 * Invariants
 * Q1  Every question has a channel of its own, for a queue that is not there costs the channel.
 * Q2  "Only if empty", "only if unused" are looked at here: quorum queues refuse the broker's own flags and end the connection
 *     (540). The queue's bindings are taken away first, so that nothing comes in between; if it stays, they are put back.
 */
import type { Channel, ChannelModel } from 'amqplib'
import type { Clock } from '../base/clock.ts'
import { UnavailableError, UsageError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { closeChannel, giveUp, openChannel } from './channels.ts'
import { codeOf, isRefusal, NOT_FOUND, toError } from './faults.ts'
import { within } from './timing.ts'
import type { QueueSpec } from './topology.ts'

export interface QueueDeskOptions {
  readonly model: ChannelModel
  readonly server: string
  readonly clock: Clock
  readonly logger: Logger
}

export interface QueueState {
  readonly messages: number
  readonly consumers: number
}

const ANSWER_WITHIN_MS = 10_000

export class QueueDesk {
  readonly #options: QueueDeskOptions

  constructor(options: QueueDeskOptions) {
    this.#options = options
  }

  /** Throws {@link UnavailableError} without a connection, {@link UsageError} when the broker refuses to tell. */
  lookAt(queue: string): Promise<QueueState | null> {
    return this.#ask(queue, async (channel) => {
      const { messageCount, consumerCount } = await channel.checkQueue(queue)
      return { messages: messageCount, consumers: consumerCount }
    })
  }

  /** Deletes a queue; one that is not there is no error. Q2. */
  async delete(
    queue: string,
    options: {
      readonly ifEmpty?: boolean | undefined
      readonly ifUnused?: boolean | undefined
      readonly spec: QueueSpec | undefined
    },
  ): Promise<void> {
    const { ifEmpty = false, ifUnused = false, spec } = options
    const bindings = ifEmpty ? (spec?.bindings ?? []) : []
    await this.#ask(queue, async (channel) => {
      if (ifEmpty || ifUnused) {
        if (isKept(await channel.checkQueue(queue))) return null
        for (const { exchange, key } of bindings) await channel.unbindQueue(queue, exchange, key)
        if (isKept(await channel.checkQueue(queue))) {
          for (const { exchange, key } of bindings) await channel.bindQueue(queue, exchange, key)
          return null
        }
      }
      await channel.deleteQueue(queue)
      return null
    })

    function isKept(state: {
      readonly messageCount: number
      readonly consumerCount: number
    }): boolean {
      return (ifEmpty && state.messageCount > 0) || (ifUnused && state.consumerCount > 0)
    }
  }

  /** What the question gives, or null if there is no such queue. */
  async #ask<T>(queue: string, question: (channel: Channel) => Promise<T>): Promise<T | null> {
    const { model, server, clock, logger } = this.#options
    let channel: Channel | undefined
    try {
      channel = await openChannel(model, logger)
      const answer = await within(clock, ANSWER_WITHIN_MS, question(channel), () => {
        return new Error(`no answer about the queue "${queue}" within ${ANSWER_WITHIN_MS} ms`)
      })
      await closeChannel(channel)
      return answer
    } catch (thrown) {
      const error = toError(thrown)
      if (codeOf(error) === NOT_FOUND) return null
      if (channel !== undefined) giveUp(channel)
      if (isRefusal(error)) {
        throw new UsageError(`the broker refused a question about the queue "${queue}"`, {
          cause: error,
        })
      }
      throw new UnavailableError(server, { reason: error.message, cause: error })
    }
  }
}
