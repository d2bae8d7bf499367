/**
 * The leader of the conductors of a board outside the store: it keeps the board filled from the store, and puts there again what the
 * board lost. One conductor leads at a time; the others only ask now and then whether they may.
 *
 * Owns: two timers, and leadership while it has it.
 *
 * Invariants
 * W1  All that a leader does is idempotent: two leaders cost work, and do no harm.
 * W2  Who cannot reach the store, or has no lease, or stops, gives leadership up at once.
 * W3  The board is filled in the order of `nextPostings`, as far as it has room; what it has no room for waits in the store. There is no
 *     room for a priority where there is none for a higher one, so the first that finds none ends the round.
 *     On the board the jobs of the backlog are as old as their turn: by their creation, a tenant with a long backlog would be served to its
 *     end before one that came later.
 * W4  What the store says is on the board, and is not there, is POSTING again (R2): so it finds its place among the others.
 *     What was posted within the last moments is left to its poster, who is showing it just now: two of one posting are not wrong, but work.
 * W5  While jobs wait, the store is looked at every 100 ms; nothing is asked for more often than it is answered.
 */
import type { BoardFleet } from '../../jobboard/jobboard.ts'
import type { JobRecord, PostingRef } from '../../persistence/store.ts'
import type { Handover } from './handover.ts'
import { Loop } from './loop.ts'
import type { ResolvedConductor } from './options.ts'
import type { StoreClock } from './store-clock.ts'

/** Jobs posted by one round of statements. */
const BATCH = 500
const LOOK_EVERY_MS = { memory: 100, sqlite: 100, postgres: 200 }
/** W5. */
const WAITING_MS = 100
/** Others ask this often whether nobody leads. */
const FOLLOW_MS = 500
const RETRY_MS = 1000
const COMPARE_EVERY_MS = 5000
/** UNCLAIMED jobs that are compared: more than any window holds. */
const COMPARED = 20_000
const CHUNK = 1000
/** W4: longer than posters try, in ms. */
export const REST_MS = 1100
/** So that ages do not run ahead of the clock where thousands are posted each second. */
const HANDFUL = 5

export interface LeaderOptions {
  readonly resolved: ResolvedConductor
  readonly clock: StoreClock
  readonly fleet: BoardFleet
  readonly handover: Handover
  /** Told when leadership begins. */
  readonly onLead: () => void
  /** Not while the store is away, nor without a lease. */
  readonly isAllowed: () => boolean
}

export class Leader {
  readonly #options: LeaderOptions
  readonly #filling: Loop
  readonly #comparing: Loop
  /** Whose turn was the last one, by priority. */
  readonly #turns = new Map<number, string>()
  /** Of the board, as far as it is known: asks the store for no more than find room. */
  #room = BATCH
  #lastTurn = 0
  #leads = false
  #stopped = false

  constructor(options: LeaderOptions) {
    this.#options = options
    const { clock } = options.resolved
    this.#filling = new Loop(clock, () => this.#lead())
    this.#comparing = new Loop(clock, () => this.#compare())
  }

  /** Whether this one does what one conductor alone has to do. */
  get leads(): boolean {
    return this.#leads
  }

  start(): void {
    this.#filling.start()
    this.#comparing.start(COMPARE_EVERY_MS)
  }

  /** Jobs may be POSTING, or may have room. */
  look(): void {
    if (this.#leads) this.#filling.poke()
  }

  /** The board may have lost something. */
  compare(): void {
    if (this.#leads) this.#comparing.poke()
  }

  /** Lets another one lead. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([this.#filling.stop(), this.#comparing.stop()])
    await this.#resign()
  }

  async #lead(): Promise<number> {
    const { resolved, fleet, isAllowed, onLead } = this.#options
    try {
      if (!isAllowed()) {
        await this.#resign() // W2
        return FOLLOW_MS
      }
      const led = this.#leads
      this.#leads = (await fleet.lead()) && !this.#stopped
      if (!this.#leads) return FOLLOW_MS
      if (!led) {
        resolved.logger.info({ board: resolved.board.name }, 'leads the conductors of its board')
        this.#comparing.poke()
        onLead()
      }
      return await this.#fill()
    } catch (error) {
      resolved.logger.warn({ error }, 'could not post jobs; trying again')
      await this.#resign()
      return RETRY_MS
    }
  }

  async #resign(): Promise<void> {
    if (!this.#leads) return
    this.#leads = false
    try {
      await this.#options.fleet.resign()
    } catch (error) {
      this.#options.resolved.logger.debug({ error }, 'could not resign; the session may be over')
    }
  }

  /** W3. The pause until it is looked again. */
  async #fill(): Promise<number> {
    const { resolved, fleet, handover, isAllowed } = this.#options
    const { store, board } = resolved
    let turn: { readonly priority: number; readonly tenant: string } | undefined
    while (!this.#stopped && isAllowed()) {
      const limit = Math.min(Math.max(this.#room, 1), BATCH)
      const seen = await store.nextPostings(board.name, {
        limit,
        turn: turn?.tenant,
        restMs: REST_MS,
      })
      const [first] = seen
      if (first === undefined) return LOOK_EVERY_MS[store.kind]
      const { priority } = first
      if (turn?.priority !== priority) {
        turn = { priority, tenant: this.#turns.get(priority) ?? '' }
        if (turn.tenant !== '') continue
      }
      this.#room = await fleet.room(priority)
      if (this.#room <= 0) return WAITING_MS
      const jobs = seen.slice(0, this.#room)
      const { shown, isFull } = await handover.post(jobs, this.#takeTurns(jobs))
      this.#room -= shown
      const last = jobs.at(-1)?.labels['tenant'] ?? ''
      turn = { priority, tenant: last }
      this.#remember(priority, last)
      if (isFull) return WAITING_MS
    }
    return WAITING_MS
  }

  /** W3. A round of tenants, or a handful of jobs, has the same age; within it the ids decide. */
  #takeTurns(jobs: readonly JobRecord[]): ReadonlyMap<string, number> {
    const tenants = new Set(jobs.map(({ labels }) => labels['tenant'] ?? ''))
    const round = Math.max(tenants.size, HANDFUL)
    const first = Math.max(this.#options.clock.now(), this.#lastTurn + 1)
    this.#lastTurn = first + Math.floor((jobs.length - 1) / round)
    return new Map(jobs.map(({ id }, at) => [id, first + Math.floor(at / round)]))
  }

  #remember(priority: number, tenant: string): void {
    if (this.#turns.size > CHUNK) this.#turns.clear()
    this.#turns.set(priority, tenant)
  }

  /** W4. */
  async #compare(): Promise<number> {
    const { resolved, isAllowed } = this.#options
    if (!this.#leads || !isAllowed()) return COMPARE_EVERY_MS
    try {
      const lost = await this.#missing()
      if (lost.length === 0) return COMPARE_EVERY_MS
      resolved.logger.warn({ postings: lost.length }, 'the board lost postings; posting them again')
      for (let at = 0; at < lost.length; at += CHUNK) {
        await resolved.store.unposted(lost.slice(at, at + CHUNK))
      }
      this.look()
      return lost.length < COMPARED / 2 ? COMPARE_EVERY_MS : 0
    } catch (error) {
      resolved.logger.warn({ error }, 'could not compare the board with the store; trying again')
      return COMPARE_EVERY_MS
    }
  }

  async #missing(): Promise<readonly PostingRef[]> {
    const { resolved, fleet } = this.#options
    const before = await fleet.postings()
    const claimable = await resolved.store.unclaimed(resolved.board.name, COMPARED)
    const isMissing = (shown: ReadonlySet<string>) => (one: PostingRef) =>
      !shown.has(`${one.jobId}.${one.posting}`)
    const missing = claimable.filter(isMissing(before))
    if (missing.length === 0) return []
    // Those that were posted meanwhile are there by now.
    return missing.filter(isMissing(await fleet.postings()))
  }
}
