/**
 * The mail of one flow: read, and turned into what the machine is told.
 *
 * Owns: which pieces were taken, answers that came by mail, and the timer of reading again.
 *
 * Invariants
 * I1  A piece counts once, by its number: what is said again under a key that was free again is another piece.
 * I2  What was taken leaves the mailbox with the commit of what follows from it. A `resume` that comes while the flow is being
 *     suspended stays there: it is for the claim that follows.
 * I3  Answers are taken after the events before them, for those say what is awaited.
 */
import { touchAtom } from '../../src/machine/run.ts'
import type { StoredMail } from '../../persistence/store.ts'
import type { Answers } from './answers.ts'
import { isAwaited } from './call-requests.ts'
import type { Driven } from './driven.ts'
import { eventOf, letterOf, type Letter } from './mail-events.ts'

/** Mail of one job and its count, as it was read. */
export interface MailRead {
  readonly count: number
  readonly mail: readonly StoredMail[]
}

const READ_AGAIN_MS = 1000

export class Inbox {
  readonly #flow: Driven
  readonly #answers: Answers
  /** Numbers of the pieces that were taken (I1). */
  readonly #taken = new Set<number>()
  #letters: Letter[] = []
  #count = 0
  #isSuspending: boolean
  #isResumed = false
  #cancelTimer: (() => void) | null = null
  #isEnded = false

  constructor(flow: Driven, answers: Answers) {
    this.#flow = flow
    this.#answers = answers
    // A former owner took the mail that said so.
    this.#isSuspending = flow.options.loaded.detail.state === 'SUSPENDING'
  }

  /** The job's mail count, as far as it was read. */
  get count(): number {
    return this.#count
  }

  /** Answers are here that were not looked at yet. */
  get hasLetters(): boolean {
    return this.#letters.length > 0
  }

  /** It is to go on after the suspension that is under way (I2). */
  get isResumed(): boolean {
    return this.#isResumed
  }

  /** Takes mail; what was taken before is passed over (I1). */
  take({ count, mail }: MailRead): void {
    const { flowId, changes, events } = this.#flow
    this.#count = Math.max(this.#count, count)
    for (const piece of mail) {
      if (this.#taken.has(piece.count)) continue
      this.#taken.add(piece.count)
      if (piece.kind === 'suspend') this.#isSuspending = true
      else if (piece.kind === 'resume' && this.#isSuspending) {
        this.#isResumed = true
        continue
      }
      changes.mailTaken.push(piece.key)
      const event = eventOf(piece)
      if (event !== null) events.push(event)
      const letter = letterOf(piece)
      if (letter !== null && letter.key.flowId === flowId) this.#letters.push(letter)
    }
  }

  /** Takes the answers that came by mail; false: there are none. Nobody is told of their commit: taking the mail is part of it. */
  readLetters(): boolean {
    if (this.#letters.length === 0) return false
    const letters = this.#letters
    this.#letters = []
    const { run, changes, options } = this.#flow
    const { engine } = options
    for (const letter of letters) {
      const { key } = letter
      const atom = run.atoms.get(key.atom)
      if (atom === undefined) continue
      if (letter.kind === 'answered') {
        this.#answers.take(key, atom.attempt, letter.answer, undefined)
        engine.heard?.(key, 'answered')
      } else if (letter.kind === 'released') {
        changes.prepared.push(letter) // after the dispatch of the call, which may be under way
      } else if (isAwaited(run, atom, key)) {
        if (atom.sent !== null) atom.sent = { ...atom.sent, copy: null }
        touchAtom(run, atom)
        engine.heard?.(key, 'lost')
      }
    }
    return true
  }

  /** Reads the mail from the store, until it answers. `onMail` is not called after `end()`. */
  read(onMail: (mail: MailRead) => void): void {
    const { jobId, options } = this.#flow
    const { clock, logger, store } = options
    store.mailOf(jobId).then(
      (mail) => {
        if (!this.#isEnded) onMail(mail)
      },
      (error: unknown) => {
        if (this.#isEnded) return
        logger.warn({ error, job: jobId }, 'mail could not be read; trying again')
        this.#cancelTimer = clock.setTimer(() => this.read(onMail), clock.now() + READ_AGAIN_MS)
      },
    )
  }

  end(): void {
    this.#isEnded = true
    this.#cancelTimer?.()
  }
}
