/** What errors of the client mean to the board. */
import { UnavailableError } from '../../src/base/errors.ts'
import { NodeError, ZooKeeperUnavailableError, type NodeErrorCode } from './contract.ts'

/** Whether the servers have refused with one of these. */
export function isReply(error: unknown, ...replies: readonly NodeErrorCode[]): error is NodeError {
  return error instanceof NodeError && replies.includes(error.reply)
}

/** Whether a server may have carried it out all the same. */
export function isUnknown(error: unknown): boolean {
  return error instanceof ZooKeeperUnavailableError && error.outcome === 'unknown'
}

/** Waits for a removal; there was nothing to remove is fine too. */
export async function ifThere(removal: Promise<void>): Promise<void> {
  try {
    await removal
  } catch (error) {
    if (!isReply(error, 'NO_NODE')) throw error
  }
}

/** An error as callers of the board may see it: refusals that it did not expect are no business of theirs. */
export function outward(error: unknown, servers: string): unknown {
  if (!(error instanceof NodeError)) return error
  const isForbidden = error.reply === 'NO_AUTH' || error.reply === 'AUTH_FAILED'
  return new UnavailableError(servers, {
    reason: error.reply === 'SESSION_LOST' ? 'the session was lost' : error.message,
    hint: isForbidden ? 'give the user and password that own the nodes of this board' : undefined,
    cause: error,
  })
}
