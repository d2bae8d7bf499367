/**
 * Claims what the candidates offer, many at a time, and keeps what was won until it is ended or lost.
 *
 * Owns: the claims that this board holds, those of unknown outcome, and those that were found late; one timer that looks after them.
 *
 * Invariants
 * K1  A claim is returned once, to who asked, and only while its session stands.
 * K2  What is known is tried before the servers are asked for more; postings of others are taken only by a fresh view.
 * K3  A claim that was taken away under a session that lives is noticed within `scanMs`, and told.
 * K4  Nothing that is won waits for what may take as long as it takes to find a server: a look, or the other tries.
 */
import { UnavailableError } from '../../src/base/errors.ts'
import type { BoardClaim, BoardEvent } from '../jobboard.ts'
import type { Aside } from './aside.ts'
import type { ResolvedBoard } from './board-options.ts'
import type { Candidate, Candidates } from './candidates.ts'
import { tryToClaim } from './claiming.ts'
import type { ZooKeeperClient } from './contract.ts'
import { Doubts, type Doubt } from './doubts.ts'
import type { Ending } from './ending.ts'
import { FoundClaims } from './found.ts'
import type { HeldClaims } from './held.ts'
import type { ListingBudget } from './listing-budget.ts'
import type { Lookout } from './lookout.ts'
import { keyOf, type BoardPaths } from './names.ts'
import { isReply } from './refusals.ts'

/** A view of this age is good enough to take postings of others by. */
const FRESH_MS = 100
/** Who has won something does not look again for more within this. */
const RECENT_MS = 250
/** What is won together is so near to the first of it (K4). */
const TOGETHER_MS = 100
/** Rounds of one claim, if it has won something. */
const ROUNDS = 5

/** What became of tries to claim, since the board was made. */
export interface ClaimCounts {
  readonly won: number
  /** Another one was faster. */
  readonly beaten: number
  /** The posting was over by then. */
  readonly gone: number
  /** Of unknown outcome at first. */
  readonly doubtful: number
}

export interface ClaimerOptions {
  readonly client: ZooKeeperClient
  readonly paths: BoardPaths
  readonly resolved: ResolvedBoard
  readonly candidates: Candidates
  readonly held: HeldClaims
  readonly budget: ListingBudget
  readonly lookout: Lookout
  readonly ending: Ending
  readonly aside: Aside
  readonly tell: (event: BoardEvent) => void
}

export class Claimer {
  readonly #options: ClaimerOptions
  readonly #doubts: Doubts
  readonly #found: FoundClaims
  readonly #counts = { won: 0, beaten: 0, gone: 0, doubtful: 0 }
  /** The session that claims are made in; 0: none. */
  #session = 0
  #cancelCheck = (): void => {}

  constructor(options: ClaimerOptions) {
    this.#options = options
    const { client, paths, resolved } = options
    const { clock } = resolved
    this.#doubts = new Doubts({
      client,
      paths,
      clock,
      onKnown: (doubt, whose) => this.#known(doubt, whose),
    })
    this.#found = new FoundClaims(clock, (claim) => this.#giveBack(claim, 0))
  }

  get counts(): ClaimCounts {
    return { ...this.#counts }
  }

  /** Claims of unknown outcome. */
  get doubtful(): number {
    return this.#doubts.size
  }

  begin(): void {
    this.#session = this.#options.client.session
    this.#armCheck()
  }

  /** The session is reached again. */
  wake(): void {
    this.#doubts.wake()
  }

  /** The session is over, or the board is: all claims are others' business now. */
  end(): void {
    this.#session = 0
    this.#cancelCheck()
    this.#doubts.clear()
    this.#found.clear()
    this.#options.held.clear()
    this.#options.candidates.clear()
  }

  async claim(conductor: string, limit: number): Promise<readonly BoardClaim[]> {
    const { candidates, lookout, resolved } = this.#options
    const { clock, logger } = resolved
    const session = this.#session
    if (session === 0) throw this.#away('there is no session')
    const won: BoardClaim[] = []
    let isRefreshed = false
    try {
      for (let round = 1; ; round++) {
        won.push(...this.#found.take(conductor, limit - won.length))
        if (won.length >= limit) break
        const now = clock.now()
        const ageMs = now - lookout.lookedAt
        const onlyMine = !isRefreshed && ageMs > FRESH_MS
        const picks = candidates.take(limit - won.length, now, { onlyMine })
        if (picks.length === 0) {
          if (won.length > 0 && ageMs >= RECENT_MS) lookout.wake() // K4
          if (won.length > 0 || isRefreshed) break
          isRefreshed = await this.#found.orElse(lookout.refresh())
          continue
        }
        won.push(...(await this.#tryAll(picks, { conductor, session, hasWon: won.length > 0 })))
        if (round >= ROUNDS && won.length > 0) break
      }
    } catch (error) {
      if (won.length === 0) throw error
      logger.debug({ error }, 'fewer jobs were claimed than were asked for')
    }
    lookout.ripen()
    // K1: what was won in a session that is lost by now is nobody's.
    if (this.#session !== session) throw this.#away('the session was lost')
    return won
  }

  abandon(claim: BoardClaim, epoch: number): Promise<void> {
    this.#found.drop(claim)
    return this.#giveBack(claim, epoch)
  }

  async #giveBack(claim: BoardClaim, epoch: number): Promise<void> {
    const { ending, candidates, lookout } = this.#options
    const candidate = candidates.find(keyOf(claim))
    if (!(await ending.abandon(claim, epoch))) return
    if (candidate !== undefined) this.offer(candidate, 'free')
    else lookout.scan()
  }

  /** It can be claimed: says so, now or when it is ripe. */
  offer(candidate: Candidate, how: 'add' | 'free'): void {
    const { candidates, lookout, resolved, tell } = this.#options
    const now = resolved.clock.now()
    candidates[how](candidate, now)
    lookout.ripen()
    if (candidates.hasAny(now)) tell({ kind: 'posted' })
  }

  /** Looks whether claims were taken away under a session that lives (K3). Never throws. */
  async check(): Promise<void> {
    const { ending, held, candidates, resolved, tell } = this.#options
    const session = this.#session
    if (held.size === 0) return
    try {
      const lost = await ending.findLost()
      if (lost.length === 0 || this.#session !== session) return
      const jobIds = lost.map(({ claim }) => claim.jobId)
      resolved.logger.warn({ jobs: jobIds }, 'claims were taken off the board by others')
      for (const { key, claim } of lost) {
        this.#found.drop(claim)
        const candidate = candidates.find(key)
        if (candidate !== undefined) candidates.claimed(candidate)
      }
      tell({ kind: 'lost', jobIds })
    } catch (error) {
      resolved.logger.debug({ error }, 'the claims held could not be looked after')
    }
  }

  #armCheck(): void {
    const { clock, scanMs } = this.#options.resolved
    this.#cancelCheck()
    this.#cancelCheck = clock.setTimer(() => {
      this.#armCheck()
      void this.check()
    }, clock.now() + scanMs)
  }

  /** K4: what is won later than the first by more than a moment is found later. */
  async #tryAll(
    picks: readonly Candidate[],
    on: { readonly conductor: string; readonly session: number; readonly hasWon: boolean },
  ): Promise<readonly BoardClaim[]> {
    const { clock, logger } = this.#options.resolved
    const won: BoardClaim[] = []
    let isOver = false
    let cancel = (): void => {}
    const ends = await new Promise<readonly PromiseSettledResult<void>[]>((resolve) => {
      const endSoon = (): void => {
        cancel = clock.setTimer(() => resolve([]), clock.now() + TOGETHER_MS)
      }
      const tries = picks.map(async (candidate) => {
        const claim = await this.#try(candidate, on.conductor, on.session)
        if (claim === null) return
        if (isOver) this.#late(claim, on.session)
        else if (won.push(claim) === 1 && !on.hasWon) endSoon()
      })
      if (on.hasWon) endSoon()
      void Promise.allSettled(tries).then(resolve)
    })
    isOver = true
    cancel()
    const failed = ends.find((one) => one.status === 'rejected')
    if (failed === undefined) return won
    if (won.length === 0) throw failed.reason
    logger.debug({ error: failed.reason }, 'some tries to claim failed')
    return won
  }

  #late(claim: BoardClaim, session: number): void {
    if (this.#session !== session) return
    this.#found.add(claim)
    this.#options.tell({ kind: 'posted' })
  }

  async #try(candidate: Candidate, conductor: string, session: number): Promise<BoardClaim | null> {
    const { client, paths, candidates, held, budget, aside, resolved, tell } = this.#options
    const { clock, logger } = resolved
    const path = `${paths.jobs}/${candidate.place}`
    const on = { conductor, session }
    const attempt = await tryToClaim({ client, paths }, candidate, on).catch((error: unknown) => {
      if (error instanceof UnavailableError || isReply(error, 'SESSION_LOST')) {
        if (this.#session === session) candidates.free(candidate, clock.now())
        throw error
      }
      return { kind: 'refused', reason: String(error) } as const
    })
    if (this.#session !== session) return null
    switch (attempt.kind) {
      case 'won':
        this.#counts.won++
        budget.earn()
        candidates.won(candidate)
        held.add(attempt.claim, candidate.place)
        return attempt.claim
      case 'claimed':
        this.#counts.beaten++
        candidates.beaten(candidate, clock.now(), false)
        return null
      case 'gone':
        this.#counts.gone++
        candidates.beaten(candidate, clock.now(), true)
        tell({ kind: 'removed', jobId: candidate.jobId })
        return null
      case 'malformed':
        await aside.put(path, 'its contents cannot be read')
        candidates.remove(candidate.place)
        return null
      case 'refused':
        logger.warn({ node: path, reason: attempt.reason }, 'a posting cannot be claimed here')
        candidates.shun(candidate)
        return null
      case 'doubtful':
        this.#counts.doubtful++
        this.#doubts.add({ candidate, claim: attempt.claim, session })
        return null
    }
  }

  #known({ candidate, claim }: Doubt, whose: 'ours' | 'free' | 'another'): void {
    const { candidates, held } = this.#options
    if (whose === 'ours') {
      this.#counts.won++
      held.add(claim, candidate.place)
      this.#late(claim, this.#session)
    } else if (whose === 'free') this.offer(candidate, 'free')
    else candidates.claimed(candidate)
  }

  #away(reason: string): UnavailableError {
    return new UnavailableError(this.#options.resolved.servers, { reason })
  }
}
