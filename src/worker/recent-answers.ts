/**
 * Answers of calls that ended lately: a copy that comes late is answered with the same one.
 *
 * Invariants
 * K5  A copy of a call that ended here lately is answered with the same answer; its body does not run again.
 */
import type { SentReply } from './book-call.ts'

/** What is kept at most, whichever is reached first. */
export interface RecentAnswersOptions {
  readonly keepMs: number
  readonly keepCalls: number
  readonly keepCharacters: number
}

interface Finished extends SentReply {
  readonly at: number
}

/** The answers, by the texts of their calls' keys. */
export class RecentAnswers {
  readonly #options: RecentAnswersOptions
  /** Oldest first. */
  readonly #finished = new Map<string, Finished>()
  #characters = 0

  constructor(options: RecentAnswersOptions) {
    this.#options = options
  }

  /** The answer of a call that ended not long before `now`. */
  find(key: string, now: number): SentReply | undefined {
    const finished = this.#finished.get(key)
    if (finished === undefined || now - finished.at > this.#options.keepMs) return undefined
    return finished
  }

  /** Keeps an answer, and lets go of what is too old or too much. */
  keep(key: string, reply: SentReply, now: number): void {
    const { keepMs, keepCalls, keepCharacters } = this.#options
    const { replyTo, type, body } = reply
    this.#finished.set(key, { replyTo, type, body, at: now })
    this.#characters += body.length
    for (const [oldest, { at, body: text }] of this.#finished) {
      const isFull = this.#finished.size > keepCalls || this.#characters > keepCharacters
      if (!isFull && now - at <= keepMs) break
      this.#finished.delete(oldest)
      this.#characters -= text.length
    }
  }
}
