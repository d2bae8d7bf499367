/**
 * One life of the process that runs a flow under test: from its start to the flow's end, or to a crash.
 *
 * Invariants
 * I1  A crash is what `kill -9` is to the store: what was committed stays, nothing else does. Of this life nothing is
 *     committed, dispatched or told any more.
 * I2  No timer of a dead life is left on the test's clock.
 */
import type { Clock } from '../base/clock.ts'
import { silentLogger, type Logger } from '../base/logger.ts'
import type { Plan } from '../flow/compile.ts'
import { runLocally } from '../client/local-run.ts'
import type { DriveEnd } from '../../engines/drive.ts'
import type { Engine } from '../../engines/engine.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SerialEngine } from '../../engines/serial.ts'
import type { Store } from '../../persistence/store.ts'
import type { TaskRegistry } from '../worker/registry.ts'

export interface IncarnationOptions {
  readonly store: Store
  readonly jobId: string
  readonly plan: Plan
  readonly tasks: TaskRegistry
  readonly engine: 'serial' | 'parallel'
  readonly clock: Clock
  readonly logger?: Logger | undefined
  readonly onEvent: () => void
  /** Asked around each commit; true: the process dies here. */
  readonly diesAt: (when: 'before' | 'after') => boolean
  readonly onDeath: () => void
}

export class Incarnation {
  readonly #options: IncarnationOptions
  readonly #engine: Engine
  readonly #timers = new Set<() => void>()
  #flowId = ''
  #dead = false
  /** How the flow ended; never settles in a life that ended in a crash. */
  readonly end: Promise<DriveEnd>

  constructor(options: IncarnationOptions) {
    this.#options = options
    const { tasks, logger = silentLogger } = options
    const clock = this.#mortalClock()
    this.#engine =
      options.engine === 'serial'
        ? new SerialEngine({ tasks, clock, logger })
        : new ParallelEngine({ tasks, clock, logger })
    this.end = this.#live(clock, logger)
  }

  get isDead(): boolean {
    return this.#dead
  }

  /** I1. */
  crash(): void {
    if (this.#dead) return
    this.#dead = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#engine.forget(this.#flowId, { abort: true })
    void this.#engine.stop({ graceMs: 0 }) // what its bodies still do concerns nobody
    this.#options.onDeath()
  }

  async #live(clock: Clock, logger: Logger): Promise<DriveEnd> {
    const { store, jobId, plan, onEvent } = this.#options
    await this.#engine.start()
    const found = await store.job(jobId)
    this.#flowId = found?.detail.id ?? ''
    try {
      return await runLocally({
        store: this.#mortalStore(),
        jobId,
        plan,
        engine: this.#engine,
        clock,
        logger,
        isShared: false,
        onEvent,
        onAbort: 'cancel',
      })
    } finally {
      await this.#engine.stop({ graceMs: 0 })
    }
  }

  #mortalClock(): Clock {
    const { clock } = this.#options
    return {
      now: () => clock.now(),
      setTimer: (fire, atMs) => {
        if (this.#dead) return () => {}
        const cancel = clock.setTimer(() => {
          this.#timers.delete(stop)
          fire()
        }, atMs)
        const stop = (): void => {
          this.#timers.delete(stop)
          cancel()
        }
        this.#timers.add(stop)
        return stop
      },
    }
  }

  #mortalStore(): Store {
    const { store } = this.#options
    const commit: Store['commit'] = async (batch) => {
      if (this.#dead || this.#dies('before')) return forever()
      const outcomes = await store.commit(batch)
      return this.#dies('after') ? forever() : outcomes
    }
    return new Proxy(store, {
      get: (target, name): unknown => {
        if (name === 'commit') return commit
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  #dies(when: 'before' | 'after'): boolean {
    if (!this.#options.diesAt(when)) return false
    this.crash()
    return true
  }
}

function forever<T>(): Promise<T> {
  return new Promise<T>(() => {})
}
