/**
 * A small world in memory for the table of calls: owners that die (`played-owner.ts`), workers that die, lose their channel or their
 * connection (`played-worker.ts`), a broker that is wiped, a store that commits late. Everything by a seed.
 */
import { callKeyText } from '../../src/protocol/call-key.ts'
import type { CallAnswer, CallRequest } from '../../src/protocol/call.ts'
import { Random } from '../support/random.ts'
import { PlayedOwner } from './played-owner.ts'
import { PlayedWorker } from './played-worker.ts'
import type { QueuedCopy, Word } from './world-words.ts'

/** What there is in a world. */
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

/** What the store knows of a call. */
export interface Row {
  readonly request: CallRequest
  copy: number | null
  starts: number
  isSettled: boolean
  cancelled: boolean
}

/** Its clock, its store, its broker, and whoever lives in it. */
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
  owner: PlayedOwner
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
    this.owner = new PlayedOwner(this, false)
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
    this.owner = new PlayedOwner(this, true)
    this.owner.readLater()
  }

  killWorker(worker: PlayedWorker): void {
    worker.die()
    this.workers = this.workers.filter((other) => other !== worker)
    this.addWorker()
  }

  /** It is restarted in good order. */
  stopWorker(worker: PlayedWorker): void {
    worker.stop()
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
