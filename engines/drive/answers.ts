/**
 * What is heard of calls: an answer becomes an event of the machine, the record of its call and its result; a fact stands in its row.
 *
 * Owns: which answers the machine has not been told yet.
 *
 * Invariants
 * D7  Whoever gave an answer or a fact is told when it is committed; after the flow is lost, never.
 * A1  An answer counts once, and only while the machine waits for that very call.
 */
import { toFailure } from '../../src/base/failure.ts'
import type { Failure } from '../../src/base/failure.ts'
import type { Json } from '../../src/base/json.ts'
import type { CallRef, MachineEvent } from '../../src/machine/events.ts'
import type { CallRecord } from '../../src/machine/records.ts'
import { touchAtom, type AtomRun } from '../../src/machine/run.ts'
import type { CallAnswer, CallKey, CallNote } from '../engine.ts'
import { isAwaited } from './call-requests.ts'
import type { Driven } from './driven.ts'
import { strategyAnswer } from './mail-events.ts'
import { isEmptyResult } from './values.ts'

export class Answers {
  readonly #flow: Driven
  /** Atoms whose answer the machine has not been told yet: a second one does not count. */
  readonly #untold = new Set<string>()

  constructor(flow: Driven) {
    this.#flow = flow
  }

  /** The machine was told of all that came. */
  told(): void {
    this.#untold.clear()
  }

  /** Takes an answer; false: nobody waits for it. `committed` is called once it is durable (D7). */
  take(
    request: CallKey,
    attempt: number,
    answer: CallAnswer,
    committed: (() => void) | undefined,
  ): boolean {
    const { run, changes, values, events, options } = this.#flow
    const call: CallRef = { atom: request.atom, direction: request.direction, call: request.call }
    const now = options.clock.now()
    const atom = run.atoms.get(request.atom)
    if (atom === undefined || !isAwaited(run, atom, call)) return false
    if (this.#untold.has(call.atom)) return false
    let event: MachineEvent
    let outcome: CallRecord['outcome']
    let failure: Failure | null = null
    if (answer.kind === 'failed') {
      outcome = answer.outcome
      failure = answer.failure
      event = { kind: 'failed', call, failure, outcome }
    } else {
      const why = this.#whyUnusable(atom, request, answer.result)
      if (why === null) {
        outcome = 'success'
        const decision = request.direction === 'decide' ? strategyAnswer(answer.result) : undefined
        event = { kind: 'succeeded', call, decision }
      } else {
        outcome = 'failure'
        failure = why
        event = { kind: 'failed', call, failure, outcome }
      }
    }
    // Written out, for each call comes by here: spreading costs more than all the rest.
    const { atom: path, direction } = call
    changes.calls.push({
      atom: path,
      direction,
      call: call.call,
      attempt,
      outcome,
      startedAt: answer.startedAt,
      endedAt: now,
      failure,
    })
    if (committed !== undefined) changes.committed.push(committed)
    // Its row is about to say that it was answered: no queue is needed for it any more.
    atom.sent = null
    if (outcome === 'success' && answer.kind === 'succeeded' && request.direction !== 'decide') {
      if (!isEmptyResult(answer.result)) {
        changes.results.push({ atom: path, direction, call: call.call, value: answer.result })
      }
      if (request.direction === 'execute') values.keep(request.atom, answer.result)
    }
    events.push(event)
    this.#untold.add(path)
    return true
  }

  /** Puts a fact about a running call into its row; false: nobody waits for that call. `committed` as for an answer (D7). */
  note(key: CallKey, note: CallNote, committed: (() => void) | undefined): boolean {
    const { run, changes } = this.#flow
    const atom = run.atoms.get(key.atom)
    if (atom === undefined || atom.sent === null || !isAwaited(run, atom, key)) return false
    atom.sent = { ...atom.sent, ...note }
    touchAtom(run, atom)
    if (committed !== undefined) changes.committed.push(committed)
    return true
  }

  #whyUnusable(atom: AtomRun, request: CallKey, result: Json): Failure | null {
    if (request.direction !== 'execute' || atom.plan.kind !== 'task') return null
    try {
      const why = this.#flow.values.whyIncomplete(atom.plan, result)
      return why === null ? null : { code: 'InvalidResult', message: why, retryable: false }
    } catch (error) {
      return { ...toFailure(error), code: 'InvalidResult', retryable: false }
    }
  }
}
