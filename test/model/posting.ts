/**
 * Rule: the posting. A job parks, comes due, is put on the board again, while the clean-up of its last stay there is late or
 * repeated.
 *
 * P1  `posting` grows in the transaction that makes the job claimable again.
 * P2  Board node and claim are named `<job>.<posting>`; creating what is there is done.
 * P3  Once SQL says that a posting is over (parked, ended, or a newer one), anyone may delete its node and its claim, in any
 *     order, again and again.
 * P4  SQL adopts a claim only for the present posting.
 *
 * One job that parks once, then ends. Two conductors, and two posters: P still has the first posting to create when the model
 * begins, late or not, and is gone after that; Q promotes what is due, creates what SQL says is not on the board yet, and marks
 * it as posted.
 */
import { step, type Model, type Step } from './search.ts'

export type PostingVariant =
  | 'rule'
  /** Node and claim are named by the job id (no P2): who finds a node there takes it for his. */
  | 'named by job'
  /** The same, and a clean-up checks the version that the node had when it was claimed. */
  | 'named by job, version checked'
  /** The same, and a poster waits until the old node is gone. */
  | 'named by job, version checked, posted when gone'
  /** Whatever claim has a higher epoch is adopted (no P4). */
  | 'any posting adopted'

const CONDUCTORS = ['A', 'B'] as const
type Conductor = (typeof CONDUCTORS)[number]
const POSTERS = ['P', 'Q'] as const
type Poster = (typeof POSTERS)[number]

interface Node {
  posting: number
  epoch: number
  /** Counts the claims of this node, where versions are checked; begins anew with each node. */
  version: number
}

interface Holding {
  at: 'idle' | 'claimed' | 'owner' | 'cleans'
  posting: number
  epoch: number
  version: number
  /** What of its posting it has not seen deleted. */
  toDelete: ('node' | 'claim')[]
}

export interface PostingState {
  sql: {
    state: 'POSTING' | 'UNCLAIMED' | 'CLAIMED' | 'PARKED' | 'COMPLETE'
    posting: number
    epoch: number
    parks: number
  }
  nodes: Record<string, Node>
  claims: Record<string, { by: Conductor; epoch: number }>
  conductors: Record<Conductor, Holding>
  /** The posting that a poster is about to create, or has created and not marked in SQL; 0: none. */
  posters: Record<Poster, { creates: number; marks: number }>
  left: { expiries: number }
}

const IDLE: Holding = { at: 'idle', posting: 0, epoch: 0, version: 0, toDelete: [] }

export function posting(variant: PostingVariant): Model<PostingState> {
  const nameOf = (number: number): string => (variant.startsWith('named') ? 'J' : `J.${number}`)
  return {
    initial: {
      sql: { state: 'POSTING', posting: 1, epoch: 0, parks: 0 },
      nodes: {},
      claims: {},
      conductors: { A: { ...IDLE }, B: { ...IDLE } },
      posters: { P: { creates: 1, marks: 0 }, Q: { creates: 0, marks: 0 } },
      left: { expiries: 1 },
    },
    *steps(state) {
      for (const name of POSTERS) yield* putting(state, name, variant, nameOf)
      for (const name of CONDUCTORS) {
        yield* working(state, name, variant, nameOf)
        yield* cleaning(state, name, variant, nameOf)
      }
    },
    broken: (state) => brokenState(state, nameOf),
    goal: ({ sql, nodes, claims, posters }) =>
      sql.state === 'COMPLETE' &&
      Object.keys(nodes).length + Object.keys(claims).length === 0 &&
      POSTERS.every((name) => posters[name].creates + posters[name].marks === 0),
  }
}

type NameOf = (posting: number) => string

function brokenState(state: PostingState, nameOf: NameOf): string | null {
  const { sql, nodes, claims } = state
  const name = nameOf(sql.posting)
  if ((sql.state === 'UNCLAIMED' || sql.state === 'CLAIMED') && !nodes[name]) {
    return `SQL says ${sql.state}, posting ${sql.posting}, but it is not on the board`
  }
  for (const conductor of CONDUCTORS) {
    const { at, posting: held, epoch } = state.conductors[conductor]
    const claim = claims[name]
    const holds = claim?.by === conductor && claim.epoch === epoch && held === sql.posting
    if (at === 'owner' && holds && sql.epoch > epoch) {
      return `${conductor} holds the claim of posting ${held}, yet it is fenced`
    }
    if (at === 'owner' && sql.state === 'CLAIMED' && sql.epoch === epoch && !claim) {
      // An expired session is the one good reason.
      if (state.left.expiries > 0) return `${conductor} owns the flow, but its claim is gone`
    }
  }
  return null
}

/** Posters: promote what is due, create what is not on the board, then mark it in SQL. */
function* putting(
  state: PostingState,
  name: Poster,
  variant: PostingVariant,
  nameOf: NameOf,
): Generator<Step<PostingState>> {
  const { sql } = state
  const { creates, marks } = state.posters[name]
  const idle = name === 'Q' && creates === 0 && marks === 0
  if (idle && sql.state === 'PARKED') {
    yield step(`${name} promotes the job: posting ${sql.posting + 1}`, state, (draft) => {
      draft.sql.state = 'POSTING'
      draft.sql.posting += 1
      draft.posters[name].creates = draft.sql.posting
    })
  }
  if (idle && sql.state === 'POSTING') {
    yield step(`${name} sees that posting ${sql.posting} is not on the board`, state, (draft) => {
      draft.posters[name].creates = draft.sql.posting
    })
  }
  if (creates > 0) {
    const node = nameOf(creates)
    const there = state.nodes[node] !== undefined
    if (!(there && variant === 'named by job, version checked, posted when gone')) {
      yield step(`${name} creates ${node}${there ? ': it is there, done' : ''}`, state, (draft) => {
        draft.nodes[node] ??= { posting: creates, epoch: draft.sql.epoch, version: 0 }
        draft.posters[name] = { creates: 0, marks: name === 'Q' ? creates : 0 }
      })
    }
  }
  if (marks > 0) {
    yield step(`${name} marks posting ${marks} as posted`, state, (draft) => {
      draft.posters[name].marks = 0
      if (draft.sql.state === 'POSTING' && draft.sql.posting === marks) {
        draft.sql.state = 'UNCLAIMED'
      }
    })
  }
}

/** Conductors: claim what is free on the board, adopt, commit that the job parked or ended. */
function* working(
  state: PostingState,
  name: Conductor,
  variant: PostingVariant,
  nameOf: NameOf,
): Generator<Step<PostingState>> {
  const { sql } = state
  const { at, posting: held, epoch } = state.conductors[name]
  if (at === 'idle') {
    for (const [node, { posting: number, epoch: last, version }] of Object.entries(state.nodes)) {
      if (state.claims[node]) continue
      const next = Math.max(last, sql.epoch) + 1
      const nextVersion = variant.includes('version checked') ? version + 1 : 0
      yield step(`${name} claims ${node} with epoch ${next}`, state, (draft) => {
        draft.nodes[node] = { posting: number, epoch: next, version: nextVersion }
        draft.claims[node] = { by: name, epoch: next }
        draft.conductors[name] = {
          ...IDLE,
          at: 'claimed',
          posting: number,
          epoch: next,
          version: nextVersion,
        }
      })
    }
  }
  if (at === 'claimed') {
    const over = sql.state === 'PARKED' || sql.state === 'COMPLETE' || sql.posting !== held
    const fits = epoch > sql.epoch && (variant === 'any posting adopted' || !over)
    const told = over ? 'that posting is over' : fits ? 'adopts it' : 'there was a later claim'
    yield step(`${name} shows posting ${held}, epoch ${epoch} to SQL: ${told}`, state, (draft) => {
      if (fits) draft.sql.epoch = epoch
      if (over) {
        clean(draft, name)
      } else if (fits) {
        draft.sql.state = 'CLAIMED'
        draft.conductors[name].at = 'owner'
      } else giveBack(draft, name, nameOf)
    })
  }
  if (at === 'owner' && sql.epoch !== epoch) {
    yield step(`${name} is fenced and drops the flow`, state, (draft) => {
      giveBack(draft, name, nameOf)
    })
  }
  if (at === 'owner' && sql.epoch === epoch) {
    const parks = sql.parks === 0
    yield step(`${name} commits ${parks ? 'PARKED' : 'COMPLETE'}`, state, (draft) => {
      draft.sql.state = parks ? 'PARKED' : 'COMPLETE'
      draft.sql.parks += parks ? 1 : 0
      clean(draft, name)
    })
  }
  const claimed = Object.entries(state.claims).filter(([, claim]) => claim.by === name)
  if (state.left.expiries > 0 && claimed.length > 0) {
    yield step(`${name}'s session expires`, state, (draft) => {
      draft.left.expiries -= 1
      for (const [node] of claimed) delete draft.claims[node]
    })
  }
}

/** The clean-up of a posting that is over. Its replies may be lost: then it is done again. */
function* cleaning(
  state: PostingState,
  name: Conductor,
  variant: PostingVariant,
  nameOf: NameOf,
): Generator<Step<PostingState>> {
  const { at, posting: held, version, toDelete } = state.conductors[name]
  if (at !== 'cleans') return
  const node = nameOf(held)
  // With a version to check, claim and node go in one transaction.
  const checked = variant.includes('version checked')
  for (const part of checked ? (['both'] as const) : toDelete) {
    const passes = !checked || state.nodes[node]?.version === version
    const what = part === 'both' ? `node and claim ${node}` : `${part} ${node}`
    const remove = (draft: PostingState): void => {
      if (!passes) return
      if (part !== 'claim') delete draft.nodes[node]
      if (part !== 'node') delete draft.claims[node]
    }
    yield step(`${name} deletes ${what}${passes ? '' : ': refused'}`, state, (draft) => {
      remove(draft)
      const holding = draft.conductors[name]
      holding.toDelete = holding.toDelete.filter((other) => part !== 'both' && other !== part)
      if (holding.toDelete.length === 0) draft.conductors[name] = { ...IDLE }
    })
    yield step(`${name} deletes ${what}, hears nothing, will do it again`, state, remove)
  }
}

function clean(draft: PostingState, name: Conductor): void {
  const { posting: held, version } = draft.conductors[name]
  const toDelete: Holding['toDelete'] = ['claim', 'node']
  draft.conductors[name] = { at: 'cleans', posting: held, epoch: 0, version, toDelete }
}

function giveBack(draft: PostingState, name: Conductor, nameOf: NameOf): void {
  const { posting: held, epoch } = draft.conductors[name]
  const claim = draft.claims[nameOf(held)]
  if (claim?.by === name && claim.epoch === epoch) delete draft.claims[nameOf(held)]
  draft.conductors[name] = { ...IDLE }
}
