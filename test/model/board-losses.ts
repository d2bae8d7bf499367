/** What goes wrong in `board.ts`, and how conductors hear of it. */
import {
  idle,
  IDLE,
  makeClaimable,
  nameOf,
  NAMES,
  withChore,
  type BoardState,
  type BoardVariant,
  type Chore,
  type Conductor,
  type Fence,
  type Name,
} from './board-state.ts'
import { fault, step, type Step } from './search.ts'

type Steps = Generator<Step<BoardState>>

/** Sessions and leases that end, claims that are gone, deaths. */
export function* losing(
  state: BoardState,
  name: Name,
  own: Conductor,
  variant: BoardVariant,
): Steps {
  const { sql, left, claims } = state
  const mine = Object.entries(claims).filter(([, { by }]) => by === name)
  const held = mine.filter(([, { old }]) => !old)
  const fence: Fence = { posting: own.posting, epoch: own.epoch, id: own.id }
  const releases: Chore = { ...fence, does: 'releases' }
  const isHeld = own.at === 'owner' || own.at === 'checked' || own.at === 'ends'
  const lose = (draft: BoardState, session: Conductor['session']): void => {
    // What is being adopted, or committed, goes on: only flows that are held are lost.
    const next: Conductor = { ...own, session }
    if (own.at === 'doubt') Object.assign(next, idle(own), { session })
    if (isHeld) {
      Object.assign(next, idle(own), { session })
      if (variant !== 'lost and forgotten') next.chores = withChore(own.chores, releases)
    }
    draft.conductors[name] = next
  }
  if (held.length > 0 && left.expiries > 0) {
    yield fault(`${name}'s session ends`, state, (draft) => {
      draft.left.expiries -= 1
      for (const [place] of held) delete draft.claims[place]
      draft.conductors[name] = { ...own, session: 'ended' }
    })
  }
  if (held.length > 0 && left.guesses > 0) {
    yield fault(`${name} takes its session for lost`, state, (draft) => {
      draft.left.guesses -= 1
      for (const [place, claim] of held) draft.claims[place] = { ...claim, old: true }
      lose(draft, 'stands')
    })
  }
  if (own.session === 'ended') {
    yield step(`${name} hears that its session ended`, state, (draft) => lose(draft, 'stands'))
  }
  for (const [place, { old }] of mine) {
    if (!old) continue
    yield step(`the servers end an old session of ${name}: ${place}`, state, (draft) => {
      delete draft.claims[place]
    })
  }
  const isThere = held.some(([, { id }]) => id === own.id)
  if (isHeld && own.at !== 'ends' && own.session === 'stands' && !isThere) {
    yield step(`${name} notices that its claim is gone`, state, (draft) => lose(draft, 'stands'))
  }
  if (sql.owner === name && !sql.lapsed && left.lapses > 0) {
    yield fault(`the lease of ${name} runs out`, state, (draft) => {
      draft.left.lapses -= 1
      draft.sql.lapsed = true
    })
  }
  if (isHeld && (sql.lapsed || sql.owner !== name)) {
    yield step(`${name} hears that its lease ran out`, state, (draft) => lose(draft, own.session))
  }
  if ((own.at !== 'idle' || own.chores.length > 0) && left.deaths > 0) {
    yield fault(`${name} dies`, state, (draft) => die(draft, name))
  }
}

/** It starts again at once, as another; what it was at is forgotten. */
export function die(draft: BoardState, name: Name): void {
  draft.left.deaths -= 1
  draft.conductors[name] = { ...IDLE }
  if (draft.sql.owner === name) draft.sql.lapsed = true
  for (const claim of Object.values(draft.claims)) if (claim.by === name) claim.old = true
}

/** The reaper, and what happens to the tree. */
export function* breaking(state: BoardState, variant: BoardVariant): Steps {
  const { sql, nodes, left } = state
  if (sql.state === 'CLAIMED' && sql.lapsed && variant !== 'not reaped') {
    yield step('the reaper makes the job claimable', state, (draft) =>
      makeClaimable(draft, variant),
    )
  }
  const endSessions = (draft: BoardState): void => {
    draft.claims = {}
    for (const name of NAMES) {
      const conductor = draft.conductors[name]
      if (conductor) conductor.session = 'ended'
    }
  }
  if (left.wipes > 0) {
    yield fault('the tree is wiped', state, (draft) => {
      draft.left.wipes -= 1
      draft.nodes = {}
      draft.claims = {}
    })
  }
  if (left.restores > 0) {
    for (const isEmpty of [true, false]) {
      yield fault(
        `all servers start anew, ${isEmpty ? 'empty' : 'from an old copy'}`,
        state,
        (draft) => {
          draft.left.restores -= 1
          draft.nodes = isEmpty ? {} : { [nameOf(1, variant)]: { posting: 1, epoch: 0 } }
          endSessions(draft)
        },
      )
    }
  }
  if (left.deletions > 0) {
    for (const place of Object.keys(nodes)) {
      yield fault(`somebody deletes ${place}`, state, (draft) => {
        draft.left.deletions -= 1
        delete draft.nodes[place]
      })
    }
  }
}
