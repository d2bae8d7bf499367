/**
 * Several workers, each in a process of its own, watched by this one.
 *
 * Owns: the processes that it starts.
 *
 * Invariants
 * M1  A process that ends by itself is started again, after a delay that grows while it does not get ready or soon dies.
 * M2  If none ever got ready, and one ends because of its settings or tasks, or because it cannot reach its broker, all end:
 *     starting it again would not help, and whoever started them must see it.
 * M3  The first signal lets what runs end, in all of them; the second aborts it; the third ends all. It ends when all have ended.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { delayAfterAttempt } from '../base/backoff.ts'
import type { Logger } from '../base/logger.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { serviceLogger } from './service-logger.ts'
import { onStopSignals } from './stop-signals.ts'
import type { Terminal } from './terminal.ts'
import type { WorkerInput } from './worker-service.ts'

const PROCESS = fileURLToPath(new URL('./worker-process.js', import.meta.url))
const PAUSE = { delayMs: 500, factor: 2, maxDelayMs: 30_000 }
/** A process that was ready for so long was a good one. */
const GOOD_AFTER_MS = 60_000

interface Place {
  readonly number: number
  child: ChildProcess | undefined
  failures: number
  readyAt: number | undefined
  timer: NodeJS.Timeout | undefined
}

export class WorkerProcesses {
  readonly #input: WorkerInput
  readonly #logger: Logger
  readonly #places: readonly Place[]
  #stage = 0
  #wasReady = false
  #code: ExitCode = EXIT.done
  #settle: () => void = () => {}

  constructor(input: WorkerInput, count: number, terminal: Terminal) {
    this.#input = input
    this.#logger = serviceLogger(terminal, input.log)
    this.#places = Array.from({ length: count }, (_, at) => {
      return { number: at + 1, child: undefined, failures: 0, readyAt: undefined, timer: undefined }
    })
  }

  /** Until all have ended. */
  async run(): Promise<ExitCode> {
    const ended = new Promise<void>((resolve) => {
      this.#settle = resolve
    })
    const endSignals = onStopSignals((stage, name) => this.#stop(stage, name))
    for (const place of this.#places) this.#start(place)
    await ended
    endSignals()
    return this.#code
  }

  #start(place: Place): void {
    place.timer = undefined
    place.readyAt = undefined
    const child = fork(PROCESS, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    place.child = child
    const { name } = this.#input
    const input =
      name === undefined ? this.#input : { ...this.#input, name: `${name}-${place.number}` }
    child.on('message', (message: { readonly is: string }) => {
      if (message.is === 'ready') {
        place.readyAt = Date.now()
        this.#wasReady = true
      }
    })
    child.once('error', (error) =>
      this.#ended(place, child, `could not be started: ${error.message}`),
    )
    child.once('exit', (code, signal) => {
      this.#ended(place, child, signal === null ? `exit code ${code}` : signal, code)
    })
    this.#say(child, input)
  }

  #ended(place: Place, child: ChildProcess, how: string, code: number | null = null): void {
    if (place.child !== child) return
    place.child = undefined
    if (this.#stage === 0 && this.#isHopeless(code)) {
      this.#code = code === EXIT.unavailable ? EXIT.unavailable : EXIT.usage
      this.#stop(1, 'a worker that cannot start')
    }
    if (this.#stage > 0) {
      if (code !== 0 && this.#code === EXIT.done) this.#code = EXIT.interrupted
      if (this.#places.every(({ child: other }) => other === undefined)) this.#settle()
      return
    }
    const wasGood = place.readyAt !== undefined && Date.now() - place.readyAt > GOOD_AFTER_MS
    place.failures = wasGood ? 1 : place.failures + 1
    const delayMs = delayAfterAttempt(place.failures, PAUSE, '')
    const { pid: worker } = child
    this.#logger.error({ worker, how, delayMs }, 'a worker process ended; starts another') // M1
    place.timer = setTimeout(() => this.#start(place), delayMs)
  }

  /** M2. */
  #isHopeless(code: number | null): boolean {
    return !this.#wasReady && (code === EXIT.usage || code === EXIT.unavailable)
  }

  /** M3. */
  #stop(stage: number, name: string): void {
    this.#stage = Math.max(this.#stage, stage)
    this.#logger.info({ processes: this.#places.length }, `${name}: stops its processes`)
    for (const place of this.#places) {
      clearTimeout(place.timer)
      if (place.child === undefined) continue
      if (stage > 2) place.child.kill('SIGKILL')
      else this.#say(place.child, { stop: stage })
    }
    if (stage > 1) this.#code = EXIT.interrupted
    if (this.#places.every(({ child }) => child === undefined)) this.#settle()
  }

  #say(child: ChildProcess, message: object): void {
    // One that cannot be told has ended, and its `exit` says so.
    if (child.connected) child.send(message, () => undefined)
  }
}
