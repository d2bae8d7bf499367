/**
 * The board on ZooKeeper: job nodes that stay, claims that end with their session.
 *
 * Owns: one client, which is one session at a time; one timer that looks after the claims held; one for each claim that was found
 * late and not asked for yet. What its parts own is said there.
 *
 * Invariants
 * Z1  A posting is claimed by creating its claim node and raising its epoch in one transaction; who holds it is whose session owns
 *     the claim node. No job is held by a session that does not know it.
 * Z2  When the session is lost every claim is: that is told at once, and nothing of the old session is touched by name any more.
 * Z3  Nothing that stands in the tree, or is missing from it, makes an operation fail for good: it is made again, or put aside.
 * Z4  Claims of one batch, and operations of several callers, are under way at the same time.
 */
import { uuidV7 } from '../src/base/ids.ts'
import { UnavailableError } from '../src/base/errors.ts'
import { checkClaim, checkPosting, checkStarted, type BoardState } from './checks.ts'
import type {
  BoardClaim,
  BoardEntry,
  BoardEvent,
  BoardFleet,
  JobBoard,
  Owner,
  Posting,
} from './jobboard.ts'
import { Aside } from './zookeeper/aside.ts'
import {
  resolveBoard,
  type ResolvedBoard,
  type ZooKeeperBoardOptions,
} from './zookeeper/board-options.ts'
import { Candidates, type Candidate } from './zookeeper/candidates.ts'
import { tryToClaim } from './zookeeper/claiming.ts'
import { GuardedClient } from './zookeeper/client.ts'
import type { SessionState, ZooKeeperClient } from './zookeeper/contract.ts'
import { Doubts, type Doubt } from './zookeeper/doubts.ts'
import { Ending } from './zookeeper/ending.ts'
import { FoundClaims } from './zookeeper/found.ts'
import { HeldClaims } from './zookeeper/held.ts'
import { Inventory } from './zookeeper/inventory.ts'
import { Leadership } from './zookeeper/leadership.ts'
import { ListingBudget } from './zookeeper/listing-budget.ts'
import { Lookout } from './zookeeper/lookout.ts'
import {
  bucketName,
  jobData,
  jobName,
  keyOf,
  pathsOf,
  readJobName,
  type BoardPaths,
} from './zookeeper/names.ts'
import { readEntries, readOwner } from './zookeeper/reading.ts'
import { isReply, isUnknown, outward } from './zookeeper/refusals.ts'
import { Registration } from './zookeeper/registration.ts'
import { Window } from './zookeeper/window.ts'

/** A view of this age is good enough to take postings of others by. */
const FRESH_MS = 100
/** Who has won something does not look again for more within this. */
const RECENT_MS = 250
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

/** What stands, for people: see {@link ZooKeeperBoard.status}. */
export interface ZooKeeperBoardStatus {
  readonly session: {
    readonly state: SessionState
    /** As the servers' logs name it; null while there is none. */
    readonly id: string | null
    readonly timeoutMs: number
    /** The one that it is connected to. */
    readonly server: string | null
  }
  /** All servers, without credentials. */
  readonly servers: string
  /** Postings by priority, bigger first, claimed or not. */
  readonly postings: readonly { readonly priority: number; readonly count: number }[]
  readonly window: { readonly size: number; readonly used: number }
  /** Claims of all conductors, and of this board. */
  readonly claims: { readonly all: number; readonly own: number; readonly doubtful: number }
  readonly members: readonly string[]
  readonly leader: string | null
  /** Malformed nodes: those that stand aside, those that this board has put there, and those that it could not. */
  readonly aside: { readonly count: number; readonly moved: number; readonly left: number }
  readonly tries: ClaimCounts
}

/**
 * A board on an ensemble of ZooKeeper servers. Its claims belong to its session: give each conductor a board of its own.
 *
 * @example
 * const board = new ZooKeeperBoard({ servers: 'zk1,zk2,zk3', chroot: '/zagflow' })
 */
export class ZooKeeperBoard implements JobBoard {
  readonly name: string
  readonly outsideStore = true
  /** How its conductors know of each other. */
  readonly fleet: BoardFleet
  readonly #resolved: ResolvedBoard
  readonly #id = `board:${uuidV7()}`
  readonly #paths: BoardPaths
  readonly #client: ZooKeeperClient
  readonly #candidates = new Candidates()
  readonly #held = new HeldClaims()
  readonly #budget = new ListingBudget()
  readonly #aside: Aside
  readonly #window: Window
  readonly #inventory: Inventory
  readonly #lookout: Lookout
  readonly #doubts: Doubts
  readonly #found: FoundClaims
  readonly #ending: Ending
  readonly #registration: Registration
  readonly #leadership: Leadership
  readonly #listeners = new Set<(event: BoardEvent) => void>()
  readonly #memberListeners = new Set<() => void>()
  readonly #counts = { won: 0, beaten: 0, gone: 0, doubtful: 0 }
  #state: BoardState = 'new'
  /** The session that has begun; 0: none. */
  #session = 0
  #beginning: Promise<void> = Promise.resolve()
  #starting: Promise<void> | null = null
  #cancelCheck = (): void => {}

  /** Throws {@link UsageError} for wrong options. */
  constructor(options: ZooKeeperBoardOptions) {
    this.#resolved = resolveBoard(options)
    const { name, window, scanMs, clock, logger } = this.#resolved
    this.name = name
    const paths = (this.#paths = pathsOf(name))
    const client = (this.#client = new GuardedClient(this.#resolved.client))
    const candidates = this.#candidates
    const held = this.#held
    const aside = (this.#aside = new Aside(client, paths, logger))
    this.#window = new Window(window, { client, paths, clock })
    const inventory = (this.#inventory = new Inventory(client, paths, { clock, logger }))
    this.#lookout = new Lookout({
      client,
      paths,
      candidates,
      aside,
      budget: this.#budget,
      scanMs,
      clock,
      logger,
      onTryable: () => this.#tell({ kind: 'posted' }),
      onRemoved: ({ jobId }) => this.#tell({ kind: 'removed', jobId }),
      onWiped: () => void this.#checkHeld(),
      hasListeners: () => this.#listeners.size > 0,
    })
    this.#doubts = new Doubts({
      client,
      paths,
      clock,
      onKnown: (doubt, whose) => this.#known(doubt, whose),
    })
    this.#found = new FoundClaims(clock, (claim) => {
      // Nobody asked for it: others may have it.
      void this.abandon(claim).catch((error: unknown) => {
        logger.debug({ error, job: claim.jobId }, 'a claim could not be given back')
      })
    })
    this.#ending = new Ending({
      client,
      paths,
      candidates,
      held,
      findPlaces: () => inventory.places(),
    })
    this.#registration = new Registration({
      client,
      board: name,
      clock,
      logger,
      onMembers: (me, names) => this.#membersChanged(me, names),
    })
    this.#leadership = new Leadership(client, paths, logger)
    this.fleet = this.#makeFleet()
    client.onState((state) => this.#sessionChanged(state))
  }

  /**
   * Connects. Throws {@link UnavailableError} when no server was reached within `connectMs`; it goes on trying until `stop()`, so
   * `start()` may be called again.
   */
  start(): Promise<void> {
    if (this.#state === 'started') return Promise.resolve()
    this.#starting ??= this.#start().finally(() => (this.#starting = null))
    return this.#starting
  }

  /** Ends the session, and with it every claim that is still held. Twice is fine. */
  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.#listeners.clear()
    this.#memberListeners.clear()
    this.#sessionEnds()
    await this.#client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async post(posting: Posting): Promise<boolean> {
    this.#check()
    checkPosting(posting)
    const place = `${bucketName(posting.priority)}/${jobName(posting)}`
    return this.#guarded(async () => {
      if ((await this.#window.room(posting.priority)) === 0) return false
      if (!(await this.#create(place, jobData(posting)))) return true
      this.#window.made(posting.priority)
      if (this.#lookout.isWanted) this.#offer(candidateOf(posting, place), 'add')
      return true
    })
  }

  async claim(conductor: string, limit: number): Promise<readonly BoardClaim[]> {
    this.#check()
    checkClaim(conductor, limit)
    if (limit === 0) return []
    this.#lookout.asked()
    return this.#guarded(() => this.#claim(conductor, limit))
  }

  async abandon(
    claim: BoardClaim,
    { epoch = 0 }: { readonly epoch?: number | undefined } = {},
  ): Promise<void> {
    this.#check()
    await this.#guarded(async () => {
      this.#found.drop(claim)
      if (!(await this.#ending.abandon(claim, epoch))) return
      const place = this.#held.placeOf(keyOf(claim))
      const candidate = place === undefined ? null : candidateAt(place)
      if (candidate !== null) this.#offer(candidate, 'free')
    })
  }

  async consume(claim: BoardClaim): Promise<void> {
    this.#check()
    await this.#guarded(() => this.#ending.consume(claim))
    this.#tell({ kind: 'removed', jobId: claim.jobId })
  }

  async findOwner(jobId: string): Promise<Owner | null> {
    this.#check()
    return this.#guarded(() => readOwner(this.#client, this.#paths, this.#inventory, jobId))
  }

  async *list(
    options: {
      readonly unclaimedOnly?: boolean | undefined
      readonly limit?: number | undefined
    } = {},
  ): AsyncIterable<BoardEntry> {
    this.#check()
    try {
      yield* readEntries(this.#client, this.#paths, this.#inventory, options)
    } catch (error) {
      throw outward(error, this.#resolved.servers)
    }
  }

  watch(listener: (event: BoardEvent) => void): () => void {
    const own = (event: BoardEvent): void => listener(event)
    this.#listeners.add(own)
    this.#lookout.wake()
    return () => void this.#listeners.delete(own)
  }

  /** What stands on the board, as the servers have it now. Throws {@link UnavailableError}. */
  async status(): Promise<ZooKeeperBoardStatus> {
    this.#check()
    const client = this.#client
    return this.#guarded(async () => {
      const [counts, claims, members, leader, count] = await Promise.all([
        this.#window.count(),
        client.exists(this.#paths.claims),
        this.#registration.members(),
        this.#leadership.leader(),
        this.#aside.count(),
      ])
      const { sessionId: id, sessionTimeoutMs: timeoutMs, server } = client
      return {
        session: { state: client.state, id, timeoutMs, server },
        servers: this.#resolved.servers,
        postings: [...counts].map(([priority, number]) => ({ priority, count: number })),
        window: {
          size: this.#window.size,
          used: [...counts.values()].reduce((sum, one) => sum + one, 0),
        },
        claims: {
          all: claims?.children ?? 0,
          own: this.#held.size,
          doubtful: this.#doubts.size,
        },
        members: members.map((member) => member.name),
        leader,
        aside: { count, moved: this.#aside.moved, left: this.#aside.left },
        tries: this.counts,
      }
    })
  }

  /** What became of its tries to claim. */
  get counts(): ClaimCounts {
    return { ...this.#counts }
  }

  async #start(): Promise<void> {
    checkNotStopped(this.name, this.#state)
    await this.#client.start({ withinMs: this.#resolved.connectMs })
    await this.#beginning
    checkNotStopped(this.name, this.#state)
    this.#state = 'started'
    this.#lookout.wake()
  }

  /** True: made. False: it is there already. */
  async #create(place: string, data: Buffer): Promise<boolean> {
    const path = `${this.#paths.jobs}/${place}`
    for (let isLast = false; ; isLast = true) {
      try {
        await this.#client.create(path, data)
        return true
      } catch (error) {
        if (isReply(error, 'NODE_EXISTS')) return false
        if (isLast) throw error
        if (isReply(error, 'NO_NODE')) {
          await this.#client.ensure(path.slice(0, path.lastIndexOf('/')))
        } else if (!isUnknown(error)) throw error
      }
    }
  }

  async #claim(conductor: string, limit: number): Promise<readonly BoardClaim[]> {
    const session = this.#session
    if (session === 0) throw this.#away('there is no session')
    const { clock, logger } = this.#resolved
    const won = [...this.#found.take(conductor, limit)]
    let isRefreshed = false
    try {
      for (let round = 1; won.length < limit; round++) {
        const now = clock.now()
        const isFresh = now - this.#lookout.lookedAt < FRESH_MS
        const onlyMine = !isFresh && !isRefreshed
        const picks = this.#candidates.take(limit - won.length, now, { onlyMine })
        if (picks.length === 0) {
          const isRecent = now - this.#lookout.lookedAt < RECENT_MS
          if (isRefreshed || (won.length > 0 && isRecent)) break
          await this.#lookout.refresh()
          isRefreshed = true
          continue
        }
        const tries = await Promise.allSettled(
          picks.map((candidate) => this.#try(candidate, conductor, session)),
        )
        for (const one of tries) {
          if (one.status === 'fulfilled' && one.value !== null) won.push(one.value)
        }
        const failed = tries.find((one) => one.status === 'rejected')
        if (failed !== undefined) throw failed.reason
        if (round >= ROUNDS && won.length > 0) break
      }
    } catch (error) {
      if (won.length === 0) throw error
      logger.debug({ error }, 'fewer jobs were claimed than were asked for')
    }
    this.#lookout.ripen()
    // Z2: what was won in a session that is lost by now is nobody's.
    if (this.#session !== session) throw this.#away('the session was lost')
    return won
  }

  async #try(candidate: Candidate, conductor: string, session: number): Promise<BoardClaim | null> {
    const { clock, logger } = this.#resolved
    const path = `${this.#paths.jobs}/${candidate.place}`
    const attempt = await tryToClaim({ client: this.#client, paths: this.#paths }, candidate, {
      conductor,
      session,
    }).catch((error: unknown) => {
      if (error instanceof UnavailableError || isReply(error, 'SESSION_LOST')) {
        if (this.#session === session) this.#candidates.free(candidate, clock.now())
        throw error
      }
      return { kind: 'refused', reason: String(error) } as const
    })
    if (this.#session !== session) return null
    switch (attempt.kind) {
      case 'won':
        this.#counts.won++
        this.#budget.earn()
        this.#held.add(attempt.claim, candidate.place)
        return attempt.claim
      case 'claimed':
        this.#counts.beaten++
        this.#candidates.claimed(candidate)
        return null
      case 'gone':
        this.#counts.gone++
        if (this.#candidates.remove(candidate.place)) {
          this.#tell({ kind: 'removed', jobId: candidate.jobId })
        }
        return null
      case 'malformed':
        await this.#aside.put(path, 'its contents cannot be read')
        this.#candidates.remove(candidate.place)
        return null
      case 'refused':
        logger.warn({ node: path, reason: attempt.reason }, 'a posting cannot be claimed here')
        this.#candidates.shun(candidate)
        return null
      case 'doubtful':
        this.#counts.doubtful++
        this.#doubts.add({ candidate, claim: attempt.claim, session })
        return null
    }
  }

  #known({ candidate, claim }: Doubt, whose: 'ours' | 'free' | 'another'): void {
    if (whose === 'ours') {
      this.#counts.won++
      this.#held.add(claim, candidate.place)
      this.#found.add(claim)
      this.#tell({ kind: 'posted' })
    } else if (whose === 'free') this.#offer(candidate, 'free')
    else this.#candidates.claimed(candidate)
  }

  /** It can be claimed: says so, now or when it is ripe. */
  #offer(candidate: Candidate, how: 'add' | 'free'): void {
    const now = this.#resolved.clock.now()
    this.#candidates[how](candidate, now)
    this.#lookout.ripen()
    if (this.#candidates.hasAny(now)) this.#tell({ kind: 'posted' })
  }

  #sessionChanged(state: SessionState): void {
    if (state === 'lost') {
      const hadOne = this.#session !== 0
      this.#sessionEnds()
      if (hadOne) this.#tell({ kind: 'lost', jobIds: 'all' })
    } else if (state === 'connected') {
      if (this.#client.session !== this.#session) this.#beginning = this.#sessionBegins()
      else {
        this.#doubts.wake()
        this.#lookout.scan()
      }
    }
  }

  async #sessionBegins(): Promise<void> {
    const session = (this.#session = this.#client.session)
    try {
      const { jobs, claims } = this.#paths
      await Promise.all([this.#client.ensure(jobs), this.#client.ensure(claims)])
    } catch (error) {
      // They are made by whoever misses them.
      this.#resolved.logger.debug({ error }, 'the tree of the board could not be prepared')
    }
    if (this.#session !== session) return
    this.#window.forget()
    this.#lookout.begin()
    this.#registration.begin()
    this.#armCheck()
    this.#tell({ kind: 'posted' })
  }

  #sessionEnds(): void {
    this.#session = 0
    this.#cancelCheck()
    this.#lookout.end()
    this.#registration.end()
    this.#doubts.clear()
    this.#found.clear()
    this.#held.clear()
    this.#candidates.clear()
  }

  #armCheck(): void {
    const { clock, scanMs } = this.#resolved
    this.#cancelCheck = clock.setTimer(() => {
      this.#armCheck()
      void this.#checkHeld()
    }, clock.now() + scanMs)
  }

  /** Claims may have been taken away under a session that lives. */
  async #checkHeld(): Promise<void> {
    if (this.#held.size === 0) return
    try {
      const lost = await this.#ending.findLost()
      if (lost.length === 0) return
      const jobIds = lost.map((held) => held.claim.jobId)
      this.#resolved.logger.warn({ jobs: jobIds }, 'claims were taken off the board by others')
      for (const { key, claim } of lost) {
        this.#found.drop(claim)
        const candidate = this.#candidates.find(key)
        if (candidate !== undefined) this.#candidates.claimed(candidate)
      }
      this.#tell({ kind: 'lost', jobIds })
    } catch (error) {
      this.#resolved.logger.debug({ error }, 'the claims held could not be looked after')
    }
  }

  #membersChanged(me: string | null, names: readonly string[]): void {
    this.#candidates.setMembers(me, names)
    // Who went leaves claims behind; who came changes whose turn it is.
    this.#lookout.wake()
    for (const listener of [...this.#memberListeners]) this.#call(listener, undefined)
  }

  #makeFleet(): BoardFleet {
    const registration = this.#registration
    const leadership = this.#leadership
    const idHere = (): string => registration.member?.id ?? this.#id
    const run = async <T>(operation: () => Promise<T>): Promise<T> => {
      this.#check()
      return this.#guarded(operation)
    }
    return {
      join: (member) => run(() => registration.join(member)),
      leave: () => run(() => registration.leave()),
      members: () =>
        run(async () => {
          const members = await registration.members()
          return members.map(({ id, name, capacity }) => ({ id, name, capacity }))
        }),
      onMembers: (listener) => {
        const own = (): void => listener()
        this.#memberListeners.add(own)
        registration.watch()
        return () => void this.#memberListeners.delete(own)
      },
      lead: () => run(() => leadership.lead(idHere())),
      leader: () => run(() => leadership.leader()),
      resign: () => run(() => leadership.resign(idHere())),
      postings: () =>
        run(async () => {
          const [places] = await Promise.all([this.#inventory.places(), this.#inventory.audit()])
          const candidates = [...places.values()].flatMap((place) => candidateAt(place) ?? [])
          return new Set(candidates.map(({ jobId, posting }) => `${jobId}.${posting}`))
        }),
      room: (priority) => run(() => this.#window.room(priority)),
    }
  }

  #tell(event: BoardEvent): void {
    for (const listener of [...this.#listeners]) this.#call(listener, event)
  }

  #call<T>(listener: (event: T) => void, event: T): void {
    try {
      listener(event)
    } catch (error) {
      this.#resolved.logger.error({ error }, 'a listener of the board threw')
    }
  }

  #check(): void {
    checkStarted(this.name, this.#state)
  }

  async #guarded<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation()
    } catch (error) {
      throw outward(error, this.#resolved.servers)
    }
  }

  #away(reason: string): UnavailableError {
    return new UnavailableError(this.#resolved.servers, { reason })
  }
}

function checkNotStopped(name: string, state: BoardState): void {
  if (state === 'stopped') checkStarted(name, state)
}

function candidateOf(posting: Posting, place: string): Candidate {
  const { jobId, posting: number, priority, createdAt } = posting
  const name = place.slice(place.indexOf('/') + 1)
  return { jobId, posting: number, priority, createdAt, key: keyOf(posting), name, place }
}

/** The candidate of a place, `<bucket>/<name>`; null: it is malformed. */
function candidateAt(place: string): Candidate | null {
  const slash = place.indexOf('/')
  const name = place.slice(slash + 1)
  const read = readJobName(name)
  return read === null ? null : { ...read, priority: Number(place.slice(0, slash)), name, place }
}
