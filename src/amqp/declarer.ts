/**
 * Applies a topology to a broker, as often as needed.
 *
 * Invariants
 * D1  What is added is kept and declared at every connect. The same name twice is the same thing (Y2); its bindings add up.
 * D2  A piece that the broker refuses keeps no other piece from standing. It is told, and tried again, slowly.
 * D3  Who may not declare may still use: a piece that exists stands. Of a binding nobody can say whether it exists: it is tried
 *     once more when its exchange was found, for the permission may have come together with that (a virtual host made anew).
 */
import type { Channel, ChannelModel } from 'amqplib'
import type { Clock } from '../base/clock.ts'
import { UnavailableError, UsageError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { closeChannel, giveUp, openChannel } from './channels.ts'
import { ACCESS_REFUSED, cannotDeclare, codeOf, isRefusal } from './faults.ts'
import { within } from './timing.ts'
import type { ExchangeSpec, QueueSpec, Topology } from './topology.ts'

/** One thing to declare. */
interface Piece {
  /** For people: `the queue "zag.dead"`. */
  readonly what: string
  declare(channel: Channel): Promise<unknown>
  /** Throws 404 if it is not there; of a binding: if its exchange is not. */
  find(channel: Channel): Promise<unknown>
  readonly isBinding: boolean
}

export interface DeclarerOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/** What a declaration may take: a queue without a majority of its hosts answers nothing. */
const ANSWER_WITHIN_MS = 30_000
const FIRST_RETRY_MS = 2000
const LONGEST_RETRY_MS = 60_000

export class Declarer {
  readonly #options: DeclarerOptions
  readonly #exchanges = new Map<string, ExchangeSpec>()
  readonly #queues = new Map<string, QueueSpec>()
  /** Ends each of those that try again: several may have been declaring at the same time. */
  readonly #retrying = new Set<() => void>()

  constructor(options: DeclarerOptions) {
    this.#options = options
  }

  /** D1. Throws {@link UsageError} for a name that is something else already. */
  add(topology: Topology): void {
    for (const exchange of topology.exchanges) {
      const known = this.#exchanges.get(exchange.name)
      const { alternate, type } = exchange
      if (known !== undefined && (known.type !== type || known.alternate !== alternate)) {
        throw new UsageError(`the exchange ${exchange.name} is declared in two ways`)
      }
      const bindings = union(known?.bindings ?? [], exchange.bindings ?? [])
      this.#exchanges.set(exchange.name, { ...exchange, bindings })
    }
    for (const queue of topology.queues) {
      const known = this.#queues.get(queue.name)
      if (known !== undefined && natureOf(known) !== natureOf(queue)) {
        throw new UsageError(`the queue ${queue.name} is declared in two ways`)
      }
      this.#queues.set(queue.name, {
        ...queue,
        bindings: union(known?.bindings ?? [], queue.bindings),
      })
    }
  }

  remove(queues: readonly string[]): void {
    for (const queue of queues) this.#queues.delete(queue)
  }

  /** What is known of a queue's name. */
  queue(name: string): QueueSpec | undefined {
    return this.#queues.get(name)
  }

  /** Declares all of it; what the broker refuses is tried again by itself until `leave()` (D2). Throws when the connection fails. */
  async declareAll(model: ChannelModel): Promise<void> {
    this.leave()
    const all = { exchanges: [...this.#exchanges.values()], queues: [...this.#queues.values()] }
    const refused = await this.#apply(model, piecesOf(all))
    if (refused.length > 0) this.#retryLater(model, refused, FIRST_RETRY_MS)
  }

  /** Declares this. Throws what the broker has against it; it is tried again at the next connect. */
  async declare(model: ChannelModel, topology: Topology): Promise<void> {
    const [refused] = await this.#apply(model, piecesOf(topology))
    if (refused !== undefined) throw refused.error
  }

  /** The connection is gone. */
  leave(): void {
    for (const end of this.#retrying) end()
    this.#retrying.clear()
  }

  async #apply(
    model: ChannelModel,
    pieces: readonly Piece[],
  ): Promise<readonly { readonly piece: Piece; readonly error: Error }[]> {
    const { clock, logger } = this.#options
    const refused: { piece: Piece; error: Error }[] = []
    let channel: Channel | undefined
    const answer = (piece: Piece, run: (channel: Channel) => Promise<unknown>, on: Channel) =>
      within(clock, ANSWER_WITHIN_MS, run(on), () => {
        return new UnavailableError(piece.what, {
          reason: `no answer within ${ANSWER_WITHIN_MS} ms: is a majority of the cluster up?`,
        })
      })
    for (const piece of pieces) {
      channel ??= await openChannel(model, logger)
      try {
        await answer(piece, (on) => piece.declare(on), channel)
      } catch (error) {
        if (!isRefusal(error)) {
          giveUp(channel)
          throw error
        }
        channel = undefined
        if (codeOf(error) === ACCESS_REFUSED && (await this.#stands(model, piece))) continue
        const refusal = cannotDeclare(piece.what, error)
        logger.error({ error: refusal }, 'the broker refused a declaration; it is tried again')
        refused.push({ piece, error: refusal })
      }
    }
    if (channel !== undefined) await closeChannel(channel)
    return refused
  }

  /** D3. */
  async #stands(model: ChannelModel, piece: Piece): Promise<boolean> {
    if ((await this.#refusalOf(model, piece.find)) !== undefined) return false
    if (!piece.isBinding) return true
    const code = await this.#refusalOf(model, piece.declare)
    return code === undefined || code === ACCESS_REFUSED
  }

  /** The code of the broker's refusal; undefined: it does not refuse. Throws when the connection fails. */
  async #refusalOf(
    model: ChannelModel,
    run: (channel: Channel) => Promise<unknown>,
  ): Promise<number | string | undefined> {
    const channel = await openChannel(model, this.#options.logger)
    try {
      await run(channel)
    } catch (error) {
      if (isRefusal(error)) return codeOf(error)
      throw error
    }
    await closeChannel(channel)
    return undefined
  }

  #retryLater(
    model: ChannelModel,
    refused: readonly { readonly piece: Piece }[],
    delayMs: number,
  ): void {
    const { clock, logger } = this.#options
    let isOver = false
    const retry = async (): Promise<void> => {
      try {
        const still = await this.#apply(
          model,
          refused.map(({ piece }) => piece),
        )
        if (isOver) return
        if (still.length === 0) logger.info({}, 'the broker took what it had refused to declare')
        else this.#retryLater(model, still, Math.min(delayMs * 2, LONGEST_RETRY_MS))
      } catch (error) {
        // The connection failed: the next one declares everything.
        logger.debug({ error }, 'could not declare again')
      } finally {
        this.#retrying.delete(end)
      }
    }
    const cancel = clock.setTimer(() => void retry(), clock.now() + delayMs)
    const end = (): void => {
      isOver = true
      cancel()
    }
    this.#retrying.add(end)
  }
}

/** Exchanges, their bindings, then queues with theirs. */
function piecesOf({ exchanges, queues }: Topology): readonly Piece[] {
  return [
    ...exchanges.map(exchangePiece),
    ...exchanges.flatMap(({ name, bindings = [] }) =>
      bindings.map(({ exchange, key }) => ({
        what: `the binding of the exchange "${name}" to "${exchange}"`,
        declare: (channel: Channel) => channel.bindExchange(name, exchange, key),
        find: (channel: Channel) => channel.checkExchange(exchange),
        isBinding: true,
      })),
    ),
    ...queues.flatMap((queue) => [
      queuePiece(queue),
      ...queue.bindings.map(({ exchange, key }) => ({
        what: `the binding of the queue "${queue.name}" to "${exchange}"`,
        declare: (channel: Channel) => channel.bindQueue(queue.name, exchange, key),
        find: (channel: Channel) => channel.checkExchange(exchange),
        isBinding: true,
      })),
    ]),
  ]
}

function exchangePiece({ name, type, alternate }: ExchangeSpec): Piece {
  return {
    what: `the exchange "${name}"`,
    declare: (channel) =>
      channel.assertExchange(name, type, {
        durable: true,
        ...(alternate === undefined ? {} : { alternateExchange: alternate }),
      }),
    find: (channel) => channel.checkExchange(name),
    isBinding: false,
  }
}

function queuePiece({ name, kind, exclusive = false, arguments: given }: QueueSpec): Piece {
  return {
    what: `the queue "${name}"`,
    declare: (channel) =>
      channel.assertQueue(name, {
        // A queue that dies with its connection has no use for the disk.
        durable: !exclusive,
        exclusive,
        arguments: { 'x-queue-type': kind, ...given },
      }),
    find: (channel) => channel.checkQueue(name),
    isBinding: false,
  }
}

type Binding = QueueSpec['bindings'][number]

function union(some: readonly Binding[], others: readonly Binding[]): readonly Binding[] {
  const isKnown = (binding: Binding): boolean =>
    some.some(({ exchange, key }) => exchange === binding.exchange && key === binding.key)
  return [...some, ...others.filter((binding) => !isKnown(binding))]
}

/** What a queue is, whoever declares it. */
function natureOf({ kind, exclusive = false, arguments: given = {} }: QueueSpec): string {
  return JSON.stringify([kind, exclusive, Object.entries(given).sort(byName)])
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}
