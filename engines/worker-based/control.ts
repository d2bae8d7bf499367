/**
 * What workers are told: `go`, `drop`, `cancel`, `report`, several calls in one message. Nothing here is durable: who is not
 * reached asks again, or is asked again.
 */
import type { BrokerLink } from '../../src/amqp/broker-link.ts'
import type { Names } from '../../src/amqp/names.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { CallKey } from '../../src/protocol/call.ts'
import {
  PROTOCOL_VERSION,
  type CallRef,
  type ControlMessage,
  type DropMessage,
  type GoMessage,
} from '../../src/protocol/messages.ts'
import { writeMessage } from '../../src/protocol/wire.ts'
import type { Ask, OpenCall } from './open-call.ts'

/** Calls in one message, as the protocol has it. */
const MOST_CALLS = 1000

interface Words {
  readonly go: GoMessage['calls']
  readonly drop: DropMessage['calls']
  readonly cancel: (CallKey & { readonly reason: string })[]
  readonly report: CallRef[]
  /** Whose believed holder this worker may be. */
  readonly calls: Set<OpenCall>
}

/** A worker, and which holding of a copy it asked about. */
export type Held = Pick<Ask, 'worker' | 'hold'>

export interface ControlOptions {
  readonly link: BrokerLink
  readonly names: Names
  readonly logger: Logger
  readonly replyTo: string
  /** The worker's connection is gone. */
  readonly onUnreachable: (worker: string, calls: ReadonlySet<OpenCall>) => void
}

export class Control {
  readonly #options: ControlOptions
  readonly #words = new Map<string, Words>()
  #isQueued = false
  #isStopped = false

  constructor(options: ControlOptions) {
    this.#options = options
  }

  /** Nothing more is said: not even what was about to be. */
  stop(): void {
    this.#isStopped = true
    this.#words.clear()
  }

  go({ worker, hold }: Held, call: OpenCall): void {
    const words = this.#wordsFor(worker)
    words.go.push({ ...keyOf(call.request), hold })
    words.calls.add(call)
  }

  drop({ worker, hold }: Held, key: CallKey, reason: string): void {
    this.#wordsFor(worker).drop.push({ ...keyOf(key), hold, reason: reason.slice(0, 1024) })
  }

  cancel(worker: string, call: OpenCall, reason: string): void {
    const words = this.#wordsFor(worker)
    words.cancel.push({ ...keyOf(call.request), reason: reason.slice(0, 4096) })
    words.calls.add(call)
  }

  report(worker: string, call: OpenCall, token: string): void {
    const words = this.#wordsFor(worker)
    words.report.push({ ...keyOf(call.request), token })
    words.calls.add(call)
  }

  #wordsFor(worker: string): Words {
    let words = this.#words.get(worker)
    if (words === undefined) {
      words = { go: [], drop: [], cancel: [], report: [], calls: new Set() }
      this.#words.set(worker, words)
    }
    if (!this.#isQueued) {
      this.#isQueued = true
      setImmediate(() => this.#flush())
    }
    return words
  }

  #flush(): void {
    this.#isQueued = false
    const all = this.#isStopped ? [] : [...this.#words]
    this.#words.clear()
    for (const [worker, words] of all) {
      for (const calls of parts(words.go)) this.#tell(worker, words, { ...HEAD, type: 'go', calls })
      for (const calls of parts(words.drop))
        this.#tell(worker, words, { ...HEAD, type: 'drop', calls })
      for (const calls of parts(words.cancel))
        this.#tell(worker, words, { ...HEAD, type: 'cancel', calls })
      for (const calls of parts(words.report)) {
        const { replyTo } = this.#options
        this.#tell(worker, words, { ...HEAD, type: 'report', calls, replyTo })
      }
    }
  }

  #tell(worker: string, words: Words, message: ControlMessage): void {
    const { link, names, logger, onUnreachable } = this.#options
    link
      .publish({
        exchange: names.control,
        routingKey: worker,
        body: writeMessage(message),
        type: message.type,
        persistent: false,
      })
      .then(
        (published) => {
          if (published === 'unroutable') onUnreachable(worker, words.calls)
        },
        (error: unknown) => {
          logger.debug({ error, worker, type: message.type }, 'a worker may not have been told')
        },
      )
  }
}

const HEAD = { v: PROTOCOL_VERSION } as const

function keyOf({ jobId, flowId, atom, direction, call }: CallKey): CallKey {
  return { jobId, flowId, atom, direction, call }
}

function* parts<T>(items: readonly T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += MOST_CALLS) yield items.slice(at, at + MOST_CALLS)
}
