/**
 * The contract of job boards: where jobs are posted, claimed, abandoned, consumed and watched. The board says who may
 * write; what is true stands in the store.
 *
 * Invariants (one suite tests them for every adapter)
 * B1  A posting (job id and posting number) is claimed by at most one conductor at a time.
 * B2  A claim carries a fresh claim id and an epoch above every earlier one that the board or the store knew.
 * B3  Candidates come by priority (bigger first), then age (older first).
 * B4  `post` and `consume` are idempotent: posting again what is there, or consuming what is gone, is done.
 * B5  A claim ends when its conductor gives it back, or when the conductor is gone; then the job can be claimed again without
 *     anybody's help.
 * B6  Watches are for speed. `claim` alone, asked now and then, finds every job.
 */

/** A posting as it stands on a board. */
export interface Posting {
  readonly jobId: string
  readonly posting: number
  readonly priority: number
  /**
   * Its age: epoch ms of the job's creation, or of its turn, where the leader took it from a backlog of several tenants. Who posts a
   * posting again may say another one; that is no other posting.
   */
  readonly createdAt: number
  /** Epoch of the job when it was posted. */
  readonly epoch: number
}

/** What a claim gives: the fence. */
export interface BoardClaim {
  readonly jobId: string
  readonly posting: number
  readonly claimId: string
  readonly epoch: number
  readonly conductor: string
}

export interface Owner {
  readonly conductor: string
  readonly claimId: string
  readonly epoch: number
}

export interface BoardEntry extends Posting {
  readonly owner: Owner | null
}

export type BoardEvent =
  /** A job can be claimed (or may be: look). */
  | { readonly kind: 'posted' }
  | { readonly kind: 'removed'; readonly jobId: string }
  /** These claims of this conductor are gone: stop working on them at once. `all`: every claim made before. */
  | { readonly kind: 'lost'; readonly jobIds: readonly string[] | 'all' }

/** `C` is the claim as the adapter gives it (boards in SQL add the adopted row). */
export interface JobBoard<C extends BoardClaim = BoardClaim> {
  /** The board's name: jobs, keys and epochs of different boards never meet. */
  readonly name: string
  /** Whether postings must be created with `post` after the store has the job (false: the store's row is the posting). */
  readonly outsideStore: boolean
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Puts a posting on the board. False: there is no room for it now; the store keeps it, and a promoter posts it later. Boards
   * in the store always have room.
   */
  post(posting: Posting): Promise<boolean>
  /** Claims up to `limit` of the best candidates. Fewer, or none, when there are no more. */
  claim(conductor: string, limit: number): Promise<readonly C[]>
  /**
   * Gives a claim back on the board; the store's row is the conductor's to release. `epoch`: what the store knows, where that is
   * ahead of the board; the next claim goes above it.
   */
  abandon(claim: BoardClaim, options?: { readonly epoch?: number | undefined }): Promise<void>
  /** Removes a posting whose end (or park) is committed, with its claim. */
  consume(claim: BoardClaim): Promise<void>
  findOwner(jobId: string): Promise<Owner | null>
  /** Postings in the order of claiming. */
  list(options?: {
    readonly unclaimedOnly?: boolean
    readonly limit?: number
  }): AsyncIterable<BoardEntry>
  watch(listener: (event: BoardEvent) => void): () => void
  /** How conductors of a board outside the store know of each other. Boards in the store have none: the store's rows do it. */
  readonly fleet?: BoardFleet | undefined
}

/** What a conductor says of itself to the others of its board. */
export interface FleetMember {
  /** Of this incarnation, as in the store's table of processes. */
  readonly id: string
  /** Stable over restarts, unique among those that live. */
  readonly name: string
  /** Flows that it takes at once. */
  readonly capacity: number
}

/**
 * Conductors that share a board outside the store.
 *
 * Invariants
 * T1  Membership is for speed and fairness (who tries which posting first) and for people; no write depends on it.
 * T2  One member leads at a time, as far as anybody can tell: what the leader does is idempotent, so that two do no harm.
 */
export interface BoardFleet {
  /**
   * Registers for as long as the board lives, over lost sessions too. A second process of that name waits until the first one's
   * session may have ended, then throws `ConflictError`.
   */
  join(member: FleetMember): Promise<void>
  leave(): Promise<void>
  /** Those that live, by name. */
  members(): Promise<readonly FleetMember[]>
  /** Told when members come or go. Calling what it returns ends that. */
  onMembers(listener: () => void): () => void
  /** Tries to be, or to stay, the one leader; whether it is. Asked again each round. */
  lead(): Promise<boolean>
  /** The id of the member that leads, as the board has it; null: nobody does at this moment. */
  leader(): Promise<string | null>
  /** Lets another one lead, for example because the store is away from here. */
  resign(): Promise<void>
  /** The postings that the board shows, as `<job>.<posting>`. */
  postings(): Promise<ReadonlySet<string>>
  /** How many more postings of this priority find room. */
  room(priority: number): Promise<number>
}
