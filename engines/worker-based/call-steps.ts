/** What can be done with a call, each by its own: lines, commits, barriers, answers. When is decided in `call-decisions.ts`. */
import type { Failure } from '../../src/base/failure.ts'
import type { CallNote } from '../../src/protocol/call.ts'
import type { Barriers } from './barriers.ts'
import type { CallEffects, CallTimes } from './call-effects.ts'
import type { Holder, OpenCall, PendingAsk, Quiet, Ticket } from './open-call.ts'
import type { OpenCalls } from './open-calls.ts'

/** A call that waits for a barrier. */
export interface Listening {
  readonly call: OpenCall
  readonly quiet: Quiet
}

export interface CallStepsOptions {
  readonly effects: CallEffects
  readonly times: CallTimes
  readonly calls: OpenCalls
  readonly barriers: Barriers<Listening>
  /** Something changed: what follows? */
  readonly review: (call: OpenCall, now: number) => void
}

export class CallSteps {
  readonly #options: CallStepsOptions
  /** Confirmed calls whose copies are to be noted, in order of their confirms. */
  #toNote: { readonly call: OpenCall; readonly at: number }[] = []

  constructor(options: CallStepsOptions) {
    this.#options = options
  }

  /** Its copy is made durable knowledge, if it is not answered soon. */
  noteLater(call: OpenCall, now: number): void {
    this.#toNote.push({ call, at: now + this.#options.times.noteAfterMs })
  }

  /** Published again later, for a worker did not know its task; unless somebody runs it, or asks. */
  backOff(call: OpenCall, now: number): void {
    if (call.abort !== null || call.ask !== null || this.liveHolder(call, now) !== null) return
    const { firstBackoffMs, longestBackoffMs } = this.#options.times
    const backoffMs = firstBackoffMs * 2 ** Math.min(call.unknowns - 1, 30)
    call.phase = 'backoff'
    call.isAgain = true
    call.backoffUntil = now + Math.min(backoffMs, longestBackoffMs)
  }

  publish(call: OpenCall): void {
    const ticket: Ticket = { call, request: call.request, withdrawn: false }
    call.phase = 'line'
    call.ticket = ticket
    this.#options.effects.publish(ticket)
  }

  /** Out of the line, or not published again later. */
  withdraw(call: OpenCall): void {
    if (call.ticket !== null) call.ticket.withdrawn = true
    call.ticket = null
    call.phase = 'out'
  }

  /** Settles a call without a worker; the copy that somebody asked about is dropped once that is committed (T3). */
  fail(call: OpenCall, failure: Failure, outcome: 'failure' | 'unknown', ask?: PendingAsk): void {
    const startedAt = call.dispatchedAt
    this.remove(call)
    const committed =
      ask === undefined ? undefined : () => this.#options.effects.drop(ask, call, failure.message)
    this.#options.effects.answer(call, { kind: 'failed', failure, outcome, startedAt }, committed)
  }

  /** Nothing else is decided about the call until this is committed. */
  commit(call: OpenCall, note: CallNote, then: (now: number) => void): void {
    call.isCommitting = true
    this.note(call, note, (now) => {
      call.isCommitting = false
      if (call.isSettled) return
      then(now)
      this.#options.review(call, now)
    })
  }

  note(call: OpenCall, note: CallNote, committed: (now: number) => void): void {
    if (note.copy !== undefined) call.noted = note.copy
    call.uncommitted += 1
    const isAwaited = this.#options.effects.note(call, note, (now) => {
      call.uncommitted -= 1
      committed(now)
    })
    if (!isAwaited) this.remove(call)
  }

  noteCopies(now: number): void {
    const list = this.#toNote
    let done = 0
    for (; done < list.length; done++) {
      const next = list[done]
      if (next === undefined || next.at > now) break
      this.noteCopy(next.call)
    }
    if (done > 0) this.#toNote = done === list.length ? [] : list.slice(done)
  }

  clear(): void {
    this.#toNote = []
  }

  /** What is known of its copy is made durable. */
  noteCopy(call: OpenCall): void {
    if (call.isSettled || call.copy === null || call.noted === call.copy) return
    this.note(call, { copy: call.copy }, nothing)
  }

  /** When the reply queue was read up to where it ended at `since` or later, mail included: null; else when to look again. */
  quietAt(call: OpenCall, since: number, now: number): number | null {
    const { quiet } = call
    if (quiet === null || quiet.askedAt < since) {
      const asked: Quiet = { askedAt: now, backAt: null }
      call.quiet = asked
      this.#options.barriers.want(call.replyTo, { call, quiet: asked })
      return Infinity
    }
    if (quiet.backAt === null) return Infinity
    const readAt = quiet.backAt + (call.isAdopted ? this.#options.times.mailMs : 0)
    return now < readAt ? readAt : null
  }

  liveHolder(call: OpenCall, now: number): Holder | null {
    const { holder } = call
    return holder !== null && now < this.lostAt(call, holder) ? holder : null
  }

  /** When a holder that is not heard of any more is taken for gone. */
  lostAt(call: OpenCall, holder: Holder): number {
    const { silenceMs, graceMs, reportEveryMs } = this.#options.times
    if (holder.lostAt !== null) return holder.lostAt + graceMs
    const probedAt = call.probe?.worker === holder.worker ? call.probe.at : -Infinity
    return Math.max(holder.heardAt + silenceMs, probedAt + reportEveryMs)
  }

  remove(call: OpenCall): void {
    this.#options.calls.remove(call)
    this.leave(call)
  }

  leave(call: OpenCall): void {
    call.isSettled = true
    call.dueAt = Infinity
    if (call.ticket !== null) call.ticket.withdrawn = true
    call.ticket = null
  }
}

function nothing(): void {}
