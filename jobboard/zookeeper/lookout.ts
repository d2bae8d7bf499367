/**
 * Keeps the candidates as the servers have them: watches the buckets, lists what has changed, and says when there is something to try.
 *
 * Owns: one watch on `jobs` and one on each bucket; timers for the next look, the next scan and the next posting of others that
 * becomes ripe.
 *
 * Invariants
 * W1  Watches are for speed. While somebody asks, everything is compared with the servers every `scanMs`, by versions; only what has
 *     changed is listed.
 * W2  A change leads to a look at once, further ones within 50 ms to one more. While nobody asks for jobs nothing is listed.
 * W3  A big bucket that still has postings of mine is listed again once a turn, each half minute; many claims are listed at 64 kB/s at most; nothing is
 *     listed beyond the budget.
 * W4  One look at a time. Who asks during one gets one that began afterwards.
 * W5  A tree that was taken away is made again.
 */
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Aside } from './aside.ts'
import type { Candidate, Candidates } from './candidates.ts'
import type { NodeStat, WatchedEvent, ZooKeeperClient } from './contract.ts'
import { listingBytes, type ListingBudget } from './listing-budget.ts'
import { bucketName, readBucketName, type BoardPaths } from './names.ts'
import { LEAVE_ALONE_MS, turnOf } from './preference.ts'
import { isReply } from './refusals.ts'

const QUIET_MS = 50
const BIG_BYTES = 16_000
/** Claims are listed outright below this; above, their version is looked at first, and not too often. */
const FEW_BYTES = 2_000
const CLAIMS_PER_MS = 64
/** So long after it was last asked, a board stops looking by itself. */
const ASKED_MS = 30_000

/** What a listing was of: the same node with the same version has the same children. */
type Version = Pick<NodeStat, 'czxid' | 'childrenVersion'>

interface BucketView {
  readonly priority: number
  readonly path: string
  /** Whether its watch is set, and has not told. */
  isArmed: boolean
  /** Null: never listed. */
  version: Version | null
  bytes: number
  listedAt: number
}

export interface LookoutOptions {
  readonly client: ZooKeeperClient
  readonly paths: BoardPaths
  readonly candidates: Candidates
  readonly aside: Aside
  readonly budget: ListingBudget
  readonly scanMs: number
  readonly clock: Clock
  readonly logger: Logger
  /** There is something to try. */
  readonly onTryable: () => void
  readonly onRemoved: (candidate: Candidate) => void
  /** The tree was taken away. */
  readonly onWiped: () => void
  readonly hasListeners: () => boolean
}

export class Lookout {
  readonly #options: LookoutOptions
  readonly #buckets = new Map<number, BucketView>()
  #isJobsArmed = false
  #claims: (Version & { readonly bytes: number; readonly listedAt: number }) | null = null
  /** Of the session that the watches belong to; null: none. */
  #session: number | null = null
  #askedAt: number | null = null
  #lookedAt = -Infinity
  /** When it last looked by itself: who asked meanwhile delays no news (W2). */
  #wokenAt = -Infinity
  #scannedAt = -Infinity
  #looking: Promise<void> | null = null
  #next: Promise<void> | null = null
  #isScanDue = false
  #cancelWake: (() => void) | null = null
  #cancelScan: () => void = () => {}
  #ripening: { readonly at: number; readonly cancel: () => void } | null = null

  constructor(options: LookoutOptions) {
    this.#options = options
  }

  /** A session has begun: watches and listings are made anew. */
  begin(): void {
    this.end()
    this.#session = this.#options.client.session
    this.#armScan()
    this.wake()
  }

  /** The session is over, or the board is. */
  end(): void {
    this.#session = null
    this.#forget()
    this.#claims = null
    this.#scannedAt = -Infinity
    this.#lookedAt = -Infinity
    this.#cancelWake?.()
    this.#cancelWake = null
    this.#ripening?.cancel()
    this.#ripening = null
    this.#cancelScan()
  }

  /** When the last look began, in epoch ms. */
  get lookedAt(): number {
    return this.#lookedAt
  }

  /** Somebody asks for jobs: for a while the board looks by itself. */
  asked(): void {
    this.#askedAt = this.#options.clock.now()
  }

  /** Looks now. Throws what the client throws. */
  async refresh(): Promise<void> {
    const now = this.#options.clock.now()
    await this.#look(now - this.#scannedAt >= this.#options.scanMs)
  }

  /** Compares everything soon, and tells if there is something to try. */
  scan(): void {
    this.#isScanDue = true
    this.wake()
  }

  /** Looks soon (W2), and tells if there is something to try. */
  wake(): void {
    if (this.#session === null || this.#cancelWake !== null || !this.isWanted) return
    const { clock } = this.#options
    const now = clock.now()
    const at = this.#wokenAt + QUIET_MS
    if (now >= at) return void this.#lookAndTell()
    this.#cancelWake = clock.setTimer(() => {
      this.#cancelWake = null
      void this.#lookAndTell()
    }, at)
  }

  /** Sets the timer for the next posting of others that becomes ripe. What is new is not ripe before a timer that is set already. */
  ripen(): void {
    const { candidates, clock } = this.#options
    const now = clock.now()
    if (this.#ripening !== null && this.#ripening.at < now + LEAVE_ALONE_MS) return
    const at = this.#session === null ? undefined : candidates.nextRipeAt(now)
    if (at === this.#ripening?.at) return
    this.#ripening?.cancel()
    this.#ripening = null
    if (at === undefined) return
    const cancel = clock.setTimer(() => {
      this.#ripening = null
      if (this.isWanted) void this.#lookAndTell()
    }, at)
    this.#ripening = { at, cancel }
  }

  /** Whether anybody here wants to know (W2): who never asked, and listens, only watches. */
  get isWanted(): boolean {
    const { clock, hasListeners } = this.#options
    if (this.#askedAt === null) return hasListeners()
    return clock.now() - this.#askedAt < ASKED_MS
  }

  #armScan(): void {
    const { clock, scanMs } = this.#options
    this.#cancelScan = clock.setTimer(() => {
      this.#armScan()
      if (clock.now() - this.#scannedAt >= scanMs / 2) this.scan()
    }, clock.now() + scanMs)
  }

  async #lookAndTell(): Promise<void> {
    const { candidates, clock, logger, onTryable } = this.#options
    this.#wokenAt = clock.now()
    try {
      await this.#look(this.#isScanDue)
      this.ripen()
      if (candidates.hasAny(clock.now())) onTryable()
    } catch (error) {
      logger.debug({ error }, 'the board could not be looked at; trying again')
    }
  }

  /** W4. */
  #look(isScan: boolean): Promise<void> {
    if (this.#looking === null) {
      this.#looking = this.#lookOnce(isScan).finally(() => (this.#looking = null))
      return this.#looking
    }
    this.#isScanDue ||= isScan
    this.#next ??= this.#looking
      .catch(() => {})
      .then(() => {
        this.#next = null
        return this.#look(this.#isScanDue)
      })
    return this.#next
  }

  async #lookOnce(isScan: boolean): Promise<void> {
    const session = this.#session
    if (session === null) return
    const now = this.#options.clock.now()
    this.#lookedAt = now
    if (isScan) {
      this.#isScanDue = false
      this.#scannedAt = now
    }
    const known = [...this.#buckets.values()]
    await Promise.all([
      this.#lookAtJobs(session, isScan),
      ...known.map((view) => this.#lookAtBucket(view, session, isScan)),
      this.#lookAtClaims(session),
    ])
  }

  async #lookAtJobs(session: number, isScan: boolean): Promise<void> {
    if (this.#isJobsArmed && !isScan) return
    const { client, paths, aside } = this.#options
    const watch = this.#isJobsArmed
      ? undefined
      : this.#watching(session, () => (this.#isJobsArmed = false))
    this.#isJobsArmed = true
    try {
      const { names } = await client.children(paths.jobs, { session, watch })
      const fresh: BucketView[] = []
      for (const name of names) {
        const priority = readBucketName(name)
        if (priority === null) void aside.put(`${paths.jobs}/${name}`, 'no name of a priority')
        else if (!this.#buckets.has(priority)) fresh.push(this.#addBucket(priority))
      }
      for (const { priority } of [...this.#buckets.values()]) {
        if (!names.includes(bucketName(priority))) this.#dropBucket(priority)
      }
      await Promise.all(fresh.map((view) => this.#lookAtBucket(view, session, false)))
    } catch (error) {
      this.#isJobsArmed = false
      if (!isReply(error, 'NO_NODE')) throw error
      await this.#mend()
    }
  }

  async #lookAtBucket(view: BucketView, session: number, isScan: boolean): Promise<void> {
    const { client, candidates, clock, budget, aside, onRemoved, onTryable } = this.#options
    try {
      if (view.isArmed) {
        if (!isScan) return
        const stat = await client.exists(view.path, { session })
        if (stat !== null && isSame(stat, view.version)) return
      }
      const now = clock.now()
      if (this.#canWait(view, now) || !budget.allows(now)) return
      view.isArmed = true
      const stamp = candidates.stamp()
      const watch = this.#watching(session, () => (view.isArmed = false))
      const { names, stat } = await client.children(view.path, { session, watch })
      if (this.#session !== session) return
      view.version = stat
      view.listedAt = now
      view.bytes = listingBytes(names)
      budget.spend(view.bytes)
      const change = candidates.listed(view.priority, names, { stamp, now: clock.now() })
      for (const name of change.malformed) {
        void aside.put(`${view.path}/${name}`, 'no name of a posting')
      }
      for (const candidate of change.removed) onRemoved(candidate)
      // Those need not wait until the claims are listed, too: what is new is free, and nobody else tries them now.
      if (change.added > 0 && candidates.hasMineIn(view.priority)) onTryable()
    } catch (error) {
      view.isArmed = false
      if (!isReply(error, 'NO_NODE')) throw error
      this.#dropBucket(view.priority)
      this.#isJobsArmed = false
    }
  }

  /** W3. */
  #canWait(view: BucketView, now: number): boolean {
    return (
      view.version !== null &&
      view.bytes > BIG_BYTES &&
      turnOf(now) === turnOf(view.listedAt) &&
      this.#options.candidates.hasMineIn(view.priority)
    )
  }

  async #lookAtClaims(session: number): Promise<void> {
    const { client, paths, candidates, clock, budget } = this.#options
    try {
      const now = clock.now()
      if (this.#claims !== null && this.#claims.bytes > FEW_BYTES) {
        if (now - this.#claims.listedAt < this.#claims.bytes / CLAIMS_PER_MS) return
        const stat = await client.exists(paths.claims, { session })
        if (stat !== null && isSame(stat, this.#claims)) return
      }
      if (!budget.allows(now)) return
      const stamp = candidates.stamp()
      const { names, stat } = await client.children(paths.claims, { session })
      if (this.#session !== session) return
      const { czxid, childrenVersion } = stat
      this.#claims = { czxid, childrenVersion, bytes: listingBytes(names), listedAt: now }
      budget.spend(this.#claims.bytes)
      candidates.listedClaims(new Set(names), { stamp, now: clock.now() })
    } catch (error) {
      if (!isReply(error, 'NO_NODE')) throw error
      await this.#mend()
    }
  }

  /** W5. */
  async #mend(): Promise<void> {
    const { client, paths, onWiped } = this.#options
    this.#forget()
    this.#claims = null
    await Promise.all([client.ensure(paths.jobs), client.ensure(paths.claims)])
    onWiped()
    this.scan()
  }

  #forget(): void {
    for (const { priority } of [...this.#buckets.values()]) this.#dropBucket(priority)
    this.#isJobsArmed = false
  }

  #addBucket(priority: number): BucketView {
    const path = `${this.#options.paths.jobs}/${bucketName(priority)}`
    const view: BucketView = {
      priority,
      path,
      isArmed: false,
      version: null,
      bytes: 0,
      listedAt: -Infinity,
    }
    this.#buckets.set(priority, view)
    return view
  }

  #dropBucket(priority: number): void {
    this.#buckets.delete(priority)
    const { candidates, clock, onRemoved } = this.#options
    const at = { stamp: candidates.stamp(), now: clock.now() }
    for (const candidate of candidates.listed(priority, [], at).removed) onRemoved(candidate)
  }

  /** A watch of this session; `fired` before anything else is done. */
  #watching(session: number, fired: () => void): (event: WatchedEvent) => void {
    return (event) => {
      fired()
      if (this.#session !== session || event.kind === 'session') return
      this.wake()
    }
  }
}

function isSame(stat: Version, known: Version | null): boolean {
  return (
    known !== null && stat.czxid === known.czxid && stat.childrenVersion === known.childrenVersion
  )
}
