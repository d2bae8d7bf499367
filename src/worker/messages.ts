/** The messages that a worker sends, ready to be published. */
import type { Names } from '../amqp/names.ts'
import type { Outgoing } from '../amqp/broker-link.ts'
import type { Json } from '../base/json.ts'
import type { CallAnswer } from '../protocol/call.ts'
import {
  PROTOCOL_VERSION,
  type AnnounceMessage,
  type CallRef,
  type RequestMessage,
} from '../protocol/messages.ts'
import { writeMessage } from '../protocol/wire.ts'
import type { Call, Copy, Released, SentReply } from './book-call.ts'

/** What fits into one message, by its schema. */
const MOST_CALLS = 1000
/** A question or a report that nobody read for so long has been asked or said again. */
const HINT_MS = 60_000

export class Messages {
  readonly #worker: string
  readonly #exchange: string
  readonly #announcements: string

  constructor(worker: string, names: Names) {
    this.#worker = worker
    this.#exchange = names.replies
    this.#announcements = names.announcements
  }

  /** The answer of a call. Written out member by member: this is the way of every answer, and spreading costs more than all else here. */
  answer({ request, replyTo }: Call<Copy>, answer: CallAnswer): SentReply {
    const { jobId, flowId, atom, direction, call, token } = request
    const worker = this.#worker
    const { startedAt } = answer
    const v = PROTOCOL_VERSION
    if (answer.kind === 'succeeded') {
      const type = 'result'
      const { result } = answer
      const body = writeMessage({
        v,
        type,
        jobId,
        flowId,
        atom,
        direction,
        call,
        token,
        worker,
        result,
        startedAt,
      })
      return { replyTo, type, body }
    }
    const type = 'failure'
    const { failure, outcome } = answer
    const ref = { jobId, flowId, atom, direction, call, token }
    const body = writeMessage({ v, type, ...ref, worker, failure, outcome, startedAt })
    return { replyTo, type, body }
  }

  /** That a task is not known here. */
  unknown(request: RequestMessage, replyTo: string): SentReply {
    const type = 'unknown'
    const { task } = request
    const ref = refOf(request)
    const body = writeMessage({ v: PROTOCOL_VERSION, type, ...ref, worker: this.#worker, task })
    return { replyTo, type, body }
  }

  /** That a call is given back because the worker stops. */
  released({ request, replyTo, held }: Released): SentReply {
    const type = 'released'
    const ref = refOf(request)
    const body = writeMessage({ v: PROTOCOL_VERSION, type, ...ref, worker: this.#worker, held })
    return { replyTo, type, body }
  }

  /** A message that must arrive. */
  reply({ replyTo, type, body }: SentReply, key: string, flowId: string): Outgoing {
    const exchange = this.#exchange
    return { exchange, routingKey: replyTo, type, body, messageId: key, correlationId: flowId }
  }

  progress(call: Call<Copy>, progress: number, details: Json | undefined): Outgoing {
    const body = writeMessage({
      v: PROTOCOL_VERSION,
      type: 'progress',
      ...refOf(call.request),
      worker: this.#worker,
      progress,
      ...(details === undefined ? {} : { details }),
    })
    return this.#hint(call.replyTo, 'progress', body)
  }

  ask(replyTo: string, calls: readonly Call<Copy>[]): readonly Outgoing[] {
    return chunks(calls).map((some) => {
      const body = writeMessage({
        v: PROTOCOL_VERSION,
        type: 'ask',
        worker: this.#worker,
        calls: some.map(({ request, isRedelivered, isAgain, hold }) => ({
          ...refOf(request),
          redelivered: isRedelivered,
          again: isAgain,
          hold,
        })),
      })
      return this.#hint(replyTo, 'ask', body)
    })
  }

  running(replyTo: string, calls: readonly Call<Copy>[]): readonly Outgoing[] {
    return chunks(calls).map((some) => {
      const body = writeMessage({
        v: PROTOCOL_VERSION,
        type: 'running',
        worker: this.#worker,
        calls: some.map(({ request, startedAt }) => ({ ...refOf(request), startedAt })),
      })
      return this.#hint(replyTo, 'running', body)
    })
  }

  announce(announce: Omit<AnnounceMessage, 'v' | 'type' | 'worker'>): Outgoing {
    const type = 'announce'
    const body = writeMessage({ v: PROTOCOL_VERSION, type, worker: this.#worker, ...announce })
    return this.#hint(this.#announcements, type, body)
  }

  #hint(routingKey: string, type: string, body: string): Outgoing {
    const exchange = this.#exchange
    return { exchange, routingKey, type, body, persistent: false, expirationMs: HINT_MS }
  }
}

function refOf(request: RequestMessage): CallRef {
  const { jobId, flowId, atom, direction, call, token } = request
  return { jobId, flowId, atom, direction, call, token }
}

function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length <= MOST_CALLS) return [items]
  const all: T[][] = []
  for (let at = 0; at < items.length; at += MOST_CALLS) all.push(items.slice(at, at + MOST_CALLS))
  return all
}
