/**
 * Group commit: one batch is under way at a time, and the next one carries the changes of all flows that came in meanwhile.
 * No timers, no fixed size; the slower the database, the bigger the batches.
 *
 * Invariants
 * G1  A flow has at most one commit under way; its changes are taken when the batch is formed, not when it was enqueued.
 * G2  What a flow wanted to do waits until its commit succeeded (durable before visible).
 * G3  While the store is away nothing is lost: the same batch is tried again with growing delays.
 */
import { UnavailableError } from '../src/base/errors.ts'
import type { Clock } from '../src/base/clock.ts'
import { delayAfterAttempt } from '../src/base/backoff.ts'
import type { Logger } from '../src/base/logger.ts'
import type { CommitOutcome, FlowCommit, Store } from '../persistence/store.ts'

/** A flow as the committer sees it. */
export interface Committing {
  /** Takes the changes since the last commit; null: nothing to commit. */
  take(): FlowCommit | null
  /** The outcome of what was taken. */
  settled(commit: FlowCommit, outcome: CommitOutcome): void
}

export interface CommitterOptions {
  readonly store: Pick<Store, 'commit' | 'kind'>
  readonly clock: Clock
  readonly logger: Logger
  /** Flows in one batch at most. @default 500 */
  readonly maxFlows?: number | undefined
  /** Told when the store goes away (with the error) and when it is back (null). */
  readonly onOutage?: ((error: unknown) => void) | undefined
}

const OUTAGE_BACKOFF = { delayMs: 100, factor: 2, maxDelayMs: 5000, jitter: 0.2 }

const MICROTASK = Promise.resolve()

/** `queueMicrotask` costs more: it makes an AsyncResource. */
function inMicrotask(run: () => void): void {
  void MICROTASK.then(run)
}

export class Committer {
  readonly #options: CommitterOptions
  readonly #maxFlows: number
  readonly #schedule: (run: () => void) => void
  readonly #waiting = new Set<Committing>()
  #busy = false
  #stopped = false
  #cancelDelay: (() => void) | null = null
  readonly #idle: (() => void)[] = []
  /** Batches committed so far. */
  commits = 0

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#maxFlows = options.maxFlows ?? 500
    // In memory a batch costs nothing; on a disk it pays to let this turn of the loop finish first.
    this.#schedule = options.store.kind === 'memory' ? inMicrotask : (run) => void setImmediate(run)
  }

  /** Says that a flow has changes. */
  enqueue(flow: Committing): void {
    this.#waiting.add(flow)
    if (this.#busy || this.#stopped) return
    this.#busy = true
    this.#schedule(() => void this.#loop())
  }

  /** A flow is dropped: its changes are not wanted any more. */
  forget(flow: Committing): void {
    this.#waiting.delete(flow)
  }

  /** Resolves when nothing is waiting or under way. */
  idle(): Promise<void> {
    if (!this.#busy) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Commits no more; a batch under way ends. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelDelay?.()
    await this.idle()
  }

  async #loop(): Promise<void> {
    try {
      while (this.#waiting.size > 0 && !this.#stopped) {
        const flows: Committing[] = []
        const batch: FlowCommit[] = []
        for (const flow of this.#waiting) {
          if (batch.length >= this.#maxFlows) break
          this.#waiting.delete(flow)
          const commit = flow.take()
          if (commit === null) continue
          flows.push(flow)
          batch.push(commit)
        }
        if (batch.length === 0) continue
        const outcomes = await this.#commit(batch)
        if (outcomes === null) return
        this.commits++
        for (let i = 0; i < batch.length; i++) {
          flows[i]?.settled(batch[i] as FlowCommit, outcomes[i] as CommitOutcome)
        }
      }
    } finally {
      this.#busy = false
      for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  /** G3. Null: stopped before the store came back. */
  async #commit(batch: readonly FlowCommit[]): Promise<readonly CommitOutcome[] | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        const outcomes = await this.#options.store.commit(batch)
        if (attempt > 1) this.#options.onOutage?.(null)
        return outcomes
      } catch (error) {
        if (this.#stopped) return null
        const isOutage = error instanceof UnavailableError
        const delayMs = delayAfterAttempt(attempt, OUTAGE_BACKOFF, 'commit')
        this.#options.logger[isOutage ? 'warn' : 'error'](
          { error, attempt, delayMs, flows: batch.length },
          'the store did not take a commit; trying again',
        )
        this.#options.onOutage?.(error)
        await this.#delay(delayMs)
        if (this.#stopped) return null
      }
    }
  }

  #delay(ms: number): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      const done = (): void => {
        this.#cancelDelay = null
        resolve()
      }
      const cancel = clock.setTimer(done, clock.now() + ms)
      this.#cancelDelay = () => {
        cancel()
        done()
      }
    })
  }
}
