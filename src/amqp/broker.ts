/**
 * The link to RabbitMQ: connections, topology, publications and consumers that come back by themselves.
 *
 * Owns: the loop that connects, the pair of connections, and everything on them.
 *
 * Invariants (those of `BrokerLink`, B1 to B5, and)
 * L1  There is at most one pair of connections. Hosts are tried in turn; after each round of failures the wait grows.
 * L2  A link that stands is built in this order: topology, publications, listeners, consumers; it falls in the other.
 * L3  After `stop()` nothing of it is left: no socket, no timer, no promise that nobody settles.
 * L4  What was acknowledged before `stop()` does not come again, unless the broker does not answer for `DRAIN_MS`.
 */
import { delayAfterAttempt } from '../base/backoff.ts'
import { ClosedError, UnavailableError } from '../base/errors.ts'
import { uuidV7 } from '../base/ids.ts'
import type {
  BrokerLink,
  Consumption,
  ConsumeOptions,
  Delivery,
  Outgoing,
  Published,
} from './broker-link.ts'
import { openConnections, type BrokerInfo, type Connections } from './connection.ts'
import { Consumer } from './consumer.ts'
import { Declarer } from './declarer.ts'
import { cannotConnect, isUnwelcome } from './faults.ts'
import { Graveyard } from './graveyard.ts'
import { namesOf } from './names.ts'
import { resolveBroker, type BrokerOptions, type ResolvedBroker } from './options.ts'
import { Publisher } from './publisher.ts'
import { QueueDesk } from './queue-desk.ts'
import { pause, within } from './timing.ts'
import type { Topology } from './topology.ts'
import { deadTopology } from './zagflow-topology.ts'

/**
 * Waits between rounds over all hosts. At most a second: a worker that comes back later than owners wait for it (`graceMs`, two
 * seconds) would be taken for gone after an outage, and its calls be run again elsewhere.
 */
const RECONNECTING = { delayMs: 100, factor: 2, maxDelayMs: 1000, jitter: 0.5 }
/** A link that stood so long was a good one: the next failure is a new one. */
const GOOD_AFTER_MS = 10_000
/** What opening one connection may take, in ms. */
const OPEN_WITHIN_MS = 10_000
/** What `stop()` waits for confirms, and then for acknowledgements, in ms. */
const DRAIN_MS = 2000

/**
 * A link to RabbitMQ that comes back by itself. Made and stopped by the program; engines and workers that are given it use it.
 *
 * @example
 * const link = new Broker({ urls: "amqps://user:password@mq1.example,amqps://user:password@mq2.example", namespace: "zagflow" })
 * await link.start()
 * …
 * await link.stop()
 */
export class Broker implements BrokerLink {
  readonly #resolved: ResolvedBroker
  readonly #declarer: Declarer
  readonly #publisher: Publisher
  readonly #graveyard: Graveyard
  readonly #consumers = new Set<Consumer>()
  readonly #connectedListeners = new Set<(generation: number) => void | Promise<void>>()
  readonly #disconnectedListeners = new Set<(error: Error) => void>()
  readonly #roomListeners = new Set<() => void>()
  readonly #stopping = new AbortController()
  /** Woken when the link stands, or never will again. */
  readonly #whenUp: (() => void)[] = []
  #up: Connections | null = null
  /** Consumers may have deliveries. */
  #isConsuming = false
  #generation = 0
  #broker: BrokerInfo | null = null
  #starting: Promise<void> | null = null
  #running: Promise<void> = Promise.resolve()
  #ended: Promise<void> | null = null
  #isStopping = false
  #lastError: UnavailableError | null = null

  /** Throws {@link UsageError} for wrong options. Connects with `start()`. */
  constructor(options: BrokerOptions) {
    const resolved = (this.#resolved = resolveBroker(options))
    const { clock, logger, namespace } = resolved
    const names = namesOf(namespace)
    const redeclare = (): Promise<void> => this.#redeclare()
    this.#declarer = new Declarer({ clock, logger })
    this.#declarer.add(deadTopology(names))
    const publisher = (this.#publisher = new Publisher({
      window: resolved.window,
      timeoutMs: resolved.publishTimeoutMs,
      clock,
      logger,
      redeclare,
      onRoom: () => this.#tell(this.#roomListeners),
    }))
    this.#graveyard = new Graveyard({ exchange: names.dead, publisher, clock, logger, redeclare })
  }

  get namespace(): string {
    return this.#resolved.namespace
  }

  get isConnected(): boolean {
    return this.#up !== null
  }

  get hasRoom(): boolean {
    return this.#up !== null && this.#publisher.hasRoom
  }

  /** What the broker says of itself; null before the first connection. */
  get broker(): BrokerInfo | null {
    return this.#broker
  }

  start(): Promise<void> {
    if (this.#isStopping) return Promise.reject(this.#closedError())
    this.#starting ??= this.#start()
    return this.#starting
  }

  stop(): Promise<void> {
    this.#ended ??= this.#stop()
    return this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async declare(topology: Topology): Promise<void> {
    this.#declarer.add(topology)
    for (;;) {
      const link = await this.#whenLinked()
      try {
        await this.#declarer.declare(link.consuming, topology)
        return
      } catch (error) {
        if (link.isOpen && this.#up === link) throw error
        // The connection was lost meanwhile; the next one declares it, too.
      }
    }
  }

  async undeclare(
    queues: readonly string[],
    options: {
      readonly delete?: boolean
      readonly ifEmpty?: boolean
      readonly ifUnused?: boolean
    } = {},
  ): Promise<void> {
    const specs = queues.map((name) => ({ name, spec: this.#declarer.queue(name) }))
    this.#declarer.remove(queues)
    if (options.delete !== true) return
    const desk = this.#desk()
    for (const { name, spec } of specs) await desk.delete(name, { ...options, spec })
  }

  async lookAt(
    queue: string,
  ): Promise<{ readonly messages: number; readonly consumers: number } | null> {
    return this.#desk().lookAt(queue)
  }

  publish(message: Outgoing): Promise<Published> {
    return this.#publisher.publish(message)
  }

  consume(
    queue: string,
    options: ConsumeOptions,
    onDelivery: (delivery: Delivery) => void,
  ): Consumption {
    const { clock, logger, checkEveryMs } = this.#resolved
    const consumer: Consumer = new Consumer({
      ...options,
      queue,
      onDelivery,
      clock,
      logger,
      checkEveryMs,
      redeclare: () => this.#redeclare(),
      bury: (lane, message, reason) => this.#graveyard.bury(lane, message, reason),
      onClosed: () => this.#consumers.delete(consumer),
    })
    if (this.#isStopping) return consumer
    this.#consumers.add(consumer)
    if (this.#isConsuming && this.#up !== null) consumer.attach(this.#up.consuming)
    return consumer
  }

  onConnected(listener: (generation: number) => void | Promise<void>): () => void {
    this.#connectedListeners.add(listener)
    return () => this.#connectedListeners.delete(listener)
  }

  onDisconnected(listener: (error: Error) => void): () => void {
    this.#disconnectedListeners.add(listener)
    return () => this.#disconnectedListeners.delete(listener)
  }

  onRoom(listener: () => void): () => void {
    this.#roomListeners.add(listener)
    return () => this.#roomListeners.delete(listener)
  }

  async #start(): Promise<void> {
    const { clock, connectTimeoutMs, addresses } = this.#resolved
    const first = new Promise<void>((resolve, reject) => {
      this.#running = this.#run(resolve, reject)
    })
    try {
      await within(clock, connectTimeoutMs, first, () => {
        return (
          this.#lastError ??
          new UnavailableError(addresses.map(({ shown }) => shown).join(', '), {
            reason: `no connection within ${connectTimeoutMs} ms`,
          })
        )
      })
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** L1. Told once how the first link went. */
  async #run(stands: () => void, fails: (error: Error) => void): Promise<void> {
    const { addresses, clock, connectionName } = this.#resolved
    const { signal } = this.#stopping
    const seed = `${connectionName}#${uuidV7()}`
    let hasStood = false
    let failures = 0
    let unwelcome = 0
    for (let turn = 0; !this.#isStopping; turn++) {
      const address = addresses[turn % addresses.length]
      if (address === undefined) break
      const openedAt = clock.now()
      let link: Connections | null = null
      try {
        link = await this.#open(address)
        unwelcome = 0
        await this.#setUp(link)
        if (!hasStood) stands()
        hasStood = true
      } catch (error) {
        if (this.#isStopping) break
        this.#note(error instanceof UnavailableError ? error : cannotConnect(address, error))
        unwelcome = isUnwelcome(this.#lastError?.cause) ? unwelcome + 1 : 0
        if (!hasStood && unwelcome >= addresses.length) {
          fails(this.#lastError ?? this.#closedError())
          break
        }
      }
      if (link !== null) {
        const error = await this.#fall(link)
        if (this.#isStopping) break
        if (clock.now() - openedAt > GOOD_AFTER_MS) failures = 0
        if (error !== null) this.#lastError = cannotConnect(address, error)
      }
      failures++
      // Within a round the next host is tried at once.
      if (failures % addresses.length !== 0) continue
      const round = failures / addresses.length
      await pause(clock, delayAfterAttempt(round, RECONNECTING, seed), signal)
    }
    fails(this.#closedError())
  }

  /** Warns once of each reason, not at each attempt. */
  #note(error: UnavailableError): void {
    const { logger } = this.#resolved
    if (error.message === this.#lastError?.message) logger.debug({ error }, 'still cannot connect')
    else logger.warn({ error }, 'cannot connect to the broker; trying again')
    this.#lastError = error
  }

  #open(address: ResolvedBroker['addresses'][number]): Promise<Connections> {
    const { connectionName, heartbeatS, connectTimeoutMs, tls, clock, logger } = this.#resolved
    return openConnections({
      address,
      connectionName,
      heartbeatS,
      timeoutMs: Math.min(OPEN_WITHIN_MS, connectTimeoutMs),
      tls,
      clock,
      logger,
      signal: this.#stopping.signal,
    })
  }

  /** L2. Throws when the link is lost meanwhile. */
  async #setUp(link: Connections): Promise<void> {
    const building = this.#build(link)
    const lost = link.lost.then((error) => Promise.reject(error))
    // Whichever comes second is of no interest any more.
    building.catch(() => {})
    lost.catch(() => {})
    await Promise.race([building, lost])
  }

  async #build(link: Connections): Promise<void> {
    const { logger } = this.#resolved
    await this.#declarer.declareAll(link.consuming)
    await this.#publisher.attach(link.publishing, link.address.shown)
    if (!link.isOpen || this.#isStopping) return
    this.#broker = link.broker
    this.#up = link
    const generation = ++this.#generation
    logger.info(
      { broker: link.address.shown, version: link.broker.version, generation },
      'connected to the broker',
    )
    for (const tell of this.#whenUp.splice(0)) tell()
    await Promise.all(
      [...this.#connectedListeners].map(async (listener) => {
        try {
          await listener(generation)
        } catch (error) {
          logger.error({ error }, 'what listens to the link failed; it goes on')
        }
      }),
    )
    if (this.#up !== link) return
    this.#isConsuming = true
    for (const consumer of this.#consumers) consumer.attach(link.consuming)
  }

  /** Waits for the end of a link that stood, and takes down what was built on it. Null: it never stood. */
  async #fall(link: Connections): Promise<Error | null> {
    const error = this.#up === link ? await link.lost : null
    this.#isConsuming = false
    this.#up = null
    for (const consumer of this.#consumers) consumer.detach()
    this.#publisher.detach()
    this.#declarer.leave()
    await link.close()
    if (error === null || this.#isStopping) return null
    const { logger } = this.#resolved
    logger.warn({ error, broker: link.address.shown }, 'the connection to the broker was lost')
    this.#tell(this.#disconnectedListeners, error)
    return error
  }

  async #stop(): Promise<void> {
    this.#isStopping = true
    const link = this.#up
    this.#graveyard.stop()
    await this.#publisher.stop(DRAIN_MS)
    if (link !== null) await this.#settleConsumers()
    for (const consumer of this.#consumers) consumer.detach()
    await link?.close()
    this.#stopping.abort()
    this.#declarer.leave()
    for (const tell of this.#whenUp.splice(0)) tell()
    await this.#running
  }

  /** L4: a channel that is closed in order has its acknowledgements worked off first; a connection's end overtakes them. */
  async #settleConsumers(): Promise<void> {
    const closed = Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    await within(this.#resolved.clock, DRAIN_MS, closed, () => new Error('late')).catch(() => {})
  }

  async #redeclare(): Promise<void> {
    if (this.#up !== null) await this.#declarer.declareAll(this.#up.consuming)
  }

  /** The link, once it stands. Rejects after `stop()`. */
  async #whenLinked(): Promise<Connections> {
    for (;;) {
      if (this.#isStopping) throw this.#closedError()
      const link = this.#up
      if (link !== null && link.isOpen) return link
      // One that is just lost stays `#up` until it is taken down.
      if (link !== null) await link.close()
      await new Promise<void>((resolve) => {
        if (this.#up === null) this.#whenUp.push(resolve)
        else setImmediate(resolve)
      })
    }
  }

  #desk(): QueueDesk {
    const { clock, logger, addresses } = this.#resolved
    const link = this.#up
    if (this.#isStopping) throw this.#closedError()
    if (link === null) {
      const server = addresses.map(({ shown }) => shown).join(', ')
      throw new UnavailableError(server, { reason: this.#lastError?.message })
    }
    return new QueueDesk({ model: link.consuming, server: link.address.shown, clock, logger })
  }

  #tell<A extends readonly unknown[]>(
    listeners: ReadonlySet<(...given: A) => void>,
    ...given: A
  ): void {
    for (const listener of [...listeners]) {
      try {
        listener(...given)
      } catch (error) {
        this.#resolved.logger.error({ error }, 'what listens to the link failed; it goes on')
      }
    }
  }

  #closedError(): ClosedError {
    return new ClosedError('the link to the broker')
  }
}
