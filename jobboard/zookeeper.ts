/**
 * The board on ZooKeeper: job nodes that stay, claims that end with their session.
 *
 * Owns: one client, which is one session at a time. What its parts own is said there.
 *
 * Invariants
 * Z1  A posting is claimed by creating its claim node and raising its epoch in one transaction; who holds it is whose session owns
 *     the claim node. No job is held by a session that does not know it.
 * Z2  When the session is lost every claim is: that is told at once, and nothing of the old session is touched by name any more.
 * Z3  Nothing that stands in the tree, or is missing from it, makes an operation fail for good: it is made again, or put aside.
 * Z4  Claims of one batch, and operations of several callers, are under way at the same time.
 */
import { uuidV7 } from '../src/base/ids.ts'
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
import { Candidates } from './zookeeper/candidates.ts'
import { Claimer, type ClaimCounts } from './zookeeper/claimer.ts'
import { GuardedClient } from './zookeeper/client.ts'
import type { SessionState } from './zookeeper/contract.ts'
import { Ending } from './zookeeper/ending.ts'
import { fleetOf } from './zookeeper/fleet.ts'
import { HeldClaims } from './zookeeper/held.ts'
import { Inventory } from './zookeeper/inventory.ts'
import { Leadership } from './zookeeper/leadership.ts'
import { ListingBudget } from './zookeeper/listing-budget.ts'
import { Lookout } from './zookeeper/lookout.ts'
import { bucketName, jobData, jobName, keyOf, pathsOf, type BoardPaths } from './zookeeper/names.ts'
import { readEntries, readOwner } from './zookeeper/reading.ts'
import { isReply, isUnknown, outward } from './zookeeper/refusals.ts'
import { Registration } from './zookeeper/registration.ts'
import { statusOf, type StatusParts, type ZooKeeperBoardStatus } from './zookeeper/status.ts'
import { Together } from './zookeeper/together.ts'
import { Window } from './zookeeper/window.ts'

/**
 * A board on an ensemble of ZooKeeper servers. Its claims belong to its session: give each conductor a board of its own.
 *
 * Its operations throw {@link UnavailableError} while no server answers, and may be tried again.
 *
 * @example
 * const board = new ZooKeeperBoard({ servers: 'zk1,zk2,zk3', chroot: '/zagflow' })
 */
export class ZooKeeperBoard implements JobBoard {
  readonly name: string
  readonly outsideStore = true
  readonly fleet: BoardFleet
  readonly #resolved: ResolvedBoard
  readonly #paths: BoardPaths
  readonly #client: GuardedClient
  readonly #together: Together
  readonly #window: Window
  readonly #inventory: Inventory
  readonly #lookout: Lookout
  readonly #claimer: Claimer
  readonly #ending: Ending
  readonly #registration: Registration
  readonly #parts: StatusParts
  readonly #listeners = new Set<(event: BoardEvent) => void>()
  readonly #memberListeners = new Set<() => void>()
  #state: BoardState = 'new'
  /** The session that has begun; 0: none. */
  #session = 0
  #beginning: Promise<void> = Promise.resolve()
  #starting: Promise<void> | null = null

  /** Throws {@link UsageError} for wrong options. */
  constructor(options: ZooKeeperBoardOptions) {
    const resolved = (this.#resolved = resolveBoard(options))
    const { name, scanMs, clock, logger, servers } = resolved
    this.name = name
    const paths = (this.#paths = pathsOf(name))
    const client = (this.#client = new GuardedClient(resolved.client))
    const [candidates, held, budget] = [new Candidates(), new HeldClaims(), new ListingBudget()]
    const tell = (event: BoardEvent): void => this.#tell(event)
    const together = (this.#together = new Together(client))
    const aside = new Aside(client, paths, logger)
    const window = (this.#window = new Window(resolved.window, { client, paths, clock }))
    const inventory = (this.#inventory = new Inventory(client, paths, { clock, logger, scanMs }))
    const findPlaces = () => inventory.places()
    const ending = (this.#ending = new Ending({
      ...{ client, together, paths, candidates, held, findPlaces },
    }))
    const lookout = (this.#lookout = new Lookout({
      ...{ client, paths, candidates, aside, budget, scanMs, clock, logger },
      onTryable: () => tell({ kind: 'posted' }),
      onRemoved: ({ jobId }) => tell({ kind: 'removed', jobId }),
      onWiped: () => void this.#claimer.check(),
      hasListeners: () => this.#listeners.size > 0,
    }))
    const claimer = (this.#claimer = new Claimer({
      ...{ client, paths, resolved, candidates, held, budget, lookout, ending, aside, tell },
    }))
    const registration = (this.#registration = new Registration({
      ...{ client, board: name, clock, logger },
      onMembers: (me, names) => {
        candidates.setMembers(me, names)
        // Who went leaves claims behind; who came changes whose turn it is.
        lookout.wake()
        for (const listener of [...this.#memberListeners]) this.#call(listener, undefined)
      },
    }))
    const leadership = new Leadership(client, paths, logger)
    this.#parts = { client, paths, servers, window, held, claimer, registration, leadership, aside }
    this.fleet = fleetOf({
      ...{ registration, leadership, inventory, window, listeners: this.#memberListeners },
      idHere: `board:${uuidV7()}`,
      run: (operation) => this.#run(operation),
    })
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

  post(posting: Posting): Promise<boolean> {
    return this.#run(async () => {
      checkPosting(posting)
      const { jobId, posting: number, priority, createdAt } = posting
      const bucket = bucketName(priority)
      const name = jobName(posting)
      if (!(await this.#window.hasRoom(priority))) return false
      const place = `${bucket}/${name}`
      if (!(await this.#create(place, jobData(posting)))) return true
      this.#window.made(priority)
      if (this.#lookout.isWanted) {
        const ids = { jobId, posting: number, priority, createdAt }
        this.#claimer.offer({ ...ids, key: keyOf(posting), name, place }, 'add')
      }
      return true
    })
  }

  claim(conductor: string, limit: number): Promise<readonly BoardClaim[]> {
    return this.#run(async () => {
      checkClaim(conductor, limit)
      if (limit === 0) return []
      this.#lookout.asked()
      return this.#claimer.claim(conductor, limit)
    })
  }

  abandon(
    claim: BoardClaim,
    { epoch = 0 }: { readonly epoch?: number | undefined } = {},
  ): Promise<void> {
    return this.#run(() => this.#claimer.abandon(claim, epoch))
  }

  async consume(claim: BoardClaim): Promise<void> {
    await this.#run(() => this.#ending.consume(claim))
    this.#tell({ kind: 'removed', jobId: claim.jobId })
  }

  findOwner(jobId: string): Promise<Owner | null> {
    return this.#run(() => readOwner(this.#client, this.#paths, this.#inventory, jobId))
  }

  async *list(
    options: {
      readonly unclaimedOnly?: boolean | undefined
      readonly limit?: number | undefined
    } = {},
  ): AsyncIterable<BoardEntry> {
    checkStarted(this.name, this.#state)
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
  status(): Promise<ZooKeeperBoardStatus> {
    return this.#run(() => statusOf(this.#parts))
  }

  /** What became of its tries to claim. */
  get counts(): ClaimCounts {
    return this.#claimer.counts
  }

  async #start(): Promise<void> {
    if (this.#state === 'stopped') checkStarted(this.name, this.#state)
    await this.#client.start({ withinMs: this.#resolved.connectMs })
    await this.#beginning
    // Stopped meanwhile.
    if (this.#state !== 'new') return checkStarted(this.name, this.#state)
    this.#state = 'started'
    this.#lookout.wake()
  }

  /** True: made. False: it is there already. */
  async #create(place: string, data: Buffer): Promise<boolean> {
    const path = `${this.#paths.jobs}/${place}`
    for (let isLast = false; ; isLast = true) {
      try {
        const steps = [{ op: 'create', path, data } as const]
        await this.#together.run(steps, () => this.#client.create(path, data))
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

  #sessionChanged(state: SessionState): void {
    if (state === 'lost') {
      const hadOne = this.#session !== 0
      this.#sessionEnds()
      if (hadOne) this.#tell({ kind: 'lost', jobIds: 'all' })
    } else if (state === 'connected' && this.#state !== 'stopped') {
      if (this.#client.session !== this.#session) this.#beginning = this.#sessionBegins()
      else {
        this.#claimer.wake()
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
      // Who misses them makes them.
      this.#resolved.logger.debug({ error }, 'the tree of the board could not be prepared')
    }
    if (this.#session !== session) return
    this.#window.forget()
    this.#claimer.begin()
    this.#lookout.begin()
    this.#registration.begin()
    this.#tell({ kind: 'posted' })
  }

  #sessionEnds(): void {
    this.#session = 0
    this.#lookout.end()
    this.#claimer.end()
    this.#registration.end()
  }

  async #run<T>(operation: () => Promise<T>): Promise<T> {
    checkStarted(this.name, this.#state)
    try {
      return await operation()
    } catch (error) {
      throw outward(error, this.#resolved.servers)
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
}
