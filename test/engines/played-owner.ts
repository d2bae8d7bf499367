/** An owner in the small world of calls: the table of calls itself, a driver that commits late, a reader of the reply queue. */
import assert from 'node:assert/strict'
import { CallTable } from '../../engines/worker-based/call-table.ts'
import type { OpenCall, Ticket } from '../../engines/worker-based/open-call.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import type { CallAnswer, CallKey, CallListener } from '../../src/protocol/call.ts'
import type { World } from './call-world.ts'
import type { PlayedWorker } from './played-worker.ts'
import { requestMessage, TIMES, type Word } from './world-words.ts'

/** A conductor's incarnation. */
export class PlayedOwner implements CallListener {
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
      case 'released': {
        const call = this.table.find(word.ref)
        if (call === undefined) return
        this.#undone.add(word)
        this.table.released(call, word, now, () => this.#undone.delete(word))
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
