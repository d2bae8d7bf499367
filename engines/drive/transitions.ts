/** What the machine did: rows of the job's history, numbered without a gap, and events for listeners. */
import type { Transition } from '../../src/machine/events.ts'
import type { Driven } from './driven.ts'
import type { FlowEvent } from './drive-types.ts'

export class Transitions {
  readonly #flow: Driven
  #lastSeq: number

  constructor(flow: Driven) {
    this.#flow = flow
    this.#lastSeq = flow.options.loaded.job.historySeq
  }

  /** Last number used in the history of the job. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Records what one event led to, at `at` (epoch ms). */
  record(transitions: readonly Transition[], at: number): void {
    const { changes, values, options } = this.#flow
    for (const transition of transitions) {
      const seq = ++this.#lastSeq
      if (transition.kind === 'flow') changes.flow = true
      else if (transition.kind === 'retry' && transition.value !== undefined) {
        values.keep(transition.name, transition.value)
      }
      changes.history.push({
        seq,
        at,
        kind: transition.kind,
        name: transition.name,
        from: transition.from,
        state: transition.state,
        attempt: transition.attempt,
        call: transition.call,
        failure: transition.failure,
      })
      if (options.onEvent !== undefined) changes.told.push(this.#eventOf(transition, seq, at))
    }
  }

  #eventOf(transition: Transition, seq: number, at: number): FlowEvent {
    const { kind, name, from, state, attempt, failure } = transition
    const result =
      kind === 'task' && state === 'SUCCESS' ? this.#flow.values.kept(name) : transition.value
    return {
      seq,
      kind,
      name,
      from,
      state,
      ...(attempt === null ? {} : { attempt }),
      ...(result === undefined ? {} : { result }),
      ...(failure === null ? {} : { failure }),
      at,
    }
  }
}
