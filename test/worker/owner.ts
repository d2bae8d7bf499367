/**
 * A conductor by hand: publishes requests, reads a reply queue, answers what workers ask. It knows nothing by itself.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import amqp, {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  type Options,
  type Replies,
} from 'amqplib'
import { namesOf, type Names } from '../../src/amqp/names.ts'
import { Broker } from '../../src/amqp/broker.ts'
import { baseTopology, replyQueueNamed, topicQueue } from '../../src/amqp/zagflow-topology.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import type {
  CallRef,
  ControlMessage,
  FailureMessage,
  ReplyMessage,
  RequestMessage,
  ResultMessage,
} from '../../src/protocol/messages.ts'
import { readAnnounce, readReply, writeMessage } from '../../src/protocol/wire.ts'
import type { AnnounceMessage } from '../../src/protocol/messages.ts'
import { eventually } from '../support/eventually.ts'
import { freshNamespace, type Namespace } from '../support/rabbitmq.ts'
import type { CleanUp } from '../support/clean-up.ts'

export interface AskedCall extends CallRef {
  readonly redelivered: boolean
  readonly again: boolean
  readonly hold?: number | undefined
}

/** What is published of a request beside its body. */
export interface Raw extends Options.Publish {
  readonly body?: Buffer
}

export interface Buried {
  readonly reason: string
  readonly body: Buffer
}

export class Owner {
  readonly url: string
  readonly namespace: string
  readonly names: Names
  readonly replyQueue: string
  /** All that came, in order. */
  readonly messages: ReplyMessage[] = []
  readonly announcements: AnnounceMessage[] = []
  readonly buried: Buried[] = []
  /** The word for each call that is asked about; undefined: none. */
  onAsk: (call: AskedCall, worker: string) => 'go' | 'drop' | undefined = () => undefined
  readonly #connection: ChannelModel
  readonly #channel: ConfirmChannel
  #atom = 0

  private constructor(
    space: Namespace,
    connection: ChannelModel,
    channel: ConfirmChannel,
    replyQueue: string,
  ) {
    this.url = space.url
    this.namespace = space.namespace
    this.names = namesOf(space.namespace)
    this.replyQueue = replyQueue
    this.#connection = connection
    this.#channel = channel
  }

  static async create(
    t: CleanUp,
    options: { readonly space?: Namespace; readonly topics?: readonly string[] } = {},
  ): Promise<Owner> {
    const space = options.space ?? (await freshNamespace(t))
    const names = namesOf(space.namespace)
    const replyQueue = names.replyQueue(randomUUID())
    const declaring = new Broker({ urls: space.url, namespace: space.namespace })
    await declaring.start()
    const base = baseTopology(names)
    const topics = (options.topics ?? ['default']).map((topic) => topicQueue(names, topic))
    await declaring.declare({
      exchanges: base.exchanges,
      queues: [...base.queues, replyQueueNamed(names, replyQueue), ...topics],
    })
    await declaring.stop()
    const connection = await amqp.connect(space.url)
    connection.on('error', () => undefined)
    t.after(() => connection.close().catch(() => undefined))
    const channel = await connection.createConfirmChannel()
    channel.on('error', () => undefined)
    const owner = new Owner(space, connection, channel, replyQueue)
    await owner.#read(channel)
    return owner
  }

  /** A request for a call of `act`, and what may be given of it. */
  request(over: Partial<RequestMessage> = {}): RequestMessage {
    this.#atom += 1
    return {
      v: 1,
      type: 'request',
      jobId: 'job 1',
      flowId: 'flow 1',
      atom: `order/a${this.#atom}`,
      direction: 'execute',
      call: 1,
      token: randomUUID(),
      task: 'act',
      topic: 'default',
      flow: 'order',
      attempt: 1,
      args: { does: 'succeed', value: this.#atom },
      priority: 0,
      again: false,
      publishedAt: Date.now(),
      reportEveryMs: 10_000,
      askAfterMs: 60_000,
      ...over,
    }
  }

  /** Publishes a request; resolves when the broker has it. */
  async send(request: RequestMessage, raw: Raw = {}): Promise<RequestMessage> {
    await this.publish(this.names.requests, request.topic, writeMessage(request), {
      type: 'request',
      replyTo: this.replyQueue,
      messageId: callKeyText(request),
      correlationId: request.flowId,
      ...raw,
    })
    return request
  }

  /** Publishes anything anywhere. */
  publish(exchange: string, routingKey: string, text: string, raw: Raw = {}): Promise<void> {
    const { body = Buffer.from(text), ...properties } = raw
    return new Promise((resolve, reject) => {
      this.#channel.publish(
        exchange,
        routingKey,
        body,
        { contentType: 'application/json', persistent: true, ...properties },
        (error: unknown) => (error ? reject(new Error('nacked', { cause: error })) : resolve()),
      )
    })
  }

  /** Tells a worker something. */
  tell(worker: string, message: ControlMessage): Promise<void> {
    return this.publish(this.names.control, worker, writeMessage(message), { type: message.type })
  }

  go(worker: string, ...calls: readonly CallRef[]): Promise<void> {
    return this.tell(worker, { v: 1, type: 'go', calls: calls.map(keyOf) })
  }

  drop(worker: string, ...calls: readonly CallRef[]): Promise<void> {
    const reason = 'held elsewhere'
    return this.tell(worker, {
      v: 1,
      type: 'drop',
      calls: calls.map((call) => ({ ...keyOf(call), reason })),
    })
  }

  cancel(worker: string, ...calls: readonly CallRef[]): Promise<void> {
    const reason = 'not wanted any more'
    return this.tell(worker, {
      v: 1,
      type: 'cancel',
      calls: calls.map((call) => ({ ...keyOf(call), reason })),
    })
  }

  /** Messages of a type about a call. */
  about<T extends ReplyMessage['type']>(
    type: T,
    request: CallRef,
  ): readonly Extract<ReplyMessage, { readonly type: T }>[] {
    const key = callKeyText(request)
    const found = this.messages.filter((message) => {
      if (message.type !== type || message.type === 'barrier') return false
      const refs: readonly CallRef[] = 'calls' in message ? message.calls : [message]
      return refs.some((ref) => callKeyText(ref) === key && ref.token === request.token)
    })
    return found as Extract<ReplyMessage, { readonly type: T }>[]
  }

  /** Waits for a message of a type about a call. */
  hears<T extends ReplyMessage['type']>(
    type: T,
    request: CallRef,
    withinMs = 30_000,
  ): Promise<Extract<ReplyMessage, { readonly type: T }>> {
    return eventually(() => this.about(type, request)[0], { withinMs }).catch((error: unknown) => {
      const had = JSON.stringify(this.messages).slice(0, 2_000)
      throw new Error(`no ${type} about ${request.atom}; there was ${had}`, { cause: error })
    })
  }

  /** The answer of a call. */
  async answer(request: CallRef, withinMs = 30_000): Promise<ResultMessage | FailureMessage> {
    return eventually(() => this.about('result', request)[0] ?? this.about('failure', request)[0], {
      withinMs,
    }).catch((error: unknown) => {
      const had = JSON.stringify(this.messages).slice(0, 2_000)
      throw new Error(`no answer about ${request.atom}; there was ${had}`, { cause: error })
    })
  }

  async result(request: CallRef, withinMs?: number): Promise<unknown> {
    const answer = await this.answer(request, withinMs)
    assert.equal(answer.type, 'result', JSON.stringify(answer))
    return answer.type === 'result' ? answer.result : undefined
  }

  async failure(request: CallRef, withinMs?: number): Promise<FailureMessage> {
    const answer = await this.answer(request, withinMs)
    assert.ok(answer.type === 'failure', JSON.stringify(answer))
    return answer
  }

  /**
   * How many messages of a topic wait; rejects where its queue is not there. (A queue whose leader does not answer within 250 ms is
   * said to be empty: who expects some looks again.)
   */
  async depth(topic = 'default'): Promise<number> {
    return (await this.#lookAt(topic)).messageCount
  }

  /** Waits until somebody consumes a topic whose queue may be gone: by then it is bound, too, and what is sent is not lost. */
  async isServed(topic = 'default'): Promise<void> {
    const consumers = async () => (await this.#lookAt(topic).catch(() => undefined))?.consumerCount
    await eventually(async () => ((await consumers()) ?? 0) > 0, { withinMs: 30_000 })
  }

  /** Waits until so many messages of a topic wait. */
  async holds(messages: number, topic = 'default'): Promise<void> {
    await eventually(
      async () => {
        assert.equal(await this.depth(topic), messages)
        return true
      },
      { withinMs: 30_000 },
    )
  }

  /** Deletes the queue of a topic. */
  async deleteTopic(topic = 'default'): Promise<void> {
    await this.#channel.deleteQueue(this.names.topic(topic))
  }

  /** Takes one message of a topic as a worker would that then dies: it comes back, redelivered. */
  async holdAndLose(topic = 'default'): Promise<void> {
    const connection = await amqp.connect(this.url)
    const channel = await connection.createChannel()
    await eventually(async () => (await channel.get(this.names.topic(topic))) !== false, {
      withinMs: 30_000,
    })
    await connection.close()
  }

  async #lookAt(topic: string): Promise<Replies.AssertQueue> {
    // A queue that is not there costs the channel.
    const channel = await this.#connection.createChannel()
    channel.on('error', () => undefined)
    const state = await channel.checkQueue(this.names.topic(topic))
    await channel.close()
    return state
  }

  async #read(channel: Channel): Promise<void> {
    const read = async (queue: string, take: (message: Received) => void): Promise<void> => {
      await channel.consume(queue, (message) => {
        if (message === null) return
        const { content: body, properties } = message
        const { headers } = properties
        const type = textOf(properties.type)
        take({ body, type, contentType: textOf(properties.contentType), headers })
        channel.ack(message)
      })
    }
    await read(this.replyQueue, (received) => {
      const reply = readReply(received)
      assert.ok(reply.ok, reply.ok ? '' : reply.reason)
      this.messages.push(reply.message)
      if (reply.message.type === 'ask') this.#answerAsk(reply.message.worker, reply.message.calls)
    })
    await read(this.names.announcements, (received) => {
      const announce = readAnnounce(received)
      assert.ok(announce.ok, announce.ok ? '' : announce.reason)
      this.announcements.push(announce.message)
    })
    await read(this.names.dead, ({ body, headers }) => {
      this.buried.push({ body, reason: String(headers?.['x-zagflow-reason']) })
    })
  }

  #answerAsk(worker: string, calls: readonly AskedCall[]): void {
    for (const call of calls) {
      const word = this.onAsk(call, worker)
      if (word === 'go') void this.go(worker, call)
      if (word === 'drop') void this.drop(worker, call)
    }
  }
}

interface Received {
  readonly body: Buffer
  readonly type: string | undefined
  readonly contentType: string | undefined
  readonly headers: { readonly [name: string]: unknown } | undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function keyOf({ jobId, flowId, atom, direction, call }: CallRef): Omit<CallRef, 'token'> {
  return { jobId, flowId, atom, direction, call }
}
