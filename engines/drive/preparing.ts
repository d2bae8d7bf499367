/**
 * What the machine commands, made ready before its commit: expressions evaluated, arguments bound.
 *
 * Invariants
 * D2  Expressions are evaluated, and arguments bound, before the commit: an error in them is part of it.
 * D6  The queue that a call's answers come to stands in its row before the call is dispatched, and never changes for that call.
 */
import { toFailure } from '../../src/base/failure.ts'
import type { Failure } from '../../src/base/failure.ts'
import type { CallRef, Command } from '../../src/machine/events.ts'
import { touchAtom, type AtomRun } from '../../src/machine/run.ts'
import { requestOf, whyAborted, type CallCommand, type RequestSource } from './call-requests.ts'
import type { Driven } from './driven.ts'
import type { Leaving } from './leaving.ts'
import type { Transitions } from './transitions.ts'
import { ValuesMissing } from './values.ts'

export class Preparing {
  readonly #flow: Driven
  readonly #transitions: Transitions
  readonly #leaving: Pick<Leaving, 'finish'>
  readonly #source: RequestSource
  #failures: { readonly [atom: string]: Failure } = {}
  /** The last transition that {@link #failures} knows of. */
  #failuresSeq = -1

  constructor(flow: Driven, transitions: Transitions, leaving: Pick<Leaving, 'finish'>) {
    this.#flow = flow
    this.#transitions = transitions
    this.#leaving = leaving
    const { jobId, flowId, run, values } = flow
    this.#source = { jobId, flowId, run, values, failures: () => this.#standingFailures() }
  }

  /** Makes one command ready. Throws `ValuesMissing`: once they are loaded it is to be prepared again. */
  prepare(command: Command): void {
    const { values, changes, events } = this.#flow
    switch (command.kind) {
      case 'evaluate':
        events.push({ kind: 'evaluated', id: command.id, ...values.evaluate(command.purpose) })
        return
      case 'call':
        this.#prepareCall(command)
        return
      case 'finish':
        this.#leaving.finish(command.state)
        return
      case 'abort':
      case 'wait':
        changes.prepared.push(command)
        return
    }
  }

  #prepareCall(command: CallCommand): void {
    const { atom, direction, again } = command
    const { run, changes, options } = this.#flow
    const isGone = again && direction === 'execute' && atom.scope.reverting
    if (isGone && options.engine.replyTo === undefined) {
      // Its process died, and it is to be reverted: running it again would serve nothing.
      const message = 'its process ended while it ran'
      this.#failCall(command, { code: 'Cancelled', message, retryable: false }, 'unknown')
      return
    }
    try {
      this.#nameReplyQueue(atom, again)
      changes.prepared.push({ kind: 'dispatch', request: requestOf(this.#source, command) })
      const reason = isGone ? whyAborted(run, atom) : null
      if (reason !== null) {
        changes.prepared.push({ kind: 'abort', atom, direction, call: command.call, reason })
      }
    } catch (error) {
      if (error instanceof ValuesMissing) throw error
      const failure = toFailure(error)
      const isRevert = direction === 'revert'
      const why = isRevert ? failure : { ...failure, code: 'InvalidArguments', retryable: false }
      this.#failCall(command, why, 'failure')
    }
  }

  /** D6. */
  #nameReplyQueue(atom: AtomRun, again: boolean): void {
    const { replyTo } = this.#flow.options.engine
    if (replyTo === undefined || (again && atom.sent !== null)) return
    atom.sent = { replyTo, copy: null, starts: 0 }
    touchAtom(this.#flow.run, atom)
  }

  /** A call that is not made: its failure is its answer. */
  #failCall(command: CallCommand, failure: Failure, outcome: 'failure' | 'unknown'): void {
    const { atom, direction, call } = command
    const { changes, events, options } = this.#flow
    const ref: CallRef = { atom: atom.path, direction, call }
    const at = options.clock.now()
    const times = { attempt: atom.attempt, startedAt: at, endedAt: at }
    changes.calls.push({ ...ref, ...times, outcome, failure })
    events.push({ kind: 'failed', call: ref, failure, outcome })
  }

  /** Failures that stand, by atom: made anew only after a transition, for each revert asks. */
  #standingFailures(): { readonly [atom: string]: Failure } {
    const { lastSeq } = this.#transitions
    if (this.#failuresSeq !== lastSeq) {
      this.#failures = Object.fromEntries(this.#flow.run.failures)
      this.#failuresSeq = lastSeq
    }
    return this.#failures
  }
}
