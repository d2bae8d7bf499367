/**
 * The conductor's one lease: it says in the store that the conductor lives, and tells at once when others may think otherwise.
 *
 * Owns: two timers (next renewal, deadline) and the row of this incarnation in the table of processes.
 *
 * Invariants
 * L1  A renewal is tried every third of the lease. Without one, two thirds after the last good one was sent the claims are
 *     held to be lost, by this process's own monotonic clock: before the store lets others take them.
 * L2  After that the lease is renewed as before; claims are made again only once it stands (`isGood`).
 * L3  Of two conductors of one name one is refused: the second waits for one lease, in case the first has died.
 */
import type { Clock } from '../base/clock.ts'
import { ConflictError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Heartbeat, ProcessRecord, Store } from '../../persistence/store.ts'

export interface LeaseOptions {
  readonly store: Pick<Store, 'beat' | 'endProcess' | 'processes'>
  readonly clock: Clock
  readonly logger: Logger
  /** What is announced now; `leaseMs` is its length. */
  readonly heartbeat: () => Heartbeat
  /** Told that all claims made so far are lost. */
  readonly onLost: (reason: string) => void
  /** Told after every good renewal. */
  readonly onRenewed: () => void
}

export class Lease {
  readonly #options: LeaseOptions
  readonly #leaseMs: number
  #goodUntil = -Infinity
  #cancelBeat: () => void = nothing
  #cancelDeadline: () => void = nothing
  #isWanted = true
  #stopped = false

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#leaseMs = options.heartbeat().leaseMs
  }

  /** Whether claims may be made and worked on. */
  get isGood(): boolean {
    return !this.#stopped && performance.now() < this.#goodUntil
  }

  /** Announces the conductor. Throws {@link ConflictError} when another one of its name lives, `UnavailableError`. */
  async begin(): Promise<void> {
    const { store, clock, logger } = this.#options
    const deadline = performance.now() + this.#leaseMs * 1.1 + 200
    for (let waited = false; ; waited = true) {
      let other = await this.#namesake()
      if (other === undefined) {
        await this.#renew()
        // Both may have announced themselves at once: the younger gives way.
        other = await this.#namesake()
        if (other === undefined) break
        this.#goodUntil = -Infinity
        this.#cancelDeadline()
        await store.endProcess(this.#options.heartbeat().id)
      }
      if (performance.now() >= deadline || !this.#isWanted) throw refused(other)
      if (!waited) logger.info({ name: other.name }, 'a conductor of this name is there; waiting')
      await new Promise<void>((resolve) => {
        clock.setTimer(resolve, clock.now() + Math.min(this.#leaseMs / 10, 250))
      })
    }
    this.#scheduleBeat()
  }

  /** Lets `begin` fail at its next look if it still waits for another conductor of its name. */
  giveUpWaiting(): void {
    this.#isWanted = false
  }

  /** Gives the lease back: what is still claimed is free for others at once. Throws `UnavailableError`. */
  async end(): Promise<void> {
    this.stop()
    await this.#options.store.endProcess(this.#options.heartbeat().id)
  }

  /** No renewal any more; the lease runs out by itself. */
  stop(): void {
    this.#stopped = true
    this.#cancelBeat()
    this.#cancelDeadline()
  }

  async #namesake(): Promise<ProcessRecord | undefined> {
    const me = this.#options.heartbeat()
    const all = await this.#options.store.processes({ kind: 'conductor', board: me.board })
    const mine = all.find(({ id }) => id === me.id)
    return all.find((other) => {
      if (other.id === me.id || other.name !== me.name) return false
      if (mine === undefined || other.startedAt < mine.startedAt) return true
      return other.startedAt === mine.startedAt && other.id < mine.id
    })
  }

  #scheduleBeat(): void {
    if (this.#stopped) return
    const { clock } = this.#options
    this.#cancelBeat = clock.setTimer(() => void this.#beat(), clock.now() + this.#leaseMs / 3)
  }

  async #beat(): Promise<void> {
    try {
      // The timer may come late, after the process stood still.
      if (performance.now() >= this.#goodUntil) this.#lose('it could not be renewed in time')
      const held = await this.#renew()
      if (!held) this.#options.onLost('the lease had run out')
      if (!this.#stopped) this.#options.onRenewed()
    } catch (error) {
      this.#options.logger.warn({ error }, 'the lease could not be renewed; trying again')
    }
    this.#scheduleBeat()
  }

  async #renew(): Promise<boolean> {
    const sentAt = performance.now()
    const held = await this.#options.store.beat(this.#options.heartbeat())
    if (this.#stopped) return held
    this.#goodUntil = sentAt + (this.#leaseMs * 2) / 3
    this.#armDeadline()
    return held
  }

  /** L1. */
  #armDeadline(): void {
    const { clock } = this.#options
    this.#cancelDeadline()
    const left = this.#goodUntil - performance.now()
    this.#cancelDeadline = clock.setTimer(
      () => {
        if (this.#stopped) return
        if (performance.now() >= this.#goodUntil) this.#lose('it could not be renewed in time')
        else this.#armDeadline()
      },
      clock.now() + Math.max(Math.ceil(left), 1),
    )
  }

  #lose(reason: string): void {
    if (this.#goodUntil === -Infinity) return
    this.#goodUntil = -Infinity
    this.#cancelDeadline()
    this.#options.onLost(reason)
  }
}

function refused(other: ProcessRecord): ConflictError {
  return new ConflictError(
    `the conductor "${other.name}"`,
    `one of that name lives: process ${other.pid} on ${other.host}`,
    { hint: 'stop that one, or give this one another name' },
  )
}

function nothing(): void {}
