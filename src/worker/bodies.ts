/**
 * The bodies that run in a worker: here, in threads, or in a process of their own.
 *
 * Invariants
 * D1  A body that is started ends once: with an answer, lost with its process, or dropped by `dropAll`, after which nothing
 *     of it is heard.
 * D2  A task whose module nobody knows cannot run in a process of its own: it runs here, and the log says so.
 */
import type { CallAnswer, CallRequest } from '../protocol/call.ts'
import type { Json } from '../base/json.ts'
import type { Call, Copy } from './book-call.ts'
import { runCall, type CallEnvironment, type RunningCall } from './run-call.ts'
import { runSolo } from './solo.ts'
import type { TaskThreads } from './task-threads.ts'

/** Told of what becomes of a body. */
export interface BodyListener<C extends Copy> {
  answered(call: Call<C>, answer: CallAnswer): void
  lost(call: Call<C>): void
  progress(call: Call<C>, progress: number, details: Json | undefined): void
}

export interface BodiesOptions<C extends Copy> {
  readonly environment: CallEnvironment
  readonly threads: TaskThreads
  /** URLs of modules for processes of their own. */
  readonly modules: readonly string[]
  readonly listener: BodyListener<C>
}

/** Runs bodies. */
export class Bodies<C extends Copy> {
  readonly #options: BodiesOptions<C>
  readonly #running = new Map<Call<C>, RunningCall | undefined>()
  #whenIdle: (() => void) | undefined

  constructor(options: BodiesOptions<C>) {
    this.#options = options
  }

  start(call: Call<C>): void {
    this.#running.set(call, undefined)
    const running = call.isAlone ? this.#startAlone(call) : this.#startHere(call)
    if (this.#running.has(call)) this.#running.set(call, running) // it may have ended already
  }

  abort(call: Call<C>, reason: string): void {
    this.#running.get(call)?.abort(reason)
  }

  abortAll(reason: string): void {
    for (const running of this.#running.values()) running?.abort(reason)
  }

  dropAll(): void {
    for (const running of this.#running.values()) running?.drop()
    this.#running.clear()
    this.#whenIdle?.()
  }

  /** Resolves when no body runs. */
  idle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenIdle = resolve
    })
  }

  #startHere(call: Call<C>): RunningCall {
    const { environment, threads, listener } = this.#options
    const { request } = call
    const answers = {
      answer: (_request: CallRequest, answer: CallAnswer) => {
        if (this.#end(call)) listener.answered(call, answer)
      },
      progress: (_request: CallRequest, progress: number, details: Json | undefined) =>
        listener.progress(call, progress, details),
    }
    return threads.takes(request)
      ? threads.run(request, answers)
      : runCall(request, environment, answers)
  }

  #startAlone(call: Call<C>): RunningCall {
    const { environment, modules, listener } = this.#options
    const { logger } = environment
    return runSolo(
      call.request,
      { modules, environment },
      {
        answer: (_request, answer) => {
          if (this.#end(call)) listener.answered(call, answer)
        },
        progress: (_request, progress, details) => listener.progress(call, progress, details),
        lost: (_request, why) => {
          logger.error({ call: call.key, why }, 'a task ended the process that it ran in alone')
          if (this.#end(call)) listener.lost(call)
        },
        refused: (_request, why) => {
          logger.warn({ call: call.key, why }, 'runs a redelivered call among others') // D2
          if (this.#running.has(call)) this.#running.set(call, this.#startHere(call))
        },
      },
    )
  }

  /** False if it had ended, or was dropped (D1). */
  #end(call: Call<C>): boolean {
    if (!this.#running.delete(call)) return false
    if (this.#running.size === 0) this.#whenIdle?.()
    return true
  }
}
