/**
 * One leader at a time: an ephemeral node says who.
 *
 * Invariants
 * Y1  Who leads is whose session owns the node; it is asked again each round, never remembered. Without a server nobody leads.
 * Y2  A node of no session, or of an earlier session of this very member, keeps nobody from leading.
 */
import { UnavailableError } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { ZooKeeperClient } from './contract.ts'
import { leaderData, readLeaderData, type BoardPaths } from './names.ts'
import { ifThere, isReply, isUnknown } from './refusals.ts'

/** Tries of one round: each is answered, or somebody else was faster. */
const TRIES = 3

export class Leadership {
  readonly #client: ZooKeeperClient
  readonly #paths: BoardPaths
  readonly #logger: Logger

  constructor(client: ZooKeeperClient, paths: BoardPaths, logger: Logger) {
    this.#client = client
    this.#paths = paths
    this.#logger = logger
  }

  async lead(id: string): Promise<boolean> {
    const { promoter } = this.#paths
    try {
      for (let left = TRIES; left > 0; left--) {
        const found = await this.#read()
        if (found !== null) {
          const isMine = found.id === id
          if (found.owner === this.#client.sessionId) return isMine
          if (found.owner !== null && !isMine) return false
          if (found.owner === null) {
            this.#logger.warn({ node: promoter }, 'removed a leader without a session')
          }
          await ifThere(this.#client.remove(promoter))
        }
        if (await this.#create(id)) return true
      }
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      this.#logger.debug({ error }, 'who leads the board cannot be told')
    }
    return false
  }

  async leader(): Promise<string | null> {
    return (await this.#read())?.id ?? null
  }

  async resign(id: string): Promise<void> {
    const found = await this.#read()
    if (found?.id === id) await ifThere(this.#client.remove(this.#paths.promoter))
  }

  /** False: look again. */
  async #create(id: string): Promise<boolean> {
    const { promoter, jobs } = this.#paths
    try {
      await this.#client.create(promoter, leaderData(id), { ephemeral: true })
      return true
    } catch (error) {
      if (isReply(error, 'NO_NODE')) await this.#client.ensure(jobs)
      else if (!isReply(error, 'NODE_EXISTS') && !isUnknown(error)) throw error
      return false
    }
  }

  async #read(): Promise<{ readonly id: string | null; readonly owner: string | null } | null> {
    try {
      const { data, stat } = await this.#client.get(this.#paths.promoter)
      return { id: readLeaderData(data), owner: stat.ephemeralOwner }
    } catch (error) {
      if (isReply(error, 'NO_NODE')) return null
      throw error
    }
  }
}
