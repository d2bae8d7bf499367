import type { CallKey, CallListener, CallRequest } from '../src/protocol/call.ts'
import type { Engine } from './engine.ts'
import type { Flight } from './flights.ts'
import { InProcessCalls } from './in-process.ts'
import { resolveInProcess, type InProcessEngineOptions } from './options.ts'
import { LinePerFlow } from './waiting-lines.ts'

/**
 * Runs one call at a time of each flow, bigger priority first, in this process; several flows run side by side. Choose it
 * for flows whose tasks must not overlap, and to see one thing after the other while writing a flow.
 */
export class SerialEngine implements Engine {
  readonly name = 'serial'
  /** One runs at a time; the others are at hand, in the order of their priorities. */
  readonly window = 1_000
  readonly #calls: InProcessCalls

  /** Throws {@link UsageError} for options that make no sense. */
  constructor(options: InProcessEngineOptions) {
    const { environment, threads } = resolveInProcess(options)
    const line = new LinePerFlow<Flight>()
    this.#calls = new InProcessCalls({ environment, threads, here: line, there: line })
  }

  /** Calls that were dispatched and not answered yet. */
  get size(): number {
    return this.#calls.size
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
