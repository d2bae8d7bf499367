/**
 * Rule: the window. The board shows a part of the backlog; the store keeps all of it, and a leader fills what room there is.
 *
 * W1  Whoever posts first counts what nobody has claimed at that priority or above, anew after a while, and adds what it has
 *     posted since. Fewer than W: there is room.
 * W2  No room: the store keeps the job POSTING. Only what the board shows is marked as posted.
 * W3  The leader posts what is POSTING, or UNCLAIMED, and not on the board, best first, while there is room.
 * W4  A leader that may not act (no store, no lease) resigns. One whose session ended may act once more: two do no harm.
 *
 * W is 1. Clients P and Q post one job of priority 0 each, the store has another of priority 1; L and M may lead. Conductors have
 * room for any number; the flow of `low` may wait, in memory, for the end of `next`. The tree is wiped, L loses its session or the
 * store, for good.
 */
import { fault, step, type Model, type Step } from './search.ts'

export type BoardWindowVariant =
  | 'rule'
  /** Nobody counts (no W1). */
  | 'always room'
  /** What was counted is not counted anew (no W1). */
  | 'counted once'
  /** Claimed postings are counted, too (no W1). */
  | 'claimed ones counted'
  /** What found no room is marked all the same, and the leader goes by the mark (no W2, no W3). */
  | 'marked without room'
  /** The leader posts what is POSTING; it does not look for what the board has lost (no W3). */
  | 'not compared'
  /** A leader that may not act does nothing, and leads (no W4). */
  | 'leads idly'

const JOBS = ['high', 'low', 'next'] as const
type Job = (typeof JOBS)[number]
const PRIORITY: Readonly<Record<Job, number>> = { high: 1, low: 0, next: 0 }
const W = 1
export type Poster = 'P' | 'Q' | 'L' | 'M'

interface PosterState {
  /** Unclaimed postings at priority 0 or above, and at 1; null: not counted. */
  known: [number, number] | null
  /** It has asked for room, and is about to create. */
  creates: Job | null
  /** It is about to mark. */
  marks: Job | null
  leads: boolean
  isCutOff: boolean
  isDone: boolean
}

export interface BoardWindowState {
  jobs: Record<Job, { at: 'POSTING' | 'UNCLAIMED' | 'CLAIMED' | 'COMPLETE'; node: boolean }>
  posters: Partial<Record<Poster, PosterState>>
  leader: Poster | null
  lowWaits: boolean
  left: { outages: number; expiries: number; wipes: number; waits: number }
}

type Steps = Generator<Step<BoardWindowState>>

export function boardWindow(
  variant: BoardWindowVariant,
  posters: readonly Poster[],
  left: Partial<BoardWindowState['left']>,
): Model<BoardWindowState> {
  const job = { at: 'POSTING', node: false } as const
  const poster: PosterState = {
    known: null,
    creates: null,
    marks: null,
    leads: false,
    isCutOff: false,
    isDone: false,
  }
  return {
    initial: {
      jobs: { high: job, low: job, next: job },
      posters: Object.fromEntries(posters.map((name) => [name, poster])),
      leader: null,
      lowWaits: false,
      left: { outages: 0, expiries: 0, wipes: 0, waits: 0, ...left },
    },
    *steps(state) {
      for (const name of posters) {
        const own = state.posters[name]
        if (!own) continue
        yield* posting(state, name, own, variant)
        if (name === 'L' || name === 'M') yield* leading(state, name, own, variant)
      }
      yield* working(state)
    },
    broken: (state) => {
      // Each of those who post may have counted before the others posted.
      const most = W + posters.length - 1
      const count = unclaimed(state, 0)
      const above = unclaimed(state, 1)
      // What is above has room of its own.
      return count - above > most ? `${count - above} postings of one priority` : null
    },
    goal: ({ jobs }) => JOBS.every((name) => jobs[name].at === 'COMPLETE' && !jobs[name].node),
  }
}

function unclaimed({ jobs }: BoardWindowState, priority: number, withClaimed = false): number {
  return JOBS.filter((name) => {
    const { at, node } = jobs[name]
    // The claim of what has ended goes with its node.
    const isFree = at === 'POSTING' || at === 'UNCLAIMED'
    return node && PRIORITY[name] >= priority && (withClaimed || isFree)
  }).length
}

/** Clients post their own job; leaders whatever is missing. */
function* posting(
  state: BoardWindowState,
  name: Poster,
  own: PosterState,
  variant: BoardWindowVariant,
): Steps {
  const { creates, marks, known } = own
  const set = (draft: BoardWindowState, change: Partial<PosterState>): void => {
    draft.posters[name] = { ...own, ...change }
  }
  const candidate = candidateOf(state, name, own, variant)
  if (candidate && known === null) {
    const withClaimed = variant === 'claimed ones counted'
    const now = [0, 1].map((p) => unclaimed(state, p, withClaimed))
    yield step(`${name} counts ${now.join(' and ')}`, state, (draft) => {
      set(draft, { known: [now[0] ?? 0, now[1] ?? 0] })
    })
  }
  if (candidate && known !== null) {
    const there = known[PRIORITY[candidate] === 1 ? 1 : 0]
    const room = there < W || variant === 'always room'
    if (room) {
      yield step(`${name} finds room for ${candidate}`, state, (draft) => {
        set(draft, { creates: candidate })
      })
    } else if (name === 'P' || name === 'Q') {
      yield step(`${name} finds no room for ${candidate}`, state, (draft) => {
        set(draft, { isDone: true, marks: variant === 'marked without room' ? candidate : null })
      })
    }
    if (variant !== 'counted once') {
      yield step(`what ${name} counted is old`, state, (draft) => set(draft, { known: null }))
    }
  }
  if (creates) {
    yield step(`${name} creates ${creates}`, state, (draft) => {
      const isNew = !state.jobs[creates].node
      draft.jobs[creates].node = true
      const counted: PosterState['known'] =
        known && isNew ? [known[0] + 1, known[1] + PRIORITY[creates]] : known
      const isDone = name === 'P' || name === 'Q'
      set(draft, { creates: null, marks: creates, known: counted, isDone })
    })
  }
  if (marks) {
    yield step(`${name} marks ${marks} as posted`, state, (draft) => {
      if (draft.jobs[marks].at === 'POSTING') draft.jobs[marks].at = 'UNCLAIMED'
      set(draft, { marks: null })
    })
  }
}

/** What somebody would post now: of leaders, the best that is missing. */
function candidateOf(
  { jobs }: BoardWindowState,
  name: Poster,
  own: PosterState,
  variant: BoardWindowVariant,
): Job | null {
  if (own.creates || own.marks || own.isDone) return null
  if (name === 'P') return 'low'
  if (name === 'Q') return 'next'
  if (!own.leads || own.isCutOff) return null
  const compares = variant !== 'not compared' && variant !== 'marked without room'
  const missing = JOBS.find((job) => {
    const { at, node } = jobs[job]
    return !node && (at === 'POSTING' || (at === 'UNCLAIMED' && compares))
  })
  return missing ?? null
}

function* leading(
  state: BoardWindowState,
  name: 'L' | 'M',
  own: PosterState,
  variant: BoardWindowVariant,
): Steps {
  const { leader, left } = state
  if (leader === null && !own.leads && (!own.isCutOff || variant === 'leads idly')) {
    yield step(`${name} leads`, state, (draft) => {
      draft.leader = name
      draft.posters[name] = { ...own, leads: true }
    })
  }
  if (own.isCutOff && leader === name && variant !== 'leads idly') {
    yield step(`${name} resigns`, state, (draft) => {
      draft.leader = null
      draft.posters[name] = { ...own, leads: false, creates: null, marks: null }
    })
  }
  if (own.leads && leader !== name) {
    yield step(`${name} hears that it does not lead any more`, state, (draft) => {
      draft.posters[name] = { ...own, leads: false }
    })
  }
  if (name === 'L' && left.outages > 0) {
    yield fault('L cannot reach the store any more', state, (draft) => {
      draft.left.outages -= 1
      draft.posters.L = { ...own, isCutOff: true, marks: null }
    })
  }
  if (leader === name && left.expiries > 0) {
    yield fault(`the session of ${name} ends`, state, (draft) => {
      draft.left.expiries -= 1
      draft.leader = null
    })
  }
}

/** Conductors, all of them as one, and the wiped tree. */
function* working(state: BoardWindowState): Steps {
  const { jobs, left, lowWaits } = state
  for (const name of JOBS) {
    const { at, node } = jobs[name]
    if (node && (at === 'POSTING' || at === 'UNCLAIMED')) {
      yield step(`somebody claims ${name}, which is ${at}`, state, (draft) => {
        draft.jobs[name].at = 'CLAIMED'
      })
    }
    const waits = name === 'low' && lowWaits && jobs.next.at !== 'COMPLETE'
    if (at === 'CLAIMED' && !waits) {
      yield step(`${name} ends`, state, (draft) => {
        draft.jobs[name].at = 'COMPLETE'
      })
    }
    if (at === 'COMPLETE' && node) {
      yield step(`somebody takes ${name} off the board`, state, (draft) => {
        draft.jobs[name].node = false
      })
    }
  }
  if (left.waits > 0 && jobs.low.at === 'CLAIMED') {
    yield fault('low waits for next', state, (draft) => {
      draft.left.waits -= 1
      draft.lowWaits = true
    })
  }
  if (left.wipes > 0) {
    yield fault('the tree is wiped', state, (draft) => {
      draft.left.wipes -= 1
      for (const name of JOBS) draft.jobs[name].node = false
    })
  }
}
