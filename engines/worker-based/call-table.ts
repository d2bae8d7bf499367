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
 * T6  An event about a call costs O(log n) at most, whatever the number of calls.
 */
import type { Failure } from '../../src/base/failure.ts'
import type {
  CallAnswer,
  CallKey,
  CallListener,
  CallNote,
  CallRequest,
} from '../../src/protocol/call.ts'
import { Barriers } from './barriers.ts'
import { DueList } from './due-list.ts'
import {
  openCall,
  type Ask,
  type Holder,
  type OpenCall,
  type PendingAsk,
  type Quiet,
  type Ticket,
} from './open-call.ts'
import { OpenCalls } from './open-calls.ts'

/** What the table has done by others. None of these may call back before it returns. */
export interface CallEffects {
  /** Puts it in the line of what is to be published; `begun` is told when its turn comes. */
  publish(ticket: Ticket): void
  /** Has a fact committed, and tells when it is; false: nobody waits for the call any more. */
  note(call: OpenCall, note: CallNote, committed: (now: number) => void): boolean
  /** Answers a call by itself: no worker's answer is waited for. */
  answer(call: OpenCall, answer: CallAnswer, committed?: () => void): void
  /** About the holding that was asked for: one that came later is another matter. */
  go(ask: Ask, call: OpenCall): void
  drop(ask: Ask, call: OpenCall, reason: string): void
  cancel(worker: string, call: OpenCall, reason: string): void
  report(worker: string, call: OpenCall): void
  /** Sends a barrier through a reply queue; `barrierBack` is told when it is back. */
  barrier(queue: string, id: number): void
}

/** Times in ms. */
export interface CallTimes {
  readonly reportEveryMs: number
  /** From now on a worker that was silent for so long is taken for gone. */
  readonly silenceMs: number
  /** What a worker gets to be heard again after it lost its connection. */
  readonly graceMs: number
  readonly askAfterMs: number
  /** From the commit of mail until its flow has certainly read it. */
  readonly mailMs: number
  /** A copy is made durable knowledge when its call is unanswered for so long. */
  readonly noteAfterMs: number
  readonly cancelEveryMs: number
  readonly firstBackoffMs: number
  readonly longestBackoffMs: number
  /** Clocks of hosts differ by so much at most. */
  readonly clocksMs: number
}

export interface CallTableOptions {
  readonly effects: CallEffects
  readonly times: CallTimes
  readonly deliveryLimit: number
  /** Queue that answers of calls come to whose rows name none. */
  readonly replyTo: string
}

export class CallTable {
  readonly #options: CallTableOptions
  readonly #effects: CallEffects
  readonly #times: CallTimes
  readonly #calls = new OpenCalls()
  readonly #due = new DueList<OpenCall>()
  readonly #barriers: Barriers<{ readonly call: OpenCall; readonly quiet: Quiet }>
  /** Confirmed calls whose copies are to be noted, in order of their confirms. */
  #toNote: { readonly call: OpenCall; readonly at: number }[] = []
  #epoch = 0
  #isConnected = false
  /** Since when the broker is connected. */
  #connectedAt = 0

  constructor(options: CallTableOptions) {
    this.#options = options
    this.#effects = options.effects
    this.#times = options.times
    this.#barriers = new Barriers(
      (queue, id) => this.#effects.barrier(queue, id),
      options.times.silenceMs,
    )
  }

  /** Calls that were dispatched and not answered. */
  get size(): number {
    return this.#calls.size
  }

  /** Epoch of the broker. */
  get epoch(): number {
    return this.#epoch
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
    if (earlier !== undefined) this.#leave(earlier)
    if (call.isAdopted) this.#review(call, now)
    else this.#publish(call)
    return call
  }

  /** The owner wants it to end; its answer still comes. */
  abort(key: CallKey, reason: string, now: number): void {
    const call = this.#calls.find(key)
    if (call === undefined || call.abort !== null) return
    call.abort = { reason, sentAt: -Infinity }
    if (call.phase === 'line' || call.phase === 'backoff') this.#withdraw(call)
    this.#review(call, now)
  }

  /** The flow is another's: its calls are dropped, unanswered. */
  forget(flowId: string): void {
    for (const call of this.#calls.takeFlow(flowId)) this.#leave(call)
  }

  /** What came about a call by mail. */
  heard(key: CallKey, what: 'answered' | 'lost', now: number): void {
    const call = this.#calls.find(key)
    if (call === undefined) return
    if (what === 'answered') {
      this.#remove(call)
      return
    }
    call.copy = null
    call.noted = null
    call.ask = null
    this.#review(call, now)
  }

  /** Everything that is known of a flow's copies is noted now. */
  handOver(flowId: string): void {
    for (const call of [...this.#calls.ofFlow(flowId)]) {
      call.isLeaving = true
      this.#noteCopy(call)
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
      if (call.phase !== 'out' || call.copy === null || call.copy !== this.#epoch) return false
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
      if (call.unknowns > 0) this.#backOff(call, now)
    } else if (outcome === 'confirmed') {
      call.copy = epoch
      if (epoch === this.#epoch) {
        if (call.isLeaving) this.#noteCopy(call)
        else this.#toNote.push({ call, at: now + this.#times.noteAfterMs })
        if (call.abort === null && call.ask === null) return
      } else {
        call.heardSince = now
      }
    } else {
      call.isAgain = true
      call.mayHaveOther = true
      if (call.abort === null && call.ask === null && call.holder === null && !call.isCommitting) {
        this.#publish(call) // T4
        return
      }
    }
    this.#review(call, now)
  }

  /** No queue took it: it is published again, as if it never had been. */
  returned(call: OpenCall, now: number): void {
    if (call.isSettled || call.phase !== 'publishing') return
    call.phase = 'out'
    if (call.abort === null && call.ask === null && call.holder === null) this.#publish(call)
    else this.#review(call, now)
  }

  /** It cannot be published at all. */
  refused(call: OpenCall, failure: Failure): void {
    if (!call.isSettled) this.#fail(call, failure, call.mayHaveOther ? 'unknown' : 'failure')
  }

  /** The line is connected, and the broker is known to be in this epoch. A greater one: it lost what it held. */
  connected(epoch: number, now: number): void {
    this.#isConnected = true
    this.#connectedAt = now
    this.#barriers.again()
    this.raised(epoch, now)
  }

  disconnected(): void {
    this.#isConnected = false
  }

  /** The broker lost what it held. */
  raised(epoch: number, now: number): void {
    if (epoch <= this.#epoch) return
    const isFirst = this.#epoch === 0
    this.#epoch = epoch
    for (const call of this.#calls) {
      if (call.ask !== null && !call.isCommitting) call.ask = null
      call.probe = null
      if (!isFirst && call.phase === 'out') call.heardSince = now
      this.#review(call, now)
    }
  }

  /** A barrier has come back. */
  barrierBack(id: number, now: number): void {
    for (const { call, quiet } of this.#barriers.back(id)) {
      quiet.backAt = now
      if (call.quiet === quiet) this.#review(call, now)
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
      this.#withdraw(call)
    }
    call.unknowns = 0
    // It was told by an earlier owner, or is just being.
    if (call.ask?.worker === worker && !call.isCommitting) call.ask = null
    if (call.ask !== null || call.abort !== null) this.#review(call, now)
    else if (call.copy !== this.#epoch && call.dueAt === Infinity) this.#review(call, now)
  }

  /** A worker holds a copy and asks whether it may start it. */
  asked(call: OpenCall, ask: Ask, now: number): void {
    if (call.isCommitting) return // it asks again
    call.ask = { ...ask, at: call.ask?.at ?? now, epoch: this.#epoch }
    this.#review(call, now)
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
    else this.#note(call, { copy: null }, done)
    if (call.isSettled) {
      done()
      return
    }
    // Whoever asked may have asked for that copy; who holds another one asks again.
    call.ask = null
    if (call.phase === 'publishing') call.isGone = true
    else if (call.phase === 'out' && !call.isCommitting) this.#backOff(call, now)
    this.#review(call, now)
  }

  /** Its answer came: it is the owner's from here on. */
  answered(call: OpenCall): void {
    this.#remove(call)
  }

  /** What was said to a worker about these calls reached nobody: its connection is gone. */
  unreachable(worker: string, calls: Iterable<OpenCall>, now: number): void {
    for (const call of calls) {
      const { holder } = call
      if (call.isSettled || holder?.worker !== worker || holder.lostAt !== null) continue
      holder.lostAt = now
      this.#review(call, now)
    }
  }

  // Time

  /** Looks at what is due. Called a few times a second. */
  tick(now: number): void {
    this.#noteCopies(now)
    for (let call = this.#due.take(now); call !== undefined; call = this.#due.take(now)) {
      this.#review(call, now)
    }
    if (this.#isConnected) this.#barriers.send(now)
  }

  clear(): void {
    for (const call of this.#calls) this.#leave(call)
    this.#calls.clear()
    this.#due.clear()
    this.#barriers.clear()
    this.#toNote = []
  }

  // Decisions: each returns when the call is to be looked at again.

  #review(call: OpenCall, now: number): void {
    if (call.isSettled || call.isCommitting) return
    const at =
      call.abort === null ? this.#reviewOpen(call, now) : this.#reviewAborted(call, call.abort, now)
    if (!call.isSettled) this.#due.set(call, call.isCommitting ? Infinity : at)
  }

  #reviewOpen(call: OpenCall, now: number): number {
    if (call.ask !== null) return this.#reviewAsk(call, call.ask, now)
    switch (call.phase) {
      case 'line':
      case 'publishing':
        return Infinity
      case 'backoff':
        if (now < call.backoffUntil) return call.backoffUntil
        this.#publish(call)
        return Infinity
      case 'out':
        return call.copy !== null && call.copy === this.#epoch
          ? Infinity
          : this.#reviewLost(call, now)
    }
  }

  /** T4. No copy is known. */
  #reviewLost(call: OpenCall, now: number): number {
    if (this.#epoch === 0) return Infinity // nothing is known of the broker yet
    const holder = this.#liveHolder(call, now)
    if (holder !== null) return this.#lostAt(call, holder)
    const { silenceMs, graceMs } = this.#times
    const since = Math.max(call.heardSince, call.holder?.heardAt ?? -Infinity)
    const until = Math.max(since + silenceMs, this.#connectedAt + 2 * graceMs)
    if (now < until) return until
    const quietAt = this.#quietAt(call, until, now)
    if (quietAt !== null) return quietAt
    call.isAgain = true
    call.mayHaveOther = true
    this.#publish(call)
    return Infinity
  }

  #reviewAsk(call: OpenCall, ask: PendingAsk, now: number): number {
    if (isRepeated(call.holder, ask, now - this.#times.graceMs)) {
      call.ask = null
      this.#effects.go(ask, call)
      return this.#reviewOpen(call, now)
    }
    const holder = this.#liveHolder(call, now)
    if (holder !== null && holder.worker !== ask.worker)
      return this.#reviewRival(call, ask, holder, now)
    if (isFirstStart(call, ask)) {
      if (call.mayHaveOther) this.#start(call, ask, call.starts)
      else this.#tellGo(call, ask, now)
      return call.isSettled || call.isCommitting ? Infinity : this.#reviewOpen(call, now)
    }
    if (isCharged(call, ask)) {
      const until = this.#hearUntil(call, ask)
      if (now < until) return until
      const quietAt = this.#quietAt(call, until, now)
      if (quietAt !== null) return quietAt
    }
    this.#decide(call, ask)
    return Infinity
  }

  /** T2: until when a living worker is sure to be heard. */
  #hearUntil(call: OpenCall, ask: PendingAsk): number {
    const { graceMs, reportEveryMs } = this.#times
    const { holder } = call
    const heardUntil = call.heardSince + reportEveryMs + 2 * graceMs
    const until = Math.max(ask.at + graceMs, this.#connectedAt + graceMs, heardUntil)
    return holder === null || holder.worker === ask.worker
      ? until
      : Math.max(until, this.#lostAt(call, holder))
  }

  /** Somebody else is believed to run it: asked, then waited for. */
  #reviewRival(call: OpenCall, ask: PendingAsk, holder: Holder, now: number): number {
    const { probe } = call
    const isFresh = probe !== null && probe.worker === holder.worker && probe.at >= ask.at
    if (isFresh && holder.hasSaid && holder.heardAt > probe.at) {
      this.#favour(call, ask, holder)
      return Infinity
    }
    if (!isFresh) {
      call.probe = { worker: holder.worker, at: now }
      this.#effects.report(holder.worker, call)
    }
    return this.#lostAt(call, holder)
  }

  /** T3. */
  #favour(call: OpenCall, ask: PendingAsk, holder: Holder): void {
    const reason = `it runs with ${holder.worker}`
    this.#withoutCopy(call, ask, reason)
  }

  /** No copy is known any more; once that is committed this one is dropped. */
  #withoutCopy(call: OpenCall, ask: PendingAsk, reason: string): void {
    call.ask = null
    call.probe = null
    call.copy = null
    if (call.phase === 'publishing') call.isGone = true
    this.#commit(call, { copy: null }, () => this.#effects.drop(ask, call, reason))
  }

  #decide(call: OpenCall, ask: PendingAsk): void {
    const isAnother = isCharged(call, ask)
    if (isAnother && call.request.repeat === 'never') {
      this.#fail(
        call,
        { code: 'UnknownOutcome', message: NEVER_AGAIN, retryable: false },
        'unknown',
        ask,
      )
      return
    }
    const starts = call.starts + (isAnother ? 1 : 0)
    if (1 + starts > this.#options.deliveryLimit) {
      const message = `${this.#options.deliveryLimit} starts of it ended with the loss of its worker`
      this.#fail(call, { code: 'WorkerLost', message, retryable: false }, 'unknown', ask)
      return
    }
    this.#start(call, ask, starts)
  }

  /** `go`, once it is committed. */
  #start(call: OpenCall, ask: PendingAsk, starts: number): void {
    if (call.phase === 'line' || call.phase === 'backoff') this.#withdraw(call)
    call.starts = starts
    call.copy = ask.epoch
    this.#commit(call, { copy: ask.epoch, starts }, (now) => {
      const holder = this.#liveHolder(call, now)
      const isRun = holder !== null && holder.worker !== ask.worker
      if (call.copy !== ask.epoch)
        call.ask = null // it is gone, meanwhile
      else if (call.abort === null && !isRun) this.#tellGo(call, ask, now)
    })
  }

  #tellGo(call: OpenCall, ask: PendingAsk, now: number): void {
    const { worker, hold } = ask
    if (call.ask?.worker === worker || call.ask === null) call.ask = null
    call.probe = null
    call.unknowns = 0
    call.wasHeld = true
    call.holder = { worker, hasSaid: false, heardAt: now, lostAt: null, hold }
    this.#effects.go(ask, call)
  }

  #reviewAborted(call: OpenCall, abort: NonNullable<OpenCall['abort']>, now: number): number {
    const { askAfterMs, clocksMs, cancelEveryMs } = this.#times
    if (call.phase === 'publishing') return Infinity
    const wasPublished = call.isAdopted || call.isAgain || call.copy !== null
    if (!wasPublished) return this.#cancelled(call, abort.reason, 'failure')
    const holder = this.#liveHolder(call, now)
    if (holder !== null) {
      if (now >= abort.sentAt + cancelEveryMs) {
        abort.sentAt = now
        this.#effects.cancel(holder.worker, call, abort.reason)
      }
      if (call.ask !== null && call.ask.worker !== holder.worker)
        this.#withoutCopy(call, call.ask, abort.reason)
      else call.ask = null
      return Math.min(abort.sentAt + cancelEveryMs, this.#lostAt(call, holder))
    }
    const { ask } = call
    const mayHaveRun = call.isAgain || call.mayHaveOther || call.starts > 0 || call.wasHeld
    if (ask !== null) {
      const isOnly = !call.mayHaveOther && !call.wasHeld
      if (isOnly)
        return this.#cancelled(call, abort.reason, ask.redelivered ? 'unknown' : 'failure', ask)
      this.#withoutCopy(call, ask, abort.reason)
      return Infinity
    }
    const until = Math.max(call.publishedAt + askAfterMs + clocksMs, call.holder?.heardAt ?? 0)
    if (now < until) return until
    // Only a connected engine can hear more.
    const quietAt = this.#isConnected ? this.#quietAt(call, until, now) : null
    if (quietAt !== null) return quietAt
    return this.#cancelled(call, abort.reason, mayHaveRun ? 'unknown' : 'failure')
  }

  #cancelled(
    call: OpenCall,
    reason: string,
    outcome: 'failure' | 'unknown',
    ask?: PendingAsk,
  ): number {
    const about =
      outcome === 'failure'
        ? 'it had not started'
        : 'no worker is known to run it, and how far it came is not known'
    this.#fail(call, { code: 'Cancelled', message: `${reason}; ${about}` }, outcome, ask)
    return Infinity
  }

  // Steps

  /** Published again later, for a worker did not know its task; unless somebody runs it, or asks. */
  #backOff(call: OpenCall, now: number): void {
    if (call.abort !== null || call.ask !== null || this.#liveHolder(call, now) !== null) return
    const { firstBackoffMs, longestBackoffMs } = this.#times
    const backoffMs = firstBackoffMs * 2 ** Math.min(call.unknowns - 1, 30)
    call.phase = 'backoff'
    call.isAgain = true
    call.backoffUntil = now + Math.min(backoffMs, longestBackoffMs)
  }

  #publish(call: OpenCall): void {
    const ticket: Ticket = { call, request: call.request, withdrawn: false }
    call.phase = 'line'
    call.ticket = ticket
    this.#effects.publish(ticket)
  }

  /** Out of the line, or not published again later. */
  #withdraw(call: OpenCall): void {
    if (call.ticket !== null) call.ticket.withdrawn = true
    call.ticket = null
    call.phase = 'out'
  }

  /** Settles a call without a worker; the copy that somebody asked about is dropped once that is committed (T3). */
  #fail(call: OpenCall, failure: Failure, outcome: 'failure' | 'unknown', ask?: PendingAsk): void {
    const startedAt = call.dispatchedAt
    this.#remove(call)
    const committed =
      ask === undefined ? undefined : () => this.#effects.drop(ask, call, failure.message)
    this.#effects.answer(call, { kind: 'failed', failure, outcome, startedAt }, committed)
  }

  /** Nothing else is decided about the call until this is committed. */
  #commit(call: OpenCall, note: CallNote, then: (now: number) => void): void {
    call.isCommitting = true
    this.#note(call, note, (now) => {
      call.isCommitting = false
      if (call.isSettled) return
      then(now)
      this.#review(call, now)
    })
  }

  #note(call: OpenCall, note: CallNote, committed: (now: number) => void): void {
    if (note.copy !== undefined) call.noted = note.copy
    call.uncommitted += 1
    const isAwaited = this.#effects.note(call, note, (now) => {
      call.uncommitted -= 1
      committed(now)
    })
    if (!isAwaited) this.#remove(call)
  }

  #noteCopies(now: number): void {
    const list = this.#toNote
    let done = 0
    for (; done < list.length; done++) {
      const next = list[done]
      if (next === undefined || next.at > now) break
      this.#noteCopy(next.call)
    }
    if (done > 0) this.#toNote = done === list.length ? [] : list.slice(done)
  }

  #noteCopy(call: OpenCall): void {
    if (call.isSettled || call.copy === null || call.noted === call.copy) return
    this.#note(call, { copy: call.copy }, nothing)
  }

  /** When the reply queue was read up to where it ended at `since` or later, mail included: null; else when to look again. */
  #quietAt(call: OpenCall, since: number, now: number): number | null {
    const { quiet } = call
    if (quiet === null || quiet.askedAt < since) {
      const asked: Quiet = { askedAt: now, backAt: null }
      call.quiet = asked
      this.#barriers.want(call.replyTo, { call, quiet: asked })
      return Infinity
    }
    if (quiet.backAt === null) return Infinity
    const readAt = quiet.backAt + (call.isAdopted ? this.#times.mailMs : 0)
    return now < readAt ? readAt : null
  }

  #liveHolder(call: OpenCall, now: number): Holder | null {
    const { holder } = call
    return holder !== null && now < this.#lostAt(call, holder) ? holder : null
  }

  /** When a holder that is not heard of any more is taken for gone. */
  #lostAt(call: OpenCall, holder: Holder): number {
    const { silenceMs, graceMs, reportEveryMs } = this.#times
    if (holder.lostAt !== null) return holder.lostAt + graceMs
    const probedAt = call.probe?.worker === holder.worker ? call.probe.at : -Infinity
    return Math.max(holder.heardAt + silenceMs, probedAt + reportEveryMs)
  }

  #remove(call: OpenCall): void {
    this.#calls.remove(call)
    this.#leave(call)
  }

  #leave(call: OpenCall): void {
    call.isSettled = true
    call.dueAt = Infinity
    if (call.ticket !== null) call.ticket.withdrawn = true
    call.ticket = null
  }
}

/** Within this time a worker repeats what it asks: five seconds, and what is on the way. */
const ASKED_AGAIN_MS = 8000

const NEVER_AGAIN =
  'its worker or the broker was lost, so nobody knows whether it succeeded; it is not run again, because its task says repeat: never'

function nothing(): void {}

/** Whether a worker that was told `go` asks about the same holding again: it was not reached, or is not yet. */
function isRepeated(holder: Holder | null, ask: PendingAsk, longAgo: number): boolean {
  if (holder?.worker !== ask.worker) return false
  if (ask.hold !== undefined && holder.hold !== undefined) return ask.hold === holder.hold
  return !holder.hasSaid && holder.heardAt > longAgo
}

/** A copy that nobody had before: old at most, and no copy was ever let start. */
function isFirstStart(call: OpenCall, ask: PendingAsk): boolean {
  const isMarked = ask.redelivered || ask.again
  return !isMarked && call.starts === 0 && call.unknowns === 0 && !call.wasHeld
}

/** Whether a start may be another one than the first: not where a copy is `again` only because a worker did not know its task. */
function isCharged(call: OpenCall, ask: PendingAsk): boolean {
  return ask.redelivered || call.mayHaveOther || call.wasHeld || call.starts > 0
}
