/**
 * Who tries which posting first, so that claimers do not race. Pure.
 *
 * Invariants
 * P1  At any time each posting has one preferred member, the same for everybody who knows the same members: the first of all
 *     members in the order of a hash of (posting, member). A member that comes or goes moves only its own share.
 * P2  Who is not preferred leaves a posting alone for a while after it first saw it: 150 ms, 300 ms, then 450 ms for all others.
 * P3  A posting that waits for half a minute passes to the next member each half minute (by the clock on the wall, so that all agree):
 *     a preferred member that is full, or stands still, keeps nothing from the others for long, and they still do not race. Whose
 *     turn it is goes on with what a listing shows, never with an old view: what that one has taken meanwhile would be tried again.
 */

/** P2: what nobody but the preferred member tries before, in ms. */
export const LEAVE_ALONE_MS = 150
const LAST_RANK = 3
const TURN_MS = 30_000

/** A hash of a text, of 32 bits (FNV-1a). */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  return hash >>> 0
}

/** How many other members come before me for a posting, by the hashes of its key, of my name and of theirs. */
export function rankOf(key: number, me: number, others: readonly number[]): number {
  const mine = mixed(key ^ me)
  let rank = 0
  for (const other of others) {
    const theirs = mixed(key ^ other)
    if (theirs > mine || (theirs === mine && other > me)) rank++
  }
  return rank
}

/** How far a posting is from me: 0 is mine. `seenAt`: when it was first seen, `listedAt`: when last, in epoch ms. */
export function distanceOf(
  rank: number,
  members: number,
  { seenAt, listedAt }: { readonly seenAt: number; readonly listedAt: number },
): number {
  if (members <= 1) return 0
  const turn = listedAt - seenAt < TURN_MS ? 0 : turnOf(listedAt) % members
  return (rank - turn + members) % members
}

/** When a posting may be tried from this distance (P2), in epoch ms. */
export function ripeAt(distance: number, seenAt: number): number {
  return seenAt + LEAVE_ALONE_MS * Math.min(distance, LAST_RANK)
}

/** Number of the present turn (P3). */
export function turnOf(now: number): number {
  return Math.floor(now / TURN_MS)
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit given. */
function mixed(bits: number): number {
  let hash = bits
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
