/**
 * Consumes a queue over all connections to come.
 *
 * Owns: one channel at a time.
 *
 * Invariants
 * K1  One step at a time brings what is there to what is wanted: a channel, a prefetch, a subscription. Whatever fails is tried
 *     again with growing delays, after the topology was declared again, while the connection lives.
 * K2  The broker ending the subscription (queue deleted, consumer timeout) or the channel ends the lane of its deliveries: they
 *     are not open any more, and the rest goes on in a new channel.
 * K3  What a listener throws ends nothing: the delivery is buried with the reason.
 * K4  A subscription that the broker has lost without a word (seen with quorum queues that were deleted and declared again) is
 *     noticed by looking: a queue that is gone, or says twice in a row that it has no consumer, is declared and consumed anew.
 */
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { delayAfterAttempt } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { UnavailableError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { ConsumeOptions, Consumption, Delivery } from './broker-link.ts'
import { closeChannel, openChannel, whenClosed } from './channels.ts'
import { ReceivedMessage, type Lane } from './delivery.ts'
import { codeOf, NOT_FOUND, toError } from './faults.ts'
import { within } from './timing.ts'

export interface ConsumerOptions extends ConsumeOptions {
  readonly queue: string
  readonly onDelivery: (delivery: Delivery) => void
  readonly clock: Clock
  readonly logger: Logger
  /** K4, in ms. */
  readonly checkEveryMs: number
  readonly redeclare: () => Promise<void>
  readonly bury: (lane: Lane, message: ConsumeMessage, reason: string) => Promise<boolean>
  /** Told when it is closed for good. */
  readonly onClosed: () => void
}

const RETRYING = { delayMs: 100, factor: 2, maxDelayMs: 5000, jitter: 0.5 }
const ANSWER_WITHIN_MS = 30_000
/** A subscription that lasted so long was a good one: the next failure is a new one. */
const GOOD_AFTER_MS = 10_000

export class Consumer implements Consumption {
  readonly #options: ConsumerOptions
  #model: ChannelModel | null = null
  #lane: Lane | null = null
  #tag: string | null = null
  #subscribedAt = 0
  #prefetch: number
  #wantedPrefetch: number
  #isCancelled = false
  #isClosed = false
  #mustRedeclare = false
  #attempt = 0
  #working: Promise<void> | null = null
  #isStale = false
  #cancelRetry: (() => void) | null = null
  #cancelLook: (() => void) | null = null

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.#prefetch = this.#wantedPrefetch = options.prefetch
  }

  /** The link is there: consumes on it. */
  attach(model: ChannelModel): void {
    this.#model = model
    this.#attempt = 0
    void this.#work()
  }

  /** The link is gone. */
  detach(): void {
    this.#model = null
    this.#cancelRetry?.()
    this.#cancelRetry = null
    this.#leaveLane()
  }

  /**
   * Changes the prefetch by subscribing anew, since quorum queues know no prefetch of a channel: until the deliveries that are
   * here are settled, there may be as many more.
   */
  setPrefetch(prefetch: number): void {
    if (prefetch === this.#wantedPrefetch) return
    this.#wantedPrefetch = prefetch
    void this.#work()
  }

  cancel(): Promise<void> {
    this.#isCancelled = true
    return this.#work()
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isCancelled = this.#isClosed = true
      this.#options.onClosed()
    }
    this.#cancelRetry?.()
    this.#cancelRetry = null
    await this.#work()
  }

  /** K1. Resolves when there is nothing to do. Never rejects. */
  #work(): Promise<void> {
    this.#isStale = true
    this.#working ??= this.#workOff()
    return this.#working
  }

  async #workOff(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false
      try {
        while (await this.#step()) {
          // The next step.
        }
      } catch (error) {
        this.#failed(toError(error))
      }
    }
    this.#working = null
  }

  /** Brings what is there one step closer to what is wanted; false when there is none left. */
  async #step(): Promise<boolean> {
    const model = this.#model
    if (model === null) return false
    const lane = this.#lane
    if (this.#isClosed) {
      if (lane !== null) await this.#closeLane(lane)
      return false
    }
    if (lane === null) {
      if (this.#isCancelled) return false
      if (this.#mustRedeclare) {
        await this.#options.redeclare()
        this.#mustRedeclare = false
      }
      await this.#openLane(model)
      return true
    }
    if (this.#tag !== null && (this.#isCancelled || this.#prefetch !== this.#wantedPrefetch)) {
      const tag = this.#tag
      this.#tag = null
      await this.#answer(lane.channel.cancel(tag))
      return true
    }
    if (this.#tag === null && !this.#isCancelled) {
      await this.#subscribe(lane)
      return true
    }
    return false
  }

  async #openLane(model: ChannelModel): Promise<void> {
    const { queue, logger, bury } = this.#options
    const channel = await this.#answer(openChannel(model, logger))
    if (this.#model !== model) return
    const lane: Lane = {
      queue,
      channel,
      isOpen: true,
      bury: (message, reason) => bury(lane, message, reason),
    }
    this.#lane = lane
    whenClosed(channel, (reason) => {
      if (this.#lane !== lane) return
      this.#leaveLane()
      if (this.#isClosed || this.#model === null) return
      // Without a reason it goes with its connection, whose loss is told once for all.
      if (reason === undefined) this.#failed(new Error('the channel was closed'), 'debug')
      else this.#failed(reason)
    })
  }

  async #subscribe(lane: Lane): Promise<void> {
    const { queue, clock } = this.#options
    const { channel } = lane
    const prefetch = this.#wantedPrefetch
    await this.#answer(channel.prefetch(prefetch, false))
    const ok = await this.#answer(
      channel.consume(queue, (message) => {
        if (message === null) this.#ended(lane)
        else this.#received(lane, message)
      }),
    )
    if (this.#lane !== lane) return
    this.#prefetch = prefetch
    this.#tag = ok.consumerTag
    this.#subscribedAt = clock.now()
    this.#lookLater(lane, false)
  }

  #lookLater(lane: Lane, wasMissing: boolean): void {
    const { clock, checkEveryMs } = this.#options
    this.#cancelLook?.()
    this.#cancelLook = clock.setTimer(() => {
      this.#cancelLook = null
      void this.#look(lane, wasMissing)
    }, clock.now() + checkEveryMs)
  }

  /** K4. Never rejects. */
  async #look(lane: Lane, wasMissing: boolean): Promise<void> {
    const { queue, logger } = this.#options
    let isMissing = false
    let isGone = false
    try {
      const { consumerCount } = await this.#answer(lane.channel.checkQueue(queue))
      isMissing = consumerCount === 0
    } catch (thrown) {
      const error = toError(thrown)
      isGone = codeOf(error) === NOT_FOUND
      if (!isGone) logger.debug({ error, queue }, 'a queue could not be looked at')
    }
    if (isGone || (isMissing && wasMissing)) {
      if (this.#isClosed || this.#isCancelled) return
      this.#tellDeleted()
      // Where the queue is gone, so is the channel, and it is tried again already.
      if (this.#lane === lane) this.#failed(new Error('the broker has lost the subscription'))
    } else if (this.#lane === lane && this.#tag !== null) this.#lookLater(lane, isMissing)
  }

  /** K3. */
  #received(lane: Lane, message: ConsumeMessage): void {
    const delivery = new ReceivedMessage(lane, message)
    try {
      this.#options.onDelivery(delivery)
    } catch (thrown) {
      const error = toError(thrown)
      this.#options.logger.error({ error, queue: lane.queue }, 'what reads a queue failed')
      delivery.bury(`what reads the queue failed: ${error.message}`)
    }
  }

  /** K2: the broker ended the subscription. */
  #ended(lane: Lane): void {
    if (this.#lane !== lane || this.#isClosed) return
    const { queue, logger } = this.#options
    logger.warn({ queue }, 'the queue was deleted; it is declared again')
    this.#mustRedeclare = true
    this.#leaveLane()
    void closeChannel(lane.channel)
    this.#tellDeleted()
    void this.#work()
  }

  #tellDeleted(): void {
    const { queue, logger, onDeleted } = this.#options
    try {
      onDeleted?.()
    } catch (error) {
      logger.error({ error, queue }, 'what listens to a queue failed; it goes on')
    }
  }

  #failed(error: Error, level: 'debug' | 'warn' = 'warn'): void {
    if (this.#model === null || this.#isClosed) return
    const { queue, clock, logger } = this.#options
    const lane = this.#lane
    if (lane !== null) {
      this.#leaveLane()
      void closeChannel(lane.channel)
    }
    if (this.#cancelRetry !== null) return
    this.#mustRedeclare = true
    if (this.#subscribedAt > 0 && clock.now() - this.#subscribedAt > GOOD_AFTER_MS)
      this.#attempt = 0
    const delayMs = delayAfterAttempt(++this.#attempt, RETRYING, queue)
    logger[level]({ error, queue, delayMs }, 'a queue cannot be consumed; trying again')
    this.#cancelRetry = clock.setTimer(() => {
      this.#cancelRetry = null
      void this.#work()
    }, clock.now() + delayMs)
  }

  #leaveLane(): void {
    if (this.#lane !== null) this.#lane.isOpen = false
    this.#lane = null
    this.#tag = null
    this.#cancelLook?.()
    this.#cancelLook = null
  }

  async #closeLane(lane: Lane): Promise<void> {
    this.#leaveLane()
    try {
      await this.#answer(closeChannel(lane.channel))
    } catch (error) {
      this.#options.logger.debug({ error }, 'the broker does not answer; the channel is left')
    }
  }

  #answer<T>(answer: Promise<T>): Promise<T> {
    const { clock, queue } = this.#options
    return within(clock, ANSWER_WITHIN_MS, answer, () => {
      const reason = `no answer within ${ANSWER_WITHIN_MS} ms: is a majority of the cluster up?`
      return new UnavailableError(`the queue "${queue}"`, { reason })
    })
  }
}
