/** What stands on a board, for people. */
import type { Aside } from './aside.ts'
import type { Claimer, ClaimCounts } from './claimer.ts'
import type { SessionState, ZooKeeperClient } from './contract.ts'
import type { HeldClaims } from './held.ts'
import type { Leadership } from './leadership.ts'
import type { BoardPaths } from './names.ts'
import type { Registration } from './registration.ts'
import type { Window } from './window.ts'

export interface ZooKeeperBoardStatus {
  readonly session: {
    readonly state: SessionState
    /** As the servers' logs name it; null while there is none. */
    readonly id: string | null
    readonly timeoutMs: number
    /** The one that it is connected to. */
    readonly server: string | null
  }
  /** All servers, without credentials. */
  readonly servers: string
  /** Postings by priority, bigger first, claimed or not. */
  readonly postings: readonly { readonly priority: number; readonly count: number }[]
  readonly window: { readonly size: number; readonly used: number }
  /** Claims of all conductors; those of this board, and those of which it does not know yet whether they are its. */
  readonly claims: { readonly all: number; readonly own: number; readonly doubtful: number }
  readonly members: readonly string[]
  /** Id of the member that leads. */
  readonly leader: string | null
  /** Malformed nodes: those that stand aside, those that this board has put there, and those that it could not. */
  readonly aside: { readonly count: number; readonly moved: number; readonly left: number }
  readonly tries: ClaimCounts
}

export interface StatusParts {
  readonly client: ZooKeeperClient
  readonly paths: BoardPaths
  readonly servers: string
  readonly window: Window
  readonly held: HeldClaims
  readonly claimer: Claimer
  readonly registration: Registration
  readonly leadership: Leadership
  readonly aside: Aside
}

export async function statusOf(parts: StatusParts): Promise<ZooKeeperBoardStatus> {
  const { client, paths, window, held, claimer, aside } = parts
  const [counts, claims, members, leader, count] = await Promise.all([
    window.count(),
    client.exists(paths.claims),
    parts.registration.members(),
    parts.leadership.leader(),
    aside.count(),
  ])
  const { state, sessionId: id, sessionTimeoutMs: timeoutMs, server } = client
  return {
    session: { state, id, timeoutMs, server },
    servers: parts.servers,
    postings: [...counts].flatMap(([priority, number]) =>
      number === 0 ? [] : { priority, count: number },
    ),
    window: { size: window.size, used: [...counts.values()].reduce((sum, one) => sum + one, 0) },
    claims: { all: claims?.children ?? 0, own: held.size, doubtful: claimer.doubtful },
    members: members.map((member) => member.name),
    leader,
    aside: { count, moved: aside.moved, left: aside.left },
    tries: claimer.counts,
  }
}
