/** How large the searches of `board.ts` are: those of each test run, and larger ones for `ZAGFLOW_MODELS=large`. */
import type { BoardSize } from './board-state.ts'

const TWO = ['A', 'B'] as const
const PARKS = ['PARKED', 'COMPLETE'] as const
const ENDS = ['COMPLETE'] as const

/** Three conductors; one that stands still, whose session ends. */
export const EXPIRED: BoardSize = {
  conductors: ['A', 'B', 'C'],
  commits: PARKS,
  left: { expiries: 1 },
}
export const UNHEARD: BoardSize = {
  conductors: TWO,
  commits: PARKS,
  left: { expiries: 1, lostReplies: 1 },
}
export const WIPED: BoardSize = {
  conductors: TWO,
  commits: ENDS,
  left: { expiries: 1, wipes: 1 },
}
export const RESTORED: BoardSize = {
  conductors: TWO,
  commits: ENDS,
  left: { restores: 1, lateRounds: 1 },
}
export const REAPED: BoardSize = {
  conductors: TWO,
  commits: ENDS,
  left: { deaths: 1, lapses: 1 },
}
export const DELETED: BoardSize = {
  conductors: TWO,
  commits: ENDS,
  left: { deletions: 1, deaths: 1 },
}
export const GUESSED: BoardSize = {
  conductors: TWO,
  commits: ENDS,
  left: { guesses: 1, lostReplies: 1 },
}
/** The client stands still around its `posted`; so does a leader. */
export const POSTED_LATE: BoardSize = {
  conductors: TWO,
  commits: PARKS,
  left: { lateRounds: 1 },
  slowPoster: true,
}
/** As `EXPIRED`, but two, and a flow that goes on after its first commit. */
export const COMMITS: BoardSize = {
  conductors: TWO,
  commits: ['CLAIMED', 'COMPLETE'],
  left: { expiries: 1 },
}

const MANY = 3_000_000
export const LARGE: Readonly<Record<string, BoardSize>> = {
  'wiped, three conductors': { ...WIPED, conductors: ['A', 'B', 'C'], maxStates: MANY },
  'unheard, three conductors': { ...UNHEARD, conductors: ['A', 'B', 'C'], maxStates: MANY },
  'deaths, a wipe': { ...REAPED, left: { deaths: 1, wipes: 1 }, maxStates: MANY },
  'deaths, sessions': { ...REAPED, left: { deaths: 1, expiries: 1 }, maxStates: MANY },
  'node and claim apart': { ...POSTED_LATE, slowPoster: false, apart: true, maxStates: MANY },
  'node and claim apart, unheard': {
    ...UNHEARD,
    left: { lostReplies: 1 },
    apart: true,
    maxStates: MANY,
  },
  'a poster and a session': {
    ...POSTED_LATE,
    left: { expiries: 1 },
    maxStates: MANY,
  },
  'restored, parked': { ...RESTORED, commits: PARKS, left: { restores: 1 }, maxStates: MANY },
}
