/**
 * A small world in memory for the table of calls: owners that die, workers (with the worker's own book of calls) that die, lose
 * their channel or their connection, a broker that is wiped, a store that commits late. Everything by a seed.
 */
import assert from 'node:assert/strict'
import type { CallTimes } from '../../engines/worker-based/call-effects.ts'
import { CallTable } from '../../engines/worker-based/call-table.ts'
import type { OpenCall, Ticket } from '../../engines/worker-based/open-call.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import type { CallAnswer, CallKey, CallListener, CallRequest } from '../../src/protocol/call.ts'
import type { CallRef, RequestMessage } from '../../src/protocol/messages.ts'
import type { Call, Copy, Effect } from '../../src/worker/book-call.ts'
import { CallBook } from '../../src/worker/call-book.ts'
import { Random } from '../support/random.ts'

export const TIMES: CallTimes = {
  reportEveryMs: 10_000,
  silenceMs: 30_000,
  graceMs: 2000,
  askAfterMs: 60_000,
  mailMs: 1500,
  noteAfterMs: 1000,
  cancelEveryMs: 5000,
  firstBackoffMs: 1000,
  longestBackoffMs: 60_000,
  clocksMs: 10_000,
}
const TOKEN = 'token'

export interface WorldOptions {
  readonly seed: number
  readonly calls: number
  readonly workers: number
  readonly deliveryLimit?: number
  readonly fields?: Partial<CallRequest>
  /** How long bodies take, in ms. */
  readonly bodyMs: readonly number[]
  /** Workers that do not know the task at first. */
  readonly ignorant?: number
  /** From what was said to its effect, in ms. */
  readonly latencyMs: number
}

/** What happened to one call, counted outside of everybody. */
export interface Ledger {
  starts: number
  /** Deaths of processes in which its body ran. */
  deaths: number
  settled: number
  outcome: CallAnswer | null
}

interface Row {
  readonly request: CallRequest
  copy: number | null
  starts: number
  isSettled: boolean
  cancelled: boolean
}

interface QueuedCopy {
  readonly request: RequestMessage
  readonly replyTo: string
  redelivered: boolean
}

type Word =
  | { readonly type: 'running'; readonly worker: string; readonly calls: readonly CallRef[] }
  | {
      readonly type: 'ask'
      readonly worker: string
      readonly calls: readonly (CallRef & { redelivered: boolean; again: boolean; hold: number })[]
    }
  | { readonly type: 'answer'; readonly ref: CallRef; readonly answer: CallAnswer }
  | { readonly type: 'unknown'; readonly worker: string; readonly ref: CallRef }
  | { readonly type: 'barrier'; readonly owner: number; readonly id: number }

export class World {
  readonly random: Random
  readonly options: WorldOptions
  readonly rows = new Map<string, Row>()
  readonly ledger = new Map<string, Ledger>()
  readonly queue: QueuedCopy[] = []
  readonly replies: Word[] = []
  now = 1_000_000
  brokerEpoch = 1
  wipes = 0
  isUp = true
  owner: Owner
  workers: PlayedWorker[] = []
  readonly #events: { readonly at: number; readonly order: number; readonly run: () => void }[] = []
  #order = 0
  #named = 0

  constructor(options: WorldOptions) {
    this.options = options
    this.random = new Random(options.seed)
    for (let number = 1; number <= options.calls; number++) {
      const request: CallRequest = {
        jobId: 'job',
        flowId: 'flow',
        flow: 'f',
        atom: `a${number}`,
        direction: 'execute',
        call: 1,
        task: 'work',
        topic: 'default',
        attempt: 1,
        args: {},
        priority: 0,
        again: false,
        ...options.fields,
      }
      const row: Row = { request, copy: null, starts: 0, isSettled: false, cancelled: false }
      this.rows.set(callKeyText(request), row)
      this.ledger.set(callKeyText(request), { starts: 0, deaths: 0, settled: 0, outcome: null })
    }
    this.owner = new Owner(this, false)
    for (let at = 0; at < options.workers; at++) this.addWorker()
    this.every(100, () => {
      this.owner.tick()
      this.deliver()
    })
    this.every(50, () => {
      for (const worker of this.workers) worker.tick()
    })
  }

  addWorker(): void {
    const knows = this.#named >= (this.options.ignorant ?? 0)
    this.workers.push(new PlayedWorker(this, `w${++this.#named}`, knows))
    this.deliver()
  }

  later(ms: number, run: () => void): void {
    this.#events.push({ at: this.now + ms, order: this.#order++, run })
  }

  /** After a random while. */
  soon(run: () => void): void {
    this.later(1 + this.random.below(this.options.latencyMs), run)
  }

  every(ms: number, run: () => void): void {
    this.later(ms, () => {
      run()
      this.every(ms, run)
    })
  }

  /** Runs for so long, or until `done`. */
  run(ms: number, done: () => boolean = () => false): void {
    const until = this.now + ms
    while (!done()) {
      let next = -1
      for (let at = 0; at < this.#events.length; at++) {
        const event = this.#events[at]
        const best = this.#events[next]
        if (event === undefined) continue
        if (
          best === undefined ||
          event.at < best.at ||
          (event.at === best.at && event.order < best.order)
        )
          next = at
      }
      const event = this.#events[next]
      if (event === undefined || event.at > until) break
      this.#events.splice(next, 1)
      this.now = Math.max(this.now, event.at)
      event.run()
    }
  }

  get isDone(): boolean {
    return [...this.rows.values()].every(({ isSettled }) => isSettled)
  }

  // The broker

  enqueue(copy: QueuedCopy): void {
    this.queue.push(copy)
    this.deliver()
  }

  say(word: Word): void {
    this.replies.push(word)
    this.owner.readLater()
  }

  deliver(): void {
    if (!this.isUp) return
    for (;;) {
      const free = this.workers.filter((worker) => worker.hasRoom)
      if (free.length === 0) return
      const copy = this.queue.shift()
      if (copy === undefined) return
      this.random.pick(free).take(copy)
    }
  }

  /** Copies come back to where they were, in front. */
  giveBack(copies: readonly QueuedCopy[]): void {
    for (const copy of copies) copy.redelivered = true
    this.queue.unshift(...copies)
    this.soon(() => this.deliver())
  }

  // What goes wrong

  killOwner(): void {
    this.owner.die()
    this.owner = new Owner(this, true)
    this.owner.readLater()
  }

  killWorker(worker: PlayedWorker): void {
    worker.die()
    this.workers = this.workers.filter((other) => other !== worker)
    this.addWorker()
  }

  /** Everything on the broker is gone, and all connections are lost. */
  wipe(): void {
    this.wipes += 1
    this.restart()
    this.queue.length = 0
    this.replies.length = 0
    this.brokerEpoch += 1
  }

  /** All connections are lost; what is on the broker stays. */
  restart(): void {
    this.isUp = false
    this.owner.lost()
    for (const worker of this.workers) worker.loseConnection()
    this.later(200 + this.random.below(400), () => {
      if (this.isUp) return
      this.isUp = true
      this.owner.connect()
      for (const worker of this.workers) this.later(this.random.below(800), () => worker.connect())
    })
  }
}

/** A conductor's incarnation: the table, a driver that commits late, a reader of the reply queue. */
class Owner implements CallListener {
  readonly world: World
  readonly table: CallTable
  readonly #line: Ticket[] = []
  isGone = false
  /** Words that are not acknowledged. */
  readonly #undone = new Set<Word>()
  #isConnected = true
  #isReading = false
  #stalledUntil = 0
  #generation = 0
  readonly #id: number

  constructor(world: World, isTakeover: boolean) {
    this.world = world
    this.#id = world.random.below(1e9)
    this.table = new CallTable({
      times: TIMES,
      deliveryLimit: world.options.deliveryLimit ?? 5,
      replyTo: 'replies',
      effects: {
        publish: (ticket) => {
          this.#line.push(ticket)
          world.soon(() => this.#pump())
        },
        note: (call, note, committed) => {
          this.#commit(() => {
            const row = world.rows.get(callKeyText(call.request))
            if (row === undefined || row.isSettled) return
            if (note.copy !== undefined) row.copy = note.copy
            if (note.starts !== undefined) row.starts = note.starts
            committed(world.now)
          })
          return true
        },
        answer: (call, answer, committed) => this.#settle(call.request, answer, committed),
        go: (ask, call) => this.#tell(ask.worker, call, (told) => told.go(call.request, ask.hold)),
        drop: (ask, call) =>
          this.#tell(ask.worker, call, (told) => told.drop(call.request, ask.hold)),
        cancel: (worker, call) => this.#tell(worker, call, (told) => told.cancel(call.request)),
        report: (worker, call) => this.#tell(worker, call, (told) => told.report(call.request)),
        barrier: (_queue, id) => {
          if (!this.#isConnected) return
          world.soon(() => {
            if (world.isUp) world.say({ type: 'barrier', owner: this.#id, id })
          })
        },
      },
    })
    if (world.isUp) this.connect()
    else this.#isConnected = false
    for (const { request, isSettled, copy, starts, cancelled } of world.rows.values()) {
      if (isSettled) continue
      this.table.dispatch(
        { ...request, again: isTakeover, sent: { replyTo: 'replies', copy, starts } },
        this,
        world.now,
      )
      if (cancelled) this.table.abort(request, 'cancelled', world.now)
    }
  }

  answer(): void {
    assert.fail('the table answers by its effects')
  }

  connect(): void {
    if (this.isGone) return
    this.#isConnected = true
    this.#generation += 1
    this.table.connected(this.world.brokerEpoch, this.world.now)
    this.readLater()
    this.#pump()
  }

  lost(): void {
    this.#isConnected = false
    this.#generation += 1
    this.table.disconnected()
  }

  tick(): void {
    if (!this.isGone) this.table.tick(this.world.now)
  }

  die(): void {
    this.isGone = true
    this.world.replies.unshift(...this.#undone)
  }

  /** One word at a time, each after a while: there may be a backlog. */
  readLater(): void {
    if (this.#isReading || this.isGone) return
    this.#isReading = true
    const waitMs = Math.max(0, this.#stalledUntil - this.world.now)
    this.world.later(waitMs + 1 + this.world.random.below(this.world.options.latencyMs), () => {
      this.#isReading = false
      if (this.isGone || !this.#isConnected) return
      if (this.world.now < this.#stalledUntil) {
        this.readLater()
        return
      }
      const word = this.world.replies.shift()
      if (word === undefined) return
      this.#hear(word)
      this.readLater()
    })
  }

  /** It reads nothing for a while, as when the store is away and it holds as many answers as it may. */
  stall(ms: number): void {
    this.#stalledUntil = this.world.now + ms
  }

  cancel(key: CallKey): void {
    this.table.abort(key, 'cancelled', this.world.now)
  }

  #hear(word: Word): void {
    const { now } = this.world
    switch (word.type) {
      case 'barrier':
        if (word.owner === this.#id) this.table.barrierBack(word.id, now)
        return
      case 'running':
        for (const ref of word.calls) {
          const call = this.table.find(ref)
          if (call !== undefined) this.table.running(call, word.worker, now)
        }
        return
      case 'ask':
        for (const { redelivered, again, hold, ...ref } of word.calls) {
          const call = this.table.find(ref)
          const { worker } = word
          if (call !== undefined) {
            this.table.asked(call, { worker, redelivered, again, hold }, now)
          } else if (this.world.rows.get(callKeyText(ref))?.isSettled === true) {
            this.#tellWorker(
              worker,
              (told) => told.drop(ref, hold),
              () => {},
            )
          }
        }
        return
      case 'unknown': {
        const call = this.table.find(word.ref)
        if (call === undefined) return
        this.#undone.add(word)
        this.table.unknown(call, word.worker, now, () => this.#undone.delete(word))
        return
      }
      case 'answer': {
        const call = this.table.find(word.ref)
        if (call === undefined) return
        this.table.answered(call)
        this.#settle(word.ref, word.answer, undefined, word)
        return
      }
    }
  }

  /** An answer that was read and not committed when its owner died is read again by the next. */
  #settle(key: CallKey, answer: CallAnswer, committed?: () => void, word?: Word): void {
    const settle = (): void => {
      const row = this.world.rows.get(callKeyText(key))
      if (row === undefined || row.isSettled) return
      row.isSettled = true
      const entry = this.world.ledger.get(callKeyText(key))
      if (entry === undefined) return
      entry.settled += 1
      entry.outcome = answer
      committed?.()
    }
    this.#commit(settle, () => {
      if (word !== undefined) this.world.replies.unshift(word)
    })
  }

  #commit(apply: () => void, lost: () => void = () => {}): void {
    this.world.soon(() => {
      if (this.isGone) {
        lost()
        this.world.owner.readLater()
      } else apply()
    })
  }

  #pump(): void {
    const { world } = this
    while (!this.isGone && this.#isConnected) {
      const ticket = this.#line.shift()
      if (ticket === undefined) return
      if (ticket.withdrawn) continue
      const { epoch } = this.table
      const { call } = ticket
      this.table.begun(ticket, world.now)
      const request = requestMessage(call, world.now)
      const generation = this.#generation
      world.soon(() => {
        const arrives = world.isUp && generation === this.#generation
        if (arrives || (world.isUp && world.random.chance(0.5)))
          world.enqueue({ request, replyTo: 'replies', redelivered: false })
        world.soon(() => {
          if (this.isGone) return
          const isConfirmed = arrives && generation === this.#generation
          this.table.published(call, isConfirmed ? 'confirmed' : 'unknown', epoch, world.now)
        })
      })
    }
  }

  #tell(worker: string, call: OpenCall, tell: (worker: PlayedWorker) => void): void {
    this.#tellWorker(worker, tell, () => this.table.unreachable(worker, [call], this.world.now))
  }

  #tellWorker(name: string, tell: (worker: PlayedWorker) => void, unreachable: () => void): void {
    if (!this.#isConnected) return
    this.world.soon(() => {
      if (!this.world.isUp) return
      const worker = this.world.workers.find((other) => other.name === name)
      if (worker?.isConnected === true) this.world.soon(() => worker.isConnected && tell(worker))
      else if (!this.isGone) unreachable()
    })
  }
}

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

class PlayedWorker {
  readonly world: World
  readonly name: string
  readonly #knows: boolean
  readonly #book: CallBook<PlayedCopy>
  #open: PlayedCopy[] = []
  isConnected = true
  #isDead = false
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
    return this.isConnected && !this.#isDead && this.#open.length + this.#book.uncounted < 2
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

function requestMessage(call: OpenCall, now: number): RequestMessage {
  const { jobId, flowId, atom, direction, call: number, task, topic, flow } = call.request
  return {
    v: 1,
    type: 'request',
    jobId,
    flowId,
    atom,
    direction,
    call: number,
    token: TOKEN,
    task,
    topic,
    flow,
    attempt: 1,
    args: {},
    priority: 0,
    again: call.isAgain,
    publishedAt: now,
    reportEveryMs: TIMES.reportEveryMs,
    askAfterMs: TIMES.askAfterMs,
  }
}

function refOf({ jobId, flowId, atom, direction, call }: CallKey): CallRef {
  return { jobId, flowId, atom, direction, call, token: TOKEN }
}

function cancelledAnswer(startedAt: number): CallAnswer {
  const failure = { code: 'Cancelled', message: 'cancelled' }
  return { kind: 'failed', failure, outcome: 'failure', startedAt }
}
