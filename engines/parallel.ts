import { UsageError } from '../src/base/errors.ts'
import type { CallKey, CallListener, CallRequest } from '../src/protocol/call.ts'
import type { Engine } from './engine.ts'
import type { Flight } from './flights.ts'
import { InProcessCalls } from './in-process.ts'
import { resolveInProcess, type InProcessEngineOptions } from './options.ts'
import { SharedLine } from './waiting-lines.ts'

export interface ParallelEngineOptions extends InProcessEngineOptions {
  /**
   * Calls that run at once in this thread, over all flows; those of `cpu: true` tasks are counted apart (`threads`). Tasks
   * mostly wait for others, so raising it costs memory and sockets here, and load on whatever they call. @default 100
   */
  readonly concurrency?: number | undefined
}

const DEFAULT_CONCURRENCY = 100
const WINDOW = 1_000

/**
 * Runs many calls at once in this process: bigger priority first, then the flows take turns, then in order of arrival.
 */
export class ParallelEngine implements Engine {
  readonly name = 'parallel'
  /** Enough to have the next calls at hand when places become free, while the answers before them are being committed. */
  readonly window: number
  readonly #calls: InProcessCalls

  /** Throws {@link UsageError} for options that make no sense. */
  constructor(options: ParallelEngineOptions) {
    const { environment, threads, threadCount } = resolveInProcess(options)
    const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY
    if (!(Number.isInteger(concurrency) && concurrency >= 1)) {
      throw new UsageError(`concurrency: expected a whole number from 1, got ${concurrency}`)
    }
    this.window = Math.max(WINDOW, 2 * concurrency)
    this.#calls = new InProcessCalls({
      environment,
      threads,
      here: new SharedLine<Flight>(concurrency),
      there: new SharedLine<Flight>(Math.max(1, threadCount)),
    })
  }

  /** Calls that were dispatched and not answered yet. */
  get size(): number {
    return this.#calls.size
  }

  /** Calls that wait for a place. */
  get waiting(): number {
    return this.#calls.waiting
  }

  start(): Promise<void> {
    return this.#calls.start()
  }

  stop(options?: { readonly graceMs?: number | undefined }): Promise<void> {
    return this.#calls.stop(options)
  }

  dispatch(request: CallRequest, listener: CallListener): void {
    this.#calls.dispatch(request, listener)
  }

  abort(key: CallKey, reason: string): void {
    this.#calls.abort(key, reason)
  }

  forget(flowId: string, options?: { readonly abort?: boolean | undefined }): void {
    this.#calls.forget(flowId, options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
