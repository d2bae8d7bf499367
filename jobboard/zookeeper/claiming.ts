/**
 * Claims one posting: reads its node, then raises its epoch and creates the claim in one transaction.
 *
 * Invariants
 * C1  The claim's epoch is one above the node's, and the node's version is checked: of two that try, one succeeds.
 * C2  All of it happens in one session, the one that is named; a claim that is returned was made in it.
 * C3  What a server may have done without our knowing is `doubtful`, with the claim id to find out by; never lost, never won.
 */
import { uuidV7 } from '../../src/base/ids.ts'
import type { BoardClaim } from '../jobboard.ts'
import type { Candidate } from './candidates.ts'
import type { ZooKeeperClient } from './contract.ts'
import { claimData, readJobData, withEpoch, type BoardPaths } from './names.ts'
import { isReply, isUnknown } from './refusals.ts'

/** What became of a try. */
export type Attempt =
  | { readonly kind: 'won'; readonly claim: BoardClaim }
  /** Another one has it. */
  | { readonly kind: 'claimed' }
  /** The posting is over. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'malformed' }
  /** It cannot be claimed here: a newer version wrote it, or the servers refuse. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'doubtful'; readonly claim: BoardClaim }

/** Throws what the client throws where nothing was done. */
export async function tryToClaim(
  { client, paths }: { readonly client: ZooKeeperClient; readonly paths: BoardPaths },
  candidate: Candidate,
  { conductor, session }: { readonly conductor: string; readonly session: number },
): Promise<Attempt> {
  const path = `${paths.jobs}/${candidate.place}`
  const node = await client.get(path, { session }).catch((error: unknown) => {
    if (isReply(error, 'NO_NODE')) return null
    throw error
  })
  if (node === null) return { kind: 'gone' }
  const reading = readJobData(node.data)
  if (reading.kind === 'newer') return { kind: 'refused', reason: 'a newer version wrote it' }
  if (reading.kind === 'malformed') return { kind: 'malformed' }
  const epoch = reading.value.epoch + 1
  if (!Number.isSafeInteger(epoch)) return { kind: 'malformed' }
  const { jobId, posting, key, place } = candidate
  const claim: BoardClaim = { jobId, posting, claimId: uuidV7(), conductor, epoch }
  const { version } = node.stat
  const steps = [
    { op: 'set', path, data: withEpoch(reading.value, epoch), version },
    {
      op: 'create',
      path: `${paths.claims}/${key}`,
      data: claimData(claim, place),
      ephemeral: true,
    },
  ] as const
  try {
    await client.transaction(steps, { session })
    return { kind: 'won', claim }
  } catch (error) {
    if (isUnknown(error)) return { kind: 'doubtful', claim }
    if (isReply(error, 'BAD_VERSION', 'NODE_EXISTS')) return { kind: 'claimed' }
    if (!isReply(error, 'NO_NODE')) throw error
    // The tree was taken away: it is made again for the next try.
    if (error.step === 1) await client.ensure(paths.claims)
    return { kind: error.step === 1 ? 'claimed' : 'gone' }
  }
}
