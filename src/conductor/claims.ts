/**
 * Claims jobs up to capacity, by priority then age, as the board gives them; on boards outside SQL the store adopts them.
 *
 * Invariants
 * K1  Nothing is claimed without a good lease, while the store is away, or beyond capacity.
 * K2  A claim that the store does not adopt is not worked on: its posting is over, or another owner is ahead.
 * K3  While calls wait for a place in the engine, a batch of jobs is claimed now and then only, so that other conductors get
 *     theirs; thousands of flows that wait for something else may be in flight all the same.
 * K4  After an error the board is asked again with growing delays, never in a hot loop; a word of the board ends the wait.
 * K5  A claim that cannot be adopted before the lease is over is given up: others may reach the store.
 */
import { delayAfterAttempt } from '../base/backoff.ts'
import { uuidV7 } from '../base/ids.ts'
import type { Claim } from '../../persistence/store.ts'
import type { Flows } from './flows.ts'
import type { Handover } from './handover.ts'
import type { Loader } from './loader.ts'
import { Loop } from './loop.ts'
import type { ResolvedConductor } from './options.ts'
import type { Repeater } from './repeat.ts'

/** Jobs claimed by one statement. */
const BATCH = 100
/** K3. */
const PACE_MS = 250
const BEGIN_MS = 20
const HEARD_MS = 250
const AWAY = { delayMs: 500, factor: 2, maxDelayMs: 1500, jitter: 0.2 }

export interface ClaimsOptions {
  readonly resolved: ResolvedConductor
  readonly flows: Flows
  readonly loader: Loader
  readonly handover: Handover
  readonly repeater: Repeater
  readonly isAllowed: () => boolean
}

export class Claims {
  readonly #options: ClaimsOptions
  readonly #loop: Loop
  readonly #seed = uuidV7()
  #failures = 0
  #failedAt = -Infinity
  #quietUntil = -Infinity
  #isPacing = false
  #claimedAt = -Infinity

  constructor(options: ClaimsOptions) {
    this.#options = options
    this.#loop = new Loop(options.resolved.clock, () => this.#ask())
  }

  start(): void {
    this.#loop.start()
  }

  /** There may be something to claim, or room for it. */
  look(): void {
    // After an error only time helps (K4).
    if (this.#failures > 0 || this.#options.resolved.clock.now() < this.#quietUntil) return
    if (this.#isPacing && this.#hasBacklog) return
    this.#loop.poke()
  }

  /** The board has told of jobs: so it is there (K4). */
  told(): void {
    if (this.#failures > 0 && performance.now() - this.#failedAt > HEARD_MS) this.#failures = 0
    this.look()
  }

  /** A flow has gone. */
  room(): void {
    const { resolved, flows } = this.#options
    if (this.#isPacing || flows.size === resolved.maxFlows - 1) this.look()
  }

  /** Lets others be faster for a while: jobs are coming that are better off with them. */
  giveWay(ms: number): void {
    this.#quietUntil = this.#options.resolved.clock.now() + ms
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  get #hasBacklog(): boolean {
    return (this.#options.resolved.engine.waiting ?? 0) > 0
  }

  async #ask(): Promise<number> {
    const { resolved, flows, isAllowed } = this.#options
    const { board, clock, engine, pollMs } = resolved
    this.#isPacing = false
    try {
      while (isAllowed()) {
        const limit = Math.min(resolved.maxFlows - flows.size, BATCH)
        if (limit <= 0) break
        const sinceLast = clock.now() - this.#claimedAt
        if (this.#hasBacklog && sinceLast < PACE_MS) return this.#pace(PACE_MS - sinceLast)
        const claims = await board.claim(resolved.id, limit)
        this.#failures = 0
        await this.#take(claims)
        if (claims.length < limit) break
        this.#claimedAt = clock.now()
        // Whether they find places in the engine shows a moment later.
        if (engine.waiting !== undefined) return this.#pace(BEGIN_MS)
      }
      return pollMs
    } catch (error) {
      this.#failures++
      this.#failedAt = performance.now()
      const delayMs = delayAfterAttempt(this.#failures, AWAY, this.#seed)
      resolved.logger.warn({ error, delayMs }, 'no job could be claimed; trying again')
      return delayMs
    }
  }

  #pace(ms: number): number {
    this.#isPacing = true
    return Math.min(ms, this.#options.resolved.pollMs)
  }

  async #take(claims: readonly Claim[]): Promise<void> {
    if (claims.length === 0) return
    const { resolved, flows, loader, isAllowed } = this.#options
    const adopted = resolved.board.outsideStore ? await this.#adopt(claims) : claims
    if (!isAllowed()) {
      // The lease was lost, or the conductor stops, while they were claimed.
      await this.#options.handover.back(adopted, { reason: 'its conductor stops' })
      return
    }
    loader.add(adopted.map((claim) => flows.add(claim)))
  }

  async #adopt(claims: readonly Claim[]): Promise<readonly Claim[]> {
    const { resolved, repeater, handover, isAllowed } = this.#options
    const adopted = await repeater.untilDone('adopting claims', async () => {
      try {
        return await resolved.store.adopt(claims)
      } catch (error) {
        if (isAllowed()) throw error
        resolved.logger.warn({ error, claims: claims.length }, 'claims could not be adopted')
        return null
      }
    })
    if (adopted === null || adopted === undefined) {
      handover.free(claims) // K5
      return []
    }
    const taken = new Set(adopted.map((claim) => claim.claimId))
    for (const claim of claims) if (!taken.has(claim.claimId)) handover.abandon(claim) // K2
    return adopted
  }
}
