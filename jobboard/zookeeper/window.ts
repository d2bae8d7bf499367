/**
 * How many postings the board shows, and how many more find room: the rest of the backlog waits in the store.
 *
 * Invariants
 * V1  A posting finds room while fewer than `size` postings of its priority and above wait to be claimed; so a flood of unimportant
 *     ones never keeps an important one out, and what waits in front is bounded for everybody. Claimed ones do not count: however
 *     many flows are at work, the job that they wait for must not be kept out by them. (Claims below a priority are taken for ones
 *     above it: that is only ever too generous.)
 * V2  What is known is at most a second old, with what was made here counted in; boards that post at once may overshoot a little.
 *     While it was less than half full when it was counted last, who posts does not wait until it is counted anew: little is made meanwhile.
 * V3  A bucket does not grow beyond what can be listed, whatever is claimed of it.
 */
import type { Clock } from '../../src/base/clock.ts'
import type { ZooKeeperClient } from './contract.ts'
import { bucketName, readBucketName, type BoardPaths } from './names.ts'
import { isReply } from './refusals.ts'

const KNOWN_MS = 1000
/** V3: names take 52 bytes, and an answer may have 1 MiB. */
const LISTABLE = 18_000

export class Window {
  readonly size: number
  readonly #client: ZooKeeperClient
  readonly #paths: BoardPaths
  readonly #clock: Clock
  #counts = new Map<number, number>()
  #claimed = 0
  #countedAt = -Infinity
  #counting: Promise<void> | null = null

  constructor(
    size: number,
    options: {
      readonly client: ZooKeeperClient
      readonly paths: BoardPaths
      readonly clock: Clock
    },
  ) {
    this.size = size
    this.#client = options.client
    this.#paths = options.paths
    this.#clock = options.clock
  }

  /** How many more of this priority find room. */
  async room(priority: number): Promise<number> {
    if (this.#isOld) await this.count()
    const waiting = Math.max(this.#used(priority) - this.#claimed, 0)
    const listable = Math.max(LISTABLE, this.size) - (this.#counts.get(priority) ?? 0)
    return Math.max(Math.min(this.size - waiting, listable), 0)
  }

  /** Whether one of this priority finds room; as long as there is plenty of it, that takes no time (V2). */
  async hasRoom(priority: number): Promise<boolean> {
    if (!this.#isOld || !this.#isRoomy) return (await this.room(priority)) > 0
    this.count().catch(() => {}) // who posts hears of it soon enough
    return true
  }

  get #isOld(): boolean {
    return this.#clock.now() - this.#countedAt >= KNOWN_MS
  }

  get #isRoomy(): boolean {
    return this.#countedAt > -Infinity && this.#used(-Infinity) * 2 < this.size
  }

  #used(priority: number): number {
    let used = 0
    for (const [other, count] of this.#counts) if (other >= priority) used += count
    return used
  }

  /** One was made here. */
  made(priority: number): void {
    this.#counts.set(priority, (this.#counts.get(priority) ?? 0) + 1)
  }

  /** Nothing is known any more. */
  forget(): void {
    this.#countedAt = -Infinity
  }

  /** Postings by priority, bigger first, as they are now. */
  async count(): Promise<ReadonlyMap<number, number>> {
    this.#counting ??= this.#count().finally(() => (this.#counting = null))
    await this.#counting
    return this.#counts
  }

  async #count(): Promise<void> {
    const startedAt = this.#clock.now()
    const names = await this.#bucketNames()
    const priorities = names.flatMap((name) => readBucketName(name) ?? []).sort((a, b) => b - a)
    const counts = await Promise.all(
      priorities.map(async (priority) => {
        const stat = await this.#client.exists(`${this.#paths.jobs}/${bucketName(priority)}`)
        return [priority, stat?.children ?? 0] as const
      }),
    )
    const claims = await this.#client.exists(this.#paths.claims)
    this.#counts = new Map(counts)
    this.#claimed = claims?.children ?? 0
    this.#countedAt = startedAt
  }

  async #bucketNames(): Promise<readonly string[]> {
    try {
      return (await this.#client.children(this.#paths.jobs)).names
    } catch (error) {
      if (isReply(error, 'NO_NODE')) return []
      throw error
    }
  }
}
