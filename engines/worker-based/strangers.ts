/**
 * Messages about calls that are not here: their flows have another owner, or none just now, or the calls are settled.
 *
 * Invariants
 * N1  An answer, or word that a copy is gone or was let go, is in the mailbox of its job before it is acknowledged; unless its call is settled.
 * N2  What only tells (running, progress) or asks goes to the owner's reply queue, once; nobody's is let go, for it is said again.
 * N3  A copy whose call is settled is dropped; a parked flow that is asked for is woken.
 * N4  While the store is away nothing is acknowledged, and everything is tried again in order.
 */
import { delayAfterAttempt } from '../../src/base/backoff.ts'
import type { Names } from '../../src/amqp/names.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import type {
  AskMessage,
  CallRef,
  FailureMessage,
  ProgressMessage,
  ReleasedMessage,
  ResultMessage,
  RunningMessage,
  UnknownMessage,
} from '../../src/protocol/messages.ts'
import { writeMessage } from '../../src/protocol/wire.ts'
import type { Json } from '../../src/base/json.ts'
import type { CallStanding } from '../../persistence/store.ts'
import type { Control } from './control.ts'
import { FORWARDED_HEADER, type Letter } from './letter.ts'
import type { ReplyQueues } from './reply-queues.ts'
import type { ResolvedWorkerBased } from './options.ts'

type OneMessage =
  ResultMessage | FailureMessage | ProgressMessage | UnknownMessage | ReleasedMessage
type Message = OneMessage | RunningMessage | AskMessage

interface Item {
  readonly message: Message
  readonly calls: readonly CallRef[]
  readonly letter: Letter
}

/** Calls that are asked about by one query, and messages at most. */
const BATCH = 500
const TRYING_AGAIN = { delayMs: 100, factor: 2, maxDelayMs: 5000, jitter: 0.5 }

export interface StrangersOptions {
  readonly resolved: ResolvedWorkerBased
  readonly names: Names
  readonly control: Control
  readonly queues: Pick<ReplyQueues, 'queueOf'>
}

export class Strangers {
  readonly #options: StrangersOptions
  #items: Item[] = []
  #running: Promise<void> | null = null
  #isStopped = false
  #cancelPause: () => void = () => {}

  constructor(options: StrangersOptions) {
    this.#options = options
  }

  one(message: OneMessage, letter: Letter): void {
    this.#add({ message, calls: [message], letter })
  }

  running(message: RunningMessage, letter: Letter): void {
    this.#add({ message, calls: message.calls, letter })
  }

  ask(message: AskMessage, letter: Letter): void {
    this.#add({ message, calls: message.calls, letter })
  }

  /** What is not done yet is left: the broker gives it to somebody else. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelPause()
    this.#items = []
    await this.#running
  }

  #add(item: Item): void {
    if (this.#isStopped) return
    this.#items.push(item)
    this.#running ??= this.#loop().finally(() => {
      this.#running = null
    })
  }

  async #loop(): Promise<void> {
    const { clock, logger } = this.#options.resolved
    await Promise.resolve() // whatever came together is looked up together
    for (let attempt = 0; this.#items.length > 0 && !this.#isStopped;) {
      const batch = this.#nextBatch()
      try {
        await this.#settle(batch)
        attempt = 0
        this.#items = this.#items.slice(batch.length)
      } catch (error) {
        attempt += 1
        logger.warn({ error }, 'replies for flows elsewhere wait: the store does not answer') // N4
        const delayMs = delayAfterAttempt(attempt, TRYING_AGAIN, 'strangers')
        await new Promise<void>((resolve) => {
          const cancel = clock.setTimer(resolve, clock.now() + delayMs)
          this.#cancelPause = () => {
            cancel()
            resolve()
          }
        })
      }
    }
  }

  #nextBatch(): readonly Item[] {
    let calls = 0
    const batch: Item[] = []
    for (const item of this.#items) {
      if (batch.length > 0 && calls + item.calls.length > BATCH) break
      calls += item.calls.length
      batch.push(item)
    }
    return batch
  }

  async #settle(batch: readonly Item[]): Promise<void> {
    const { store } = this.#options.resolved
    const standings = await store.standing(batch.flatMap(({ calls }) => calls))
    let at = 0
    for (const item of batch) {
      const own = standings.slice(at, at + item.calls.length)
      at += item.calls.length
      await this.#settleOne(item, own)
    }
  }

  async #settleOne(item: Item, standings: readonly CallStanding[]): Promise<void> {
    const { message, letter } = item
    switch (message.type) {
      case 'result':
      case 'failure':
        if (!isSettled(standings[0])) await this.#mail(message, `reply:${callKeyText(message)}`)
        break
      case 'unknown':
        if (!isSettled(standings[0])) await this.#mail(message, `unknown:${callKeyText(message)}`)
        break
      case 'released':
        if (!message.held && !isSettled(standings[0])) {
          await this.#mail(message, `released:${message.worker}:${callKeyText(message)}`)
        }
        break
      case 'progress':
        await this.#toOwner(message, standings[0], letter)
        break
      case 'running':
        await this.#toOwners(message.calls, standings, letter, (calls) => ({ ...message, calls }))
        break
      case 'ask':
        await this.#settleAsk(message, standings, letter)
        break
    }
    letter.done()
  }

  /** N1. */
  async #mail(
    message: ResultMessage | FailureMessage | UnknownMessage | ReleasedMessage,
    key: string,
  ): Promise<void> {
    const { store } = this.#options.resolved
    await store.mail(message.jobId, { key, kind: 'reply', body: message as Json }) // parsed from JSON
  }

  /** N2, N3. */
  async #settleAsk(
    message: AskMessage,
    standings: readonly CallStanding[],
    letter: Letter,
  ): Promise<void> {
    const { control, resolved } = this.#options
    for (const [at, call] of message.calls.entries()) {
      const standing = standings[at]
      if (isSettled(standing)) {
        control.drop({ worker: message.worker, hold: call.hold }, call, 'its call is settled')
      } else if (standing?.job === 'PARKED') {
        const key = `ask:${callKeyText(call)}`
        await resolved.store.mail(call.jobId, { key, kind: 'reply', body: { type: 'ask' } })
      }
    }
    await this.#toOwners(message.calls, standings, letter, (calls) => ({ ...message, calls }))
  }

  async #toOwners<R extends CallRef>(
    calls: readonly R[],
    standings: readonly CallStanding[],
    letter: Letter,
    about: (calls: R[]) => RunningMessage | AskMessage,
  ): Promise<void> {
    const byOwner = new Map<string, R[]>()
    for (const [at, call] of calls.entries()) {
      const queue = await this.#queueOfOwner(standings[at], letter)
      if (queue === undefined) continue
      const list = byOwner.get(queue)
      if (list === undefined) byOwner.set(queue, [call])
      else list.push(call)
    }
    for (const [queue, list] of byOwner) await this.#forward(queue, about(list))
  }

  async #toOwner(
    message: ProgressMessage,
    standing: CallStanding | undefined,
    letter: Letter,
  ): Promise<void> {
    const queue = await this.#queueOfOwner(standing, letter)
    if (queue !== undefined) await this.#forward(queue, message)
  }

  async #queueOfOwner(
    standing: CallStanding | undefined,
    letter: Letter,
  ): Promise<string | undefined> {
    if (letter.wasForwarded || standing === undefined) return undefined
    if (isSettled(standing) || standing.conductor === null) return undefined
    return this.#options.queues.queueOf(standing.conductor)
  }

  /** A hint: if it does not arrive, it is said again. */
  async #forward(queue: string, message: Message): Promise<void> {
    const { names, resolved } = this.#options
    try {
      await resolved.link.publish({
        exchange: names.replies,
        routingKey: queue,
        body: writeMessage(message),
        type: message.type,
        headers: { [FORWARDED_HEADER]: true },
      })
    } catch (error) {
      resolved.logger.debug({ error, queue }, 'a message may not have reached its owner')
    }
  }
}

function isSettled(standing: CallStanding | undefined): boolean {
  return standing === undefined || standing.settled || standing.job === null
}
