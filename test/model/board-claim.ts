/**
 * Rule: the claim on a board in ZooKeeper, where replies are lost with connections and sessions.
 *
 * C1  A claim is one transaction: the node's data set with the version that was read, and the claim created, ephemeral, with a
 *     fresh id. Whatever it is refused for, it is another's.
 * C2  A claim without an answer is in doubt until a read has shown it: behind a sync, in the same session. Then the
 *     transaction has arrived, or never will.
 * C3  With its session a claim, certain or in doubt, is over. Nothing of it is looked for in the next session.
 * C4  What turns out to be its own when nobody waits for it any more is given back at once.
 * C5  To give back, the claim is read, then deleted in one transaction with the node: its version checked, its epoch raised to
 *     that of SQL. What is refused is read again; a claim that is not its own any more is done.
 *
 * One posting whose node is behind SQL (restored from an old copy), so that the first claim is refused and given back. Two
 * conductors; A may take another job meanwhile, that fills it and waits for this one. Connections are cut, sessions end or
 * are given up while they stand, and the tree is wiped and posted again while nobody has adopted.
 */
import { fault, step, type Model, type Step } from './search.ts'

export type BoardClaimVariant =
  | 'rule'
  /** A claim in doubt is read without a sync: the server may be behind (no C2). */
  | 'read without sync'
  /** What was not answered is taken for not done (no C2). */
  | 'doubt forgotten'
  /** A claim in doubt is read in the next session (no C3). */
  | 'read in the next session'
  /** What turns out to be its own is kept for the next time that it asks for jobs (no C4). */
  | 'kept for the next time'
  /** The node is set whatever its version is (no C1). */
  | 'claimed without version'
  /** The claim is read, then deleted, whoever's it is by then (no C5). */
  | 'deleted without version'
  /** The claim is given back, and the node's epoch left as it is (no C5). */
  | 'not raised'
  /** The claim is deleted, then the node is raised, whatever its version is by then (no C5). */
  | 'raised apart'

const NAMES = ['A', 'B'] as const
type Name = (typeof NAMES)[number]

interface Conductor {
  at: 'idle' | 'read' | 'sent' | 'doubt' | 'claimed' | 'owner' | 'refused' | 'gives' | 'raises'
  /** Of the node, when it was read last. */
  version: number
  epoch: number
  id: number
  /** Epoch that the node is to be raised to. */
  raise: number
  session: number
  /** Session of its claim. */
  claimedIn: number
  isCut: boolean
  isEnded: boolean
  /** It is full, and what it does waits for this job. */
  waits: boolean
}

interface Request {
  by: Name
  session: number
  version: number
  epoch: number
  id: number
}

export interface BoardClaimState {
  node: { epoch: number; version: number } | null
  claim: { by: Name; session: number; id: number } | null
  sql: { state: 'open' | 'claimed' | 'done'; epoch: number; id: number }
  conductors: Record<Name, Conductor>
  /** Claims that were sent and have not arrived. */
  requests: Request[]
  /** Sessions that were given up and stand at the servers. */
  old: { by: Name; session: number }[]
  left: { cuts: number; expiries: number; guesses: number; wipes: number; fills: number }
  /** Versions of nodes began anew. */
  isRebuilt: boolean
  refusals: number
  damage: string | null
}

export function boardClaim(
  variant: BoardClaimVariant,
  left: Partial<BoardClaimState['left']>,
): Model<BoardClaimState> {
  const conductor: Conductor = {
    ...NOTHING,
    session: 1,
    isCut: false,
    isEnded: false,
    waits: false,
  }
  return {
    initial: {
      node: { epoch: 0, version: 0 },
      claim: null,
      sql: { state: 'open', epoch: 2, id: 0 },
      conductors: { A: conductor, B: conductor },
      requests: [],
      old: [],
      left: { cuts: 0, expiries: 0, guesses: 0, wipes: 0, fills: 0, ...left },
      isRebuilt: false,
      refusals: 0,
      damage: null,
    },
    *steps(state) {
      for (const name of NAMES) {
        const own = state.conductors[name]
        yield* claiming(state, name, own, variant)
        if (!own.isCut && !own.isEnded) yield* learning(state, name, own, variant)
        yield* working(state, name, own, variant)
        if (!own.isCut && !own.isEnded) yield* givingBack(state, name, own, variant)
        yield* losing(state, name, own, variant)
      }
      yield* arriving(state, variant)
    },
    broken: (state) => {
      const isCalm = Object.keys(left).length === 0
      if (isCalm && state.refusals > 1) return 'refused again, though SQL was asked'
      return state.damage ?? hidden(state)
    },
    goal: ({ sql, node, claim }) => sql.state === 'done' && node === null && claim === null,
    maxStates: 3_000_000,
  }
}

type Steps = Generator<Step<BoardClaimState>>

const NOTHING = { at: 'idle', version: 0, epoch: 0, id: 0, raise: 0, claimedIn: 0 } as const

function hidden({ claim, conductors }: BoardClaimState): string | null {
  for (const name of NAMES) {
    const { at, id, session, claimedIn } = conductors[name]
    if ((at === 'claimed' || at === 'owner') && claimedIn !== session) {
      return `${name} works under a claim of a session that it has given up`
    }
    if (claim?.by !== name || claim.session !== session) continue
    if (id !== claim.id) return `${name} holds a claim and does not know it`
  }
  return null
}

function* claiming(
  state: BoardClaimState,
  name: Name,
  own: Conductor,
  variant: BoardClaimVariant,
): Steps {
  const { node, claim } = state
  if (own.at === 'idle' && node && !claim && !own.isCut && !own.isEnded && !own.waits) {
    yield step(
      `${name} reads the node: epoch ${node.epoch}, version ${node.version}`,
      state,
      (draft) => {
        draft.conductors[name] = { ...own, at: 'read', ...node }
      },
    )
  }
  if (own.at === 'read' && !own.isCut && !own.isEnded) {
    const id = freshId(state)
    const epoch = own.epoch + 1
    yield step(`${name} sends its claim of epoch ${epoch}`, state, (draft) => {
      const { session, version } = own
      draft.requests.push({ by: name, session, epoch, version, id })
      draft.conductors[name] = { ...own, at: 'sent', epoch, id, claimedIn: session }
    })
  }
  if (own.at === 'idle' && variant === 'kept for the next time' && own.id > 0 && !own.waits) {
    yield step(`${name} asks for jobs and is given the claim that was kept`, state, (draft) => {
      draft.conductors[name] = { ...own, at: 'claimed' }
    })
  }
}

/** Claims arrive at the servers, or are lost with their connection. */
function* arriving(state: BoardClaimState, variant: BoardClaimVariant): Steps {
  const { node, claim, sql, left } = state
  for (const [at, request] of state.requests.entries()) {
    const { by, session, version, epoch, id } = request
    const own = state.conductors[by]
    const fits =
      node !== null &&
      claim === null &&
      (node.version === version || variant === 'claimed without version')
    const isAwaited = own.at === 'sent' && own.id === id && own.session === session
    yield step(
      `the claim of ${by} ${fits ? 'is made' : 'is refused'}${isAwaited ? '' : ', unheard'}`,
      state,
      (draft) => {
        draft.requests.splice(at, 1)
        if (fits) {
          if (epoch <= node.epoch && !state.isRebuilt)
            draft.damage = `epoch ${epoch} was claimed after epoch ${node.epoch}`
          draft.node = { epoch, version: node.version + 1 }
          draft.claim = { by, session, id }
        }
        if (isAwaited) {
          draft.conductors[by] = fits ? { ...own, at: 'claimed' } : { ...own, ...NOTHING }
        }
      },
    )
    if (!isAwaited || own.isCut) {
      yield step(`the claim of ${by} is lost with its connection`, state, (draft) => {
        draft.requests.splice(at, 1)
      })
    }
  }
  for (const [at, { by, session }] of state.old.entries()) {
    yield step(`the servers end an old session of ${by}`, state, (draft) => {
      draft.old.splice(at, 1)
      end(draft, by, session)
    })
  }
  if (left.wipes > 0 && sql.state === 'open') {
    yield fault('the tree is wiped, and the job posted again', state, (draft) => {
      draft.left.wipes -= 1
      draft.isRebuilt = true
      draft.node = { epoch: sql.epoch, version: 0 }
      draft.claim = null
    })
  }
}

/** C2, C4. */
function* learning(
  state: BoardClaimState,
  name: Name,
  own: Conductor,
  variant: BoardClaimVariant,
): Steps {
  if (own.at !== 'doubt') return
  if (variant === 'doubt forgotten') {
    yield step(`${name} takes its claim for not made`, state, (draft) => {
      draft.conductors[name] = { ...own, ...NOTHING }
    })
    return
  }
  if (variant === 'read without sync') {
    yield step(`${name} reads at a server that is behind: no claim`, state, (draft) => {
      draft.conductors[name] = { ...own, ...NOTHING }
    })
  }
  const isUnderWay = state.requests.some(
    ({ by, session }) => by === name && session === own.session,
  )
  if (isUnderWay) return
  const isMine = state.claim?.by === name && state.claim.id === own.id
  const told = isMine ? 'its own' : 'not its own'
  yield step(`${name} syncs and reads the claim: ${told}`, state, (draft) => {
    const next: Conductor = isMine ? { ...own, at: 'claimed' } : { ...own, ...NOTHING }
    if (isMine && own.claimedIn !== own.session) next.claimedIn = own.claimedIn
    if (isMine && own.waits) next.at = variant === 'kept for the next time' ? 'idle' : 'refused'
    draft.conductors[name] = next
  })
}

/** Adopting and ending, in SQL; what else happens to a flow is no part of this. */
function* working(
  state: BoardClaimState,
  name: Name,
  own: Conductor,
  variant: BoardClaimVariant,
): Steps {
  const { sql } = state
  if (own.at === 'claimed') {
    const fits = sql.state !== 'done' && own.epoch > sql.epoch
    yield step(
      `SQL ${fits ? 'adopts' : 'refuses'} epoch ${own.epoch} of ${name}`,
      state,
      (draft) => {
        if (fits) draft.sql = { state: 'claimed', epoch: own.epoch, id: own.id }
        // Who has lost its session meanwhile is not counted.
        if (!fits && state.claim?.id === own.id) draft.refusals = Math.min(draft.refusals + 1, 2)
        const raise = variant === 'not raised' ? 0 : sql.epoch
        draft.conductors[name] = { ...own, at: fits ? 'owner' : 'refused', raise }
      },
    )
  }
  if (own.at === 'owner') {
    const passes = sql.state === 'claimed' && sql.id === own.id
    yield step(`${name} ${passes ? 'ends the job' : 'is fenced'}`, state, (draft) => {
      if (passes) draft.sql.state = 'done'
      draft.conductors[name] = { ...own, at: 'refused' }
    })
  }
  if (
    name === 'A' &&
    !own.waits &&
    state.left.fills > 0 &&
    (own.at === 'idle' || own.at === 'doubt')
  ) {
    yield fault(`${name} takes another job, which waits for this one`, state, (draft) => {
      draft.left.fills -= 1
      draft.conductors[name] = { ...own, waits: true }
    })
  }
  if (own.waits && sql.state === 'done') {
    yield step(`${name} ends the other job`, state, (draft) => {
      draft.conductors[name] = { ...own, waits: false }
    })
  }
}

/** C5; a posting that is over is consumed. */
function* givingBack(
  state: BoardClaimState,
  name: Name,
  own: Conductor,
  variant: BoardClaimVariant,
): Steps {
  const { node, claim, sql } = state
  const isMine = claim?.by === name && claim.id === own.id && claim.session === own.session
  if (own.at === 'refused' && sql.state === 'done') {
    yield step(`${name} deletes node and claim of what is over`, state, (draft) => {
      draft.node = null
      draft.claim = null
      draft.conductors[name] = { ...own, ...NOTHING }
    })
  }
  if (own.at === 'refused' && sql.state !== 'done') {
    yield step(
      `${name} reads the claim to give it back: ${isMine ? 'its own' : 'gone'}`,
      state,
      (draft) => {
        const next = { ...own, at: 'gives' as const, version: node?.version ?? -1 }
        draft.conductors[name] = isMine ? next : { ...own, ...NOTHING }
      },
    )
  }
  if (own.at === 'gives') {
    const isChecked = variant !== 'deleted without version' && variant !== 'raised apart'
    const fits = !isChecked || node === null || node.version === own.version
    const told = fits ? 'deletes it' : 'is refused: the node has changed'
    yield step(`${name} ${told}`, state, (draft) => {
      if (!fits) {
        draft.conductors[name] = { ...own, at: 'refused' }
        return
      }
      if (claim && !isMine) draft.damage = `${name} deleted the claim of ${claim.by}`
      draft.claim = null
      if (variant === 'raised apart') {
        draft.conductors[name] = { ...own, at: 'raises' }
        return
      }
      if (draft.node) {
        draft.node.epoch = Math.max(draft.node.epoch, own.raise)
        draft.node.version += 1
      }
      draft.conductors[name] = { ...own, ...NOTHING }
    })
  }
  if (own.at === 'raises') {
    yield step(`${name} raises the node to epoch ${own.raise}`, state, (draft) => {
      if (draft.node) {
        if (draft.node.epoch > own.raise) {
          draft.damage = `the node went back from epoch ${draft.node.epoch} to ${own.raise}`
        }
        draft.node = { epoch: own.raise, version: draft.node.version + 1 }
      }
      draft.conductors[name] = { ...own, ...NOTHING }
    })
  }
}

/** Connections are cut, sessions end or are given up. */
function* losing(
  state: BoardClaimState,
  name: Name,
  own: Conductor,
  variant: BoardClaimVariant,
): Steps {
  const { left } = state
  if (!own.isCut && left.cuts > 0 && own.at !== 'idle') {
    yield fault(`the connection of ${name} is cut`, state, (draft) => {
      draft.left.cuts -= 1
      draft.conductors[name] = { ...own, isCut: true, at: own.at === 'sent' ? 'doubt' : own.at }
    })
  }
  if (own.isCut && !own.isEnded) {
    yield step(`${name} connects again, in the same session`, state, (draft) => {
      draft.conductors[name] = { ...own, isCut: false }
    })
  }
  const begin = (draft: BoardClaimState): void => {
    const next = { ...own, session: own.session + 1, isCut: false, isEnded: false }
    const looks = own.at === 'doubt' && variant === 'read in the next session'
    draft.conductors[name] = looks ? next : { ...next, ...NOTHING }
  }
  if (own.isCut && !own.isEnded && left.guesses > 0) {
    yield fault(`${name} takes its session for lost`, state, (draft) => {
      draft.left.guesses -= 1
      draft.old.push({ by: name, session: own.session })
      begin(draft)
    })
  }
  if (!own.isEnded && left.expiries > 0 && own.at !== 'idle') {
    yield fault(`the session of ${name} ends`, state, (draft) => {
      draft.left.expiries -= 1
      end(draft, name, own.session)
      draft.conductors[name] = { ...own, isEnded: true }
    })
  }
  if (own.isEnded) {
    yield step(`${name} hears that its session ended`, state, begin)
  }
}

/** What is left of a session at the servers goes. */
function end(draft: BoardClaimState, by: Name, session: number): void {
  if (draft.claim?.by === by && draft.claim.session === session) draft.claim = null
  draft.requests = draft.requests.filter((other) => other.by !== by || other.session !== session)
}

/** An id that nothing names. */
function freshId({ claim, sql, conductors, requests }: BoardClaimState): number {
  const used = new Set([claim?.id, sql.id, conductors.A.id, conductors.B.id])
  for (const { id } of requests) used.add(id)
  for (let id = 1; ; id++) if (!used.has(id)) return id
}
