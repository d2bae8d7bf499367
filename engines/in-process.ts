/**
 * What the engines of this process share: calls wait in a line, run here or in a thread, are answered.
 *
 * Invariants
 * I1  `dispatch` and `abort` never answer before they return: what they cause is done in a microtask.
 * I2  The event loop turns at least every 10 ms, however many calls there are that end at once: I/O and timers stay alive.
 * I3  A call that runs and was forgotten is not started a second time beside itself: when it is dispatched again, its
 *     answer goes to whoever dispatched it. One that was aborted as it was forgotten starts again when it has ended.
 * I4  After `stop()` nothing is answered, and no timer or thread of this engine is left. A body that ignores its signal
 *     cannot be ended; it is only not listened to.
 */
import type { CallAnswer, CallKey, CallListener, CallRequest } from '../src/protocol/call.ts'
import { idempotencyKey } from '../src/worker/call-context.ts'
import { runCall, type CallEnvironment } from '../src/worker/run-call.ts'
import type { TaskThreads } from '../src/worker/task-threads.ts'
import { Flight, FlightBoard } from './flights.ts'
import type { WaitingLine } from './waiting-lines.ts'

/** How long calls may go on before the event loop gets its turn. */
const TURN_MS = 10
/** What aborted bodies get to clean up when the engine stops. */
const LINGER_MS = 500
const DEFAULT_GRACE_MS = 10_000
const MICROTASK = Promise.resolve()

export interface InProcessOptions {
  readonly environment: CallEnvironment
  readonly threads: Pick<TaskThreads, 'takes' | 'run' | 'stop'>
  /** The line of calls that run in this thread. */
  readonly here: WaitingLine<Flight>
  /** The line of calls that run in other threads; may be the same. */
  readonly there: WaitingLine<Flight>
}

/** The calls of one engine, from dispatch to answer. */
export class InProcessCalls {
  readonly #options: InProcessOptions
  readonly #lines: readonly WaitingLine<Flight>[]
  #state: 'new' | 'started' | 'stopping' | 'stopped' = 'new'
  #stopping: Promise<void> | undefined
  /** Calls that wait or run and are to be answered. */
  readonly #flights = new FlightBoard()
  /** Calls that run and were forgotten, by their whole key. */
  readonly #forgotten = new Map<string, Flight>()
  /** Calls that run, forgotten ones included. */
  #running = 0
  #whenIdle: (() => void) | undefined
  /** Answers that wait for the pump (I1). */
  #settled: { readonly flight: Flight; readonly answer: CallAnswer }[] = []
  #pumping = false
  #pumpQueued = false
  #turnOpen = false
  #turnEndsAt = 0
  readonly #pumpSoon = (): void => {
    this.#pumpQueued = false
    this.#pump()
  }
  readonly #endTurn = (): void => {
    this.#turnOpen = false
    this.#pump()
  }

  constructor(options: InProcessOptions) {
    this.#options = options
    this.#lines = [...new Set([options.here, options.there])]
  }

  /** Calls that were dispatched and not answered yet. */
  get size(): number {
    return this.#flights.size
  }

  /** Calls that wait for a place. */
  get waiting(): number {
    return Math.max(this.#flights.size - this.#running, 0)
  }

  /** Starts what was dispatched before, too. A stopped engine can be started again. */
  async start(): Promise<void> {
    if (this.#state === 'stopping') await this.#stopping
    this.#stopping = undefined
    this.#state = 'started'
    this.#queuePump()
  }

  /** Takes no more calls, drops those that wait, gives the running ones `graceMs`, aborts them, ends the threads. */
  stop(options: { readonly graceMs?: number | undefined } = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.graceMs ?? DEFAULT_GRACE_MS)
    return this.#stopping
  }

  dispatch(request: CallRequest, listener: CallListener): void {
    if (this.#state === 'stopping' || this.#state === 'stopped') return
    const { here, there, threads } = this.#options
    const inThread = threads.takes(request)
    const line = inThread ? there : here
    const flight = new Flight(this, request, listener, line, inThread)
    if (this.#forgotten.size > 0 && this.#rejoin(flight)) return
    this.#flights.add(flight)
    line.push(flight)
    this.#queuePump()
  }

  abort(key: CallKey, reason: string): void {
    const flight = this.#flights.find(key.flowId, key.atom)
    if (flight === undefined || flight.abortReason !== undefined) return
    if (flight.request.call !== key.call || flight.request.direction !== key.direction) return
    flight.abortReason = reason
    if (flight.started) {
      flight.running?.abort(reason)
      return
    }
    flight.withdrawn = true
    // E4: an earlier owner dispatched it, so it may have run all the same, and its revert has to know.
    const { again } = flight.request
    const about = again
      ? 'it had not started again, and how far it came before is not known'
      : 'it had not started'
    this.#settled.push({
      flight,
      answer: {
        kind: 'failed',
        failure: { code: 'Cancelled', message: `${reason}; ${about}` },
        outcome: again ? 'unknown' : 'failure',
        startedAt: this.#now(),
      },
    })
    this.#queuePump()
  }

  forget(flowId: string, options: { readonly abort?: boolean | undefined } = {}): void {
    for (const flight of this.#flights.takeFlow(flowId)) {
      flight.listener = undefined
      flight.withdrawn = true
      if (!flight.started) continue
      this.#forgotten.set(idempotencyKey(flight.request), flight)
      if (options.abort === true) {
        flight.abortReason ??= 'the flow has another owner'
        flight.running?.abort(flight.abortReason)
      }
    }
  }

  /** A call that was started is over. */
  ended(flight: Flight, answer: CallAnswer): void {
    if (flight.ended) return
    this.#leave(flight)
    this.#answer(flight, answer)
    if (this.#running === 0) this.#whenIdle?.()
    this.#queuePump()
  }

  async #stop(graceMs: number): Promise<void> {
    this.#state = 'stopping'
    for (const line of this.#lines) line.clear()
    await this.#idle(graceMs)
    this.#state = 'stopped'
    this.#settled = []
    const running = [...this.#flights.takeAll(), ...this.#forgotten.values()]
    this.#forgotten.clear()
    for (const flight of running) {
      flight.listener = undefined
      flight.successor = undefined
      flight.running?.abort('the engine stops')
    }
    await this.#idle(LINGER_MS)
    for (const flight of running) {
      if (!flight.started || flight.ended) continue
      flight.running?.drop()
      this.#leave(flight)
    }
    await this.#options.threads.stop()
  }

  /** Until nothing runs, at most `ms`. */
  #idle(ms: number): Promise<void> {
    if (this.#running === 0 || ms <= 0) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#whenIdle = undefined
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#whenIdle = done
    })
  }

  /** A call that ran is over: its place is free. */
  #leave(flight: Flight): void {
    flight.ended = true
    flight.line.done(flight)
    this.#running -= 1
  }

  /** I3. Whether a body of this very call still runs. */
  #rejoin(flight: Flight): boolean {
    const key = idempotencyKey(flight.request)
    const earlier = this.#forgotten.get(key)
    if (earlier === undefined) return false
    if (earlier.abortReason !== undefined) {
      this.#flights.add(flight)
      earlier.successor = flight
      return true
    }
    this.#forgotten.delete(key)
    earlier.listener = flight.listener
    earlier.request = flight.request
    this.#flights.add(earlier)
    return true
  }

  #queuePump(): void {
    if (this.#pumping || this.#pumpQueued || this.#state === 'new') return
    this.#pumpQueued = true
    void MICROTASK.then(this.#pumpSoon) // `queueMicrotask` costs more: it makes an AsyncResource
  }

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      this.#answerSettled()
      for (let flight = this.#next(); flight !== undefined; flight = this.#next()) {
        this.#begin(flight)
        this.#answerSettled()
      }
    } finally {
      this.#pumping = false
    }
  }

  #next(): Flight | undefined {
    if (this.#state !== 'started') return undefined
    if (this.#turnOpen && performance.now() >= this.#turnEndsAt) return undefined
    for (const line of this.#lines) {
      const flight = line.take()
      if (flight === undefined) continue
      this.#openTurn()
      return flight
    }
    return undefined
  }

  /** I2. A turn is what happens between two rounds of the event loop. An idle engine opens none: it would keep the loop busy. */
  #openTurn(): void {
    if (this.#turnOpen) return
    this.#turnOpen = true
    this.#turnEndsAt = performance.now() + TURN_MS
    setImmediate(this.#endTurn)
  }

  #begin(flight: Flight): void {
    const { request } = flight
    flight.started = true
    this.#running += 1
    if (request.again && request.repeat === 'never') {
      this.ended(flight, unknownOutcome(this.#now()))
      return
    }
    const { environment, threads } = this.#options
    flight.running = flight.inThread
      ? threads.run(request, flight)
      : runCall(request, environment, flight)
    // Its own body may have caused an abort before there was anything to abort.
    if (flight.abortReason !== undefined) flight.running.abort(flight.abortReason)
  }

  #answerSettled(): void {
    while (this.#settled.length > 0) {
      const settled = this.#settled
      this.#settled = []
      for (const { flight, answer } of settled) this.#answer(flight, answer)
    }
  }

  #answer(flight: Flight, answer: CallAnswer): void {
    const { request, listener } = flight
    if (listener === undefined) {
      this.#passOn(flight, answer)
      return
    }
    this.#flights.remove(flight)
    listener.answer(request, answer)
  }

  /** A forgotten call is over: whoever dispatched it again meanwhile gets its result, or starts it again (I3). */
  #passOn(flight: Flight, answer: CallAnswer): void {
    const key = idempotencyKey(flight.request)
    if (this.#forgotten.get(key) === flight) this.#forgotten.delete(key)
    const { successor } = flight
    if (successor === undefined || successor.withdrawn) return
    if (answer.kind === 'succeeded') this.#settled.push({ flight: successor, answer })
    else successor.line.push(successor)
  }

  #now(): number {
    return this.#options.environment.clock.now()
  }
}

/** A call that must never run twice, and that an earlier owner dispatched. */
function unknownOutcome(startedAt: number): CallAnswer {
  return {
    kind: 'failed',
    failure: {
      code: 'UnknownOutcome',
      message:
        'the process that ran it is gone, so nobody knows whether it succeeded; it is not run again, because its task says repeat: never',
      retryable: false,
    },
    outcome: 'unknown',
    startedAt,
  }
}
