/**
 * The messages that nobody could use, for operators: looked at, sent back to where they came from, or removed.
 *
 * Invariants
 * L1  A letter is removed only after the broker has confirmed it where it came from, or because its removal was asked for. Killed in the
 *     middle it may be in both places, never in none.
 * L2  What is only looked at stays, in its order.
 * L3  Letters go back to queues of this namespace alone, with headers made afresh: what the broker wrote of earlier deaths would
 *     make it drop them as a cycle.
 * L4  A request that goes back while its first copies may still be young is marked `again`: its worker asks before it starts it,
 *     for this may be one copy more than there was.
 */
import { createHash } from 'node:crypto'
import type { Channel, ConsumeMessage, Options } from 'amqplib'
import type { Clock } from '../base/clock.ts'
import { toJson } from '../base/codec.ts'
import { UnavailableError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { CallKey } from '../protocol/call.ts'
import { callKeySchema } from '../protocol/messages.ts'
import { readRequest, writeMessage } from '../protocol/wire.ts'
import { closeChannel, openChannel, whenClosed } from './channels.ts'
import type { Connections } from './connection.ts'
import { codeOf, NOT_FOUND } from './faults.ts'
import { AT_HEADER, QUEUE_HEADER, REASON_HEADER } from './graveyard.ts'
import type { Names } from './names.ts'
import { Publisher } from './publisher.ts'
import { pause } from './timing.ts'

/** A letter. Its body may hold what belongs to users. */
export interface DeadLetter {
  /** From what it is: the same each time it is looked at. Two letters that are the same in all have one. */
  readonly id: string
  /** Where it came from; undefined: it does not say. */
  readonly queue: string | undefined
  readonly reason: string
  /** When it was put here, epoch ms; undefined: it does not say. */
  readonly at: number | undefined
  readonly type: string | undefined
  readonly messageId: string | undefined
  readonly correlationId: string | undefined
  readonly contentType: string | undefined
  readonly headers: { readonly [name: string]: unknown }
  readonly body: Buffer
  /** It was to be given to a worker: a job may wait for it. */
  readonly isRequest: boolean
  /** The call that it is about, as far as it says. */
  readonly call: CallKey | undefined
}

/** What is to be done with a letter. */
export type Verdict = 'keep' | 'remove' | 'requeue'

/** What became of the letters that were looked at. */
export interface ReadReport {
  /** Letters that were in the queue at the beginning. */
  readonly inQueue: number
  readonly lookedAt: number
  readonly removed: number
  readonly requeued: number
  /** To be sent back, and still here: why. */
  readonly stayed: readonly { readonly id: string; readonly why: string }[]
}

export interface DeadLettersOptions {
  readonly connections: Connections
  readonly names: Names
  readonly namespace: string
  readonly clock: Clock
  readonly logger: Logger
}

/** Letters that one look takes in, at most: the broker counts what it gave in two bytes. */
export const MOST_LETTERS = 60_000
/** No letter for so long: somebody else has what is missing. */
const SILENCE_MS = 5_000
/** What a queue is given to have its letters again: so many looks, for a broker that is slow is slow to answer them, too. */
const BACK_WITHIN_LOOKS = 100
/** Looks after which a queue that says that it is empty is believed. */
const EMPTY_AFTER_LOOKS = 3
const LOOK_EVERY_MS = 10
const EMPTY_EVERY_MS = 150
/** Letters on their way back at once. */
const WINDOW = 100
/** Clocks of hosts may differ by so much. */
const CLOCKS_MS = 60_000

export class DeadLetters {
  readonly #options: DeadLettersOptions

  constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  /**
   * Looks at up to `limit` letters, the oldest first, and does with each what `judge` says. Throws {@link UnavailableError} when the
   * connection is lost: what was not confirmed by then is still here.
   */
  async read(
    judge: (letter: DeadLetter) => Verdict | Promise<Verdict>,
    options: { readonly limit?: number | undefined } = {},
  ): Promise<ReadReport> {
    const { connections, names, logger, clock } = this.#options
    const queue = names.dead
    const channel = await openChannel(connections.consuming, logger)
    const publisher = new Publisher({
      window: WINDOW,
      timeoutMs: 30_000,
      clock,
      logger,
      redeclare: async () => {},
      onRoom: () => {},
    })
    try {
      let inQueue: number
      try {
        inQueue = await this.#count(channel)
      } catch (error) {
        if (codeOf(error) === NOT_FOUND) return NOTHING
        throw error
      }
      const most = Math.min(inQueue, options.limit ?? MOST_LETTERS, MOST_LETTERS)
      if (most === 0) return { ...NOTHING, inQueue }
      await publisher.attach(connections.publishing, connections.address.shown)
      const found = await this.#each(channel, most, async (message) => {
        const letter = readLetter(message, names)
        const verdict = await judge(letter)
        if (verdict === 'requeue') return this.#requeue(publisher, letter, message)
        return { id: letter.id, done: verdict === 'keep' ? undefined : ('removed' as const) }
      })
      // Acknowledgements are not answered: what is asked next on the channel is, after them.
      await channel.checkQueue(queue)
      await closeChannel(channel)
      await this.#areBack(inQueue - found.filter(({ done }) => done !== undefined).length)
      return {
        inQueue,
        lookedAt: found.length,
        removed: found.filter(({ done }) => done === 'removed').length,
        requeued: found.filter(({ done }) => done === 'requeued').length,
        stayed: found.flatMap(({ id, why }) => (why === undefined ? [] : [{ id, why }])),
      }
    } finally {
      await publisher.stop(0)
      await closeChannel(channel) // it may be lost already; L2: what is unsettled goes back
    }
  }

  /** L2: a queue has what was kept again a moment after the channel is gone. Who looks next is to see it; somebody else may have it. */
  async #areBack(letters: number): Promise<void> {
    const { connections, names, logger } = this.#options
    const channel = await openChannel(connections.consuming, logger)
    for (let looks = BACK_WITHIN_LOOKS; looks > 0; looks -= 1) {
      if ((await channel.checkQueue(names.dead)).messageCount >= letters) break
      await this.#pause(LOOK_EVERY_MS)
    }
    await closeChannel(channel)
  }

  /** How many letters there are. Of a quorum queue whose leader does not answer within 250 ms the broker says that it is empty. */
  async #count(channel: Channel): Promise<number> {
    for (let looks = EMPTY_AFTER_LOOKS; looks > 0; looks -= 1) {
      const { messageCount } = await channel.checkQueue(this.#options.names.dead)
      if (messageCount > 0) return messageCount
      if (looks > 1) await this.#pause(EMPTY_EVERY_MS)
    }
    return 0
  }

  #pause(ms: number): Promise<void> {
    return pause(this.#options.clock, ms, new AbortController().signal)
  }

  /** Lets `settle` look at each of `most` letters; acknowledges those that it is done with. */
  #each(
    channel: Channel,
    most: number,
    settle: (message: ConsumeMessage) => Promise<Settled>,
  ): Promise<readonly Settled[]> {
    const { names, clock, connections } = this.#options
    return new Promise((resolve, reject) => {
      const found: Settled[] = []
      let came = 0
      let cancelTimer: () => void = () => {}
      const waitOn = (): void => {
        cancelTimer()
        cancelTimer = clock.setTimer(
          () => (came === found.length ? end() : waitOn()),
          clock.now() + SILENCE_MS,
        )
      }
      const end = (): void => {
        cancelTimer()
        resolve(found)
      }
      const fail = (error: unknown): void => {
        cancelTimer()
        reject(error instanceof Error ? error : new Error(String(error)))
      }
      whenClosed(channel, (reason) => {
        fail(
          new UnavailableError(connections.address.shown, {
            reason: reason?.message ?? 'the connection was lost',
          }),
        )
      })
      const take = (message: ConsumeMessage | null): void => {
        if (message === null || came >= most) return
        came += 1
        waitOn()
        settle(message)
          .then((settled) => {
            // Throws where the channel is gone: then it is still here, and the reading has failed already.
            if (settled.done !== undefined) channel.ack(message)
            found.push(settled)
            if (found.length === most) end()
          })
          .catch(fail)
      }
      waitOn()
      channel
        .prefetch(most)
        .then(() => channel.consume(names.dead, take))
        .catch(fail)
    })
  }

  /** L1, L3, L4. */
  async #requeue(
    publisher: Publisher,
    letter: DeadLetter,
    message: ConsumeMessage,
  ): Promise<Settled> {
    const { id, queue } = letter
    if (queue === undefined) return { id, why: 'it does not say which queue it came from' }
    if (!this.#isOurs(queue))
      return { id, why: `it came from ${queue}, which is not of this namespace` }
    const content = this.#contentOf(letter)
    const properties = propertiesOf(message)
    for (const { exchange, routingKey } of this.#placesOf(queue)) {
      const published = await publisher.publish({ exchange, routingKey, content, properties })
      if (published === 'confirmed') return { id, done: 'requeued' }
    }
    return { id, why: `the queue ${queue}, where it came from, is gone` }
  }

  #isOurs(queue: string): boolean {
    const { names, namespace } = this.#options
    return queue.startsWith(`${namespace}.`) && queue !== names.dead
  }

  /** The queue itself; of replies also the queue of those that nobody reads, so that a living conductor does. */
  #placesOf(queue: string): readonly { readonly exchange: string; readonly routingKey: string }[] {
    const { names } = this.#options
    const itself = { exchange: '', routingKey: queue }
    const isReply = queue.startsWith(`${names.replies}.`)
    return isReply ? [itself, { exchange: names.replies, routingKey: queue }] : [itself]
  }

  #contentOf(letter: DeadLetter): Buffer {
    const { body, type, contentType } = letter
    const read = readRequest({ body, type, contentType })
    if (!read.ok) return letter.body
    const { message } = read
    const age = this.#options.clock.now() - message.publishedAt
    if (message.again || age > message.askAfterMs + CLOCKS_MS) return letter.body
    return Buffer.from(writeMessage({ ...message, again: true }))
  }
}

interface Settled {
  readonly id: string
  /** Undefined: it stays. */
  readonly done?: 'removed' | 'requeued' | undefined
  readonly why?: string | undefined
}

const NOTHING: ReadReport = { inQueue: 0, lookedAt: 0, removed: 0, requeued: 0, stayed: [] }

/** Reads a letter, whatever it holds. */
export function readLetter(message: ConsumeMessage, names: Names): DeadLetter {
  const { properties, content } = message
  const headers = (properties.headers ?? {}) as { readonly [name: string]: unknown }
  const death = firstDeath(headers)
  const queue = textOf(headers[QUEUE_HEADER]) ?? textOf(death?.['queue'])
  const reason = textOf(headers[REASON_HEADER]) ?? reasonOf(death)
  const at = timeOf(headers[AT_HEADER]) ?? timeOf(death?.['time'])
  const type = textOf(properties.type)
  const messageId = textOf(properties.messageId)
  const contentType = textOf(properties.contentType)
  const hash = createHash('sha256').update(JSON.stringify([queue, reason, at, type, messageId]))
  return {
    id: hash.update(content).digest('hex').slice(0, 12),
    queue,
    reason,
    at,
    type,
    messageId,
    correlationId: textOf(properties.correlationId),
    contentType,
    headers,
    body: content,
    isRequest: queue?.startsWith(names.topic('')) === true,
    call: callOf(content),
  }
}

/** Of any object that has the members of a key, such as a database can be asked for: what cannot be used may well be of another version. */
function callOf(body: Buffer): CallKey | undefined {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
  const read = callKeySchema.safeParse(value)
  return read.success && isCarried(read.data) ? read.data : undefined
}

function isCarried(value: unknown): boolean {
  try {
    toJson(value)
    return true
  } catch {
    return false
  }
}

/** What the broker wrote when it put a message here by itself. */
function firstDeath(headers: {
  readonly [name: string]: unknown
}): { readonly [name: string]: unknown } | undefined {
  const deaths = headers['x-death']
  const [death] = Array.isArray(deaths) ? (deaths as readonly unknown[]) : []
  return typeof death === 'object' && death !== null
    ? (death as { readonly [name: string]: unknown })
    : undefined
}

function reasonOf(death: { readonly [name: string]: unknown } | undefined): string {
  const reason = textOf(death?.['reason'])
  switch (reason) {
    case undefined:
      return 'it does not say why'
    case 'delivery_limit':
      return 'it was delivered too often, and never answered'
    case 'expired':
      return 'it lay in its queue for too long'
    case 'maxlen':
      return 'its queue was full'
    default:
      return `the broker says: ${reason}`
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Milliseconds; the broker writes seconds, as a timestamp of AMQP. */
function timeOf(value: unknown): number | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value !== 'object' || value === null || !('value' in value)) return undefined
  return typeof value.value === 'number' ? value.value * 1000 : undefined
}

const KEPT = [
  'type',
  'messageId',
  'correlationId',
  'replyTo',
  'contentType',
  'contentEncoding',
] as const

/** L3. */
function propertiesOf({ properties }: ConsumeMessage): Options.Publish {
  const kept = KEPT.map((name): readonly [string, unknown] => [name, properties[name]])
  const headers = Object.entries(properties.headers ?? {}).filter(
    ([name]) => !name.startsWith('x-'),
  )
  return {
    ...Object.fromEntries(kept.filter(([, value]) => typeof value === 'string')),
    persistent: true,
    headers: Object.fromEntries(headers),
  }
}
