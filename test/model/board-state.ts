/** What `board.ts` searches: its variants, its sizes, and what its processes know. */

export type BoardVariant =
  | 'rule'
  /** Whoever once claimed may write; what he held he takes off the board (no G2, no G3). */
  | 'no fence'
  /** SQL numbers adoptions itself, in the order in which they arrive (no G2). */
  | 'counter of its own'
  /** The fence is checked, then the flow is written: two statements (no G3). */
  | 'check, then write'
  /** The claim id is no part of the fence (no G2, no G3). */
  | 'epoch alone'
  /** Whatever claim has a higher epoch is adopted (no G2). */
  | 'any posting adopted'
  /** Off the board first, then the final state (no G5). */
  | 'board first'
  /** Nodes and claims are named by the job alone (no G1). */
  | 'named by job'
  /** Given back, a job keeps its posting (no G1). */
  | 'same posting again'
  /** Who lost a claim gives it back in SQL and takes the posting off the board, whoever has it now (no G6). */
  | 'given back, then consumed'
  /** A claim is deleted by its name (no G7). */
  | 'abandoned by name'
  /** A claim is deleted only together with a change of its job node (no G7). */
  | 'abandoned with its node only'
  /** Whoever is refused deletes his claim and looks no further (no G4). */
  | 'refused, then abandoned'
  /** Whoever is refused takes the posting off the board (no G4). */
  | 'refused, then consumed'
  /** Claims that are lost are forgotten, not given back (no G6). */
  | 'lost and forgotten'
  /** Jobs of conductors that are gone are left to the claims on the board (no G9). */
  | 'not reaped'
  /** Leaders post what they promoted and what they see POSTING, and compare nothing (no G8). */
  | 'not compared'
  /** Jobs are promoted, and that is all: who promoted one posts it, if he lives (no G8). */
  | 'posted by its promoter'

export const NAMES = ['A', 'B', 'C'] as const
export type Name = (typeof NAMES)[number]

export interface Fence {
  posting: number
  epoch: number
  /** Claim id. */
  id: number
}

/**
 * Work of a conductor apart from the flow that it holds, tried until it is done. `consumes`: both parts, or what it has not seen
 * deleted. `abandons`: the claim with this id; `epoch` is what the node's is raised to.
 */
export interface Chore extends Fence {
  does: 'releases' | 'abandons' | 'consumes' | 'deletes node' | 'deletes claim'
}

export interface Conductor extends Fence {
  at: 'idle' | 'doubt' | 'claimed' | 'owner' | 'checked' | 'unsure' | 'ends'
  /** `ended`: at the servers; it has not heard of that. */
  session: 'stands' | 'ended'
  chores: Chore[]
}

export interface BoardState {
  sql: {
    state: 'POSTING' | 'UNCLAIMED' | 'CLAIMED' | 'PARKED' | 'COMPLETE'
    posting: number
    epoch: number
    id: number
    owner: Name | null
    /** The lease of the owner ran out, or he is dead. */
    lapsed: boolean
    commits: number
  }
  nodes: Record<string, { posting: number; epoch: number }>
  /** `old`: of a session that its conductor has given up, or that outlives him; the servers end it by and by. */
  claims: Record<string, Fence & { by: Name; old: boolean }>
  conductors: Partial<Record<Name, Conductor>>
  /** Adoption of a conductor that died before it arrived. */
  late: (Fence & { by: Name }) | null
  /** A client and a leader that stand still wherever they like. `creates`, `marks`: the posting. */
  posters: Record<'P' | 'L', { creates: number; epoch: number; marks: number }>
  left: BoardFaults
  /** Null: not counted. */
  refusals: number | null
  /** The highest claim that was adopted. */
  highest: Fence
  damage: string | null
}

export interface BoardFaults {
  /** Sessions that end while their conductors stand still. */
  expiries: number
  /** Sessions that conductors give up though they stand at the servers. */
  guesses: number
  deaths: number
  /** Leases in SQL that run out though their conductors live. */
  lapses: number
  lostReplies: number
  /** The tree is wiped; sessions go on. */
  wipes: number
  /** All is put back as in the oldest copy, or empty; all sessions end. */
  restores: number
  /** Single job nodes deleted. */
  deletions: number
  /** Rounds of the leader that stands still. */
  lateRounds: number
}

export const NOTHING_WRONG: BoardFaults = {
  expiries: 0,
  guesses: 0,
  deaths: 0,
  lapses: 0,
  lostReplies: 0,
  wipes: 0,
  restores: 0,
  deletions: 0,
  lateRounds: 0,
}

export interface BoardSize {
  readonly conductors: readonly Name[]
  /** What the commits of the flow come to; the last is COMPLETE. */
  readonly commits: readonly ('CLAIMED' | 'PARKED' | 'COMPLETE')[]
  readonly left: Partial<BoardFaults>
  /** Whether a client is about to create the first posting, be it late. @default the leaders post it */
  readonly slowPoster?: boolean
  /** Whether node and claim of a posting that is over go one after the other, in any order. @default together */
  readonly apart?: boolean
  /** More refusals than this are one too many. @default not counted */
  readonly mostRefusals?: number
  /** @default 300_000 */
  readonly maxStates?: number
}

export const IDLE: Conductor = {
  at: 'idle',
  posting: 0,
  epoch: 0,
  id: 0,
  session: 'stands',
  chores: [],
}

/** SQL says that a posting is over, and it will never say otherwise. */
export function isOver({ sql }: BoardState, posting: number): boolean {
  return sql.posting !== posting || sql.state === 'PARKED' || sql.state === 'COMPLETE'
}

/** Adds a chore. Those that take a posting off the board are one. */
export function withChore(chores: readonly Chore[], chore: Chore): Chore[] {
  const added = takesAway(chore) ? { ...chore, epoch: 0, id: 0 } : chore
  const others = takesAway(chore)
    ? chores.filter((other) => !takesAway(other) || other.posting !== chore.posting)
    : chores
  return [...others, added].sort(byText)
}

/** Whether it is about a posting that is over. */
export function takesAway({ does }: Chore): boolean {
  return does !== 'releases' && does !== 'abandons'
}

function byText(a: Chore, b: Chore): number {
  const [one, two] = [JSON.stringify(a), JSON.stringify(b)]
  return one < two ? -1 : one > two ? 1 : 0
}

/** A claim id that nothing names: as good as one that was never used, and it keeps states equal that are. */
export function freshId(state: BoardState): number {
  const used = new Set([state.sql.id, state.highest.id, state.late?.id])
  for (const { id } of Object.values(state.claims)) used.add(id)
  for (const { id, chores } of Object.values(state.conductors)) {
    used.add(id)
    for (const chore of chores) used.add(chore.id)
  }
  for (let id = 1; ; id++) if (!used.has(id)) return id
}

/** Conductors are equal: only what each of them holds and is at tells them apart. */
export function identityOf(state: BoardState): string {
  const { sql, claims, conductors, late, ...rest } = state
  const owned = { ...sql, owner: sql.owner !== null }
  const each: string[] = []
  for (const name of NAMES) {
    const conductor = conductors[name]
    if (!conductor) continue
    const held: unknown[] = []
    for (const place in claims) {
      const claim = claims[place]
      if (claim?.by === name) held.push(place, claim.posting, claim.epoch, claim.id, claim.old)
    }
    each.push(
      JSON.stringify([conductor, sql.owner === name, held, late?.by === name ? late : null]),
    )
  }
  return JSON.stringify([owned, rest, each.sort()])
}

/** What a node is called. */
export function nameOf(posting: number, variant: BoardVariant): string {
  return variant === 'named by job' ? 'J' : `J.${posting}`
}

/** Given back or reaped. */
export function makeClaimable(draft: BoardState, variant: BoardVariant): void {
  const posting = draft.sql.posting + (variant === 'same posting again' ? 0 : 1)
  Object.assign(draft.sql, { state: 'UNCLAIMED', posting, id: 0, owner: null, lapsed: false })
}

/** Holds nothing; its session and its chores are what they were. */
export function idle(own: Conductor): Conductor {
  return { ...IDLE, session: own.session, chores: own.chores }
}
