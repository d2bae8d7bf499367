/**
 * Claims of which nobody knows whether they were made: the connection was lost, or no answer came, behind the transaction.
 *
 * Owns: one timer for each doubt that waits for its next look.
 *
 * Invariants
 * U1  A doubt is looked at, within its session, until it is known: the claim node has its claim id (ours), another's, or is not
 *     there after a `sync` (not ours: what was sent on an older connection of the session is refused by then).
 * U2  It ends with its session: then the servers take the claim away, if there is one.
 */
import type { Clock } from '../../src/base/clock.ts'
import type { BoardClaim } from '../jobboard.ts'
import type { Candidate } from './candidates.ts'
import { NodeError, type ZooKeeperClient } from './contract.ts'
import { readClaimData, type BoardPaths } from './names.ts'

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000

export interface Doubt {
  readonly candidate: Candidate
  readonly claim: BoardClaim
  readonly session: number
}

export interface DoubtsOptions {
  readonly client: ZooKeeperClient
  readonly paths: BoardPaths
  readonly clock: Clock
  /** It is known now. */
  readonly onKnown: (doubt: Doubt, whose: 'ours' | 'free' | 'another') => void
}

export class Doubts {
  readonly #options: DoubtsOptions
  readonly #open = new Map<Doubt, { wake: () => void }>()

  constructor(options: DoubtsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  add(doubt: Doubt): void {
    this.#open.set(doubt, { wake: () => {} })
    void this.#resolve(doubt)
  }

  /** A server is reached again: looks at once. */
  wake(): void {
    for (const { wake } of [...this.#open.values()]) wake()
  }

  /** The session is over, or the board is (U2). */
  clear(): void {
    const open = [...this.#open.values()]
    this.#open.clear()
    for (const { wake } of open) wake()
  }

  async #resolve(doubt: Doubt): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (this.#open.has(doubt)) {
      const whose = await this.#look(doubt)
      if (!this.#open.has(doubt)) return
      if (whose !== 'unknown') {
        this.#open.delete(doubt)
        this.#options.onKnown(doubt, whose)
        return
      }
      await this.#pause(doubt, pauseMs)
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    }
  }

  async #look({ candidate, claim, session }: Doubt) {
    const { client, paths } = this.#options
    const path = `${paths.claims}/${candidate.key}`
    try {
      await client.sync(path, { session })
      const { data } = await client.get(path, { session })
      const reading = readClaimData(data)
      return reading.kind === 'read' && reading.value.claimId === claim.claimId ? 'ours' : 'another'
    } catch (error) {
      return error instanceof NodeError && error.reply === 'NO_NODE' ? 'free' : 'unknown'
    }
  }

  #pause(doubt: Doubt, ms: number): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel()
        resolve()
      }
      const cancel = clock.setTimer(wake, clock.now() + ms)
      const open = this.#open.get(doubt)
      if (open === undefined) wake()
      else open.wake = wake
    })
  }
}
