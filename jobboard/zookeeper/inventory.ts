/**
 * All postings and claims of a board, for who compares it with the store.
 *
 * Invariants
 * I1  A bucket is listed again only when its version has changed; what is answered is never older than the question.
 * I2  Buckets that stay empty are removed: a program that makes up priorities leaves no trail.
 * I3  A claim belongs to a session. One that belongs to none would keep its posting for ever: it is removed, and reported.
 */
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { NodeStat, ZooKeeperClient } from './contract.ts'
import { readBucketName, readJobName, readKey, type BoardPaths } from './names.ts'
import { ifThere, isReply } from './refusals.ts'

/** Claims are looked through for such of no session once in so many scans. */
const AUDIT_SCANS = 6
const AT_ONCE = 200

interface Listing {
  readonly czxid: bigint
  readonly childrenVersion: number
  readonly names: readonly string[]
}

export class Inventory {
  readonly #client: ZooKeeperClient
  readonly #paths: BoardPaths
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #auditMs: number
  #listings = new Map<string, Listing>()
  /** Claims that were seen to belong to a session, or were new in the last audit. */
  #audited = new Map<string, 'new' | 'sound'>()
  /** Buckets that the last audit saw to be empty. */
  #empty: ReadonlySet<string> = new Set()
  #auditedAt = -Infinity
  #underWay: Promise<ReadonlyMap<string, string>> | null = null

  constructor(
    client: ZooKeeperClient,
    paths: BoardPaths,
    {
      clock,
      logger,
      scanMs,
    }: { readonly clock: Clock; readonly logger: Logger; readonly scanMs: number },
  ) {
    this.#client = client
    this.#paths = paths
    this.#clock = clock
    this.#logger = logger
    this.#auditMs = scanMs * AUDIT_SCANS
  }

  /** Where each posting stands: `<bucket>/<name>` by key. Callers at one time share one answer. */
  places(): Promise<ReadonlyMap<string, string>> {
    this.#underWay ??= this.#places().finally(() => (this.#underWay = null))
    return this.#underWay
  }

  /** The names in the buckets, as they are now. */
  async buckets(): Promise<
    readonly { readonly bucket: string; readonly names: readonly string[] }[]
  > {
    const buckets = (await this.#childrenOf(this.#paths.jobs)).filter(
      (bucket) => readBucketName(bucket) !== null,
    )
    const listings = await Promise.all(buckets.map((bucket) => this.#bucket(bucket)))
    this.#listings = new Map(buckets.map((bucket, at) => [bucket, listings[at] ?? EMPTY]))
    return buckets.map((bucket, at) => ({ bucket, names: listings[at]?.names ?? [] }))
  }

  /** The names of all claims, as they are now. */
  claims(): Promise<readonly string[]> {
    return this.#childrenOf(this.#paths.claims)
  }

  /** Removes claims that no session would ever end (I3), and buckets that stay empty (I2), now and then. False: it was done not long ago. */
  async audit(): Promise<boolean> {
    const now = this.#clock.now()
    if (now - this.#auditedAt < this.#auditMs) return false
    this.#auditedAt = now
    await this.#removeEmpty()
    const before = this.#audited
    this.#audited = new Map()
    const old: string[] = []
    for (const name of await this.claims()) {
      if (readKey(name) === null) continue
      const known = before.get(name)
      this.#audited.set(name, known ?? 'new')
      if (known === 'new') old.push(name)
    }
    for (let at = 0; at < old.length; at += AT_ONCE) {
      await Promise.all(old.slice(at, at + AT_ONCE).map((name) => this.#auditOne(name)))
    }
    return true
  }

  async #removeEmpty(): Promise<void> {
    const buckets = (await this.buckets()).filter(({ names }) => names.length === 0)
    const before = this.#empty
    this.#empty = new Set(buckets.map(({ bucket }) => bucket))
    for (const bucket of this.#empty) {
      if (!before.has(bucket)) continue
      try {
        await this.#client.remove(`${this.#paths.jobs}/${bucket}`)
      } catch (error) {
        // Somebody has posted meanwhile, or was faster.
        if (!isReply(error, 'NOT_EMPTY', 'NO_NODE')) throw error
      }
    }
  }

  async #auditOne(name: string): Promise<void> {
    const path = `${this.#paths.claims}/${name}`
    const stat = await this.#client.exists(path)
    if (stat === null) return
    this.#audited.set(name, 'sound')
    if (stat.ephemeralOwner !== null) return
    this.#logger.warn({ node: path }, 'removed a claim that belongs to no session')
    await ifThere(this.#client.remove(path))
  }

  async #places(): Promise<ReadonlyMap<string, string>> {
    const places = new Map<string, string>()
    for (const { bucket, names } of await this.buckets()) {
      for (const name of names) {
        const read = readJobName(name)
        if (read !== null) places.set(read.key, `${bucket}/${name}`)
      }
    }
    return places
  }

  async #bucket(bucket: string): Promise<Listing> {
    const path = `${this.#paths.jobs}/${bucket}`
    try {
      const known = this.#listings.get(bucket)
      if (known !== undefined && isSame(await this.#client.exists(path), known)) return known
      const { names, stat } = await this.#client.children(path)
      return { czxid: stat.czxid, childrenVersion: stat.childrenVersion, names }
    } catch (error) {
      if (isReply(error, 'NO_NODE')) return EMPTY
      throw error
    }
  }

  async #childrenOf(path: string): Promise<readonly string[]> {
    try {
      return (await this.#client.children(path)).names
    } catch (error) {
      if (isReply(error, 'NO_NODE')) return []
      throw error
    }
  }
}

const EMPTY: Listing = { czxid: -1n, childrenVersion: -1, names: [] }

function isSame(stat: NodeStat | null, known: Listing): boolean {
  return (
    stat !== null && stat.czxid === known.czxid && stat.childrenVersion === known.childrenVersion
  )
}
