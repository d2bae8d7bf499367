/**
 * Worker threads for tasks that compute: one call in a thread at a time, threads kept for the next call.
 *
 * Invariants
 * H1  No more than `count` calls are in threads at once; the others wait here, in order of arrival.
 * H2  A call is answered exactly once, whatever its thread does: it ends by itself, it is asked to end, and in the end its
 *     thread is terminated.
 * H3  A thread that dies takes one call with it: that call fails with `WorkerLost`, outcome unknown. The process lives.
 * H4  Limits run from the start of the body, not while the call waits or its module is loaded.
 */
import {
  isMainThread,
  MessageChannel,
  receiveMessageOnPort,
  workerData,
  type MessagePort,
} from 'node:worker_threads'
import type { Piscina } from 'piscina'
import { toFailure } from '../base/failure.ts'
import type { CallAnswer, CallListener, CallRequest } from '../protocol/call.ts'
import { CallLimits, verdict, type AbortCause, type LimitedCall } from './call-limits.ts'
import type { TaskRegistry } from './registry.ts'
import type { CallEnvironment, RunningCall } from './run-call.ts'
import type { FromThread, ThreadCallInput, ToThread } from './thread-messages.ts'

/** Options of {@link TaskThreads}. */
export interface TaskThreadsOptions {
  /** Each task is loaded in its thread from the module that it is known to come from. */
  readonly tasks: TaskRegistry
  readonly environment: CallEnvironment
  /** Threads at most; 0: none, tasks run in the caller's thread. */
  readonly count: number
  /** Heap of one thread, in MB. @default Node's own limit */
  readonly heapMb?: number | undefined
}

const THREAD_MARK = 'zagflow.thread'
/** How long a thread without work is kept. */
const IDLE_MS = 30_000

/** A pool of worker threads; started by its first call. */
export class TaskThreads {
  readonly #options: TaskThreadsOptions
  #pool: Promise<Piscina> | undefined
  #busy = 0
  #waiting: ThreadCall[] = []

  constructor(options: TaskThreadsOptions) {
    this.#options = options
  }

  /** Whether this call is one for a thread: its task has `cpu: true`, and user code would run at all. */
  takes(request: CallRequest): boolean {
    if (this.#options.count === 0 || request.direction === 'decide') return false
    const task = this.#options.tasks.find(request.task)
    if (task?.cpu !== true) return false
    return request.direction === 'execute' || task.revert !== undefined
  }

  /** Runs a call in a thread, as soon as one is free. */
  run(request: CallRequest, listener: CallListener): RunningCall {
    const { environment, tasks } = this.#options
    const module = tasks.moduleOf(request.task)
    const call = new ThreadCall(request, environment, listener)
    if (module === undefined || isInThread()) {
      call.refuse(module)
      return call
    }
    this.#waiting.push(call)
    void this.#next() // answers the call, never rejects
    return call
  }

  /** Terminates all threads. Calls in them are answered `WorkerLost`, unless they were dropped before. */
  async stop(): Promise<void> {
    this.#waiting = []
    const pool = this.#pool
    this.#pool = undefined
    await (await pool)?.destroy()
  }

  async #next(): Promise<void> {
    if (this.#busy >= this.#options.count) return // H1
    const call = this.#waiting.shift()
    if (call === undefined) return
    this.#busy += 1
    try {
      if (!call.isOver) await this.#runInPool(call)
    } finally {
      this.#busy -= 1
      void this.#next()
    }
  }

  async #runInPool(call: ThreadCall): Promise<void> {
    const module = this.#options.tasks.moduleOf(call.request.task) ?? ''
    const { port1, port2 } = new MessageChannel()
    const { timeoutMs: _1, heartbeatMs: _2, ...request } = call.request // H4: kept here, not there
    const input: ThreadCallInput = { request, module, port: port2 }
    try {
      this.#pool ??= this.#open()
      const pool = await this.#pool
      call.connect(port1)
      const answer = (await pool.run(input, {
        transferList: [port2],
        signal: call.terminate.signal,
      })) as CallAnswer // `runInThread` gives nothing else
      call.settle(answer)
    } catch (error) {
      call.lost(error, this.#options.heapMb)
    } finally {
      port1.close()
    }
  }

  async #open(): Promise<Piscina> {
    const { count, heapMb, environment } = this.#options
    const { Piscina } = await import('piscina') // most processes never need it
    const pool = new Piscina({
      filename: new URL('./thread.js', import.meta.url).href,
      name: 'runInThread',
      minThreads: 0,
      maxThreads: count,
      idleTimeout: IDLE_MS,
      // Else an idle thread stands still, and connections that its tasks keep open with it.
      atomics: 'disabled',
      recordTiming: false,
      workerData: THREAD_MARK,
      ...(heapMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMb } }),
    })
    pool.on('error', (error: unknown) => {
      environment.logger.warn({ error: toFailure(error) }, 'a worker thread without a call died')
    })
    return pool
  }
}

/** A call in a thread, as its caller sees it. */
class ThreadCall implements RunningCall, LimitedCall {
  readonly request: CallRequest
  /** Aborting it terminates the thread. */
  readonly terminate = new AbortController()
  readonly #environment: CallEnvironment
  readonly #listener: CallListener
  readonly #limits: CallLimits
  #startedAt: number
  #port: MessagePort | undefined
  #over = false

  constructor(request: CallRequest, environment: CallEnvironment, listener: CallListener) {
    this.request = request
    this.#environment = environment
    this.#listener = listener
    this.#startedAt = environment.clock.now()
    this.#limits = new CallLimits(this, {
      timeoutMs: request.timeoutMs,
      heartbeatMs: request.heartbeatMs,
      abortGraceMs: environment.abortGraceMs,
      clock: environment.clock,
    })
  }

  get isOver(): boolean {
    return this.#over
  }

  abort(reason: string): void {
    if (!this.#over) this.#limits.abort(reason)
  }

  drop(): void {
    this.#end()
    this.terminate.abort()
  }

  askToEnd(cause: AbortCause): void {
    const message: ToThread = { cause }
    this.#port?.postMessage(message)
  }

  giveUp(cause: AbortCause): void {
    this.settle(verdict(cause, this.#startedAt))
    this.terminate.abort()
  }

  connect(port: MessagePort): void {
    this.#port = port
    port.on('message', (message: FromThread) => this.#hear(message))
    const { cause } = this.#limits
    if (cause !== undefined) this.askToEnd(cause)
  }

  settle(answer: CallAnswer): void {
    this.#hearTheRest()
    if (this.#over) return
    this.#end()
    this.#listener.answer(this.request, { ...answer, startedAt: this.#startedAt })
  }

  /** H3. The thread is gone. */
  lost(error: unknown, heapMb: number | undefined): void {
    const cause = toFailure(error)
    const memory = heapMb === undefined ? 'out of memory' : `out of memory (${heapMb} MB)`
    const why = isOutOfMemory(error) ? memory : cause.message
    const failure = { code: 'WorkerLost', message: `its worker thread died: ${why}`, cause }
    this.settle({ kind: 'failed', failure, outcome: 'unknown', startedAt: this.#startedAt })
  }

  /** No thread could run it. */
  refuse(module: string | undefined): void {
    const { task } = this.request
    const message =
      module === undefined
        ? `${task} computes (cpu: true), but nobody knows its module, so that no worker thread can load it; write cpu: import.meta.url, or load its module by path (--tasks)`
        : `${module} runs flows as it is imported, and a worker thread imports it for ${task}; move the tasks to a module that only defines them`
    const failure = { code: 'TaskNotLoaded', message, retryable: false }
    this.settle({ kind: 'failed', failure, outcome: 'failure', startedAt: this.#startedAt })
  }

  #end(): void {
    this.#over = true
    this.#limits.end()
  }

  /** The answer comes another way, and may be here before what was said before it. */
  #hearTheRest(): void {
    const port = this.#port
    if (port === undefined) return
    for (
      let got = receiveMessageOnPort(port);
      got !== undefined;
      got = receiveMessageOnPort(port)
    ) {
      this.#hear(got.message as FromThread) // only our thread has the other end
    }
  }

  #hear(message: FromThread): void {
    if (this.#over && message.kind !== 'log') return
    switch (message.kind) {
      case 'started':
        this.#startedAt = this.#environment.clock.now()
        this.#limits.start()
        return
      case 'beat':
        this.#limits.beat()
        return
      case 'progress':
        this.#limits.beat()
        this.#listener.progress?.(this.request, message.progress, message.details)
        return
      case 'log':
        this.#environment.logger[message.level](message.fields, message.message)
    }
  }
}

/** Whether this is a thread of such a pool: it must not open pools of its own, or a module that runs flows would never end. */
function isInThread(): boolean {
  return !isMainThread && workerData === THREAD_MARK
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
}
