/**
 * Rule: a board outside SQL (ZooKeeper): who posts, claims, adopts, commits, gives back, consumes and posts again.
 *
 * G1  Node and claim are named `<job>.<posting>`. `posting` grows in the transaction that makes the job claimable again: promotion,
 *     giving back, reaping. Creating what is there is done.
 * G2  A claim is ephemeral; it raises the epoch of the node and has a fresh claim id. SQL adopts it for the present posting only, if it
 *     is open (POSTING, UNCLAIMED, CLAIMED) and the epoch is above the stored one, or this very claim is stored.
 * G3  The statement that writes checks (epoch, claim id) itself.
 * G4  Whoever is refused asks SQL: posting over, then consume; else abandon, and raise the node's epoch to that of SQL.
 * G5  Consume only what SQL says is over. Then anyone may: node and claim, in any order, again and again.
 * G6  A lost claim (session, lease) is given back in SQL, under its fence; then SQL is asked as in G4.
 * G7  Abandoning deletes a claim if it still is this one, be its node there or not.
 * G8  A leader promotes, to POSTING, and posts whatever SQL says is POSTING or UNCLAIMED and the board does not show. Two may lead.
 * G9  Jobs of conductors without a lease are made claimable again by SQL, whatever the board shows.
 *
 * One job. Conductors stand still anywhere, die, lose sessions and leases; trees are wiped and restored. Leaders that are prompt
 * are one step; P, a client, and L, a leader, are as late as they like. Claims are single transactions here; how their outcomes
 * become known is `board-claim`.
 */
import {
  freshId,
  idle,
  nameOf,
  identityOf,
  IDLE,
  isOver,
  NOTHING_WRONG,
  takesAway,
  withChore,
  type BoardSize,
  type BoardState,
  type BoardVariant,
  type Chore,
  type Conductor,
  type Fence,
  type Name,
} from './board-state.ts'
import { chores } from './board-chores.ts'
import { breaking, die, losing } from './board-losses.ts'
import { fault, step, type Model, type Step } from './search.ts'

type Steps = Generator<Step<BoardState>>

export function board(variant: BoardVariant, size: BoardSize): Model<BoardState> {
  const conductors: BoardState['conductors'] = {}
  for (const name of size.conductors) conductors[name] = { ...IDLE }
  const first = { creates: size.slowPoster === true ? 1 : 0, epoch: 0, marks: 0 }
  return {
    initial: {
      sql: {
        state: 'POSTING',
        posting: 1,
        epoch: 0,
        id: 0,
        owner: null,
        lapsed: false,
        commits: 0,
      },
      nodes: {},
      claims: {},
      conductors,
      late: null,
      posters: { P: first, L: { creates: 0, epoch: 0, marks: 0 } },
      left: { ...NOTHING_WRONG, ...size.left },
      refusals: size.mostRefusals === undefined ? null : 0,
      highest: { posting: 0, epoch: 0, id: 0 },
      damage: null,
    },
    *steps(state) {
      yield* leading(state, variant)
      for (const name of size.conductors) {
        const conductor = state.conductors[name]
        if (!conductor) continue
        yield* claiming(state, name, conductor, variant)
        yield* adopting(state, name, conductor, variant)
        yield* owning(state, name, conductor, variant, size.commits)
        yield* chores(state, name, conductor, variant, size.apart === true)
        yield* losing(state, name, conductor, variant)
      }
      yield* breaking(state, variant)
    },
    broken: (state) => {
      if ((state.refusals ?? 0) > (size.mostRefusals ?? 0)) return 'claims are refused for ever'
      return state.damage ?? hidden(state)
    },
    goal: ({ sql, nodes, claims, posters }) =>
      sql.state === 'COMPLETE' &&
      Object.keys(nodes).length + Object.keys(claims).length === 0 &&
      posters.P.creates + posters.P.marks + posters.L.creates + posters.L.marks === 0,
    identity: identityOf,
    maxStates: size.maxStates ?? 300_000,
  }
}

/** A claim that its conductor could forget about for as long as his session stands: nobody else can take the job. */
function hidden({ claims, conductors }: BoardState): string | null {
  for (const [name, { by, id, old, posting }] of Object.entries(claims)) {
    const conductor = conductors[by]
    if (old || !conductor) continue
    if (conductor.at !== 'idle' && conductor.id === id) continue
    const isKnown = conductor.chores.some(
      (chore) => chore.id === id || (takesAway(chore) && chore.posting === posting),
    )
    if (!isKnown) return `${by} holds the claim of ${name} and does not know it`
  }
  return null
}

/** Leaders, prompt and late, and the client. */
function* leading(state: BoardState, variant: BoardVariant): Steps {
  const { sql, nodes, left } = state
  const name = nameOf(sql.posting, variant)
  const isWaiting =
    sql.state === 'POSTING' || (sql.state === 'UNCLAIMED' && variant !== 'not compared')
  const isMissing = isWaiting && !nodes[name]
  if (sql.state === 'PARKED') {
    yield step(`a leader promotes the job: posting ${sql.posting + 1}`, state, (draft) => {
      draft.sql.state = 'POSTING'
      draft.sql.posting += 1
      if (variant === 'posted by its promoter') {
        draft.posters.L = { creates: draft.sql.posting, epoch: draft.sql.epoch, marks: 0 }
      }
    })
  }
  if (isMissing && variant !== 'posted by its promoter') {
    yield step(
      `a leader posts ${name}, which is ${sql.state}: epoch ${sql.epoch}`,
      state,
      (draft) => {
        draft.nodes[name] = { posting: sql.posting, epoch: sql.epoch }
        draft.sql.state = 'UNCLAIMED'
      },
    )
  }
  for (const poster of ['P', 'L'] as const) {
    const { creates, epoch, marks } = state.posters[poster]
    const isFree = creates + marks === 0
    if (poster === 'L' && isFree && isMissing && left.lateRounds > 0) {
      yield fault(`L sees that ${name} is missing: epoch ${sql.epoch}`, state, (draft) => {
        draft.left.lateRounds -= 1
        draft.posters.L = { creates: sql.posting, epoch: sql.epoch, marks: 0 }
      })
    }
    if (creates > 0) {
      const node = nameOf(creates, variant)
      const there = nodes[node] ? ': it is there, done' : ''
      yield step(`${poster} creates ${node}${there}`, state, (draft) => {
        draft.nodes[node] ??= { posting: creates, epoch }
        draft.posters[poster] = { creates: 0, epoch: 0, marks: creates }
      })
    }
    if (marks > 0) {
      const marked = sql.state === 'POSTING'
      yield step(
        `${poster} marks the job as posted${marked ? '' : ': it is not'}`,
        state,
        (draft) => {
          draft.posters[poster].marks = 0
          if (marked) draft.sql.state = 'UNCLAIMED'
        },
      )
    }
    if (poster === 'L' && !isFree && left.deaths > 0) {
      yield fault('L dies', state, (draft) => {
        draft.left.deaths -= 1
        draft.posters.L = { creates: 0, epoch: 0, marks: 0 }
      })
    }
  }
}

function* claiming(state: BoardState, name: Name, own: Conductor, variant: BoardVariant): Steps {
  const claim = fenceOf(own)
  if (own.at === 'idle' && own.session === 'stands' && own.chores.length < 2) {
    for (const [place, node] of Object.entries(state.nodes)) {
      // What it is about to take away it does not claim.
      const isOver = own.chores.some((c) => takesAway(c) && c.posting === node.posting)
      if (state.claims[place] || isOver) continue
      const epoch = node.epoch + 1
      const fence: Fence = { posting: node.posting, epoch, id: freshId(state) }
      const take = (at: Conductor['at']) => (draft: BoardState) => {
        draft.nodes[place] = { posting: node.posting, epoch }
        draft.claims[place] = { ...fence, by: name, old: false }
        draft.conductors[name] = { ...own, at, ...fence }
      }
      yield step(`${name} claims ${place} with epoch ${epoch}`, state, take('claimed'))
      if (state.left.lostReplies > 0) {
        yield fault(
          `${name} claims ${place} with epoch ${epoch} and hears nothing`,
          state,
          (draft) => {
            draft.left.lostReplies -= 1
            take('doubt')(draft)
          },
        )
      }
    }
  }
  if (own.at === 'doubt' && own.session === 'stands') {
    const place = nameOf(claim.posting, variant)
    const isMine = state.claims[place]?.id === claim.id && !state.claims[place].old
    yield step(
      `${name} reads the claim of ${place}: ${isMine ? 'its own' : 'gone'}`,
      state,
      (draft) => {
        draft.conductors[name] = isMine ? { ...own, at: 'claimed' } : idle(own)
      },
    )
  }
}

function* adopting(state: BoardState, name: Name, own: Conductor, variant: BoardVariant): Steps {
  const { late, left } = state
  const fence = fenceOf(own)
  if (own.at === 'claimed') {
    const fits = isAdopted(state, fence, variant)
    const over = isOver(state, own.posting) ? ', which is over' : ''
    const told = `epoch ${own.epoch} of ${name} for posting ${own.posting}${over}`
    yield step(`SQL ${fits ? 'adopts' : 'refuses'} ${told}`, state, (draft) => {
      if (fits) adopt(draft, name, fence, variant)
      if (fits) draft.conductors[name] = { ...own, at: 'owner' }
      else refuse(draft, name, own, variant)
    })
    if (fits && left.lostReplies > 0) {
      yield fault(`SQL adopts ${told}, who hears nothing and asks again`, state, (draft) => {
        draft.left.lostReplies -= 1
        adopt(draft, name, fence, variant)
      })
    }
    if (left.deaths > 0) {
      yield fault(`${name} dies, its adoption is under way`, state, (draft) => {
        draft.late = { ...fence, by: name }
        die(draft, name)
      })
    }
  }
  if (late?.by === name) {
    const fits = isAdopted(state, late, variant)
    yield step(
      `late: SQL ${fits ? 'adopts' : 'refuses'} epoch ${late.epoch} of ${name}`,
      state,
      (draft) => {
        draft.late = null
        if (!fits) return
        adopt(draft, name, late, variant)
        draft.sql.lapsed = true
      },
    )
    yield step(`the adoption that ${name} sent before it died never arrives`, state, (draft) => {
      draft.late = null
    })
  }
}

/** G4. What SQL says now may be old when it is acted on. */
function refuse(draft: BoardState, name: Name, own: Conductor, variant: BoardVariant): void {
  const over = isOver(draft, own.posting)
  const consumes =
    variant === 'refused, then consumed' || (over && variant !== 'refused, then abandoned')
  const chore: Chore = consumes
    ? { ...fenceOf(own), does: 'consumes' }
    : { ...fenceOf(own), does: 'abandons', epoch: draft.sql.epoch }
  draft.conductors[name] = { ...idle(own), chores: withChore(own.chores, chore) }
  if (draft.refusals !== null) draft.refusals += 1
}

function fenceOf({ posting, epoch, id }: Fence): Fence {
  return { posting, epoch, id }
}

function isAdopted(state: BoardState, claim: Fence, variant: BoardVariant): boolean {
  const { sql } = state
  if (isOver(state, claim.posting) && variant !== 'any posting adopted') return false
  if (sql.state === 'COMPLETE') return false
  if (variant === 'no fence' || variant === 'counter of its own') return true
  if (claim.epoch > sql.epoch) return true
  const same = variant === 'epoch alone' || sql.id === claim.id
  return sql.state === 'CLAIMED' && sql.epoch === claim.epoch && same
}

function adopt(draft: BoardState, name: Name, claim: Fence, variant: BoardVariant): void {
  const { sql, highest } = draft
  const { posting, epoch, id } = claim
  sql.epoch = variant === 'counter of its own' ? sql.epoch + 1 : epoch
  Object.assign(sql, { state: 'CLAIMED', id, owner: name, lapsed: false })
  if (epoch >= highest.epoch) draft.highest = { posting, epoch, id }
  if (variant !== 'counter of its own') return
  // What it shows is what SQL gave it; the claim stays what it is.
  draft.highest = epoch > highest.epoch ? { posting, epoch, id } : highest
}

function* owning(
  state: BoardState,
  name: Name,
  own: Conductor,
  variant: BoardVariant,
  commits: BoardSize['commits'],
): Steps {
  const { sql, left } = state
  const fence = fenceOf(own)
  const consumes: Chore = { ...fence, does: 'consumes' }
  const abandons: Chore = { ...fence, does: 'abandons', epoch: 0 }
  const becomes = commits[sql.commits] ?? 'COMPLETE'
  if (own.at === 'owner' && variant === 'board first' && becomes !== 'CLAIMED') {
    yield step(`${name} takes posting ${own.posting} off the board first`, state, (draft) => {
      draft.damage = `${name} took a posting off the board, which is not over`
      delete draft.nodes[nameOf(own.posting, variant)]
      delete draft.claims[nameOf(own.posting, variant)]
      draft.conductors[name] = { ...own, at: 'ends' }
    })
    return
  }
  if (own.at === 'owner' && variant === 'check, then write' && passes(state, own, variant)) {
    yield step(`${name} checks the fence: passes`, state, (draft) => {
      draft.conductors[name] = { ...own, at: 'checked' }
    })
    return
  }
  if (own.at === 'owner' || own.at === 'checked' || own.at === 'ends') {
    if (own.at !== 'checked' && !passes(state, own, variant)) {
      yield step(`${name} is fenced`, state, (draft) => {
        draft.conductors[name] = { ...idle(own), chores: withChore(own.chores, abandons) }
      })
      return
    }
    const stays = becomes === 'CLAIMED'
    const write = (draft: BoardState): void => {
      draft.damage = damageOf(state, name, own)
      draft.sql.commits += 1
      draft.sql.state = becomes
      if (!stays) draft.sql.owner = null
    }
    yield step(`${name} commits ${becomes}`, state, (draft) => {
      write(draft)
      const done = stays ? { ...own, at: 'owner' as const } : idle(own)
      if (!stays) done.chores = withChore(own.chores, consumes)
      draft.conductors[name] = done
    })
    if (!stays && left.lostReplies > 0) {
      yield fault(`${name} commits ${becomes} and hears nothing`, state, (draft) => {
        draft.left.lostReplies -= 1
        write(draft)
        draft.conductors[name] = { ...own, at: 'unsure' }
      })
    }
  }
  if (own.at === 'unsure') {
    // Its commit arrived: nobody else has the job since, or another claim has.
    const mine = sql.id === own.id
    yield step(
      `${name} reads back: ${mine ? 'it was stored' : 'another claim since'}`,
      state,
      (draft) => {
        const chore = mine ? consumes : abandons
        draft.conductors[name] = { ...idle(own), chores: withChore(own.chores, chore) }
      },
    )
  }
}

function passes({ sql }: BoardState, own: Conductor, variant: BoardVariant): boolean {
  if (variant === 'no fence') return sql.state !== 'COMPLETE'
  if (variant === 'counter of its own') return sql.state === 'CLAIMED' && sql.id === own.id
  const same = variant === 'epoch alone' || sql.id === own.id
  return sql.state === 'CLAIMED' && sql.epoch === own.epoch && same
}

function damageOf(state: BoardState, name: Name, own: Conductor): string | null {
  const { highest, sql } = state
  if (sql.state === 'COMPLETE') return `${name} ended a job that had ended`
  if (own.epoch < highest.epoch) {
    return `${name} wrote with epoch ${own.epoch} after epoch ${highest.epoch} was adopted`
  }
  if (own.id !== highest.id)
    return `${name} wrote with epoch ${own.epoch}, which another claim holds`
  return null
}
