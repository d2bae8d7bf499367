/**
 * The steps of one flow: each event goes through the machine, what it did is recorded, what it commands is prepared.
 *
 * Owns: the command that waits for its values, and the timer of loading them again.
 *
 * Invariants
 * D3  Values are loaded when they are asked for, once; while they are, no event is taken and nothing is committed.
 */
import { advance } from '../../src/machine/advance.ts'
import type { Command, MachineEvent } from '../../src/machine/events.ts'
import type { Answers } from './answers.ts'
import type { Driven } from './driven.ts'
import type { Inbox } from './inbox.ts'
import type { Preparing } from './preparing.ts'
import type { Transitions } from './transitions.ts'
import { ValuesMissing } from './values.ts'

/** What the steps go through, besides the flow. */
export interface StepParts {
  readonly answers: Answers
  readonly inbox: Inbox
  readonly transitions: Transitions
  readonly preparing: Preparing
  /** Values were loaded: the steps are to be run again. */
  readonly onLoaded: () => void
}

const LOAD_AGAIN_MS = 1000

export class Steps {
  readonly #flow: Driven
  readonly #parts: StepParts
  #isRunning = false
  #isLoading = false
  /** Commands of an event whose values were missing; the first of them is to be prepared next. */
  #left: readonly Command[] = []
  #cancelTimer: (() => void) | null = null
  #isEnded = false

  constructor(flow: Driven, parts: StepParts) {
    this.#flow = flow
    this.#parts = parts
  }

  /** D3. */
  get isLoading(): boolean {
    return this.#isLoading
  }

  /**
   * Takes the events that have come in, and those that follow from them, until there are none left. False: there are, but they wait
   * for values, or for the call of this that is under way. Throws what nothing here can mend; the events are dropped then.
   */
  run(): boolean {
    if (this.#isRunning || this.#isLoading || this.#isEnded) return false
    this.#isRunning = true
    const { answers, inbox } = this.#parts
    const { events } = this.#flow
    try {
      if (this.#left.length > 0) {
        const left = this.#left
        this.#left = []
        if (!this.#prepare(left)) return false
      }
      do {
        for (let at = 0; at < events.length; at++) {
          if (!this.#feed(events[at] as MachineEvent)) {
            // D3: the rest waits until the values are there.
            events.splice(0, at + 1)
            return false
          }
        }
        events.length = 0
        answers.told()
      } while (inbox.readLetters())
      return true
    } catch (error) {
      events.length = 0
      throw error
    } finally {
      this.#isRunning = false
    }
  }

  end(): void {
    this.#isEnded = true
    this.#cancelTimer?.()
  }

  #feed(event: MachineEvent): boolean {
    const now = this.#flow.options.clock.now()
    const { transitions, commands } = advance(this.#flow.run, event, now)
    this.#parts.transitions.record(transitions, now)
    return this.#prepare(commands)
  }

  /** False: values are missing, and being loaded (D3). */
  #prepare(commands: readonly Command[]): boolean {
    for (let at = 0; at < commands.length; at++) {
      try {
        this.#parts.preparing.prepare(commands[at] as Command)
      } catch (error) {
        if (!(error instanceof ValuesMissing)) throw error
        this.#left = commands.slice(at)
        this.#load(error)
        return false
      }
    }
    return true
  }

  #load(missing: ValuesMissing): void {
    this.#isLoading = true
    const { jobId, values, options } = this.#flow
    void values
      .load(missing)
      .then(() => {
        if (this.#isEnded) return
        this.#isLoading = false
        this.#parts.onLoaded()
      })
      .catch((error: unknown) => {
        if (this.#isEnded) return
        const { clock, logger } = options
        logger.warn({ error, job: jobId }, 'results could not be loaded; trying again')
        this.#cancelTimer = clock.setTimer(() => this.#load(missing), clock.now() + LOAD_AGAIN_MS)
      })
  }
}
