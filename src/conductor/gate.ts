/**
 * Stands between a flow on probation and the engine: the mark that was cleared by the flow's first commit is set again before
 * its first call starts, so that a task that kills this process is counted too.
 *
 * Invariants
 * T1  Nothing reaches the engine before the mark is set; what was asked meanwhile is passed on in order.
 * T2  Calls are answered to the driver that asked, once, as by the engine itself.
 */
import type { CallKey, CallListener, CallRequest, Engine } from '../../engines/engine.ts'

export interface GateOptions {
  readonly engine: Engine
  /** Sets the mark. False: the claim is lost, and nothing is passed on. */
  readonly mark: () => Promise<boolean>
  /** Told of the first answer. */
  readonly onAnswer: () => void
}

export class Gate implements Engine {
  readonly name: Engine['name']
  readonly #options: GateOptions
  #waiting: (() => void)[] = []
  #state: 'new' | 'marking' | 'open' | 'shut' = 'new'
  #isAnswered = false

  constructor(options: GateOptions) {
    this.#options = options
    this.name = options.engine.name
  }

  get replyTo(): string | undefined {
    return this.#options.engine.replyTo
  }

  canPark(flowId: string): boolean {
    return this.#options.engine.canPark?.(flowId) === true
  }

  handOver(flowId: string): void {
    this.#options.engine.handOver?.(flowId)
  }

  heard(key: CallKey, what: 'answered' | 'lost'): void {
    this.#options.engine.heard?.(key, what)
  }

  /** Whether a call was asked for. */
  get isUsed(): boolean {
    return this.#state !== 'new'
  }

  start(options?: { readonly conductor?: string | undefined }): Promise<void> {
    return this.#options.engine.start(options)
  }

  stop(options?: { readonly graceMs?: number | undefined }): Promise<void> {
    return this.#options.engine.stop(options)
  }

  dispatch(request: CallRequest, listener: CallListener): void {
    if (this.#isAnswered) {
      this.#options.engine.dispatch(request, listener)
      return
    }
    this.#pass(() => this.#options.engine.dispatch(request, this.#listening(listener)))
    if (this.#state === 'new') {
      this.#state = 'marking'
      void this.#mark()
    }
  }

  abort(key: CallKey, reason: string): void {
    this.#pass(() => this.#options.engine.abort(key, reason))
  }

  forget(flowId: string, options?: { readonly abort?: boolean | undefined }): void {
    this.#waiting = []
    this.#options.engine.forget(flowId, options)
  }

  async #mark(): Promise<void> {
    // `mark` does not throw: it is tried until there is an answer.
    const isMarked = await this.#options.mark()
    this.#state = isMarked ? 'open' : 'shut'
    const waiting = this.#waiting
    this.#waiting = []
    if (isMarked) for (const pass of waiting) pass()
  }

  #pass(run: () => void): void {
    if (this.#state === 'open') run()
    else if (this.#state !== 'shut') this.#waiting.push(run)
  }

  #listening(listener: CallListener): CallListener {
    return {
      answer: (request, answer, committed) => {
        listener.answer(request, answer, committed)
        if (this.#isAnswered) return
        this.#isAnswered = true
        this.#options.onAnswer()
      },
      note: (call, note, committed) => listener.note?.(call, note, committed) === true,
      progress: (request, progress, details) => listener.progress?.(request, progress, details),
    }
  }
}
