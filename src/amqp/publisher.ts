/**
 * Publishes, confirmed: the hot path.
 *
 * Owns: one confirm channel at a time, the publications that are open on it, and the line of those that wait.
 *
 * Invariants
 * P1  Every publication is settled once: confirmed, unroutable (the broker returns it before it confirms it), or failed with an
 *     `UnavailableError`: nobody knows whether it arrived.
 * P2  They are sent in the order in which they came. At most `window` are open; while the broker blocks, the socket is full or
 *     there is no channel, none is sent.
 * P3  What was sent fails with its channel; what was not, waits for the next one. Neither takes longer than the timeout; time in
 *     which the broker blocks does not count for what was sent.
 * P4  A channel that the broker closed is replaced by itself, without the connection, after the topology was declared again.
 */
import type { ChannelModel, ConfirmChannel, Options } from 'amqplib'
import { delayAfterAttempt } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { ClosedError, UnavailableError, UsageError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Outgoing, Published } from './broker-link.ts'
import { openConfirmChannel, whenClosed } from './channels.ts'
import { Fifo } from './fifo.ts'

/** What is published as it came. */
export interface RawOutgoing {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly properties: Options.Publish
}

export interface PublisherOptions {
  readonly window: number
  readonly timeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
  /** Makes what may be missing on the broker, before a channel is opened again. */
  readonly redeclare: () => Promise<void>
  /** Told when there is room again. */
  readonly onRoom: () => void
}

interface Publication {
  readonly message: Outgoing | RawOutgoing
  readonly resolve: (published: Published) => void
  readonly reject: (error: Error) => void
  readonly since: number
  /** Of its channel's publications; names it in a return. 0: not sent yet. */
  number: number
  isReturned: boolean
  isSettled: boolean
}

const LOST = 'the connection was lost'
/** How amqplib says that the broker did not take a message. */
const NACKED = 'message nacked'
const REOPENING = { delayMs: 50, factor: 2, maxDelayMs: 5000, jitter: 0.5 }
/** AMQP writes the length of names and ids in one byte. */
const LONGEST_NAME = 255

export class Publisher {
  readonly #options: PublisherOptions
  readonly #open = new Map<number, Publication>()
  readonly #line = new Fifo<Publication>()
  #model: ChannelModel | null = null
  #channel: ConfirmChannel | null = null
  #server = 'the broker'
  #number = 0
  /** Failed at their deadline, but the channel still waits for their confirms. */
  #overdue = 0
  #isBlocked = false
  #isFull = false
  #isStopped = false
  #hadRoom = false
  #unblockedAt = 0
  #attempt = 0
  #lossReason = LOST
  #unlisten: () => void = () => {}
  #cancelLook: (() => void) | null = null
  #cancelReopening: (() => void) | null = null
  readonly #whenIdle: (() => void)[] = []

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  get hasRoom(): boolean {
    return this.#canSend && this.#line.size === 0
  }

  /** Open and waiting publications. */
  get size(): number {
    return this.#open.size + this.#line.size
  }

  /** A new connection is there. Throws when it fails. */
  async attach(model: ChannelModel, server: string): Promise<void> {
    this.#model = model
    this.#server = server
    this.#isBlocked = false
    const blocked = (reason: string): void => {
      this.#isBlocked = true
      this.#options.logger.warn({ reason }, 'the broker blocks publishers; publications wait')
      this.#noteRoom()
    }
    const unblocked = (): void => {
      this.#isBlocked = false
      this.#unblockedAt = this.#options.clock.now()
      this.#options.logger.info({}, 'the broker takes publications again')
      this.#pump()
    }
    model.on('blocked', blocked)
    model.on('unblocked', unblocked)
    this.#unlisten = () => {
      model.off('blocked', blocked)
      model.off('unblocked', unblocked)
    }
    await this.#openChannel(model)
  }

  /** The connection is gone. */
  detach(): void {
    this.#model = null
    this.#unlisten() // others may use it after this one
    this.#cancelReopening?.()
    this.#cancelReopening = null
    const channel = this.#channel
    if (channel !== null) this.#closed(channel, undefined)
  }

  publish(message: Outgoing | RawOutgoing): Promise<Published> {
    return new Promise((resolve, reject) => {
      if (this.#isStopped) {
        reject(new ClosedError('the link to the broker'))
        return
      }
      const publication = {
        message,
        resolve,
        reject,
        since: this.#options.clock.now(),
        number: 0,
        isReturned: false,
        isSettled: false,
      }
      if (this.hasRoom) this.#send(publication)
      else this.#line.push(publication)
      this.#lookLater()
      this.#noteRoom()
    })
  }

  /** Sends nothing new, and waits for what is open, at most `graceMs`. What is left then fails. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true
    const { clock } = this.#options
    if (this.size > 0 && this.#channel !== null && !this.#isBlocked) {
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(resolve, clock.now() + graceMs)
        this.#whenIdle.push(() => {
          cancel()
          resolve()
        })
      })
    }
    this.#cancelLook?.()
    this.detach()
    const error = new ClosedError('the link to the broker')
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) {
      this.#fail(next, error)
    }
  }

  get #canSend(): boolean {
    return (
      this.#channel !== null &&
      !this.#isBlocked &&
      !this.#isFull &&
      this.#open.size < this.#options.window
    )
  }

  async #openChannel(model: ChannelModel): Promise<void> {
    const channel = await openConfirmChannel(model, this.#options.logger)
    if (this.#model !== model) return
    whenClosed(channel, (reason) => this.#closed(channel, reason))
    channel.on('return', ({ properties }) => {
      const publication = this.#open.get(Number(properties.appId))
      if (publication !== undefined && this.#channel === channel) publication.isReturned = true
    })
    channel.on('drain', () => {
      if (this.#channel !== channel) return
      this.#isFull = false
      this.#pump()
    })
    this.#channel = channel
    this.#isFull = false
    this.#pump()
  }

  #send(publication: Publication): void {
    const channel = this.#channel
    if (channel === null) return
    const number = ++this.#number
    publication.number = number
    const { message } = publication
    const isRaw = 'content' in message
    const properties = isRaw
      ? { ...message.properties, mandatory: true, appId: String(number) }
      : propertiesOf(message, number)
    const content = isRaw ? message.content : Buffer.from(message.body)
    this.#open.set(number, publication)
    try {
      const goesOn = channel.publish(
        message.exchange,
        message.routingKey,
        content,
        properties,
        (error: unknown) => this.#answered(channel, publication, error),
      )
      if (!goesOn) this.#isFull = true
    } catch (error) {
      // Nothing was written: what cannot be written is wrong, or the channel is just closing.
      this.#open.delete(number)
      this.#fail(publication, this.#cannotWrite(message, error))
    }
  }

  #answered(channel: ConfirmChannel, publication: Publication, error: unknown): void {
    if (publication.isSettled) {
      if (this.#channel === channel) this.#overdue--
      return
    }
    if (error === null || error === undefined) {
      this.#open.delete(publication.number)
      publication.isSettled = true
      publication.resolve(publication.isReturned ? 'unroutable' : 'confirmed')
    } else if (error instanceof Error && error.message === NACKED) {
      this.#open.delete(publication.number)
      this.#fail(publication, this.#refused(publication))
    } else {
      // Its channel is gone, of which `#closed` is told next: it fails all of them.
      return
    }
    this.#pump()
  }

  #fail(publication: Publication, error: Error): void {
    if (publication.isSettled) return
    publication.isSettled = true
    publication.reject(error)
  }

  /** Sends what waits, as long as there is room. */
  #pump(): void {
    while (this.#canSend && this.#line.size > 0) {
      const next = this.#line.shift()
      if (next !== undefined && !next.isSettled) this.#send(next)
    }
    this.#noteRoom()
    if (this.size === 0) for (const tell of this.#whenIdle.splice(0)) tell()
  }

  #noteRoom(): void {
    const has = this.hasRoom
    if (has === this.#hadRoom) return
    this.#hadRoom = has
    if (has) this.#options.onRoom()
  }

  /** P3, P4. */
  #closed(channel: ConfirmChannel, reason: Error | undefined): void {
    if (this.#channel !== channel) return
    this.#channel = null
    this.#isFull = false
    this.#overdue = 0
    this.#lossReason = reason?.message ?? LOST
    const error = this.#unknown()
    for (const publication of [...this.#open.values()]) this.#fail(publication, error)
    this.#open.clear()
    this.#noteRoom()
    const model = this.#model
    if (model === null || this.#isStopped) return
    if (reason !== undefined) {
      this.#options.logger.error({ error: reason }, 'the broker closed the channel of publications')
    }
    this.#reopenLater(model)
  }

  #reopenLater(model: ChannelModel): void {
    const { clock, logger, redeclare } = this.#options
    const reopen = async (): Promise<void> => {
      if (this.#model !== model) return
      try {
        await redeclare()
        if (this.#model !== model) return
        await this.#openChannel(model)
      } catch (error) {
        if (this.#model !== model) return
        logger.warn({ error }, 'could not open a channel for publications; trying again')
        this.#reopenLater(model)
      }
    }
    const delayMs = delayAfterAttempt(++this.#attempt, REOPENING, 'publisher')
    this.#cancelReopening = clock.setTimer(() => void reopen(), clock.now() + delayMs)
  }

  /** Fails what is overdue, now and then, while there is anything. */
  #lookLater(): void {
    if (this.#cancelLook !== null) return
    const { clock, timeoutMs } = this.#options
    const everyMs = Math.min(1000, Math.max(timeoutMs / 10, 10))
    this.#cancelLook = clock.setTimer(() => {
      this.#cancelLook = null
      this.#look()
      if (this.size > 0 && !this.#isStopped) this.#lookLater()
    }, clock.now() + everyMs)
  }

  #look(): void {
    const { clock, timeoutMs, window } = this.#options
    const now = clock.now()
    if (this.#channel !== null && this.#open.size < window) this.#attempt = 0
    if (!this.#isBlocked) {
      for (const publication of this.#open.values()) {
        if (Math.max(publication.since, this.#unblockedAt) + timeoutMs > now) break
        this.#open.delete(publication.number)
        this.#overdue++
        this.#fail(publication, this.#late('was not confirmed'))
      }
    }
    for (let first = this.#line.peek(); first !== undefined; first = this.#line.peek()) {
      if (first.since + timeoutMs > now) break
      this.#line.shift()
      this.#fail(first, this.#late('could not be sent, and was not,'))
    }
    // Their callbacks would pile up.
    if (this.#overdue > window) void this.#channel?.close().catch(() => {})
    this.#pump()
  }

  #unknown(): UnavailableError {
    return new UnavailableError(this.#server, {
      reason: `nobody knows whether the message arrived (${this.#lossReason})`,
    })
  }

  #refused({ message }: Publication): UnavailableError {
    return new UnavailableError(this.#server, {
      reason: `the broker refused a message for ${message.exchange}/${message.routingKey}`,
      hint: 'a queue is full, or a queue has no majority of its hosts',
    })
  }

  #late(what: string): UnavailableError {
    return new UnavailableError(this.#server, {
      reason: `the message ${what} within ${this.#options.timeoutMs} ms`,
    })
  }

  #cannotWrite({ exchange, routingKey }: Outgoing | RawOutgoing, error: unknown): Error {
    if (error instanceof Error && error.name === 'IllegalOperationError') return this.#unknown()
    return new UsageError(`a message for ${exchange}/${routingKey} cannot be written`, {
      cause: error,
    })
  }
}

function propertiesOf(message: Outgoing, number: number): Options.Publish {
  const { type, messageId, correlationId, replyTo, expirationMs, headers } = message
  const properties: Options.Publish = {
    mandatory: true,
    persistent: message.persistent !== false,
    contentType: 'application/json',
    type,
    // Names the publication in a return. A header would do so, too, and cost a third more time for each message.
    appId: String(number),
  }
  if (headers !== undefined) properties.headers = headers
  // Both are for people who look at queues; what counts is in the body.
  if (messageId !== undefined && fits(messageId)) properties.messageId = messageId
  if (correlationId !== undefined && fits(correlationId)) properties.correlationId = correlationId
  if (replyTo !== undefined) properties.replyTo = replyTo
  if (expirationMs !== undefined) properties.expiration = Math.max(0, Math.round(expirationMs))
  return properties
}

/** Whether AMQP can carry a text as a property. */
export function fits(text: string): boolean {
  // A character is at most three bytes for each of its units.
  return text.length * 3 <= LONGEST_NAME || Buffer.byteLength(text) <= LONGEST_NAME
}
