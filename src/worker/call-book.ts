/**
 * What becomes of each request, word and answer in a worker: the decisions, without a broker, a clock or a task. Whoever
 * calls carries out what is returned.
 *
 * Invariants
 * K1  A call is in here once: any other copy of it is adopted, whatever it says, and never started beside it.
 * K2  A doubtful copy (redelivered, published again, old) is not started before its owner says `go`.
 * K3  A copy is settled when the answer of its call was confirmed by the broker, when its owner says `drop`, or when it is
 *     given back. Not before.
 * K4  At most `concurrency` calls have a place (`places.ts`).
 * K5  A copy of a call that ended here lately is answered with the same answer (`recent-answers.ts`).
 * K6  A call that never began is forgotten when its copies are gone: the broker gives them to somebody, who asks. Not if its
 *     owner said `go`: the owner believes it here, so it is started here, and the other copy is dropped.
 * K7  Who is told to cancel a call that did not begin answers for it: nobody else will.
 * K8  What a worker that stops gives back is released first, so that its owner does not charge it to the call.
 */
import type { CallAnswer } from '../protocol/call.ts'
import type { CallRef, RequestMessage } from '../protocol/messages.ts'
import {
  hasBegun,
  hasOpen,
  isDoubtful,
  isHolder,
  isOther,
  type Call,
  type Copy,
  type Effect,
  type Entry,
  type SentReply,
} from './book-call.ts'
import { Places, type PlacesOptions } from './places.ts'
import { RecentAnswers, type RecentAnswersOptions } from './recent-answers.ts'

/** Limits and times. */
export interface CallBookOptions<C extends Copy> extends PlacesOptions, RecentAnswersOptions {
  /** A held copy is asked for so often, in ms. */
  readonly askEveryMs: number
  /** From its start until a call is first reported, in ms. */
  readonly firstReportMs: number
  /** Whether a redelivered call can run in a process of its own. */
  canRunAlone(call: Call<C>): boolean
}

/** A report now and then is enough, whatever a request says. */
const SHORTEST_REPORT_MS = 100
/** The share of the time between two reports of a call that is soon. */
const SOON = 0.25
const NOTHING: readonly never[] = []

/** The calls of one worker. */
export class CallBook<C extends Copy> {
  readonly #options: CallBookOptions<C>
  readonly #calls = new Map<string, Entry<C>>()
  readonly #held = new Set<Entry<C>>()
  readonly #places: Places<C>
  readonly #recent: RecentAnswers
  #holds = 0
  #isDraining = false

  constructor(options: CallBookOptions<C>) {
    this.#options = options
    this.#places = new Places(options)
    this.#recent = new RecentAnswers(options)
  }

  /** Calls that run, or have an answer that is not confirmed yet. */
  get running(): number {
    return this.#places.taken
  }

  /** Copies whose owner was asked, and calls that wait for a place. */
  get held(): number {
    return this.#held.size + this.#places.waiting.size
  }

  /** Copies that are here and not settled. */
  *unsettled(): Iterable<C> {
    for (const { copies } of this.#calls.values()) {
      for (const copy of copies) if (copy.isOpen) yield copy
    }
  }

  /** Calls that take a place, although the broker counts no copy of them: it would give others in their stead. */
  get uncounted(): number {
    let count = 0
    for (const call of this.#calls.values()) if (!hasOpen(call)) count += 1
    return count
  }

  /** A copy of a request came. */
  arrive(
    arrival: {
      readonly key: string
      readonly request: RequestMessage
      readonly replyTo: string
      readonly copy: C
    },
    now: number,
  ): readonly Effect<C>[] {
    const { key, request, replyTo, copy } = arrival
    if (this.#isDraining) {
      // Of a doubtful copy nobody was asked.
      if (copy.redelivered || request.again) return [{ do: 'requeue', copies: [copy] }]
      return [{ do: 'release', call: { key, request, replyTo, held: false }, copies: [copy] }]
    }
    const known = this.#calls.get(key)
    if (known !== undefined) return this.#adopt(known, arrival)
    const reply = this.#recent.find(key, now)
    if (reply !== undefined) return [{ do: 'repeat', reply, copy }] // K5
    const isOld = now - request.publishedAt > request.askAfterMs
    const isDoubtful = copy.redelivered || request.again || isOld
    const call: Entry<C> = {
      key,
      request,
      replyTo,
      phase: 'waiting',
      isTold: false,
      isRedelivered: copy.redelivered,
      isAgain: request.again,
      isCancelled: false,
      hold: 0,
      isAlone: false,
      startedAt: now,
      copies: [copy],
      askAt: now,
      reportAt: 0,
    }
    this.#calls.set(key, call)
    if (isDoubtful) return this.#hold(call)
    if (this.#places.isFree) return [this.#start(call, now)]
    this.#places.wait(call)
    return this.#startNext(now)
  }

  /** Its owner says that it may start. What is not held (any more) stays as it is; so does what came after the one that is meant. */
  go(key: string, now: number, hold?: number): readonly Effect<C>[] {
    const call = this.#calls.get(key)
    if (call?.phase !== 'held' || isOther(call, hold)) return NOTHING
    this.#held.delete(call)
    call.isTold = true
    call.phase = 'waiting'
    call.reportAt = now + this.#options.firstReportMs
    call.isAlone = call.isRedelivered && this.#options.canRunAlone(call)
    this.#places.wait(call)
    return this.#startNext(now)
  }

  /** Its owner says that these copies are good for nothing. What runs is left alone: its answer decides nothing. */
  drop(key: string, hold?: number): readonly Effect<C>[] {
    const call = this.#calls.get(key)
    if (call === undefined || hasBegun(call) || isOther(call, hold)) return NOTHING
    this.#forget(call)
    return [{ do: 'ack', copies: call.copies }]
  }

  /** Its owner wants it to end. */
  cancel(key: string, reason: string, now: number): readonly Effect<C>[] {
    const call = this.#calls.get(key)
    if (call === undefined || call.phase === 'replying') return NOTHING
    call.isCancelled = true
    if (call.phase === 'running') return [{ do: 'abort', call, reason }]
    const mayHaveRun = isDoubtful(call)
    const about = mayHaveRun
      ? 'it had not started here, and how far it came elsewhere is not known'
      : 'it had not started'
    this.#held.delete(call)
    this.#places.withdraw(call)
    call.isAlone = false // it was not counted yet
    call.phase = 'replying'
    this.#places.take(call)
    const answer: CallAnswer = {
      kind: 'failed',
      failure: { code: 'Cancelled', message: `${reason}; ${about}` },
      outcome: mayHaveRun ? 'unknown' : 'failure',
      startedAt: now,
    }
    return [{ do: 'reply', call, answer }] // K7
  }

  /** Those that are here, of calls that somebody asks about; a wrong token is no question. */
  reported(refs: readonly (CallRef & { readonly key: string })[]): readonly Call<C>[] {
    return refs.flatMap(({ key, token }) => {
      const call = this.#calls.get(key)
      return call !== undefined && call.request.token === token && isHolder(call) ? [call] : []
    })
  }

  /** The body ended. */
  answered(call: Call<C>, answer: CallAnswer): readonly Effect<C>[] {
    const entry = this.#entryOf(call)
    if (entry?.phase !== 'running') return NOTHING
    entry.phase = 'replying'
    this.#places.leaveAlone(entry)
    return [{ do: 'reply', call, answer }]
  }

  /** Its answer was confirmed. */
  confirmed(call: Call<C>, reply: SentReply, now: number): readonly Effect<C>[] {
    const entry = this.#entryOf(call)
    if (entry === undefined) return NOTHING
    this.#forget(entry)
    this.#recent.keep(entry.key, reply, now)
    if (this.#places.waiting.size === 0) return [{ do: 'ack', copies: entry.copies }]
    return [{ do: 'ack', copies: entry.copies }, ...this.#startNext(now)]
  }

  /** Its process died without an answer: its copies go back, and who gets one asks. */
  abandoned(call: Call<C>, now: number): readonly Effect<C>[] {
    const entry = this.#entryOf(call)
    if (entry === undefined) return NOTHING
    this.#forget(entry)
    return [{ do: 'requeue', copies: entry.copies }, ...this.#startNext(now)]
  }

  /** K8. Its body was ended because the worker stops. */
  released(call: Call<C>): readonly Effect<C>[] {
    const entry = this.#entryOf(call)
    if (entry === undefined) return NOTHING
    this.#forget(entry)
    return [release(entry)]
  }

  /** K6. What never began and has no copy any more is gone from here. */
  forgetLost(): void {
    for (const call of [...this.#held, ...this.#places.waiting]) {
      if (!call.isTold && !hasOpen(call)) this.#forget(call)
    }
  }

  /** Held calls whose owner is to be asked now, in order of arrival. */
  toAsk(now: number): readonly Call<C>[] {
    this.forgetLost()
    const due = [...this.#held].filter(({ askAt }) => askAt <= now)
    for (const call of due) call.askAt = now + this.#options.askEveryMs
    return due
  }

  /** When somebody is to be asked next; undefined: nobody. */
  get nextAskAt(): number | undefined {
    let next: number | undefined
    for (const { askAt } of this.#held) next = Math.min(next ?? askAt, askAt)
    return next
  }

  /**
   * Calls to be reported as running now; `all`: whether it is time or not. With one whose time has come go those whose time
   * comes soon, so that they come to share their messages.
   */
  toReport(now: number, options: { readonly all?: boolean } = {}): readonly Call<C>[] {
    const here = [...this.#calls.values()].filter(isHolder)
    if (options.all !== true && !here.some(({ reportAt }) => reportAt <= now)) return NOTHING
    const due = here.filter(({ reportAt, request: { reportEveryMs } }) => {
      return options.all === true || reportAt <= now + reportEveryMs * SOON
    })
    for (const call of due) {
      call.reportAt = now + Math.max(SHORTEST_REPORT_MS, call.request.reportEveryMs)
    }
    return due
  }

  /** Nothing starts any more: what never began goes back, and whatever comes. */
  drain(): readonly Effect<C>[] {
    this.#isDraining = true
    return [...this.#held, ...this.#places.waiting].map((call) => {
      this.#forget(call)
      return release(call)
    })
  }

  /** Calls whose bodies run. */
  get bodies(): readonly Call<C>[] {
    return [...this.#calls.values()].filter(({ phase }) => phase === 'running')
  }

  #adopt(
    call: Entry<C>,
    { request, copy }: { readonly request: RequestMessage; readonly copy: C },
  ): readonly Effect<C>[] {
    call.copies = [...call.copies.filter(({ isOpen }) => isOpen), copy] // K1
    if (hasBegun(call) || call.isTold) return NOTHING
    const wasDoubtful = isDoubtful(call)
    call.isRedelivered ||= copy.redelivered
    call.isAgain ||= request.again
    if (call.phase !== 'waiting' || wasDoubtful || !isDoubtful(call)) return NOTHING
    // One that waits for a place, and now there is reason to doubt it.
    this.#places.withdraw(call)
    return this.#hold(call)
  }

  /** K2. */
  #hold(call: Entry<C>): readonly Effect<C>[] {
    call.phase = 'held'
    call.hold = ++this.#holds
    this.#held.add(call)
    return [{ do: 'ask' }]
  }

  #startNext(now: number): readonly Effect<C>[] {
    const effects: Effect<C>[] = []
    for (const call of this.#places.turns()) {
      if (call.isTold || hasOpen(call)) effects.push(this.#start(call, now))
      else this.#forget(call) // K6
    }
    return effects
  }

  #start(call: Entry<C>, now: number): Effect<C> {
    call.phase = 'running'
    this.#places.take(call)
    call.startedAt = now
    if (!call.isTold) call.reportAt = now + this.#options.firstReportMs
    return { do: 'start', call }
  }

  #forget(call: Entry<C>): void {
    this.#calls.delete(call.key)
    this.#held.delete(call)
    this.#places.withdraw(call)
    if (hasBegun(call)) this.#places.leave(call)
  }

  #entryOf(call: Call<C>): Entry<C> | undefined {
    const entry = this.#calls.get(call.key)
    return entry === call ? entry : undefined
  }
}

/** K8. */
function release<C extends Copy>(call: Call<C>): Effect<C> {
  const { key, request, replyTo, phase, copies } = call
  const held = phase === 'held' && isDoubtful(call)
  return { do: 'release', call: { key, request, replyTo, held }, copies }
}
