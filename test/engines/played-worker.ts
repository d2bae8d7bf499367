/** A worker in the small world of calls: its own book of calls, over a connection that can be lost. */
import { callKeyText } from '../../src/protocol/call-key.ts'
import type { CallAnswer, CallKey } from '../../src/protocol/call.ts'
import type { CallRef } from '../../src/protocol/messages.ts'
import type { Call, Copy, Effect } from '../../src/worker/book-call.ts'
import { CallBook } from '../../src/worker/call-book.ts'
import type { World } from './call-world.ts'
import { cancelledAnswer, refOf, TOKEN, type QueuedCopy, type Word } from './world-words.ts'

/** A copy that was delivered to a worker. */
class PlayedCopy implements Copy {
  readonly queued: QueuedCopy
  readonly #worker: PlayedWorker
  readonly queue = 'default'
  isOpen = true

  constructor(worker: PlayedWorker, queued: QueuedCopy) {
    this.#worker = worker
    this.queued = queued
  }

  get redelivered(): boolean {
    return this.queued.redelivered
  }

  ack(): void {
    if (this.isOpen) this.#worker.settled(this)
  }

  requeue(): void {
    if (!this.isOpen) return
    this.#worker.settled(this)
    this.#worker.world.giveBack([this.queued])
  }
}

/** A worker process. */
export class PlayedWorker {
  readonly world: World
  readonly name: string
  readonly #knows: boolean
  readonly #book: CallBook<PlayedCopy>
  #open: PlayedCopy[] = []
  isConnected = true
  #isDead = false
  #isStopping = false
  /** What could not be said yet. */
  readonly #unsaid: (() => void)[] = []

  constructor(world: World, name: string, knows: boolean) {
    this.world = world
    this.name = name
    this.#knows = knows
    this.#book = new CallBook<PlayedCopy>({
      concurrency: 2,
      maxAlone: 1,
      keepMs: 600_000,
      keepCalls: 1000,
      keepCharacters: 1e6,
      askEveryMs: 5000,
      firstReportMs: 200,
      canRunAlone: () => false,
    })
  }

  get hasRoom(): boolean {
    return (
      this.isConnected &&
      !this.#isDead &&
      !this.#isStopping &&
      this.#open.length + this.#book.uncounted < 2
    )
  }

  take(queued: QueuedCopy): void {
    const copy = new PlayedCopy(this, queued)
    this.#open.push(copy)
    if (!this.#knows) {
      const ref = refOf(queued.request)
      this.#say({ type: 'unknown', worker: this.name, ref }, () => copy.ack())
      return
    }
    const { request, replyTo } = queued
    this.#do(
      this.#book.arrive({ key: callKeyText(request), request, replyTo, copy }, this.world.now),
    )
  }

  settled(copy: PlayedCopy): void {
    copy.isOpen = false
    this.#open = this.#open.filter((other) => other !== copy)
    this.world.soon(() => this.world.deliver())
  }

  tick(): void {
    if (this.#isDead || !this.isConnected) return
    const { now } = this.world
    const asks = this.#book.toAsk(now)
    if (asks.length > 0) {
      const calls = asks.map(({ request, isRedelivered, isAgain, hold }) => {
        return { ...refOf(request), redelivered: isRedelivered, again: isAgain, hold }
      })
      this.#say({ type: 'ask', worker: this.name, calls })
    }
    this.#report(this.#book.toReport(now))
  }

  go(key: CallKey, hold: number | undefined): void {
    this.#do(this.#book.go(callKeyText(key), this.world.now, hold))
  }

  drop(key: CallKey, hold: number | undefined): void {
    this.#do(this.#book.drop(callKeyText(key), hold))
  }

  cancel(key: CallKey): void {
    this.#do(this.#book.cancel(callKeyText(key), 'cancelled', this.world.now))
  }

  report(key: CallKey): void {
    this.#report(this.#book.reported([{ ...key, token: TOKEN, key: callKeyText(key) }]))
  }

  /** As when the broker's consumer timeout is over: the connection stands. */
  loseChannel(): void {
    const open = this.#open
    this.#open = []
    for (const copy of open) copy.isOpen = false
    this.world.giveBack(open.map(({ queued }) => queued))
    this.#book.forgetLost()
  }

  loseConnection(): void {
    this.isConnected = false
    this.loseChannel()
  }

  connect(): void {
    if (this.isConnected || this.#isDead || !this.world.isUp) return
    this.isConnected = true
    for (const say of this.#unsaid.splice(0)) say()
    this.#report(this.#book.toReport(this.world.now, { all: true }))
    this.world.deliver()
  }

  /** In good order: what never began goes back, bodies are aborted and released; it dies a little later. */
  stop(): void {
    this.#isStopping = true
    this.#do(this.#book.drain())
    for (const call of this.#book.bodies) {
      const entry = this.world.ledger.get(call.key)
      if (entry !== undefined) entry.deaths += 1
      this.#do(this.#book.released(call))
    }
    this.world.later(5_000, () => this.die())
  }

  die(): void {
    for (const { request } of this.#book.bodies) {
      const entry = this.world.ledger.get(callKeyText(request))
      if (entry !== undefined) entry.deaths += 1
    }
    this.#isDead = true
    this.isConnected = false
    const open = this.#open
    this.#open = []
    for (const copy of open) copy.isOpen = false
    this.world.giveBack(open.map(({ queued }) => queued))
  }

  #do(effects: readonly Effect<PlayedCopy>[]): void {
    for (const effect of effects) {
      switch (effect.do) {
        case 'start':
          this.#start(effect.call)
          break
        case 'abort':
          this.#end(effect.call, cancelledAnswer(this.world.now))
          break
        case 'reply':
          this.#reply(effect.call, effect.answer)
          break
        case 'repeat': {
          const { copy, reply } = effect
          const { ref, answer } = JSON.parse(reply.body) as { ref: CallRef; answer: CallAnswer }
          this.#say({ type: 'answer', ref, answer }, () => copy.ack())
          break
        }
        case 'ack':
          for (const copy of effect.copies) copy.ack()
          break
        case 'requeue':
          for (const copy of effect.copies) copy.requeue()
          break
        case 'release': {
          const { call, copies } = effect
          const { request, held } = call
          this.#say({ type: 'released', worker: this.name, ref: refOf(request), held }, () => {
            for (const copy of copies) copy.requeue()
          })
          break
        }
        case 'ask':
          break
      }
    }
  }

  #start(call: Call<PlayedCopy>): void {
    const entry = this.world.ledger.get(call.key)
    if (entry !== undefined) entry.starts += 1
    const bodyMs = this.world.random.pick(this.world.options.bodyMs)
    const { now } = this.world
    this.world.later(bodyMs, () => {
      this.#end(call, { kind: 'succeeded', result: null, startedAt: now })
    })
  }

  #end(call: Call<PlayedCopy>, answer: CallAnswer): void {
    if (!this.#isDead) this.#do(this.#book.answered(call, answer))
  }

  #reply(call: Call<PlayedCopy>, answer: CallAnswer): void {
    const ref = refOf(call.request)
    const body = JSON.stringify({ ref, answer })
    this.#say({ type: 'answer', ref, answer }, () => {
      if (this.#isDead) return
      this.#do(
        this.#book.confirmed(call, { replyTo: call.replyTo, type: 'result', body }, this.world.now),
      )
    })
  }

  #report(calls: readonly Call<PlayedCopy>[]): void {
    if (calls.length === 0) return
    this.#say({
      type: 'running',
      worker: this.name,
      calls: calls.map((call) => refOf(call.request)),
    })
  }

  /** Answers are said until they are confirmed; other words once. */
  #say(word: Word, confirmed?: () => void): void {
    if (this.#isDead) return
    if (!this.isConnected) {
      if (confirmed !== undefined) this.#unsaid.push(() => this.#say(word, confirmed))
      return
    }
    // Words of one worker keep their order.
    if (!this.world.isUp) return
    this.world.say(word)
    if (confirmed === undefined) return
    this.world.soon(() => {
      if (this.isConnected) confirmed()
      else this.#unsaid.push(() => this.#say(word, confirmed))
    })
  }
}
