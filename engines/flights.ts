import type { Json } from '../src/base/json.ts'
import type { CallAnswer, CallListener, CallRequest } from '../src/protocol/call.ts'
import type { RunningCall } from '../src/worker/run-call.ts'
import type { Waiting, WaitingLine } from './waiting-lines.ts'

/** Told when a call that was started is over. */
export interface FlightOwner {
  ended(flight: Flight, answer: CallAnswer): void
}

/** A call from its dispatch to its end. */
export class Flight implements Waiting, CallListener {
  request: CallRequest
  /** Whom it answers; nobody once it was forgotten. */
  listener: CallListener | undefined
  readonly line: WaitingLine<Flight>
  readonly inThread: boolean
  /** It must not be started any more. */
  withdrawn = false
  started = false
  ended = false
  running: RunningCall | undefined
  /** Why it was asked to end, if it was. */
  abortReason: string | undefined
  /** The same call, dispatched again while this one, aborted and forgotten, was still ending. */
  successor: Flight | undefined
  readonly #owner: FlightOwner

  constructor(
    owner: FlightOwner,
    request: CallRequest,
    listener: CallListener,
    line: WaitingLine<Flight>,
    inThread: boolean,
  ) {
    this.#owner = owner
    this.request = request
    this.listener = listener
    this.line = line
    this.inThread = inThread
  }

  answer(_request: CallRequest, answer: CallAnswer): void {
    this.#owner.ended(this, answer)
  }

  progress(_request: CallRequest, progress: number, details: Json | undefined): void {
    this.listener?.progress?.(this.request, progress, details)
  }
}

/**
 * The calls that are to be answered, by flow and atom: an atom has one call at a time. A flow that has one call, as most
 * have, costs no map of its own.
 */
export class FlightBoard {
  readonly #flows = new Map<string, Flight | Map<string, Flight>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Throws where a call of that atom is there already, which is a fault of the caller. */
  add(flight: Flight): void {
    const { flowId, atom } = flight.request
    const found = this.#flows.get(flowId)
    if (found === undefined) {
      this.#flows.set(flowId, flight)
    } else if (this.find(flowId, atom) !== undefined) {
      throw new Error(`${atom} of flow ${flowId} was dispatched while a call of it is under way`)
    } else if (found instanceof Flight) {
      this.#flows.set(
        flowId,
        new Map([
          [found.request.atom, found],
          [atom, flight],
        ]),
      )
    } else {
      found.set(atom, flight)
    }
    this.#size += 1
  }

  find(flowId: string, atom: string): Flight | undefined {
    const found = this.#flows.get(flowId)
    if (!(found instanceof Flight)) return found?.get(atom)
    return found.request.atom === atom ? found : undefined
  }

  remove(flight: Flight): void {
    const { flowId, atom } = flight.request
    const found = this.#flows.get(flowId)
    if (found === flight) {
      this.#flows.delete(flowId)
    } else if (found instanceof Map && found.get(atom) === flight) {
      found.delete(atom)
      if (found.size === 0) this.#flows.delete(flowId)
    } else {
      return
    }
    this.#size -= 1
  }

  /** Removes the calls of a flow, and returns them. */
  takeFlow(flowId: string): readonly Flight[] {
    const found = this.#flows.get(flowId)
    if (found === undefined) return []
    this.#flows.delete(flowId)
    const flights = found instanceof Flight ? [found] : [...found.values()]
    this.#size -= flights.length
    return flights
  }

  /** Removes all calls, and returns them. */
  takeAll(): readonly Flight[] {
    return [...this.#flows.keys()].flatMap((flowId) => this.takeFlow(flowId))
  }
}
