/** One worker in this process, from its start to its end. */
import type { Logger } from '../base/logger.ts'
import { moduleUrl } from '../worker/load-module.ts'
import { Worker } from '../worker/worker.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { loadTasks } from './modules.ts'
import { serviceLogger } from './service-logger.ts'
import type { LogLevel } from './settings/names.ts'
import type { StopSource } from './stop-signals.ts'
import type { Terminal } from './terminal.ts'

/** What a worker process is started with; JSON. */
export interface WorkerInput {
  readonly broker: { readonly urls: string; readonly namespace: string; readonly shown: string }
  readonly modules: readonly string[]
  readonly topics: readonly string[]
  readonly concurrency?: number | undefined
  readonly name?: string | undefined
  readonly graceMs: number
  readonly log: LogLevel
  readonly json: boolean
}

/** Starts a worker, says `ready`, and serves until it is told to stop. Rejects when it cannot start. */
export async function serveWorker(
  input: WorkerInput,
  terminal: Terminal,
  stopSource: StopSource,
  onReady: () => void = () => undefined,
): Promise<ExitCode> {
  const logger = serviceLogger(terminal, input.log)
  const stopping = new Stopping(stopSource, logger) // before anything that takes time
  let worker: Worker | undefined
  try {
    worker = await createWorker(input, logger)
    endWithFaults(worker, logger)
    stopping.watch(worker)
    if (stopping.stage === 0) await worker.start().catch(unlessStopped(stopping))
    if (stopping.stage === 0) sayReady(worker, input, terminal)
    onReady()
    return await stopping.ended
  } finally {
    stopping.end()
    await worker?.stop({ graceMs: 0 })
  }
}

/** Whoever told it to stop before it was connected wants no error. */
function unlessStopped(stopping: Stopping): (error: unknown) => void {
  return (error) => {
    if (stopping.stage === 0) throw error
  }
}

async function createWorker(input: WorkerInput, logger: Logger): Promise<Worker> {
  const { broker, modules, topics, concurrency, name, graceMs } = input
  const tasks = await loadTasks(modules)
  return new Worker({
    broker: broker.urls,
    namespace: broker.namespace,
    tasks,
    modules: modules.map((module) => moduleUrl(module)),
    topics,
    concurrency,
    name,
    graceMs,
    logger,
  })
}

function sayReady(worker: Worker, { broker, topics }: WorkerInput, terminal: Terminal): void {
  const ready = {
    kind: 'worker',
    name: worker.name,
    broker: broker.shown,
    topics: topics.join(','),
    concurrency: worker.load.concurrency,
    tasks: worker.tasks.length,
    pid: process.pid,
  }
  if (terminal.json) {
    terminal.dataLine({ ready: true, ...ready, topics })
    return
  }
  const fields = Object.entries(ready).slice(2)
  const shown = fields.map(([key, value]) => `${key}=${value}`).join(' ')
  terminal.print(`ready worker ${worker.name} ${shown}`)
}

/** The first signal lets what runs end, the second aborts it, the third ends the process. */
class Stopping {
  /** How far it came. */
  stage = 0
  readonly ended: Promise<ExitCode>
  readonly #logger: Logger
  readonly #endSource: () => void
  #worker: Worker | undefined
  #settle: (code: ExitCode) => void = () => {}

  constructor(source: StopSource, logger: Logger) {
    this.#logger = logger
    this.ended = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#endSource = source((stage, name) => this.#reach(stage, name))
  }

  /** From now on this one is stopped; at once, if it was time before. */
  watch(worker: Worker): void {
    this.#worker = worker
    if (this.stage > 0) this.#stop(worker)
  }

  end(): void {
    this.#endSource()
  }

  #reach(stage: number, name: string): void {
    this.stage = stage
    if (stage > 2) process.exit(EXIT.interrupted)
    const running = this.#worker?.load.running ?? 0
    if (stage === 1)
      this.#logger.info({ running }, `${name}: takes nothing more, lets what runs end`)
    else this.#logger.warn({ running }, `${name} again: aborts what runs`)
    if (this.#worker !== undefined) this.#stop(this.#worker)
  }

  #stop(worker: Worker): void {
    // A second time aborts. It never rejects.
    void worker.stop().then(() => this.#settle(this.stage > 1 ? EXIT.interrupted : EXIT.done))
  }
}

/** A body that throws in the background leaves nobody knows what behind: the process ends, and what it held runs elsewhere. */
function endWithFaults(worker: Worker, logger: Logger): void {
  process.on('uncaughtException', (error, origin) => {
    const { running } = worker.load
    const what =
      'something was thrown outside of any call: this process ends, and what ran in it comes back'
    logger.error({ error, origin, running }, what)
    process.exit(EXIT.failed)
  })
}
