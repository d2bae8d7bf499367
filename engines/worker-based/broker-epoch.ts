/**
 * Notices that the broker lost what it held: a queue whose name is in the store is missing (the marker), or a topic's queue was
 * deleted. Then the epoch in the store is raised, and everybody's copies are of an older one.
 *
 * Invariants
 * E1  Nothing is published on a connection before the marker was looked at on it: `onKnown` says when.
 * E2  The marker is never declared by a reconnecting link: that would hide what it is to tell. It is declared once, when it is
 *     made.
 * E3  Raising twice costs time, and nothing else.
 */
import { delayAfterAttempt } from '../../src/base/backoff.ts'
import type { Names } from '../../src/amqp/names.ts'
import { markerQueue, queuesOnly } from '../../src/amqp/zagflow-topology.ts'
import type { BrokerRecord } from '../../persistence/store.ts'
import type { ResolvedWorkerBased } from './options.ts'

/** That of a row which was only just made: nobody has published anything in it, for its marker is never declared. */
const UNUSED_EPOCH = 1
const MARKER_COMES_WITHIN_MS = 300
const TRYING_AGAIN = { delayMs: 100, factor: 2, maxDelayMs: 5000, jitter: 0.5 }

export interface BrokerEpochOptions {
  readonly resolved: ResolvedWorkerBased
  readonly names: Names
  /** Which connection stands. */
  readonly generation: () => number
  /** The broker was looked at, the first time on that connection or again, and is what the store says. */
  readonly onKnown: (broker: BrokerRecord, generation: number) => void
}

export class BrokerEpoch {
  readonly #options: BrokerEpochOptions
  #known: BrokerRecord | null = null
  /** To be raised, for copies are known to be lost. */
  #isLost = false
  #isWanted = false
  #running: Promise<void> | null = null
  #isStopped = false
  #cancelPause: () => void = () => {}

  constructor(options: BrokerEpochOptions) {
    this.#options = options
  }

  /** What is known of the broker; null: nothing yet. */
  get known(): BrokerRecord | null {
    return this.#known
  }

  /** Looks at the marker, until there is an answer. */
  look(): void {
    this.#isWanted = true
    this.#run()
  }

  /** Copies are lost, although the marker may stand. */
  lost(): void {
    this.#isLost = true
    this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelPause()
    await this.#running
  }

  #run(): void {
    if (this.#isStopped) return
    this.#running ??= this.#loop().finally(() => {
      this.#running = null
      if ((this.#isWanted || this.#isLost) && !this.#isStopped) this.#run()
    })
  }

  async #loop(): Promise<void> {
    const { logger, link } = this.#options.resolved
    for (let attempt = 1; this.#isWanted || this.#isLost; attempt++) {
      if (this.#isStopped) return
      // It is looked at when there is a connection again.
      if (!link.isConnected) {
        this.#isWanted = false
        if (!this.#isLost) return
      }
      try {
        await this.#lookOnce()
        return
      } catch (error) {
        if (this.#isStopped) return
        logger.warn({ error }, 'the marker of the broker could not be looked at; trying again')
        await this.#pause(delayAfterAttempt(attempt, TRYING_AGAIN, 'marker'))
      }
    }
  }

  /** At most until `stop()`. */
  #pause(delayMs: number): Promise<void> {
    const { clock } = this.#options.resolved
    return new Promise((resolve) => {
      const cancel = clock.setTimer(resolve, clock.now() + delayMs)
      this.#cancelPause = () => {
        cancel()
        resolve()
      }
    })
  }

  async #lookOnce(): Promise<void> {
    const { resolved, names, onKnown } = this.#options
    const { store, link, logger } = resolved
    const wasLost = this.#isLost
    const generation = this.#options.generation()
    let broker = await store.broker(link.namespace)
    let marker = await link.lookAt(names.marker(broker.marker))
    if (marker === null && broker.epoch > UNUSED_EPOCH) {
      // Another conductor may have raised it just now, and be about to declare the marker.
      await this.#pause(MARKER_COMES_WITHIN_MS)
      if (this.#isStopped) return
      broker = await store.broker(link.namespace)
      marker = await link.lookAt(names.marker(broker.marker))
    }
    // Another conductor may have raised it since copies were found lost: once is enough.
    const isRaised = this.#known !== null && broker.epoch > this.#known.epoch
    if (marker === null || (wasLost && !isRaised)) {
      const isFirst = broker.epoch === UNUSED_EPOCH
      broker = await store.raiseBroker(link.namespace, broker.epoch)
      const about = { epoch: broker.epoch, broker: link.namespace }
      if (isFirst) logger.info(about, 'the broker is used for the first time with this database')
      else
        logger.warn(
          about,
          'the broker lost what it held: calls whose requests are gone are sent again',
        )
      await this.#makeMarker(broker)
    }
    this.#known = broker
    if (wasLost) this.#isLost = false
    this.#isWanted = generation !== this.#options.generation() // E1
    onKnown(broker, generation)
  }

  /** E2. */
  async #makeMarker({ marker }: BrokerRecord): Promise<void> {
    const { resolved, names } = this.#options
    const queue = markerQueue(names, marker)
    await resolved.link.declare(queuesOnly(queue))
    await resolved.link.undeclare([queue.name])
  }
}
