/**
 * When a flow gives its claim and its memory back, because it only waits: for a time that is far off, or for calls that are long
 * and with workers elsewhere.
 *
 * Owns: one timer.
 *
 * Invariants
 * K1  A flow with calls in flight is parked only while the engine says that all of them are found by the next owner.
 * K2  A parked flow is looked after in time: when the first of its waits is over, and now and then if it waits for calls.
 */
import { delayAfterAttempt } from '../../src/base/backoff.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Run } from '../../src/machine/run.ts'
import type { JobChange } from '../../persistence/store.ts'
import type { Engine } from '../engine.ts'

/** After how long a flow that is parked for its tasks is looked after: a broker may have lost its calls. Not after all at once. */
const LOOKING_AFTER = { delayMs: 750_000, jitter: 0.2 }
/** A flow that cannot be parked yet is looked at again after so long, at least. */
const LOOK_AGAIN_MS = 1000

export interface ParkingOptions {
  readonly run: Run
  readonly flowId: string
  readonly engine: Engine
  readonly clock: Clock
  /** A flow that only waits, for longer than this, is parked. Infinity: never. */
  readonly parkAfterMs: number
  /** Whether there is nothing to be committed, under way or to be carried out. */
  readonly isQuiet: () => boolean
  /** Asks for a commit: the flow is to be parked with it. */
  readonly onWish: () => void
}

export class Parking {
  readonly #options: ParkingOptions
  #isWished = false
  /** When something was committed last. */
  #quietSince = 0
  #cancelTimer: (() => void) | null = null

  constructor(options: ParkingOptions) {
    this.#options = options
  }

  /** It is to be parked for its calls, with the next commit. */
  get isWished(): boolean {
    return this.#isWished
  }

  /** K1. */
  get isElsewhere(): boolean {
    const { engine, flowId } = this.#options
    return engine.canPark?.(flowId) === true
  }

  /** What becomes of the job, if it is to be parked now. */
  change(): JobChange | null {
    const { run, parkAfterMs, clock } = this.#options
    const isWorking = run.inflight > 0
    if (parkAfterMs === Infinity || (run.waiting === 0 && !isWorking)) return null
    const dueAt = nextDue(run)
    const now = clock.now()
    if (isWorking) {
      const lookAt = Math.round(now + delayAfterAttempt(1, LOOKING_AFTER, this.#options.flowId))
      return { state: 'PARKED', parkedFor: 'task', dueAt: Math.min(dueAt, lookAt) }
    }
    if (dueAt === Infinity || dueAt - now <= parkAfterMs) return null
    return { state: 'PARKED', parkedFor: 'retry', dueAt }
  }

  /** The commit that the wish asked for was formed. */
  taken(): void {
    this.#isWished = false
  }

  /** Something was committed, and calls are in flight: they may be long. */
  watch(): void {
    const { engine, clock, parkAfterMs } = this.#options
    this.#quietSince = clock.now()
    if (engine.canPark === undefined || parkAfterMs === Infinity) return
    if (this.#cancelTimer === null) this.#lookAt(this.#quietSince + parkAfterMs)
  }

  end(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }

  #lookAt(at: number): void {
    this.#cancelTimer = this.#options.clock.setTimer(() => {
      this.#cancelTimer = null
      this.#look()
    }, at)
  }

  #look(): void {
    const { run, clock, parkAfterMs, isQuiet, onWish } = this.#options
    if (run.inflight === 0) return
    const now = clock.now()
    const isLong = now - this.#quietSince >= parkAfterMs && isQuiet()
    if (isLong && nextDue(run) - now > parkAfterMs && this.isElsewhere) {
      this.#isWished = true
      onWish()
      return
    }
    const again = isLong ? now + parkAfterMs : this.#quietSince + parkAfterMs
    this.#lookAt(Math.max(again, now + LOOK_AGAIN_MS))
  }
}

/** When the first of its waits is over. */
function nextDue(run: Run): number {
  let dueAt = Infinity
  for (const atom of run.atoms.unsettled())
    if (atom.dueAt !== null) dueAt = Math.min(dueAt, atom.dueAt)
  for (const scope of run.scopes.values())
    if (scope.dueAt !== null) dueAt = Math.min(dueAt, scope.dueAt)
  return dueAt
}
