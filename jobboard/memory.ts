/**
 * A board in this process's memory, outside the store: the model of every such board. Claims belong to a session, which is
 * the board object; when the session ends, its claims are gone.
 *
 * Invariants
 * M1  Nodes are named `<job>.<posting>`, so "it is there already" and "it is gone" both mean done.
 * M2  A node's epoch only grows: a claim raises it by one, a post raises it to what the store knew.
 * M3  A claim is taken away by its claim id alone; who lost it can harm nobody's.
 * M4  Calls run to their end without giving way, so each is a transaction.
 * M5  What a session holds (claims, membership, leadership) ends with it; the board enters its membership again by itself.
 */
import { UnavailableError } from '../src/base/errors.ts'
import { uuidV7 } from '../src/base/ids.ts'
import { checkClaim, checkPosting, checkStarted, type BoardState } from './checks.ts'
import type { BoardClaim, BoardEntry, BoardEvent, JobBoard, Owner, Posting } from './jobboard.ts'
import { MemoryFleet } from './memory-fleet.ts'
import { MemoryMembers } from './memory-members.ts'

interface Node {
  readonly posting: Posting
  epoch: number
  claim: { readonly owner: Owner; readonly session: MemoryBoard } | null
}

/** Options of {@link MemoryPostings}. */
export interface MemoryPostingsOptions {
  /** Unclaimed postings of a priority and above that find room. @default 10,000 */
  readonly window?: number | undefined
  /** How long a conductor waits for one of its name whose session may be about to end, in ms. @default 0 */
  readonly sessionMs?: number | undefined
}

/** What several boards share, as an ensemble of servers would: give the same one to boards that are to see each other. */
export class MemoryPostings {
  readonly #nodes = new Map<string, Node>()
  /** Unclaimed nodes by priority, each list in the order of claiming. */
  readonly #unclaimed = new Map<number, Node[]>()
  /** Priorities that have a list, bigger first. */
  #priorities: number[] = []
  readonly #boards = new Set<MemoryBoard>()
  readonly #window: number
  /** @internal */
  readonly members: MemoryMembers<MemoryBoard>

  constructor(options: MemoryPostingsOptions = {}) {
    this.#window = options.window ?? 10_000
    this.members = new MemoryMembers(options.sessionMs ?? 0)
  }

  /** How many postings there are. */
  get size(): number {
    return this.#nodes.size
  }

  /**
   * Ends the session of a board, as an ensemble does that has heard nothing of it: its claims are free at once. It learns of
   * it at once too, or, if `unheard` (it stands still, or is cut off), with its next operation.
   */
  expire(board: MemoryBoard, options: { readonly unheard?: boolean | undefined } = {}): void {
    this.dropClaims(board)
    this.members.drop(board)
    board.sessionExpired(options.unheard === true)
  }

  /** No operation of this board arrives any more; its session stands until it is expired. */
  cut(board: MemoryBoard): void {
    board.isCut = true
  }

  /** Its operations arrive again. */
  mend(board: MemoryBoard): void {
    board.isCut = false
    board.hear({ kind: 'posted' })
  }

  /** Forgets every posting, as a wiped tree: only the store knows the jobs then. */
  wipe(): void {
    const nodes = [...this.#nodes.values()]
    this.#nodes.clear()
    this.#unclaimed.clear()
    this.#priorities = []
    for (const node of nodes) this.#tell({ kind: 'removed', jobId: node.posting.jobId })
    for (const board of this.#boards) {
      const lost = nodes.filter((node) => node.claim?.session === board)
      if (lost.length === 0) continue
      board.hear({ kind: 'lost', jobIds: lost.map((node) => node.posting.jobId) })
    }
  }

  /** @internal */
  connect(board: MemoryBoard): void {
    this.#boards.add(board)
  }

  /** @internal */
  disconnect(board: MemoryBoard): void {
    this.#boards.delete(board)
    this.dropClaims(board)
    this.members.drop(board)
  }

  /** @internal */
  post(posting: Posting): boolean {
    const there = this.#nodes.get(nameOf(posting))
    if (there !== undefined) {
      there.epoch = Math.max(there.epoch, posting.epoch)
      return true
    }
    if (this.room(posting.priority) <= 0) return false
    const node: Node = { posting, epoch: posting.epoch, claim: null }
    this.#nodes.set(nameOf(posting), node)
    this.#offer(node)
    return true
  }

  /** @internal */
  room(priority: number): number {
    let waiting = 0
    for (const [other, list] of this.#unclaimed) if (other >= priority) waiting += list.length
    return this.#window - waiting
  }

  /** @internal */
  names(): ReadonlySet<string> {
    return new Set(this.#nodes.keys())
  }

  /** @internal */
  claim(session: MemoryBoard, conductor: string, limit: number): readonly BoardClaim[] {
    const claims: BoardClaim[] = []
    while (claims.length < limit) {
      const node = this.#takeBest()
      if (node === undefined) break
      node.epoch += 1
      const owner = { conductor, claimId: uuidV7(), epoch: node.epoch }
      node.claim = { owner, session }
      claims.push({ jobId: node.posting.jobId, posting: node.posting.posting, ...owner })
    }
    return claims
  }

  /** @internal */
  abandon(claim: BoardClaim, epoch: number): void {
    const node = this.#nodes.get(nameOf(claim))
    if (node?.claim?.owner.claimId !== claim.claimId) return
    node.claim = null
    node.epoch = Math.max(node.epoch, epoch)
    this.#offer(node)
  }

  /** @internal */
  consume(claim: BoardClaim): void {
    const name = nameOf(claim)
    const node = this.#nodes.get(name)
    if (node === undefined) return
    this.#nodes.delete(name)
    if (node.claim === null) this.#withdraw(node)
    else if (node.claim.owner.claimId !== claim.claimId) {
      node.claim.session.hear({ kind: 'lost', jobIds: [claim.jobId] })
    }
    this.#tell({ kind: 'removed', jobId: claim.jobId })
  }

  /** @internal The newest posting of a job that has an owner. */
  ownerOf(jobId: string): Owner | null {
    let found: Node | null = null
    for (const node of this.#nodes.values()) {
      if (node.posting.jobId !== jobId || node.claim === null) continue
      if (found === null || node.posting.posting > found.posting.posting) found = node
    }
    return found?.claim?.owner ?? null
  }

  /** @internal */
  entries(unclaimedOnly: boolean): readonly BoardEntry[] {
    return [...this.#nodes.values()]
      .filter((node) => !unclaimedOnly || node.claim === null)
      .sort((a, b) => b.posting.priority - a.posting.priority || byAge(a, b))
      .map((node) => ({ ...node.posting, epoch: node.epoch, owner: node.claim?.owner ?? null }))
  }

  /** @internal */
  dropClaims(session: MemoryBoard): void {
    for (const node of this.#nodes.values()) {
      if (node.claim?.session !== session) continue
      node.claim = null
      this.#offer(node)
    }
  }

  #offer(node: Node): void {
    const { priority } = node.posting
    let list = this.#unclaimed.get(priority)
    if (list === undefined) {
      this.#unclaimed.set(priority, (list = []))
      this.#priorities.push(priority)
      this.#priorities.sort((a, b) => b - a)
    }
    list.splice(placeOf(list, node), 0, node)
    this.#tell({ kind: 'posted' })
  }

  #takeBest(): Node | undefined {
    for (const priority of this.#priorities) {
      const list = this.#unclaimed.get(priority)
      const node = list?.shift()
      if (list?.length === 0) this.#forgetPriority(priority)
      if (node !== undefined) return node
    }
    return undefined
  }

  #withdraw(node: Node): void {
    const { priority } = node.posting
    const list = this.#unclaimed.get(priority)
    if (list === undefined) return
    const at = placeOf(list, node)
    if (list[at] === node) list.splice(at, 1)
    if (list.length === 0) this.#forgetPriority(priority)
  }

  #forgetPriority(priority: number): void {
    this.#unclaimed.delete(priority)
    this.#priorities = this.#priorities.filter((other) => other !== priority)
  }

  #tell(event: BoardEvent): void {
    for (const board of this.#boards) board.hear(event)
  }
}

/** Options of {@link MemoryBoard}. */
export interface MemoryBoardOptions {
  /** @default "main" */
  readonly name?: string | undefined
  /** Shared by boards that are to see each other's postings. @default its own */
  readonly postings?: MemoryPostings | undefined
}

export class MemoryBoard implements JobBoard {
  readonly name: string
  readonly outsideStore = true
  readonly #postings: MemoryPostings
  readonly #listeners = new Set<(event: BoardEvent) => void>()
  readonly fleet: MemoryFleet
  /** @internal */
  isCut = false
  #state: BoardState = 'new'
  #lostUnheard = false

  constructor(options: MemoryBoardOptions = {}) {
    this.name = options.name ?? 'main'
    const postings = (this.#postings = options.postings ?? new MemoryPostings())
    this.fleet = new MemoryFleet({
      members: postings.members.of(this),
      postings,
      check: () => this.#check(),
    })
  }

  async start(): Promise<void> {
    if (this.#state === 'started') return
    this.#state = 'started'
    this.#postings.connect(this)
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.#listeners.clear()
    this.fleet.end()
    this.#postings.disconnect(this)
  }

  async post(posting: Posting): Promise<boolean> {
    this.#check()
    checkPosting(posting)
    return this.#postings.post({ ...posting })
  }

  async claim(conductor: string, limit: number): Promise<readonly BoardClaim[]> {
    this.#check()
    checkClaim(conductor, limit)
    return this.#postings.claim(this, conductor, limit)
  }

  async abandon(
    claim: BoardClaim,
    { epoch = 0 }: { readonly epoch?: number | undefined } = {},
  ): Promise<void> {
    this.#check()
    this.#postings.abandon(claim, epoch)
  }

  async consume(claim: BoardClaim): Promise<void> {
    this.#check()
    this.#postings.consume(claim)
  }

  async findOwner(jobId: string): Promise<Owner | null> {
    this.#check()
    return this.#postings.ownerOf(jobId)
  }

  async *list(
    options: {
      readonly unclaimedOnly?: boolean | undefined
      readonly limit?: number | undefined
    } = {},
  ): AsyncIterable<BoardEntry> {
    this.#check()
    const entries = this.#postings.entries(options.unclaimedOnly === true)
    yield* entries.slice(0, options.limit ?? entries.length)
  }

  watch(listener: (event: BoardEvent) => void): () => void {
    const own = (event: BoardEvent): void => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** @internal Tells who watches, after the call that caused it. */
  hear(event: BoardEvent): void {
    for (const listener of this.#listeners) {
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener(event)
      })
    }
  }

  /** @internal */
  sessionExpired(unheard: boolean): void {
    if (unheard || this.isCut) this.#lostUnheard = true
    else this.#beginSession()
  }

  #check(): void {
    checkStarted(this.name, this.#state)
    if (this.isCut)
      throw new UnavailableError(`the board "${this.name}"`, { reason: 'it is cut off' })
    if (!this.#lostUnheard) return
    this.#lostUnheard = false
    this.#beginSession()
  }

  /** M5. */
  #beginSession(): void {
    this.hear({ kind: 'lost', jobIds: 'all' })
    this.fleet.enterAgain()
  }
}

function nameOf(posting: { readonly jobId: string; readonly posting: number }): string {
  return `${posting.jobId}.${posting.posting}`
}

function byAge(a: Node, b: Node): number {
  if (a.posting.createdAt !== b.posting.createdAt) return a.posting.createdAt - b.posting.createdAt
  return nameOf(a.posting) < nameOf(b.posting) ? -1 : a === b ? 0 : 1
}

/** Where a node is, or belongs, in a list by age. */
function placeOf(list: readonly Node[], node: Node): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (byAge(list[middle] as Node, node) < 0) low = middle + 1
    else high = middle
  }
  return low
}
