/**
 * What is to be done about the calls of this engine: everything it decides, without a broker, a store or a clock. Events come
 * in with the time; what follows is done through `CallEffects`. Most calls pass by with three steps: line, publication, answer.
 *
 * Owns: the calls that were dispatched and not answered, when each is to be looked at again, the barriers under way.
 *
 * Invariants
 * T1  A call is answered at most once, and never before `dispatch` or `abort` have returned.
 * T2  A copy that may be a second one is told `go` only when nobody was heard to run the call while a living worker was sure to
 *     speak, and its reply queue was then read to its end; and only after the owner's commit of it, so that an owner that is
 *     one no more tells nobody.
 * T3  A copy is dropped only after the commit that says that no copy is known (or that settles the call): the row never
 *     believes in a copy that is gone.
 * T4  A call is published again only if no copy of it is known in the present epoch of the broker, nobody was heard to run it for
 *     `silenceMs`, and its reply queue was then read to its end; or at once where this owner's own publication came to nothing.
 * T5  Every call that is not known to be with the broker has a time at which it is looked at again, or waits for a commit, for
 *     a publication or for a barrier: nothing is stuck.
 * T6  What is charged for a start is taken off again when its worker, which stopped in good order, released it; once.
 * T7  An event about a call costs O(log n) at most, whatever the number of calls.
 */
import type { Failure } from '../../src/base/failure.ts'
import type { CallKey, CallListener, CallRequest } from '../../src/protocol/call.ts'
import { Barriers } from './barriers.ts'
import { CallDecisions, isCharged } from './call-decisions.ts'
import type { CallEffects, CallTimes, KnownBroker } from './call-effects.ts'
import { CallSteps, type Listening } from './call-steps.ts'
import { DueList } from './due-list.ts'
import { openCall, type Ask, type OpenCall, type Ticket } from './open-call.ts'
import { OpenCalls } from './open-calls.ts'

export interface CallTableOptions {
  readonly effects: CallEffects
  readonly times: CallTimes
  readonly deliveryLimit: number
  /** Queue that answers of calls come to whose rows name none. */
  readonly replyTo: string
}

export class CallTable {
  readonly #options: CallTableOptions
  readonly #calls = new OpenCalls()
  readonly #due = new DueList<OpenCall>()
  readonly #broker: KnownBroker = { epoch: 0, isConnected: false, connectedAt: 0 }
  readonly #barriers: Barriers<Listening>
  readonly #steps: CallSteps
  readonly #decisions: CallDecisions

  constructor(options: CallTableOptions) {
    this.#options = options
    const { effects, times, deliveryLimit } = options
    const [calls, due, broker] = [this.#calls, this.#due, this.#broker]
    const barriers = (this.#barriers = new Barriers<Listening>(
      (queue, id) => effects.barrier(queue, id),
      times.silenceMs,
    ))
    const review = (call: OpenCall, now: number): void => this.#decisions.review(call, now)
    const steps = (this.#steps = new CallSteps({ effects, times, calls, barriers, review }))
    this.#decisions = new CallDecisions(steps, { effects, times, deliveryLimit, broker, due })
  }

  /** Calls that were dispatched and not answered. */
  get size(): number {
    return this.#calls.size
  }

  /** Epoch of the broker. */
  get epoch(): number {
    return this.#broker.epoch
  }

  [Symbol.iterator](): Iterator<OpenCall> {
    return this.#calls[Symbol.iterator]()
  }

  find(key: CallKey): OpenCall | undefined {
    return this.#calls.find(key)
  }

  // What the owner says

  dispatch(request: CallRequest, listener: CallListener, now: number): OpenCall {
    const call = openCall(request, listener, { replyTo: this.#options.replyTo, now })
    const earlier = this.#calls.add(call)
    if (earlier !== undefined) this.#steps.leave(earlier)
    if (call.isAdopted) this.#decisions.review(call, now)
    else this.#steps.publish(call)
    return call
  }

  /** The owner wants it to end; its answer still comes. */
  abort(key: CallKey, reason: string, now: number): void {
    const call = this.#calls.find(key)
    if (call === undefined || call.abort !== null) return
    call.abort = { reason, sentAt: -Infinity }
    if (call.phase === 'line' || call.phase === 'backoff') this.#steps.withdraw(call)
    this.#decisions.review(call, now)
  }

  /** The flow is another's: its calls are dropped, unanswered. */
  forget(flowId: string): void {
    for (const call of this.#calls.takeFlow(flowId)) this.#steps.leave(call)
  }

  /** What came about a call by mail. */
  heard(key: CallKey, what: 'answered' | 'lost', now: number): void {
    const call = this.#calls.find(key)
    if (call === undefined) return
    if (what === 'answered') {
      this.#steps.remove(call)
      return
    }
    call.copy = null
    call.noted = null
    call.ask = null
    this.#decisions.review(call, now)
  }

  /** Everything that is known of a flow's copies is noted now. */
  handOver(flowId: string): void {
    for (const call of [...this.#calls.ofFlow(flowId)]) {
      call.isLeaving = true
      this.#steps.noteCopy(call)
    }
  }

  /**
   * Whether all of a flow's calls are with the broker, durably, and nothing about them is known here alone. What made its owner
   * take the flow may be the ask of a worker, which repeats it only after a while: that is waited for.
   */
  canPark(flowId: string, now: number): boolean {
    for (const call of this.#calls.ofFlow(flowId)) {
      if (call.isAdopted && !call.isLeaving && now < call.dispatchedAt + ASKED_AGAIN_MS)
        return false
      if (call.phase !== 'out' || call.copy === null || call.copy !== this.#broker.epoch)
        return false
      if (call.noted !== call.copy || call.uncommitted > 0 || call.isCommitting) return false
      if (call.abort !== null || call.ask !== null) return false
    }
    return true
  }

  // What the broker says

  /** Its turn in the line has come; it is being published. */
  begun(ticket: Ticket, now: number): void {
    const { call } = ticket
    call.ticket = null
    call.phase = 'publishing'
    call.publishedAt = now
  }

  /** What became of a publication, that was begun in this epoch of the broker. `unknown`: nobody knows whether it arrived. */
  published(call: OpenCall, outcome: 'confirmed' | 'unknown', epoch: number, now: number): void {
    if (call.isSettled || call.phase !== 'publishing') return
    call.phase = 'out'
    call.publishedAt = now
    const { isGone } = call
    call.isGone = false
    if (outcome === 'confirmed' && isGone) {
      if (call.unknowns > 0) this.#steps.backOff(call, now)
    } else if (outcome === 'confirmed') {
      call.copy = epoch
      if (epoch === this.#broker.epoch) {
        if (call.isLeaving) this.#steps.noteCopy(call)
        else this.#steps.noteLater(call, now)
        if (call.abort === null && call.ask === null) return
      } else {
        call.heardSince = now
      }
    } else {
      call.isAgain = true
      call.mayHaveOther = true
      if (call.abort === null && call.ask === null && call.holder === null && !call.isCommitting) {
        this.#steps.publish(call) // T4
        return
      }
    }
    this.#decisions.review(call, now)
  }

  /** No queue took it: it is published again, as if it never had been. */
  returned(call: OpenCall, now: number): void {
    if (call.isSettled || call.phase !== 'publishing') return
    call.phase = 'out'
    if (call.abort === null && call.ask === null && call.holder === null) this.#steps.publish(call)
    else this.#decisions.review(call, now)
  }

  /** It cannot be published at all. */
  refused(call: OpenCall, failure: Failure): void {
    if (!call.isSettled) this.#steps.fail(call, failure, call.mayHaveOther ? 'unknown' : 'failure')
  }

  /** The line is connected, and the broker is known to be in this epoch. A greater one: it lost what it held. */
  connected(epoch: number, now: number): void {
    this.#broker.isConnected = true
    this.#broker.connectedAt = now
    this.#barriers.again()
    this.raised(epoch, now)
  }

  disconnected(): void {
    this.#broker.isConnected = false
  }

  /** The broker lost what it held. */
  raised(epoch: number, now: number): void {
    if (epoch <= this.#broker.epoch) return
    const isFirst = this.#broker.epoch === 0
    this.#broker.epoch = epoch
    for (const call of this.#calls) {
      if (call.ask !== null && !call.isCommitting) call.ask = null
      call.probe = null
      if (!isFirst && call.phase === 'out') call.heardSince = now
      this.#decisions.review(call, now)
    }
  }

  /** A barrier has come back. */
  barrierBack(id: number, now: number): void {
    for (const { call, quiet } of this.#barriers.back(id)) {
      quiet.backAt = now
      if (call.quiet === quiet) this.#decisions.review(call, now)
    }
  }

  // What workers say

  /** A worker runs it, or will as soon as it has a place. */
  running(call: OpenCall, worker: string, now: number): void {
    const { holder } = call
    if (holder !== null && holder.worker === worker) {
      holder.heardAt = now
      holder.lostAt = null
      holder.hasSaid = true
    } else {
      call.holder = { worker, hasSaid: true, heardAt: now, lostAt: null, hold: undefined }
      call.wasHeld = true
    }
    if (call.phase === 'line' || call.phase === 'backoff') {
      if (call.phase === 'line' && !call.isAgain) return
      this.#steps.withdraw(call)
    }
    call.unknowns = 0
    // It was told by an earlier owner, or is just being.
    if (call.ask?.worker === worker && !call.isCommitting) call.ask = null
    if (call.ask !== null || call.abort !== null) this.#decisions.review(call, now)
    else if (call.copy !== this.#broker.epoch && call.dueAt === Infinity)
      this.#decisions.review(call, now)
  }

  /** A worker holds a copy and asks whether it may start it. */
  asked(call: OpenCall, ask: Ask, now: number): void {
    if (call.isCommitting) return // it asks again
    call.ask = { ...ask, at: call.ask?.at ?? now, epoch: this.#broker.epoch }
    this.#decisions.review(call, now)
  }

  /**
   * A worker does not know its task; that copy is gone once the worker's word is acknowledged, which `done` does when the row
   * does not believe in it any more.
   */
  unknown(call: OpenCall, worker: string, now: number, done: () => void): void {
    call.copy = null
    call.lastUnknown = worker
    call.unknowns += 1
    if (call.noted === null) done()
    else this.#steps.note(call, { copy: null }, done)
    if (call.isSettled) {
      done()
      return
    }
    // Whoever asked may have asked for that copy; who holds another one asks again.
    call.ask = null
    if (call.phase === 'publishing') call.isGone = true
    else if (call.phase === 'out' && !call.isCommitting) this.#steps.backOff(call, now)
    this.#decisions.review(call, now)
  }

  /**
   * A worker that stops has let it go: that start was not lost by the call's doing, and is taken off what it is charged (T6). The start
   * that follows is charged as always, before this or after it: the sum is the same. `held`: it had a doubtful copy, and knew of no
   * `go`. `done`: it is durable.
   */
  released(
    call: OpenCall,
    { worker, held }: { readonly worker: string; readonly held: boolean },
    now: number,
    done: () => void,
  ): void {
    const ask = call.ask?.worker === worker ? call.ask : null
    const isTold = call.holder?.worker === worker || (ask !== null && call.isCommitting)
    // A copy that was held unstarted came back before, and that is charged: to whom it is given next.
    const isFirst = ask !== null && !isCharged(call, ask)
    if (call.holder?.worker === worker) call.holder = null
    if (ask !== null && !call.isCommitting) call.ask = null
    if ((!held || isTold || isFirst) && call.releasedBy !== worker) {
      call.releasedBy = worker
      call.starts = Math.max(-1, call.starts - 1)
      this.#steps.note(call, { starts: call.starts }, done)
      if (call.isSettled) done()
    } else {
      done()
    }
    this.#decisions.review(call, now)
  }

  /** Its answer came: it is the owner's from here on. */
  answered(call: OpenCall): void {
    this.#steps.remove(call)
  }

  /** What was said to a worker about these calls reached nobody: its connection is gone. */
  unreachable(worker: string, calls: Iterable<OpenCall>, now: number): void {
    for (const call of calls) {
      const { holder } = call
      if (call.isSettled || holder?.worker !== worker || holder.lostAt !== null) continue
      holder.lostAt = now
      this.#decisions.review(call, now)
    }
  }

  // Time

  /** Looks at what is due. Called a few times a second. */
  tick(now: number): void {
    this.#steps.noteCopies(now)
    for (let call = this.#due.take(now); call !== undefined; call = this.#due.take(now)) {
      this.#decisions.review(call, now)
    }
    if (this.#broker.isConnected) this.#barriers.send(now)
  }

  clear(): void {
    for (const call of this.#calls) this.#steps.leave(call)
    this.#calls.clear()
    this.#due.clear()
    this.#barriers.clear()
    this.#steps.clear()
  }
}

/** Within this time a worker repeats what it asks: five seconds, and what is on the way. */
const ASKED_AGAIN_MS = 8000
