/**
 * Takes requests from the queues of topics: checks them, and hands them on.
 *
 * Invariants
 * T1  Whatever comes, the consumer lives: what cannot be used is buried with a reason, and nothing of it is run.
 * T2  Answers go to reply queues of this namespace only, whatever a request names.
 * T3  All topics together have as many unsettled deliveries as there are places, and no more (`grants.ts`).
 */
import type { BrokerLink, Consumption, Delivery } from '../amqp/broker-link.ts'
import type { Names } from '../amqp/names.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { callKeyText } from '../protocol/call-key.ts'
import type { RequestMessage } from '../protocol/messages.ts'
import { readRequest } from '../protocol/wire.ts'
import { planGrants, type Grant } from './grants.ts'

export interface Arrival {
  readonly key: string
  readonly request: RequestMessage
  readonly replyTo: string
  readonly copy: Delivery
}

export interface IntakeOptions {
  readonly link: Pick<BrokerLink, 'consume'>
  readonly names: Names
  readonly topics: readonly string[]
  readonly concurrency: number
  readonly clock: Clock
  readonly logger: Logger
  /** Deliveries that are here and not settled. */
  unsettled(): Iterable<Delivery>
  /** Calls that take places, and of which the broker counts no delivery. */
  uncounted(): number
  onRequest(arrival: Arrival): void
  /** The queue of that topic was deleted. */
  onDeleted(topic: string): void
}

/** Places are shared anew so often. */
const SHARE_EVERY_MS = 250
/** The name of a queue has at most so many bytes in AMQP. */
const LONGEST_QUEUE_NAME = 255

interface OpenGrant extends Grant {
  readonly consumption: Consumption
  unsettled: number
  isClosing: boolean
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #replyPrefix: string
  #grants: OpenGrant[] = []
  readonly #grantOf = new WeakMap<Delivery, OpenGrant>()
  #cancelTimer: (() => void) | undefined
  #isOver = false

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#replyPrefix = `${options.names.replies}.`
  }

  /** It is started, and not cancelled. */
  get isOpen(): boolean {
    return this.#cancelTimer !== undefined && !this.#isOver
  }

  start(): void {
    if (this.#isOver) return
    const { clock } = this.#options
    this.share()
    this.#cancelTimer = clock.setTimer(() => this.start(), clock.now() + SHARE_EVERY_MS)
  }

  /** No more deliveries; those that are here can still be settled. */
  async cancel(): Promise<void> {
    this.#isOver = true
    this.#cancelTimer?.()
    await Promise.all(this.#grants.map(({ consumption }) => consumption.cancel()))
  }

  async close(): Promise<void> {
    await this.cancel()
    await Promise.all(this.#grants.map(({ consumption }) => consumption.close()))
  }

  /** T3. Shares the places between the topics. */
  share(): void {
    const { concurrency, uncounted, unsettled, topics } = this.#options
    for (const grant of this.#grants) grant.unsettled = 0
    for (const copy of unsettled()) {
      const grant = this.#grantOf.get(copy)
      if (grant !== undefined) grant.unsettled += 1
    }
    this.#closeDrained()
    const places = concurrency - uncounted()
    for (const step of planGrants(places, topics.length, this.#grants)) {
      if (step.do === 'open') {
        this.#open(step.topic, step.size)
      } else {
        step.grant.isClosing = true
        void step.grant.consumption.cancel() // never rejects; what still comes is counted
      }
    }
  }

  #closeDrained(): void {
    const isDrained = ({ isClosing, unsettled }: OpenGrant): boolean => isClosing && unsettled === 0
    for (const grant of this.#grants) if (isDrained(grant)) void grant.consumption.close()
    this.#grants = this.#grants.filter((grant) => !isDrained(grant))
  }

  #open(topic: number, size: number): void {
    const { link, names, topics, onDeleted } = this.#options
    const name = topics[topic] ?? ''
    const consumption = link.consume(
      names.topic(name),
      { prefetch: size, onDeleted: () => onDeleted(name) },
      (copy) => {
        this.#grantOf.set(copy, grant)
        this.#take(copy)
      },
    )
    const grant: OpenGrant = { topic, size, unsettled: 0, isClosing: false, consumption }
    this.#grants.push(grant)
  }

  #take(copy: Delivery): void {
    const read = readRequest(copy)
    if (!read.ok) {
      this.#bury(copy, read.reason)
      return
    }
    const { replyTo } = copy
    const problem = this.#problemWith(replyTo)
    if (replyTo === undefined || problem !== undefined) {
      this.#bury(copy, problem ?? '')
      return
    }
    const { message: request } = read
    this.#options.onRequest({ key: callKeyText(request), request, replyTo, copy })
  }

  /** T2. */
  #problemWith(replyTo: string | undefined): string | undefined {
    if (replyTo === undefined || replyTo === '') return 'it has no reply_to'
    if (replyTo.startsWith(this.#replyPrefix) && Buffer.byteLength(replyTo) <= LONGEST_QUEUE_NAME) {
      return undefined
    }
    return `its reply_to is no reply queue of this namespace: ${replyTo.slice(0, 100)}`
  }

  /** T1. */
  #bury(copy: Delivery, reason: string): void {
    const { queue, messageId } = copy
    this.#options.logger.warn(
      { queue, messageId, reason },
      'put a message aside that is no request',
    )
    copy.bury(reason)
  }
}
