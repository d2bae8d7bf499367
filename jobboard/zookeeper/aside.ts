/**
 * Malformed nodes of a board: put aside with what stands in them, reported and counted.
 *
 * Invariants
 * A1  Moving is one transaction: a node is never in both places, nor in none. Several boards may do it; one succeeds.
 * A2  A malformed node never makes an operation of the board fail. What cannot be moved is reported once, and left alone.
 * A3  At most 1,000 are kept aside; what comes after that is only removed, and reported.
 */
import type { Logger } from '../../src/base/logger.ts'
import { isReply } from './refusals.ts'
import { NodeError, type ZooKeeperClient } from './contract.ts'
import type { BoardPaths } from './names.ts'

const MOST_KEPT = 1000
/** Shown in the report of one that is not kept. */
const SHOWN_BYTES = 200

export class Aside {
  readonly #client: ZooKeeperClient
  readonly #paths: BoardPaths
  readonly #logger: Logger
  readonly #left = new Set<string>()
  readonly #underWay = new Map<string, Promise<void>>()
  #moved = 0

  constructor(client: ZooKeeperClient, paths: BoardPaths, logger: Logger) {
    this.#client = client
    this.#paths = paths
    this.#logger = logger
  }

  /** Nodes that this board has put aside. */
  get moved(): number {
    return this.#moved
  }

  /** Nodes that could not be put aside, and are left alone (A2). */
  get left(): number {
    return this.#left.size
  }

  /** Nodes that stand aside, whoever put them there. */
  async count(): Promise<number> {
    return (await this.#client.exists(this.#paths.aside))?.children ?? 0
  }

  /** Puts a node aside. Never throws; who calls it twice for one node waits for the same. */
  put(path: string, why: string): Promise<void> {
    const underWay = this.#underWay.get(path)
    if (underWay !== undefined) return underWay
    if (this.#left.has(path)) return Promise.resolve()
    const moving = this.#move(path, why)
      .catch((error: unknown) => this.#leave(path, error))
      .finally(() => this.#underWay.delete(path))
    this.#underWay.set(path, moving)
    return moving
  }

  async #move(path: string, why: string): Promise<void> {
    try {
      const { data, stat } = await this.#client.get(path)
      // Unique: the same name may be malformed twice.
      const name = `${path.slice(path.lastIndexOf('/') + 1)}.${stat.czxid.toString(16)}`
      await this.#client.ensure(this.#paths.aside)
      const isKept = (await this.count()) < MOST_KEPT
      await this.#client.transaction([
        ...(isKept
          ? ([{ op: 'create', path: `${this.#paths.aside}/${name}`, data }] as const)
          : []),
        { op: 'remove', path, version: stat.version },
      ])
      this.#moved++
      const fields = { node: path, why, bytes: data.length }
      if (isKept) {
        this.#logger.warn({ ...fields, aside: name }, 'put a malformed node of the board aside')
      } else {
        const text = data.toString('utf8', 0, SHOWN_BYTES)
        this.#logger.warn({ ...fields, text }, 'removed a malformed node of the board')
      }
    } catch (error) {
      // Another board was faster, or it has just been changed: if it is still malformed, it will be seen again.
      if (!isReply(error, 'NO_NODE', 'NODE_EXISTS', 'BAD_VERSION')) throw error
    }
  }

  #leave(path: string, error: unknown): void {
    // Without a server it is tried again when it is seen again.
    if (!(error instanceof NodeError)) return
    if (this.#left.size < MOST_KEPT) this.#left.add(path)
    this.#logger.error(
      { node: path, error },
      'a malformed node of the board cannot be put aside; remove it by hand',
    )
  }
}
