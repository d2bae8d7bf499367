/**
 * Reads reply queues: judges each message, hands it to the call that it is about, or to `Strangers` if that call is not here.
 *
 * Owns: the deliveries of answers that are not committed yet.
 *
 * Invariants
 * R1  A delivery is settled once: acknowledged when its answer is committed or in the mailbox, or when its word was taken; buried
 *     with a reason if nobody can use it. Nothing is given back.
 * R2  A message counts for a call only with the whole key and its token.
 * R3  A barrier is passed on when everything before it in its queue is settled.
 * R4  No message stops a consumer, whatever is in it.
 * R5  Nothing is judged before the key of the tokens is known: what comes earlier waits, in its order.
 */
import type { Delivery } from '../../src/amqp/broker-link.ts'
import type { Names } from '../../src/amqp/names.ts'
import type { CallAnswer } from '../../src/protocol/call.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import type {
  AskMessage,
  BarrierMessage,
  CallRef,
  FailureMessage,
  ProgressMessage,
  ReleasedMessage,
  ReplyMessage,
  ResultMessage,
  RunningMessage,
  UnknownMessage,
} from '../../src/protocol/messages.ts'
import { isSameToken, isTokenOf, tokenOf } from '../../src/protocol/token.ts'
import { readReply, writeMessage } from '../../src/protocol/wire.ts'
import type { CallTable } from './call-table.ts'
import { InOrder } from './in-order.ts'
import { FORWARDED_HEADER, OpenLetter, type Letter } from './letter.ts'
import type { OpenCall } from './open-call.ts'
import type { ResolvedWorkerBased } from './options.ts'
import type { Strangers } from './strangers.ts'

export interface ReplyReaderOptions {
  readonly resolved: ResolvedWorkerBased
  readonly names: Names
  readonly table: CallTable
  readonly strangers: Strangers
  /** Of this engine: where its barriers come back to, and what their ids begin with. */
  readonly replyTo: string
  readonly id: string
  /** Key of the tokens; null: not known yet. */
  readonly secret: () => string | null
}

/** An answer that is with its owner and not committed. */
interface Pending {
  readonly flowId: string
  readonly message: ResultMessage | FailureMessage
  readonly letters: Letter[]
}

export class ReplyReader {
  readonly #options: ReplyReaderOptions
  readonly #table: CallTable
  /** By the text of the call's key. */
  readonly #pending = new Map<string, Pending>()
  /** Word that a copy is gone or was let go, which is not committed yet. */
  readonly #uncommitted = new Map<Letter, UnknownMessage | ReleasedMessage>()
  /** R5. */
  #early: (() => void)[] = []

  constructor(options: ReplyReaderOptions) {
    this.#options = options
    this.#table = options.table
  }

  /** What a consumer of a reply queue does with its deliveries. */
  reader(): (delivery: Delivery) => void {
    const order = new InOrder()
    return (delivery) => {
      if (this.#options.secret() === null) {
        this.#early.push(() => this.#read(delivery, order))
        return
      }
      this.open()
      this.#read(delivery, order)
    }
  }

  /** R5: the key is known. */
  open(): void {
    if (this.#early.length === 0) return
    const early = this.#early
    this.#early = []
    for (const read of early) read()
  }

  /** What of this flow is not committed never will be by its present owner here: it is mail. */
  forget(flowId: string): void {
    for (const [key, pending] of this.#pending) {
      if (pending.flowId !== flowId) continue
      this.#pending.delete(key)
      this.#mail(pending)
    }
    for (const [letter, message] of this.#uncommitted) {
      if (message.flowId !== flowId) continue
      this.#uncommitted.delete(letter)
      this.#options.strangers.one(message, letter)
    }
  }

  /** Whether answers of a flow are with its owner and not committed. */
  isPending(flowId: string): boolean {
    for (const pending of this.#pending.values()) if (pending.flowId === flowId) return true
    return false
  }

  clear(): void {
    this.#pending.clear()
    this.#uncommitted.clear()
    this.#early = []
  }

  #read(delivery: Delivery, order: InOrder): void {
    const read = readReply(delivery)
    if (!read.ok) {
      delivery.bury(read.reason) // R4
      return
    }
    const { message } = read
    if (message.type === 'barrier') {
      order.barrier(() => this.#passOn(message, delivery))
      return
    }
    const letter = new OpenLetter(delivery, order)
    try {
      this.#take(message, letter)
    } catch (error) {
      const { logger } = this.#options.resolved
      logger.error({ error, type: message.type }, 'a reply could not be handled; it is buried')
      letter.bury('it could not be handled')
    }
  }

  #take(message: Exclude<ReplyMessage, BarrierMessage>, letter: Letter): void {
    switch (message.type) {
      case 'result':
      case 'failure':
        this.#answer(message, letter)
        return
      case 'running':
        this.#running(message, letter)
        return
      case 'progress':
        this.#progress(message, letter)
        return
      case 'ask':
        this.#ask(message, letter)
        return
      case 'unknown':
        this.#unknown(message, letter)
        return
      case 'released':
        this.#released(message, letter)
        return
    }
  }

  #answer(message: ResultMessage | FailureMessage, letter: Letter): void {
    const key = callKeyText(message)
    const call = this.#table.find(message)
    if (call === undefined) {
      const pending = this.#pending.get(key)
      if (pending === undefined) this.#strange(message, letter)
      // The first delivery's channel may be gone; this one is settled together with it.
      else if (pending.message.token === message.token) pending.letters.push(letter)
      else letter.bury(FORGED)
      return
    }
    if (!this.#isGenuine(call, message)) {
      letter.bury(FORGED)
      return
    }
    const pending: Pending = { flowId: message.flowId, message, letters: [letter] }
    this.#pending.set(key, pending)
    this.#table.answered(call)
    call.listener.answer(call.request, answerOf(message), () => {
      if (this.#pending.get(key) === pending) this.#pending.delete(key)
      for (const { done } of pending.letters) done()
    })
  }

  #running(message: RunningMessage, letter: Letter): void {
    const now = this.#now()
    const strangers = this.#each(message.calls, letter, (call) => {
      this.#table.running(call, message.worker, now)
    })
    if (strangers === undefined) return
    if (strangers.length === 0) letter.done()
    else this.#options.strangers.running({ ...message, calls: strangers }, letter)
  }

  #ask(message: AskMessage, letter: Letter): void {
    const now = this.#now()
    const { worker } = message
    const strangers = this.#each(message.calls, letter, (call, { redelivered, again, hold }) => {
      this.#table.asked(call, { worker, redelivered, again, hold }, now)
    })
    if (strangers === undefined) return
    if (strangers.length === 0) letter.done()
    else this.#options.strangers.ask({ ...message, calls: strangers }, letter)
  }

  #progress(message: ProgressMessage, letter: Letter): void {
    const call = this.#table.find(message)
    if (call === undefined) {
      this.#strange(message, letter)
    } else if (this.#isGenuine(call, message)) {
      call.listener.progress?.(call.request, message.progress, message.details)
      letter.done()
    } else {
      letter.bury(FORGED)
    }
  }

  #unknown(message: UnknownMessage, letter: Letter): void {
    const call = this.#table.find(message)
    if (call === undefined) {
      this.#strange(message, letter)
    } else if (this.#isGenuine(call, message)) {
      const done = this.#onceCommitted(message, letter)
      this.#table.unknown(call, message.worker, this.#now(), done)
    } else {
      letter.bury(FORGED)
    }
  }

  #released(message: ReleasedMessage, letter: Letter): void {
    const call = this.#table.find(message)
    if (call === undefined) {
      this.#strange(message, letter)
    } else if (this.#isGenuine(call, message)) {
      const done = this.#onceCommitted(message, letter)
      this.#table.released(call, message, this.#now(), done)
    } else {
      letter.bury(FORGED)
    }
  }

  /** Settles a letter whose word has to be durable first. */
  #onceCommitted(message: UnknownMessage | ReleasedMessage, letter: Letter): () => void {
    this.#uncommitted.set(letter, message)
    return () => {
      this.#uncommitted.delete(letter)
      letter.done()
    }
  }

  /** Hands the calls that are here over; returns the others. Undefined: one is forged, and all are buried. */
  #each<R extends CallRef>(
    refs: readonly R[],
    letter: Letter,
    take: (call: OpenCall, ref: R) => void,
  ): R[] | undefined {
    const found: { readonly call: OpenCall; readonly ref: R }[] = []
    const strangers: R[] = []
    for (const ref of refs) {
      const call = this.#table.find(ref)
      if (call === undefined) strangers.push(ref)
      else found.push({ call, ref })
    }
    const isForged =
      found.some(({ call, ref }) => !this.#isGenuine(call, ref)) ||
      strangers.some((ref) => !this.#isGenuineRef(ref))
    if (isForged) {
      letter.bury(FORGED)
      return undefined
    }
    for (const { call, ref } of found) take(call, ref)
    return strangers
  }

  #strange(
    message: ResultMessage | FailureMessage | ProgressMessage | UnknownMessage | ReleasedMessage,
    letter: Letter,
  ): void {
    if (this.#isGenuineRef(message)) this.#options.strangers.one(message, letter)
    else letter.bury(FORGED)
  }

  #mail({ message, letters }: Pending): void {
    const [first, ...more] = letters
    if (first === undefined) return
    const all: Letter = {
      delivery: first.delivery,
      wasForwarded: first.wasForwarded,
      done: () => {
        first.done()
        for (const letter of more) letter.done()
      },
      bury: (reason) => {
        first.bury(reason)
        for (const letter of more) letter.done()
      },
    }
    this.#options.strangers.one(message, all)
  }

  /** R3. */
  #passOn(message: BarrierMessage, delivery: Delivery): void {
    const { id, replyTo, names, resolved } = this.#options
    const [sender, number] = message.id.split('#')
    if (sender === id) {
      delivery.ack()
      this.#table.barrierBack(Number(number), this.#now())
      return
    }
    // One that was passed on already finds nobody: its sender is gone.
    if (message.replyTo === replyTo || delivery.headers[FORWARDED_HEADER] !== undefined) {
      delivery.ack()
      return
    }
    resolved.link
      .publish({
        exchange: names.replies,
        routingKey: message.replyTo,
        body: writeMessage(message),
        type: 'barrier',
        headers: { [FORWARDED_HEADER]: true },
      })
      .then(
        () => delivery.ack(),
        () => delivery.ack(), // its sender sends another one
      )
  }

  #isGenuine(call: OpenCall, ref: CallRef): boolean {
    const secret = this.#options.secret()
    if (secret === null) return false
    return isSameToken((call.token ??= tokenOf(secret, call.request)), ref.token)
  }

  #isGenuineRef(ref: CallRef): boolean {
    const secret = this.#options.secret()
    return secret !== null && isTokenOf(secret, ref, ref.token)
  }

  #now(): number {
    return this.#options.resolved.clock.now()
  }
}

const FORGED = 'its token is not that of its call: whoever sent it was not given the request'

/** What a message says, as its owner takes it. */
export function answerOf(message: ResultMessage | FailureMessage): CallAnswer {
  const { startedAt } = message
  if (message.type === 'result') return { kind: 'succeeded', result: message.result, startedAt }
  return { kind: 'failed', failure: message.failure, outcome: message.outcome, startedAt }
}
