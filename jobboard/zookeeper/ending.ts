/**
 * Ends claims: takes postings off the board that are over, gives others back, and notices claims that were taken away.
 *
 * Invariants
 * E1  Consume: the store has said that the posting is over, so its node and whatever claim it has go, in any order; gone is done.
 * E2  Abandon: the claim goes only if it is still ours (claim id, and our session owns it), in one transaction with the job node as
 *     it was after our claim; the node's epoch is raised in it where the store is ahead.
 * E3  Both are idempotent: after an unknown outcome they are simply tried again.
 */
import type { BoardClaim } from '../jobboard.ts'
import type { Candidates } from './candidates.ts'
import type { NodeStat, TransactionStep, ZooKeeperClient } from './contract.ts'
import type { Held, HeldClaims } from './held.ts'
import {
  keyOf,
  readClaimData,
  readJobData,
  withEpoch,
  type BoardPaths,
  type ClaimData,
} from './names.ts'
import type { Together } from './together.ts'
import { ifThere, isReply } from './refusals.ts'

/** Claims that are looked at together. */
const AT_ONCE = 100

export interface EndingOptions {
  readonly client: ZooKeeperClient
  readonly together: Together
  readonly paths: BoardPaths
  readonly candidates: Candidates
  readonly held: HeldClaims
  /** Finds job nodes by their keys: what a listing of everything shows, as `<bucket>/<name>`. */
  readonly findPlaces: () => Promise<ReadonlyMap<string, string>>
}

export class Ending {
  readonly #options: EndingOptions

  constructor(options: EndingOptions) {
    this.#options = options
  }

  async consume(claim: BoardClaim): Promise<void> {
    const { client, together, paths, candidates, held } = this.#options
    const key = keyOf(claim)
    const mine = held.find(claim)
    if (mine !== undefined) mine.isEnding = true
    const claimPath = `${paths.claims}/${key}`
    const place = held.placeOf(key) ?? candidates.find(key)?.place ?? (await this.#locate(key))
    if (place === undefined) await ifThere(client.remove(claimPath))
    else {
      const path = `${paths.jobs}/${place}`
      const steps = [path, claimPath].map((one) => ({ op: 'remove', path: one }) as const)
      try {
        await together.run(steps, () => client.transaction(steps))
      } catch (error) {
        if (!isReply(error, 'NO_NODE', 'NOT_EMPTY')) throw error
        // One of them is gone already, or somebody put nodes of his own below.
        await this.#removeAll(path)
        await ifThere(client.remove(claimPath))
      }
      candidates.remove(place)
    }
    if (mine !== undefined) held.drop(mine)
    held.forgetPlace(key)
  }

  /** False: it was not ours any more, so that nothing was done. */
  async abandon(claim: BoardClaim, epoch: number): Promise<boolean> {
    const { client, paths, candidates, held } = this.#options
    const key = keyOf(claim)
    const mine = held.find(claim)
    if (mine !== undefined) mine.isEnding = true
    const claimPath = `${paths.claims}/${key}`
    const place =
      held.placeOf(key) ??
      (await this.#readClaim(claimPath))?.data?.job ??
      candidates.find(key)?.place
    // Read in this order: whoever takes the job over after the second has changed what the first one saw.
    const [job, found] = await Promise.all([
      place === undefined ? [] : this.#jobSteps(`${paths.jobs}/${place}`, claim, epoch),
      this.#readClaim(claimPath),
    ])
    const isOurs =
      found?.data?.claimId === claim.claimId && found.stat.ephemeralOwner === client.sessionId
    if (isOurs) {
      try {
        await client.transaction([...job, { op: 'remove', path: claimPath }])
      } catch (error) {
        // The job node, or the claim, was changed by others meanwhile: look again.
        if (!isReply(error, 'NO_NODE', 'BAD_VERSION')) throw error
        return this.abandon(claim, epoch)
      }
    }
    if (mine !== undefined) held.drop(mine)
    return isOurs
  }

  /** Those claims of this session that are gone: somebody took their nodes away. They are held no longer. */
  async findLost(): Promise<readonly Held[]> {
    const { client, paths, held } = this.#options
    const { session, sessionId } = client
    const lost: Held[] = []
    if (sessionId === null) return lost
    const all = held.staying
    for (let at = 0; at < all.length; at += AT_ONCE) {
      await Promise.all(
        all.slice(at, at + AT_ONCE).map(async (one) => {
          const stat = await client.exists(`${paths.claims}/${one.key}`, { session })
          if (stat?.ephemeralOwner === sessionId || one.isEnding) return
          if (held.drop(one)) lost.push(one)
        }),
      )
    }
    return lost
  }

  /** What to do with the job node in the transaction that gives the claim back. */
  async #jobSteps(
    path: string,
    claim: BoardClaim,
    epoch: number,
  ): Promise<readonly TransactionStep[]> {
    const { client } = this.#options
    try {
      const { data, stat } = await client.get(path)
      const reading = readJobData(data)
      const { version } = stat
      if (reading.kind !== 'read' || epoch <= Math.max(reading.value.epoch, claim.epoch)) {
        return [{ op: 'check', path, version }]
      }
      return [{ op: 'set', path, data: withEpoch(reading.value, epoch), version }]
    } catch (error) {
      if (isReply(error, 'NO_NODE')) return []
      throw error
    }
  }

  async #readClaim(
    path: string,
  ): Promise<{ readonly data: ClaimData | null; readonly stat: NodeStat } | null> {
    try {
      const { data, stat } = await this.#options.client.get(path)
      const reading = readClaimData(data)
      return { data: reading.kind === 'read' ? reading.value : null, stat }
    } catch (error) {
      if (isReply(error, 'NO_NODE')) return null
      throw error
    }
  }

  async #locate(key: string): Promise<string | undefined> {
    const found = await this.#readClaim(`${this.#options.paths.claims}/${key}`)
    const place = found?.data?.job
    if (place?.endsWith(`-${key}`) === true) return place
    return (await this.#options.findPlaces()).get(key)
  }

  /** A node, and what others may have put below it. */
  async #removeAll(path: string): Promise<void> {
    const { client } = this.#options
    try {
      await client.remove(path)
    } catch (error) {
      if (isReply(error, 'NO_NODE')) return
      if (!isReply(error, 'NOT_EMPTY')) throw error
      const { names } = await client.children(path)
      for (const name of names) await this.#removeAll(`${path}/${name}`)
      await ifThere(client.remove(path))
    }
  }
}
