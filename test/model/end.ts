/**
 * Rule: the end. The final state is stored in SQL first; then node and claim are taken off the board.
 *
 * E1  A posting is taken off the board only after SQL says that it is over.
 * E2  Who adopts a job that has ended cleans up and does nothing else. An ended job does not change.
 * E3  An outage, or any error, is no end: the claim is kept and the commit tried again.
 * E4  An end whose commit was not answered is read back.
 *
 * One job whose last task is to run and whose end is to be committed; conductors die anywhere or sleep past their session,
 * and SQL may be away.
 * (Boards that were wiped are another model: here nobody posts again what is not on the board.)
 */
import { step, type Model, type Step } from './search.ts'

export type EndVariant =
  | 'rule'
  /** Off the board first, then the final state (no E1). */
  | 'board first'
  /** Who adopts a job runs it, whatever its state (no E2). */
  | 'state not looked at'
  /** Whatever error meets the commit, the job is taken off the board (no E3). */
  | 'cleans up on any error'
  /** An end whose commit was not answered is taken for stored (no E4). */
  | 'silence taken for stored'

const NAMES = ['A', 'B'] as const
type Name = (typeof NAMES)[number]

interface Conductor {
  at: 'idle' | 'claimed' | 'owner' | 'ran' | 'unsure' | 'cleans'
  epoch: number
}

export interface EndState {
  sql: { state: 'UNCLAIMED' | 'CLAIMED' | 'COMPLETE'; epoch: number }
  node: { epoch: number } | null
  claim: { by: Name; epoch: number } | null
  conductors: Record<Name, Conductor>
  left: { deaths: number; expiries: number; outages: number; lostReplies: number }
  damage: string | null
}

export function end(variant: EndVariant): Model<EndState> {
  const idle: Conductor = { at: 'idle', epoch: 0 }
  return {
    initial: {
      sql: { state: 'UNCLAIMED', epoch: 0 },
      node: { epoch: 0 },
      claim: null,
      conductors: { A: { ...idle }, B: { ...idle } },
      left: { deaths: 2, expiries: 1, outages: 1, lostReplies: 1 },
      damage: null,
    },
    *steps(state) {
      for (const name of NAMES) {
        yield* claiming(state, name, variant)
        yield* ending(state, name, variant)
        yield* cleaning(state, name, variant)
        yield* dying(state, name)
      }
    },
    broken: ({ damage, sql, node, conductors }) => {
      if (damage) return damage
      const atWork = NAMES.some((name) => conductors[name].at !== 'idle')
      if (sql.state !== 'COMPLETE' && !node && !atWork) {
        return `the job is ${sql.state} in SQL, on no board, and nobody works on it`
      }
      return null
    },
    goal: ({ sql, node, claim }) => sql.state === 'COMPLETE' && node === null && claim === null,
  }
}

function* claiming(state: EndState, name: Name, variant: EndVariant): Generator<Step<EndState>> {
  const { at, epoch } = state.conductors[name]
  if (at === 'idle' && state.node && !state.claim) {
    const next = Math.max(state.node.epoch, state.sql.epoch) + 1
    yield step(`${name} claims with epoch ${next}`, state, (draft) => {
      draft.node = { epoch: next }
      draft.claim = { by: name, epoch: next }
      draft.conductors[name] = { at: 'claimed', epoch: next }
    })
  }
  if (at !== 'claimed') return
  if (state.sql.state === 'COMPLETE' && variant !== 'state not looked at') {
    yield step(`${name} sees that the job has ended`, state, (draft) => {
      draft.conductors[name].at = 'cleans'
    })
  } else if (epoch > state.sql.epoch) {
    yield step(`${name} adopts the job, which is ${state.sql.state}`, state, (draft) => {
      draft.sql = { state: 'CLAIMED', epoch }
      draft.conductors[name].at = 'owner'
      if (state.sql.state === 'COMPLETE') draft.damage = 'a job that had ended is open again'
    })
  } else {
    yield step(`${name} is refused and gives its claim back`, state, (draft) => forget(draft, name))
  }
}

function* ending(state: EndState, name: Name, variant: EndVariant): Generator<Step<EndState>> {
  const { at, epoch } = state.conductors[name]
  if (at === 'owner') {
    yield step(`${name} runs the last task`, state, (draft) => {
      draft.conductors[name].at = variant === 'board first' ? 'cleans' : 'ran'
    })
  }
  if (at === 'ran' && state.sql.epoch !== epoch) {
    yield step(`${name} is fenced and drops the flow`, state, (draft) => forget(draft, name))
  }
  if (at === 'ran' && state.sql.epoch === epoch) {
    yield step(`${name} commits COMPLETE`, state, (draft) => {
      draft.sql.state = 'COMPLETE'
      if (variant === 'board first') draft.conductors[name] = { at: 'idle', epoch: 0 }
      else draft.conductors[name].at = 'cleans'
    })
    if (state.left.lostReplies > 0) {
      for (const arrived of [true, false]) {
        const what = arrived ? 'SQL stores it' : 'it never arrives'
        yield step(`${name} commits COMPLETE and hears nothing: ${what}`, state, (draft) => {
          draft.left.lostReplies -= 1
          if (arrived) draft.sql.state = 'COMPLETE'
          draft.conductors[name].at = variant === 'silence taken for stored' ? 'cleans' : 'unsure'
        })
      }
    }
    if (state.left.outages > 0) {
      yield step(`${name} cannot reach SQL`, state, (draft) => {
        draft.left.outages -= 1
        if (variant === 'cleans up on any error') draft.conductors[name].at = 'cleans'
      })
    }
  }
  if (at === 'unsure') {
    const stored = state.sql.epoch === epoch && state.sql.state === 'COMPLETE'
    yield step(`${name} reads back ${state.sql.state}`, state, (draft) => {
      draft.conductors[name].at = stored ? 'cleans' : 'ran'
    })
  }
}

/** Node and claim go one after the other, in any order. */
function* cleaning(state: EndState, name: Name, variant: EndVariant): Generator<Step<EndState>> {
  if (state.conductors[name].at !== 'cleans') return
  if (state.node) {
    yield step(`${name} deletes the node`, state, (draft) => void (draft.node = null))
  }
  if (state.claim) {
    yield step(`${name} deletes the claim`, state, (draft) => void (draft.claim = null))
  }
  if (!state.node && !state.claim) {
    yield step(`${name} has cleaned up`, state, (draft) => {
      if (variant === 'board first') draft.conductors[name].at = 'ran'
      else draft.conductors[name] = { at: 'idle', epoch: 0 }
    })
  }
}

function* dying(state: EndState, name: Name): Generator<Step<EndState>> {
  if (state.claim?.by === name && state.left.expiries > 0) {
    yield step(`${name}'s session expires`, state, (draft) => {
      draft.left.expiries -= 1
      draft.claim = null
    })
  }
  if (state.conductors[name].at === 'idle' || state.left.deaths === 0) return
  yield step(`${name} dies and starts again`, state, (draft) => {
    draft.left.deaths -= 1
    forget(draft, name)
  })
}

function forget(draft: EndState, name: Name): void {
  if (draft.claim?.by === name) draft.claim = null
  draft.conductors[name] = { at: 'idle', epoch: 0 }
}
