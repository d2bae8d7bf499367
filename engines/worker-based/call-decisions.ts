/**
 * What follows for a call from all that is known of it: looked at after each event about it, and when its time has come. The
 * invariants are those of `call-table.ts`, T2 to T5.
 */
import type { CallEffects, CallTimes, KnownBroker } from './call-effects.ts'
import type { CallSteps } from './call-steps.ts'
import type { DueList } from './due-list.ts'
import type { Holder, OpenCall, PendingAsk } from './open-call.ts'

export interface CallDecisionsOptions {
  readonly effects: CallEffects
  readonly times: CallTimes
  readonly deliveryLimit: number
  readonly broker: KnownBroker
  readonly due: DueList<OpenCall>
}

/** Each step of a decision returns when the call is to be looked at again. */
export class CallDecisions {
  readonly #options: CallDecisionsOptions
  readonly #steps: CallSteps

  constructor(steps: CallSteps, options: CallDecisionsOptions) {
    this.#steps = steps
    this.#options = options
  }

  review(call: OpenCall, now: number): void {
    if (call.isSettled || call.isCommitting) return
    const at =
      call.abort === null ? this.#reviewOpen(call, now) : this.#reviewAborted(call, call.abort, now)
    if (!call.isSettled) this.#options.due.set(call, call.isCommitting ? Infinity : at)
  }

  #reviewOpen(call: OpenCall, now: number): number {
    if (call.ask !== null) return this.#reviewAsk(call, call.ask, now)
    switch (call.phase) {
      case 'line':
      case 'publishing':
        return Infinity
      case 'backoff':
        if (now < call.backoffUntil) return call.backoffUntil
        this.#steps.publish(call)
        return Infinity
      case 'out':
        return call.copy !== null && call.copy === this.#options.broker.epoch
          ? Infinity
          : this.#reviewLost(call, now)
    }
  }

  /** T4. No copy is known. */
  #reviewLost(call: OpenCall, now: number): number {
    if (this.#options.broker.epoch === 0) return Infinity // nothing is known of the broker yet
    const holder = this.#steps.liveHolder(call, now)
    if (holder !== null) return this.#steps.lostAt(call, holder)
    const { silenceMs, graceMs } = this.#options.times
    const since = Math.max(call.heardSince, call.holder?.heardAt ?? -Infinity)
    const until = Math.max(since + silenceMs, this.#options.broker.connectedAt + 2 * graceMs)
    if (now < until) return until
    const quietAt = this.#steps.quietAt(call, until, now)
    if (quietAt !== null) return quietAt
    call.isAgain = true
    call.mayHaveOther = true
    this.#steps.publish(call)
    return Infinity
  }

  #reviewAsk(call: OpenCall, ask: PendingAsk, now: number): number {
    if (isRepeated(call.holder, ask, now - this.#options.times.graceMs)) {
      call.ask = null
      this.#options.effects.go(ask, call)
      return this.#reviewOpen(call, now)
    }
    const holder = this.#steps.liveHolder(call, now)
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
      const quietAt = this.#steps.quietAt(call, until, now)
      if (quietAt !== null) return quietAt
    }
    this.#decide(call, ask)
    return Infinity
  }

  /** T2: until when a living worker is sure to be heard. */
  #hearUntil(call: OpenCall, ask: PendingAsk): number {
    const { graceMs, reportEveryMs } = this.#options.times
    const { holder } = call
    const heardUntil = call.heardSince + reportEveryMs + 2 * graceMs
    const until = Math.max(ask.at + graceMs, this.#options.broker.connectedAt + graceMs, heardUntil)
    return holder === null || holder.worker === ask.worker
      ? until
      : Math.max(until, this.#steps.lostAt(call, holder))
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
      this.#options.effects.report(holder.worker, call)
    }
    return this.#steps.lostAt(call, holder)
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
    this.#steps.commit(call, { copy: null }, () => this.#options.effects.drop(ask, call, reason))
  }

  #decide(call: OpenCall, ask: PendingAsk): void {
    const isAnother = isCharged(call, ask)
    if (isAnother && call.request.repeat === 'never') {
      this.#steps.fail(
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
      this.#steps.fail(call, { code: 'WorkerLost', message, retryable: false }, 'unknown', ask)
      return
    }
    this.#start(call, ask, starts)
  }

  /** `go`, once it is committed. */
  #start(call: OpenCall, ask: PendingAsk, starts: number): void {
    if (call.phase === 'line' || call.phase === 'backoff') this.#steps.withdraw(call)
    call.starts = starts
    call.copy = ask.epoch
    this.#steps.commit(call, { copy: ask.epoch, starts }, (now) => {
      const holder = this.#steps.liveHolder(call, now)
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
    this.#options.effects.go(ask, call)
  }

  #reviewAborted(call: OpenCall, abort: NonNullable<OpenCall['abort']>, now: number): number {
    const { askAfterMs, clocksMs, cancelEveryMs } = this.#options.times
    if (call.phase === 'publishing') return Infinity
    const wasPublished = call.isAdopted || call.isAgain || call.copy !== null
    if (!wasPublished) return this.#cancelled(call, abort.reason, 'failure')
    const holder = this.#steps.liveHolder(call, now)
    if (holder !== null) {
      if (now >= abort.sentAt + cancelEveryMs) {
        abort.sentAt = now
        this.#options.effects.cancel(holder.worker, call, abort.reason)
      }
      if (call.ask !== null && call.ask.worker !== holder.worker)
        this.#withoutCopy(call, call.ask, abort.reason)
      else call.ask = null
      return Math.min(abort.sentAt + cancelEveryMs, this.#steps.lostAt(call, holder))
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
    const quietAt = this.#options.broker.isConnected ? this.#steps.quietAt(call, until, now) : null
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
    this.#steps.fail(call, { code: 'Cancelled', message: `${reason}; ${about}` }, outcome, ask)
    return Infinity
  }
}

const NEVER_AGAIN =
  'its worker or the broker was lost, so nobody knows whether it succeeded; it is not run again, because its task says repeat: never'

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
export function isCharged(call: OpenCall, ask: PendingAsk): boolean {
  return ask.redelivered || call.mayHaveOther || call.wasHeld || call.starts > 0
}
