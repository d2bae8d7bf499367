/**
 * Requests on their way to the broker: in line while there is no room, then written and published.
 *
 * Invariants
 * P1  A request is written (as text) only when it can be sent: what waits costs no more than its call.
 * P2  Bigger priority first; among calls of one priority the flows take turns.
 * P3  Nothing is published before the epoch of the broker is known on this connection, nor to a topic whose queue was not declared.
 * P4  A request that no queue took is published again once its queue was declared again; if the queue had been there, copies
 *     are lost, and `onLost` is told.
 */
import { Buffer } from 'node:buffer'
import { toFailure } from '../../src/base/failure.ts'
import type { Published } from '../../src/amqp/broker-link.ts'
import type { Names } from '../../src/amqp/names.ts'
import { pause } from '../../src/amqp/timing.ts'
import { queuesOnly, topicQueue } from '../../src/amqp/zagflow-topology.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import { PROTOCOL_VERSION, type RequestMessage } from '../../src/protocol/messages.ts'
import { tokenOf } from '../../src/protocol/token.ts'
import { MAX_BODY_BYTES, writeMessage } from '../../src/protocol/wire.ts'
import { SharedLine } from '../waiting-lines.ts'
import type { CallTable } from './call-table.ts'
import type { OpenCall, Ticket } from './open-call.ts'
import type { ResolvedWorkerBased } from './options.ts'

/** After a failed publication nothing is published for so long: what fails once may fail at once again. */
const HOLD_MS = 250
const DECLARE_AGAIN_MS = 2000

export interface PublishingOptions {
  readonly resolved: ResolvedWorkerBased
  readonly names: Names
  /** A topic's queue was there and is not any more. */
  readonly onLost: (topic: string) => void
}

/** A topic's queue; null: it stands. */
type Topic = { readonly waiting: Ticket[] } | null

export class Publishing {
  readonly #options: PublishingOptions
  readonly #line = new SharedLine<Ticket>(Infinity)
  readonly #topics = new Map<string, Topic>()
  readonly #table: CallTable
  /** Tickets in line, withdrawn ones included. */
  #size = 0
  #secret: string | null = null
  #holdUntil = 0
  #isQueued = false
  readonly #stopping = new AbortController()
  readonly #pumpSoon = (): void => {
    this.#isQueued = false
    this.pump()
  }

  constructor(table: CallTable, options: PublishingOptions) {
    this.#table = table
    this.#options = options
  }

  /** Requests that wait for room. */
  get waiting(): number {
    return this.#size
  }

  add(ticket: Ticket): void {
    this.#line.push(ticket)
    this.#size += 1
    if (this.#isQueued) return
    this.#isQueued = true
    queueMicrotask(this.#pumpSoon)
  }

  /** P3. The broker is known; null: not any more. */
  open(secret: string | null): void {
    this.#secret = secret
    this.pump()
  }

  stop(): void {
    this.#stopping.abort()
    this.#line.clear()
    this.#topics.clear()
    this.#size = 0
  }

  /** Publishes what there is room for. */
  pump(): void {
    const { link, clock } = this.#options.resolved
    if (this.#size === 0) return
    while (!this.#isStopped && this.#secret !== null && link.hasRoom) {
      if (this.#holdUntil > 0) {
        if (clock.now() < this.#holdUntil) return
        this.#holdUntil = 0
      }
      const ticket = this.#line.take()
      if (ticket === undefined) {
        this.#size = 0 // those that were withdrawn are gone with it
        return
      }
      this.#size = Math.max(this.#size - 1, 0)
      const topic = this.#topics.get(ticket.request.topic)
      if (topic === null) this.#publish(ticket, this.#secret)
      else if (topic === undefined) this.#declare(ticket)
      else topic.waiting.push(ticket)
    }
  }

  #publish(ticket: Ticket, secret: string): void {
    const { resolved, names } = this.#options
    const { link, clock } = resolved
    const { call, request } = ticket
    const now = clock.now()
    const { epoch } = this.#table
    this.#table.begun(ticket, now)
    let body: string
    try {
      body = this.#write(call, secret, now)
    } catch (error) {
      const failure = toFailure(error, { code: 'InvalidArguments' })
      this.#table.refused(call, { ...failure, retryable: false })
      return
    }
    link
      .publish({
        exchange: names.requests,
        routingKey: request.topic,
        body,
        type: 'request',
        messageId: callKeyText(request),
        correlationId: request.flowId,
        replyTo: call.replyTo,
      })
      .then(
        (published) => this.#published(call, published, epoch),
        (error: unknown) => this.#failed(call, error, epoch),
      )
  }

  #write(call: OpenCall, secret: string, now: number): string {
    const { request } = call
    const { reportEveryMs, askAfterMs } = this.#options.resolved.times
    // Written out: this is the hot path, and `sent` is nobody else's business.
    const message: RequestMessage = {
      v: PROTOCOL_VERSION,
      type: 'request',
      jobId: request.jobId,
      flowId: request.flowId,
      atom: request.atom,
      direction: request.direction,
      call: request.call,
      token: (call.token ??= tokenOf(secret, request)),
      task: request.task,
      topic: request.topic,
      flow: request.flow,
      attempt: request.attempt,
      args: request.args,
      outcome: request.outcome,
      result: request.result,
      failure: request.failure,
      failures: request.failures,
      rounds: request.rounds,
      timeoutMs: request.timeoutMs,
      heartbeatMs: request.heartbeatMs,
      repeat: request.repeat,
      priority: request.priority,
      again: call.isAgain,
      publishedAt: now,
      reportEveryMs,
      askAfterMs,
    }
    const body = writeMessage(message)
    if (body.length * 3 > MAX_BODY_BYTES && Buffer.byteLength(body) > MAX_BODY_BYTES) {
      throw new Error(
        `the request has ${Buffer.byteLength(body)} bytes; ${MAX_BODY_BYTES} are sent at most: pass a reference instead of the value`,
      )
    }
    return body
  }

  #published(call: OpenCall, published: Published, epoch: number): void {
    if (this.#isStopped) return
    const now = this.#options.resolved.clock.now()
    if (published === 'confirmed') {
      this.#table.published(call, 'confirmed', epoch, now)
      return
    }
    const { topic } = call.request
    if (this.#topics.get(topic) === null) {
      this.#topics.delete(topic)
      this.#options.onLost(topic) // P4
    }
    this.#table.returned(call, now)
  }

  #failed(call: OpenCall, error: unknown, epoch: number): void {
    if (this.#isStopped) return
    const { clock, logger } = this.#options.resolved
    const now = clock.now()
    logger.debug({ error, job: call.request.jobId }, 'a request may not have reached the broker')
    this.#holdUntil = now + HOLD_MS
    this.#table.published(call, 'unknown', epoch, now)
  }

  /** P3. Its requests wait until the queue stands. */
  #declare(ticket: Ticket): void {
    const { topic } = ticket.request
    const waiting = [ticket]
    this.#topics.set(topic, { waiting })
    void this.#declareUntilDone(topic, waiting)
  }

  async #declareUntilDone(topic: string, waiting: readonly Ticket[]): Promise<void> {
    const { resolved, names } = this.#options
    const { link, clock, logger } = resolved
    for (;;) {
      try {
        await link.declare(queuesOnly(topicQueue(names, topic)))
        break
      } catch (error) {
        if (this.#isStopped) return
        logger.error({ error, topic }, 'the queue of a topic cannot be declared; trying again')
        await pause(clock, DECLARE_AGAIN_MS, this.#stopping.signal)
      }
      if (this.#isStopped) return
    }
    if (this.#isStopped) return
    this.#topics.set(topic, null)
    for (const ticket of waiting) if (!ticket.withdrawn) this.add(ticket)
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }
}
