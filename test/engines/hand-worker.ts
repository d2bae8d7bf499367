/** A worker that does only what a test tells it: it takes requests and says words, over a real broker. */
import { randomUUID } from 'node:crypto'
import { Broker } from '../../src/amqp/broker.ts'
import type { Consumption, Delivery, Outgoing } from '../../src/amqp/broker-link.ts'
import { namesOf, type Names } from '../../src/amqp/names.ts'
import { controlQueue, queuesOnly, topicQueue } from '../../src/amqp/zagflow-topology.ts'
import type { Json } from '../../src/base/json.ts'
import type {
  CallRef,
  ControlMessage,
  ReplyMessage,
  RequestMessage,
} from '../../src/protocol/messages.ts'
import { readControl, readRequest, writeMessage } from '../../src/protocol/wire.ts'
import type { CleanUp } from '../support/clean-up.ts'

/** A copy of a request that came. */
export interface Copy {
  readonly request: RequestMessage
  readonly delivery: Delivery
}

export class HandWorker {
  readonly id = randomUUID()
  readonly link: Broker
  readonly names: Names
  readonly copies: Copy[] = []
  readonly told: ControlMessage[] = []
  #requests: Consumption | null = null
  readonly #waiting: (() => void)[] = []
  #taken = 0
  #heard = 0

  private constructor(link: Broker) {
    this.link = link
    this.names = namesOf(link.namespace)
  }

  static async start(
    t: CleanUp,
    broker: { readonly url: string; readonly namespace: string },
    topic = 'default',
  ): Promise<HandWorker> {
    const link = new Broker({ urls: broker.url, namespace: broker.namespace })
    const worker = new HandWorker(link)
    await link.start()
    t.after(() => link.stop())
    const { names } = worker
    await link.declare({
      exchanges: [
        { name: names.requests, type: 'direct' },
        { name: names.control, type: 'direct' },
      ],
      queues: [],
    })
    await link.declare(queuesOnly(topicQueue(names, topic), controlQueue(names, worker.id)))
    worker.#requests = link.consume(names.topic(topic), { prefetch: 1000 }, (delivery) =>
      worker.#take(delivery),
    )
    link.consume(names.controlQueue(worker.id), { prefetch: 1000 }, (delivery) => {
      const read = readControl(delivery)
      if (!read.ok) throw new Error(read.reason)
      worker.told.push(read.message)
      delivery.ack()
      worker.#wake()
    })
    return worker
  }

  /** The next request. */
  async next(): Promise<Copy> {
    return this.#until(() => this.copies[this.#taken++] ?? (this.#taken--, undefined), 'a request')
  }

  /** The next word of that kind. */
  async hears<T extends ControlMessage['type']>(
    type: T,
  ): Promise<Extract<ControlMessage, { type: T }>> {
    return this.#until(() => {
      for (; this.#heard < this.told.length; this.#heard++) {
        const message = this.told[this.#heard]
        if (message?.type !== type) continue
        this.#heard++
        return message as Extract<ControlMessage, { type: T }>
      }
      return undefined
    }, type)
  }

  async say(message: ReplyMessage, replyTo: string): Promise<void> {
    await this.send({
      exchange: this.names.replies,
      routingKey: replyTo,
      type: message.type,
      body: writeMessage(message),
    })
  }

  async send(message: Outgoing): Promise<void> {
    await this.link.publish(message)
  }

  /** Answers with a result, then acknowledges. */
  async succeed(copy: Copy, result: Json = null): Promise<void> {
    await this.say(this.resultOf(copy, result), replyToOf(copy))
    copy.delivery.ack()
  }

  resultOf({ request }: Copy, result: Json = null): Extract<ReplyMessage, { type: 'result' }> {
    return {
      v: 1,
      type: 'result',
      ...refOf(request),
      worker: this.id,
      result,
      startedAt: Date.now(),
    }
  }

  async runs(copy: Copy): Promise<void> {
    const call = { ...refOf(copy.request), startedAt: Date.now() }
    await this.say({ v: 1, type: 'running', worker: this.id, calls: [call] }, replyToOf(copy))
  }

  async asks(copy: Copy, hold?: number): Promise<void> {
    const { redelivered } = copy.delivery
    const call = { ...refOf(copy.request), redelivered, again: copy.request.again, hold }
    await this.say({ v: 1, type: 'ask', worker: this.id, calls: [call] }, replyToOf(copy))
  }

  async unknown(copy: Copy): Promise<void> {
    const { task } = copy.request
    const message = {
      v: 1,
      type: 'unknown',
      ...refOf(copy.request),
      worker: this.id,
      task,
    } as const
    await this.say(message, replyToOf(copy))
    copy.delivery.ack()
  }

  /** As a worker that stops: it says so, and gives the copy back. */
  async releases(copy: Copy, held = false): Promise<void> {
    const ref = refOf(copy.request)
    await this.say({ v: 1, type: 'released', ...ref, worker: this.id, held }, replyToOf(copy))
    copy.delivery.requeue()
  }

  /** Its process dies, as the broker sees it: what it had goes to others. */
  async die(): Promise<void> {
    await this.link.stop()
  }

  /** No more deliveries come; those that are here can still be settled. */
  async stopTaking(): Promise<void> {
    await this.#requests?.cancel()
  }

  /** Its channel is lost, as after the broker's consumer timeout: its copies go to others, and it still hears words. */
  async loseCopies(): Promise<void> {
    await this.#requests?.close()
  }

  #take(delivery: Delivery): void {
    const read = readRequest(delivery)
    if (!read.ok) throw new Error(read.reason)
    this.copies.push({ request: read.message, delivery })
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #until<T>(look: () => T | undefined, what: string): Promise<T> {
    const deadline = Date.now() + 30_000
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (Date.now() > deadline) throw new Error(`${what} did not come within 30 s`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }
}

export function refOf(request: RequestMessage): CallRef {
  const { jobId, flowId, atom, direction, call, token } = request
  return { jobId, flowId, atom, direction, call, token }
}

export function replyToOf({ delivery }: Copy): string {
  if (delivery.replyTo === undefined) throw new Error('the request names no reply queue')
  return delivery.replyTo
}
