/**
 * What was committed, carried out: calls handed to the engine or aborted, times waited for.
 *
 * Owns: the timers of the flow's waits.
 *
 * Invariants
 * D1  Durable before visible: a call is dispatched, a timer set only after the commit that intended it.
 */
import type { CallListener, CallRequest } from '../engine.ts'
import { isAwaited } from './call-requests.ts'
import type { Prepared } from './changes.ts'
import type { Driven } from './driven.ts'

/** Whom it tells. */
export interface PerformingParts {
  /** Gets the answers of the calls. */
  readonly listener: CallListener
  /** A time has come, and the machine is to be told. */
  readonly onDue: () => void
}

export class Performing {
  readonly #flow: Driven
  readonly #parts: PerformingParts
  /** What cancels a wait, by the path of what waits. */
  readonly #waits = new Map<string, () => void>()

  constructor(flow: Driven, parts: PerformingParts) {
    this.#flow = flow
    this.#parts = parts
  }

  /** Carries out a command whose commit has succeeded (D1). */
  perform(command: Prepared): void {
    const { jobId, flowId, options } = this.#flow
    switch (command.kind) {
      case 'dispatch':
        if (!this.#isStillWanted(command.request)) return
        options.engine.dispatch(command.request, this.#parts.listener)
        return
      case 'abort': {
        const { atom, direction, call, reason } = command
        options.engine.abort({ jobId, flowId, atom: atom.path, direction, call }, reason)
        return
      }
      case 'released':
        options.engine.released?.(command.key, command.worker)
        return
      case 'wait':
        this.#wait(command.path, command.dueAt)
        return
      case 'finish':
        return
    }
  }

  end(): void {
    for (const cancel of this.#waits.values()) cancel()
    this.#waits.clear()
  }

  /** An answer may have come by mail before the call could be handed to the engine again. */
  #isStillWanted(request: CallRequest): boolean {
    if (!request.again) return true
    const { run } = this.#flow
    const atom = run.atoms.get(request.atom)
    return atom !== undefined && isAwaited(run, atom, request)
  }

  #wait(path: string, dueAt: number): void {
    const { clock } = this.#flow.options
    this.#waits.get(path)?.()
    const cancel = clock.setTimer(() => {
      // A clock that was set back meanwhile: the machine would not take it, and would not be told again.
      if (clock.now() < dueAt) {
        this.#wait(path, dueAt)
        return
      }
      this.#waits.delete(path)
      this.#flow.events.push({ kind: 'due', path })
      this.#parts.onDue()
    }, dueAt)
    this.#waits.set(path, cancel)
  }
}
