/**
 * A conductor: claims jobs, drives their flows in an engine, and takes them off the board; many at once in one process.
 *
 * Owns: its lease, its place in the fleet of its board, its claims and their drivers, one group committer, and the loops that claim,
 * promote, post and read mail.
 *
 * Invariants
 * C1  A flow is worked on only under a claim, and every write of it is fenced; what this process believes is for speed.
 * C2  When the lease may have run out, all drivers are dropped at once and nothing is claimed until it stands again.
 * C3  While the store is away claims are kept and work stops; everything is tried again with growing delays.
 * C4  `stop()`: no new claims; flows are released as soon as nothing runs in them; after the grace period what runs is aborted;
 *     then the lease is given back. Nothing is left open, whatever is away, when the grace period is over.
 * C5  Cut from the board alone, it works on what it has until the board says that the claims are lost; it comes back by itself.
 */
import { Committer } from '../../engines/committer.ts'
import { ClosedError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import type { BoardEvent, BoardFleet } from '../../jobboard/jobboard.ts'
import { Claims } from './claims.ts'
import { Deferrals } from './deferrals.ts'
import { Flows } from './flows.ts'
import { Handover } from './handover.ts'
import { Leader } from './leader.ts'
import { Lease } from './lease.ts'
import { Loader } from './loader.ts'
import { loneFleet } from './lone-fleet.ts'
import { Mailman } from './mailman.ts'
import { resolveConductor, type ConductorOptions, type ResolvedConductor } from './options.ts'
import { PlanCache } from './plans.ts'
import { Promoter } from './promoter.ts'
import { Schedules } from './schedules.ts'
import { Strays } from './strays.ts'
import { Repeater } from './repeat.ts'
import { StoreClock } from './store-clock.ts'

/** What a conductor has to do now. */
export interface ConductorLoad {
  /** Flows in flight. */
  readonly flows: number
  readonly maxFlows: number
}

/**
 * Runs jobs of a board.
 *
 * ```ts
 * await using conductor = new Conductor({ store, board: new SqlBoard({ store }), engine, registry })
 * await conductor.start()
 * ```
 */
export class Conductor {
  readonly #resolved: ResolvedConductor
  readonly #clock: StoreClock
  readonly #committer: Committer
  readonly #repeater: Repeater
  readonly #flows: Flows
  readonly #deferrals: Deferrals
  readonly #loader: Loader
  readonly #claims: Claims
  readonly #promoter: Promoter
  /** Of a board outside the store. */
  readonly #fleet: BoardFleet | undefined
  readonly #leader: Leader | undefined
  readonly #schedules: Schedules
  readonly #strays: Strays
  readonly #mailman: Mailman
  readonly #lease: Lease
  #unwatch: () => void = () => {}
  #starting: Promise<void> | null = null
  #stopping: Promise<void> | null = null
  #hurry: () => void = () => {}
  #storeIsAway = false

  /** Throws {@link UsageError} for options that make no sense. */
  constructor(options: ConductorOptions) {
    const resolved = (this.#resolved = resolveConductor(options))
    const { store, board, clock: machineClock, logger } = resolved
    const clock = (this.#clock = new StoreClock(store, machineClock))
    const committer = (this.#committer = new Committer({
      store,
      clock: machineClock,
      logger,
      onOutage: (error) => this.#outage(error),
    }))
    const repeater = (this.#repeater = new Repeater(machineClock, logger))
    const handover = new Handover(store, board, repeater)
    const flows = (this.#flows = new Flows({
      resolved,
      clock,
      committer,
      handover,
      onRoom: () => {
        this.#claims.room()
        this.#schedules.jobEnded()
      },
    }))
    const deferrals = (this.#deferrals = new Deferrals({
      store,
      board: board.name,
      clock: machineClock,
      logger,
      giveWay: (ms) => this.#claims.giveWay(ms),
    }))
    const plans = new PlanCache(store, resolved.maxPlans)
    const loader = (this.#loader = new Loader({
      resolved,
      committer,
      repeater,
      plans,
      flows,
      deferrals,
    }))
    const isAllowed = (): boolean =>
      this.#stopping === null && this.#lease.isGood && !this.#storeIsAway
    this.#claims = new Claims({ resolved, flows, loader, handover, repeater, isAllowed })
    this.#promoter = new Promoter({
      resolved,
      clock,
      handover,
      onClaimable: () => {
        this.#leader?.look()
        this.#claims.look()
      },
      mayPromote: () => this.#leader === undefined || this.#leader.leads,
      isAllowed,
    })
    const fleet = (this.#fleet = board.outsideStore ? (board.fleet ?? loneFleet(board)) : undefined)
    this.#leader =
      fleet === undefined
        ? undefined
        : new Leader({
            resolved,
            clock,
            fleet,
            handover,
            onLead: () => this.#promoter.look(),
            isAllowed,
          })
    this.#schedules = new Schedules({
      resolved,
      clock,
      handover,
      onClaimable: () => {
        this.#leader?.look()
        this.#claims.look()
      },
      isAllowed,
    })
    this.#strays = new Strays({ resolved, flows, handover, isAllowed })
    this.#mailman = new Mailman(resolved, flows, () => this.#promoter.look())
    this.#lease = new Lease({
      store,
      clock: machineClock,
      logger,
      heartbeat: () => this.#heartbeat(),
      onLost: (reason) => this.#lost('all', reason),
      onRenewed: () => this.#renewed(),
    })
  }

  /** Of this incarnation: what jobs and processes in the store name as their conductor. */
  get id(): string {
    return this.#resolved.id
  }

  get name(): string {
    return this.#resolved.name
  }

  get load(): ConductorLoad {
    return { flows: this.#flows.size, maxFlows: this.#resolved.maxFlows }
  }

  /**
   * Announces itself and begins to claim. Throws {@link ConflictError} when another conductor of its name lives (after waiting
   * for one lease), {@link UnavailableError}, {@link ClosedError} after `stop()`.
   */
  start(): Promise<void> {
    if (this.#stopping !== null) return Promise.reject(new ClosedError('the conductor'))
    this.#starting ??= this.#start()
    return this.#starting
  }

  /**
   * Hands everything over and ends, within the grace period. Called again, it aborts what still runs at once. What it was given
   * (store, board) stays as it is; the engine is stopped.
   */
  stop(options: { readonly graceMs?: number | undefined } = {}): Promise<void> {
    if (this.#stopping !== null) {
      this.#hurry()
      return this.#stopping
    }
    this.#stopping = this.#stop(options.graceMs ?? this.#resolved.graceMs)
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #start(): Promise<void> {
    const { board, engine, logger } = this.#resolved
    await board.start()
    await this.#clock.refresh()
    await this.#lease.begin()
    if (this.#stopping !== null) return
    try {
      await this.#fleet?.join({ id: this.id, name: this.name, capacity: this.#resolved.maxFlows })
      if (this.#stopping !== null) return await this.#leave()
      await engine.start({ conductor: this.id })
    } catch (error) {
      await Promise.allSettled([this.#lease.end(), this.#fleet?.leave()])
      throw error
    }
    this.#unwatch = board.watch((event) => this.#told(event))
    this.#mailman.start()
    this.#promoter.start()
    this.#leader?.start()
    this.#schedules.start()
    this.#strays.start()
    this.#claims.start()
    logger.info({ id: this.id, board: board.name, engine: engine.name }, 'the conductor is ready')
  }

  /** C4. */
  async #stop(graceMs: number): Promise<void> {
    const startedAt = performance.now()
    const left = () => Math.max(graceMs - (performance.now() - startedAt), 0)
    const hurried = new Promise<void>((resolve) => (this.#hurry = resolve))
    // The last part of the grace period is for the commits and goodbyes of what was aborted.
    const closingMs = Math.min(graceMs / 4, 2000)
    if (this.#starting === null) return
    this.#flows.release()
    this.#lease.giveUpWaiting()
    await this.#within(graceMs, this.#starting.catch(nothing))
    this.#unwatch()
    const looking = [
      this.#claims.stop(),
      this.#promoter.stop(),
      this.#leader?.stop() ?? Promise.resolve(),
      this.#schedules.stop(),
      this.#strays.stop(),
      // Nobody is to wait for this one to try what is handed over.
      this.#leave(),
    ]
    await this.#within(closingMs, Promise.all(looking))
    const drained = this.#loader.stop().then(() => this.#flows.empty())
    await this.#within(left() - closingMs, Promise.race([drained, hurried]))
    if (this.#flows.size > 0) {
      const { logger } = this.#resolved
      logger.warn({ flows: this.#flows.size }, 'the grace period is over; what runs is aborted')
      this.#flows.abandon()
      await this.#within(Math.max(left() - closingMs / 2, closingMs / 2), drained)
    }
    await this.#close(Math.max(left(), 50))
  }

  async #close(ms: number): Promise<void> {
    const startedAt = performance.now()
    const left = () => Math.max(ms - (performance.now() - startedAt), 10)
    this.#flows.drop()
    this.#deferrals.stop()
    await Promise.all([
      this.#within(left() / 2, this.#mailman.stop()),
      this.#within(left() / 2, this.#repeater.idle()),
      this.#resolved.engine.stop({ graceMs: 0 }),
    ])
    await this.#within(left() / 2, Promise.all([this.#repeater.stop(), this.#committer.stop()]))
    await this.#within(
      left(),
      this.#lease.end().catch((error: unknown) => {
        this.#resolved.logger.warn({ error }, 'the lease could not be given back; it runs out')
      }),
    )
    this.#resolved.logger.info({ id: this.id }, 'the conductor has stopped')
  }

  /** Waits for something at most `ms`. */
  async #within(ms: number, done: Promise<unknown>): Promise<void> {
    if (ms <= 0) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, ms)
      done.then(
        () => {
          clearTimeout(timer)
          resolve()
        },
        (error: unknown) => {
          clearTimeout(timer)
          reject(error instanceof Error ? error : new Error(String(error)))
        },
      )
    })
  }

  #told(event: BoardEvent): void {
    switch (event.kind) {
      case 'posted':
        this.#claims.told()
        return
      case 'lost':
        this.#lost(event.jobIds, 'the board gave them to nobody or others')
        this.#leader?.compare()
        return
      case 'removed':
    }
  }

  async #leave(): Promise<void> {
    try {
      await this.#fleet?.leave()
    } catch (error) {
      this.#resolved.logger.debug({ error }, 'could not leave the fleet; the session ends soon')
    }
  }

  #heartbeat() {
    const { id, name, host, board, topics, registry, leaseMs } = this.#resolved
    return {
      id,
      kind: 'conductor' as const,
      name,
      host,
      pid: process.pid,
      board: board.name,
      topics,
      tasks: registry?.tasks.map((task) => task.name) ?? [],
      // So that documents can be posted where these tasks are not loaded.
      signatures: registry?.signatures() as Json | undefined, // plain data, as documents store it
      load: {
        ...this.#resolved.load(),
        flows: this.#flows.size,
        maxFlows: this.#resolved.maxFlows,
      },
      leaseMs,
    }
  }

  /** C2. */
  #lost(jobIds: readonly string[] | 'all', reason: string): void {
    this.#flows.lose(jobIds, reason)
  }

  #renewed(): void {
    this.#claims.look()
    this.#clock.refresh().catch((error: unknown) => {
      this.#resolved.logger.debug({ error }, 'the clock of the store could not be read')
    })
  }

  /** C3. */
  #outage(error: unknown): void {
    const wasAway = this.#storeIsAway
    this.#storeIsAway = error !== null
    if (wasAway && error === null) {
      this.#resolved.logger.info({}, 'the store is back')
      this.#claims.look()
    }
  }
}

function nothing(): void {}
