import type { BoardClaim, JobBoard } from '../../jobboard/jobboard.ts'

/** So many claims, or all that can be had: a board may give in several answers what it does not win at the same moment. */
export async function claimUpTo(
  board: JobBoard,
  conductor: string,
  limit: number,
): Promise<readonly BoardClaim[]> {
  const claims: BoardClaim[] = []
  while (claims.length < limit) {
    const some = await board.claim(conductor, limit - claims.length)
    if (some.length === 0) break
    claims.push(...some)
  }
  return claims
}
