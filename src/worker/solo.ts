/**
 * One call in a process of its own: for a copy whose last holder may have died of it. What it does to its process it does to
 * nobody else.
 *
 * Invariants
 * O1  A call is answered once, or lost once, or refused once; never two of these.
 * O2  The caller keeps the limits, and ends the process when a call does not end in time.
 * O3  Lost: the process ended without an answer. How far the body came is not known.
 * O4  Refused: the body did not begin, for the process could not be started, or has no such task.
 * O5  The process ends when its caller does.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { toFailure } from '../base/failure.ts'
import type { CallAnswer, CallListener, CallRequest } from '../protocol/call.ts'
import { CallLimits, verdict, type AbortCause, type LimitedCall } from './call-limits.ts'
import type { CallEnvironment, RunningCall } from './run-call.ts'
import type { FromSolo, SoloInput, ToSolo } from './solo-messages.ts'

export interface SoloListener extends CallListener {
  /** O3. `why` is for people. */
  lost(request: CallRequest, why: string): void
  /** O4. */
  refused(request: CallRequest, why: string): void
}

export interface SoloOptions {
  /** URLs of the modules that the process loads. */
  readonly modules: readonly string[]
  readonly environment: CallEnvironment
}

const PROCESS = fileURLToPath(new URL('./solo-process.js', import.meta.url))

/** Runs a call in a process of its own. */
export function runSolo(
  request: CallRequest,
  options: SoloOptions,
  listener: SoloListener,
): RunningCall {
  const call = new SoloCall(request, options, listener)
  call.start()
  return call
}

class SoloCall implements RunningCall, LimitedCall {
  readonly #request: CallRequest
  readonly #options: SoloOptions
  readonly #listener: SoloListener
  readonly #limits: CallLimits
  #child: ChildProcess | undefined
  #startedAt: number
  #isOver = false

  constructor(request: CallRequest, options: SoloOptions, listener: SoloListener) {
    const { clock, abortGraceMs } = options.environment
    this.#request = request
    this.#options = options
    this.#listener = listener
    this.#startedAt = clock.now()
    const { timeoutMs, heartbeatMs } = request
    this.#limits = new CallLimits(this, { timeoutMs, heartbeatMs, abortGraceMs, clock })
  }

  start(): void {
    const { timeoutMs: _1, heartbeatMs: _2, ...request } = this.#request // O2: kept here, not there
    const input: SoloInput = { request, modules: this.#options.modules }
    const child = fork(PROCESS, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    child.on('message', (message) => this.#hear(message as FromSolo)) // our own process says nothing else
    child.once('error', (error) => this.#refuse(toFailure(error).message))
    // What it said last may come in after its end was seen.
    child.once('exit', (code, signal) => {
      if (child.connected) child.once('disconnect', () => this.#lose(code, signal))
      else this.#lose(code, signal)
    })
    this.#say(input)
  }

  abort(reason: string): void {
    if (!this.#isOver) this.#limits.abort(reason)
  }

  drop(): void {
    this.#end()
    this.#child?.kill('SIGKILL')
  }

  askToEnd(cause: AbortCause): void {
    this.#say({ cause })
  }

  giveUp(cause: AbortCause): void {
    this.#answer(verdict(cause, this.#startedAt))
    this.#child?.kill('SIGKILL')
  }

  #say(message: SoloInput | ToSolo): void {
    // Where it cannot be told, it has ended, and its `exit` says so.
    if (this.#child?.connected === true) this.#child.send(message, () => undefined)
  }

  #hear(message: FromSolo): void {
    if (this.#isOver && message.kind !== 'log') return
    const { environment } = this.#options
    switch (message.kind) {
      case 'started':
        this.#startedAt = environment.clock.now()
        this.#limits.start()
        return
      case 'beat':
        this.#limits.beat()
        return
      case 'progress':
        this.#limits.beat()
        this.#listener.progress?.(this.#request, message.progress, message.details)
        return
      case 'log':
        environment.logger[message.level](message.fields, message.message)
        return
      case 'answer':
        this.#answer({ ...message.answer, startedAt: this.#startedAt })
        return
      case 'refused':
        this.#refuse(message.why)
    }
  }

  #answer(answer: CallAnswer): void {
    if (this.#isOver) return // O1
    this.#end()
    this.#listener.answer(this.#request, answer)
  }

  #refuse(why: string): void {
    if (this.#isOver) return
    this.#end()
    this.#listener.refused(this.#request, why)
  }

  #lose(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#isOver) return
    this.#end()
    this.#listener.lost(this.#request, signal === null ? `exit code ${code}` : signal)
  }

  #end(): void {
    this.#isOver = true
    this.#limits.end()
  }
}
