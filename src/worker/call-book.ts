/**
 * What becomes of each request, word and answer in a worker: the decisions, without a broker, a clock or a task. Whoever
 * calls carries out what is returned.
 *
 * Invariants
 * K1  A call is in here once: any other copy of it is adopted, whatever it says, and never started beside it.
 * K2  A doubtful copy (redelivered, published again, old) is not started before its owner says `go`.
 * K3  A copy is settled when the answer of its call was confirmed by the broker, when its owner says `drop`, or when it is
 *     given back. Not before.
 * K4  At most `concurrency` calls run, or have an answer that is not confirmed yet; the others wait in order. Of calls that run
 *     in a process of their own at most `maxAlone` run.
 * K5  A copy of a call that ended here lately is answered with the same answer; its body does not run again.
 * K6  A call that never began is forgotten when its copies are gone: the broker gives them to somebody, who asks. Not if its
 *     owner said `go`: the owner believes it here, so it is started here, and the other copy is dropped.
 * K7  Who is told to cancel a call that did not begin answers for it: nobody else will.
 */
import type { CallAnswer } from '../protocol/call.ts'
import type { CallRef, RequestMessage } from '../protocol/messages.ts'

/** What the book needs of a delivery. */
export interface Copy {
  readonly isOpen: boolean
  readonly redelivered: boolean
  ack(): void
  requeue(): void
}

/** held: its owner is asked; waiting: for a place; replying: its answer is not confirmed yet. */
export type Phase = 'held' | 'waiting' | 'running' | 'replying'

/** A call that is here. */
export interface Call<C extends Copy> {
  /** The text of its key. */
  readonly key: string
  readonly request: RequestMessage
  readonly replyTo: string
  readonly phase: Phase
  /** Its owner said `go`. */
  readonly isTold: boolean
  /** A copy of it was delivered before: whoever had it may have died of it. */
  readonly isRedelivered: boolean
  readonly isAgain: boolean
  /** Its owner wants it to end. */
  readonly isCancelled: boolean
  /** Which holding of a doubtful copy this is: another number when a copy came back here. 0: it was never held. */
  readonly hold: number
  /** In a process of its own. */
  readonly isAlone: boolean
  readonly startedAt: number
  readonly copies: readonly C[]
}

/** An answer as it was sent. */
export interface SentReply {
  readonly replyTo: string
  readonly type: string
  readonly body: string
}

/** What is to be done now, in this order. */
export type Effect<C extends Copy> =
  | { readonly do: 'start'; readonly call: Call<C> }
  /** Soon, with others. */
  | { readonly do: 'ask' }
  | { readonly do: 'abort'; readonly call: Call<C>; readonly reason: string }
  | { readonly do: 'reply'; readonly call: Call<C>; readonly answer: CallAnswer }
  /** Send this answer again, then acknowledge that copy. */
  | { readonly do: 'repeat'; readonly reply: SentReply; readonly copy: C }
  | { readonly do: 'ack'; readonly copies: readonly C[] }
  | { readonly do: 'requeue'; readonly copies: readonly C[] }

export interface CallBookOptions<C extends Copy> {
  /** K4. */
  readonly concurrency: number
  readonly maxAlone: number
  /** How long, in ms, how many and how many characters of answers are kept for K5. */
  readonly keepMs: number
  readonly keepCalls: number
  readonly keepCharacters: number
  /** A held copy is asked for so often, in ms. */
  readonly askEveryMs: number
  /** From its start until a call is first reported, in ms. */
  readonly firstReportMs: number
  /** Whether a redelivered call can run in a process of its own. */
  canRunAlone(call: Call<C>): boolean
}

interface Entry<C extends Copy> extends Call<C> {
  phase: Phase
  isTold: boolean
  isRedelivered: boolean
  isAgain: boolean
  isCancelled: boolean
  hold: number
  isAlone: boolean
  startedAt: number
  copies: C[]
  askAt: number
  reportAt: number
}

interface Finished extends SentReply {
  readonly at: number
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
  /** In order of arrival. */
  readonly #waiting = new Set<Entry<C>>()
  /** Oldest first. */
  readonly #finished = new Map<string, Finished>()
  #keptCharacters = 0
  #running = 0
  #alone = 0
  #holds = 0
  #isDraining = false

  constructor(options: CallBookOptions<C>) {
    this.#options = options
  }

  /** Calls that run, or have an answer that is not confirmed yet. */
  get running(): number {
    return this.#running
  }

  /** Copies whose owner was asked, and calls that wait for a place. */
  get held(): number {
    return this.#held.size + this.#waiting.size
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
    if (this.#isDraining) return [{ do: 'requeue', copies: [copy] }]
    const known = this.#calls.get(key)
    if (known !== undefined) return this.#adopt(known, arrival)
    const finished = this.#finished.get(key)
    if (finished !== undefined && now - finished.at <= this.#options.keepMs) {
      return [{ do: 'repeat', reply: finished, copy }] // K5
    }
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
    if (this.#running < this.#options.concurrency && this.#waiting.size === 0) {
      return [this.#start(call, now)]
    }
    this.#waiting.add(call)
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
    this.#waiting.add(call)
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
    this.#waiting.delete(call)
    call.isAlone = false // it was not counted yet
    this.#takePlace(call, 'replying')
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
    this.#leaveAlone(entry)
    return [{ do: 'reply', call, answer }]
  }

  /** Its answer was confirmed. */
  confirmed(call: Call<C>, reply: SentReply, now: number): readonly Effect<C>[] {
    const entry = this.#entryOf(call)
    if (entry === undefined) return NOTHING
    this.#forget(entry)
    this.#keep(entry.key, reply, now)
    if (this.#waiting.size === 0) return [{ do: 'ack', copies: entry.copies }]
    return [{ do: 'ack', copies: entry.copies }, ...this.#startNext(now)]
  }

  /** It ended without an answer (its process died, the worker stops): its copies go back, and who gets one asks. */
  abandoned(call: Call<C>, now: number): readonly Effect<C>[] {
    const entry = this.#entryOf(call)
    if (entry === undefined) return NOTHING
    this.#forget(entry)
    return [{ do: 'requeue', copies: entry.copies }, ...this.#startNext(now)]
  }

  /** K6. What never began and has no copy any more is gone from here. */
  forgetLost(): void {
    for (const call of [...this.#held, ...this.#waiting]) {
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
    const copies = [...this.#held, ...this.#waiting].flatMap((call) => {
      this.#forget(call)
      return call.copies
    })
    return [{ do: 'requeue', copies }]
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
    this.#waiting.delete(call)
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
    const { concurrency, maxAlone } = this.#options
    const effects: Effect<C>[] = []
    for (const call of this.#waiting) {
      if (this.#running >= concurrency) break
      if (call.isAlone && this.#alone >= maxAlone) continue
      this.#waiting.delete(call)
      if (call.isTold || hasOpen(call)) effects.push(this.#start(call, now))
      else this.#forget(call) // K6
    }
    return effects
  }

  #start(call: Entry<C>, now: number): Effect<C> {
    this.#takePlace(call, 'running')
    if (call.isAlone) this.#alone += 1
    call.startedAt = now
    if (!call.isTold) call.reportAt = now + this.#options.firstReportMs
    return { do: 'start', call }
  }

  #takePlace(call: Entry<C>, phase: 'running' | 'replying'): void {
    call.phase = phase
    this.#running += 1
  }

  #leaveAlone(call: Entry<C>): void {
    if (!call.isAlone) return
    call.isAlone = false
    this.#alone -= 1
  }

  #forget(call: Entry<C>): void {
    this.#calls.delete(call.key)
    this.#held.delete(call)
    this.#waiting.delete(call)
    if (!hasBegun(call)) return
    this.#running -= 1
    this.#leaveAlone(call)
  }

  #keep(key: string, reply: SentReply, now: number): void {
    const { keepMs, keepCalls, keepCharacters } = this.#options
    const { replyTo, type, body } = reply
    this.#finished.set(key, { replyTo, type, body, at: now })
    this.#keptCharacters += body.length
    for (const [oldest, { at, body: text }] of this.#finished) {
      const isFull = this.#finished.size > keepCalls || this.#keptCharacters > keepCharacters
      if (!isFull && now - at <= keepMs) break
      this.#finished.delete(oldest)
      this.#keptCharacters -= text.length
    }
  }

  #entryOf(call: Call<C>): Entry<C> | undefined {
    const entry = this.#calls.get(call.key)
    return entry === call ? entry : undefined
  }
}

function hasBegun({ phase }: { readonly phase: Phase }): boolean {
  return phase === 'running' || phase === 'replying'
}

function isOther(call: { readonly hold: number }, hold: number | undefined): boolean {
  return hold !== undefined && hold !== call.hold
}

function hasOpen({ copies }: { readonly copies: readonly Copy[] }): boolean {
  return copies.some(({ isOpen }) => isOpen)
}

function isDoubtful({ isRedelivered, isAgain }: Call<Copy>): boolean {
  return isRedelivered || isAgain
}

/** Whether its owner may take it as running here: it runs, or it will as soon as there is a place. */
function isHolder(call: Call<Copy>): boolean {
  if (hasBegun(call)) return true
  return call.phase === 'waiting' && (call.isTold || hasOpen(call))
}
