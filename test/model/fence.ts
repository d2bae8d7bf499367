/**
 * Rule: the fence. Who may write a flow when conductors pause, sessions expire and boards are rebuilt?
 *
 * F1  A claim on the board carries a fresh claim id and the epoch max(node, SQL) + 1.
 * F2  SQL adopts (epoch, claim id) if that epoch is above the stored one, or if this very claim is stored already.
 * F3  The statement that writes a flow checks epoch and claim id itself.
 * F4  An adoption that was not answered is read back by its claim id; it may still arrive later.
 * F5  A flow is loaded after its adoption, never before.
 *
 * One job that needs a few commits. Conductors look, claim, adopt, load, commit, and take the job off the board when it has
 * ended. A conductor whose session expired is not told: it may go on at any point as if it had only slept.
 */
import { step, type Model, type Step } from './search.ts'

export type FenceVariant =
  | 'rule'
  /** Whoever once claimed may write (no F2, no F3). */
  | 'no fence'
  /** SQL numbers the adoptions itself, in the order in which they arrive: not tied to the order of the claims. */
  | 'counter of its own'
  /** The fence is checked, then the flow is written: two statements (no F3). */
  | 'check, then write'
  /** The claim id is not part of the fence. */
  | 'epoch alone'
  /** What was loaded before the adoption is written after it (no F5). */
  | 'loaded before adoption'

type Name = 'A' | 'B' | 'C'

interface Claim {
  epoch: number
  id: number
}

interface Conductor {
  at: 'idle' | 'claimed' | 'waits' | 'unsure' | 'owner' | 'checked'
  claim: Claim
  /** What it shows to SQL: its claim's epoch, but for the counter of SQL's own. */
  fence: number
  /** Commits of the flow that it knows of: loaded when its adoption is confirmed. */
  known: number
  /** Answer to its adoption, not heard yet. */
  answer: 'none' | 'adopted' | 'refused'
}

export interface FenceState {
  node: { epoch: number } | null
  claimedBy: { name: Name; id: number } | null
  sql: { epoch: number; claimId: number; commits: number }
  conductors: Record<Name, Conductor>
  /** Adoptions that were sent and have not arrived. */
  underway: Partial<Record<Name, Claim>>
  claims: number
  /** What may still go wrong. */
  left: { expiries: number; wipes: number; lostReplies: number }
  /** The highest claim that was ever adopted. */
  highest: Claim
  damage: string | null
}

export interface FenceSize {
  readonly conductors: readonly Name[]
  /** Commits that the flow needs. */
  readonly commits: number
  readonly left: FenceState['left']
}

export const TWO_CONDUCTORS: FenceSize = {
  conductors: ['A', 'B'],
  commits: 2,
  left: { expiries: 1, wipes: 1, lostReplies: 1 },
}

export const THREE_CONDUCTORS: FenceSize = {
  conductors: ['A', 'B', 'C'],
  commits: 1,
  left: { expiries: 1, wipes: 1, lostReplies: 0 },
}

const NO_CLAIM: Claim = { epoch: 0, id: 0 }
const IDLE: Conductor = {
  at: 'idle',
  claim: NO_CLAIM,
  fence: 0,
  known: 0,
  answer: 'none',
}

export function fence(variant: FenceVariant, size: FenceSize = TWO_CONDUCTORS): Model<FenceState> {
  return {
    initial: {
      node: { epoch: 0 },
      claimedBy: null,
      sql: { epoch: 0, claimId: 0, commits: 0 },
      conductors: { A: { ...IDLE }, B: { ...IDLE }, C: { ...IDLE } },
      underway: {},
      claims: 0,
      left: { ...size.left },
      highest: { ...NO_CLAIM },
      damage: null,
    },
    *steps(state) {
      for (const name of size.conductors) {
        yield* claiming(state, name, variant)
        yield* adopting(state, name, variant)
        yield* owning(state, name, variant, size.commits)
        yield* losing(state, name)
      }
      yield* rebuilding(state, size.commits)
    },
    broken: ({ damage }) => damage,
    goal: ({ sql, node, claimedBy }) =>
      sql.commits === size.commits && node === null && claimedBy === null,
  }
}

function* claiming(
  state: FenceState,
  name: Name,
  variant: FenceVariant,
): Generator<Step<FenceState>> {
  const { node, claimedBy, sql } = state
  if (state.conductors[name].at !== 'idle' || !node || claimedBy) return
  const epoch = Math.max(node.epoch, sql.epoch) + 1
  yield step(`${name} claims with epoch ${epoch}`, state, (draft) => {
    draft.claims += 1
    draft.node = { epoch }
    draft.claimedBy = { name, id: draft.claims }
    draft.conductors[name].at = 'claimed'
    draft.conductors[name].claim = { epoch, id: draft.claims }
    if (variant === 'loaded before adoption') draft.conductors[name].known = draft.sql.commits
  })
}

function* adopting(
  state: FenceState,
  name: Name,
  variant: FenceVariant,
): Generator<Step<FenceState>> {
  const { at, claim, answer } = state.conductors[name]
  if (at === 'claimed') {
    yield step(`${name} sends its adoption of epoch ${claim.epoch}`, state, (draft) => {
      draft.conductors[name].at = 'waits'
      draft.underway[name] = { ...claim }
    })
  }

  const sent = state.underway[name]
  if (sent) {
    const fits = adoptable(state, sent, variant)
    const awaited = at === 'waits' && answer === 'none'
    yield step(
      `${awaited ? '' : 'late: '}SQL ${fits ? 'adopts' : 'refuses'} epoch ${sent.epoch} of ${name}`,
      state,
      (draft) => {
        delete draft.underway[name]
        if (fits) adopt(draft, sent, variant)
        if (awaited) draft.conductors[name].answer = fits ? 'adopted' : 'refused'
      },
    )
    if (!awaited) {
      yield step(`the adoption that ${name} gave up on never arrives`, state, (draft) => {
        delete draft.underway[name]
      })
    }
  }

  if (at === 'waits' && answer !== 'none') {
    yield step(`${name} hears that it was ${answer}`, state, (draft) => {
      if (answer === 'adopted') own(draft, name, variant)
      else giveBack(draft, name)
    })
  }
  if (at === 'waits' && state.left.lostReplies > 0) {
    yield step(`${name} hears nothing of its adoption`, state, (draft) => {
      draft.left.lostReplies -= 1
      draft.conductors[name].at = 'unsure'
      draft.conductors[name].answer = 'none'
    })
  }
  if (at === 'unsure') {
    const { epoch, claimId } = state.sql
    const mine = variant === 'epoch alone' ? epoch === claim.epoch : claimId === claim.id
    yield step(
      `${name} reads back: epoch ${epoch}, ${mine ? 'its own' : 'not its own'}`,
      state,
      (draft) => {
        if (mine) own(draft, name, variant)
        else if (adoptable(draft, claim, variant)) draft.conductors[name].at = 'claimed'
        else giveBack(draft, name)
      },
    )
  }
}

function adoptable({ sql }: FenceState, claim: Claim, variant: FenceVariant): boolean {
  if (variant === 'no fence' || variant === 'counter of its own') return true
  return claim.epoch > sql.epoch || (claim.epoch === sql.epoch && claim.id === sql.claimId)
}

function adopt(draft: FenceState, claim: Claim, variant: FenceVariant): void {
  draft.sql.epoch = variant === 'counter of its own' ? draft.sql.epoch + 1 : claim.epoch
  draft.sql.claimId = claim.id
  if (claim.epoch >= draft.highest.epoch) draft.highest = { ...claim }
}

function own(draft: FenceState, name: Name, variant: FenceVariant): void {
  const conductor = draft.conductors[name]
  conductor.answer = 'none'
  conductor.fence = variant === 'counter of its own' ? draft.sql.epoch : conductor.claim.epoch
  conductor.at = 'owner'
  if (variant !== 'loaded before adoption') conductor.known = draft.sql.commits
}

function* owning(
  state: FenceState,
  name: Name,
  variant: FenceVariant,
  commits: number,
): Generator<Step<FenceState>> {
  const { at, known } = state.conductors[name]
  const ended = known >= commits
  if (at === 'owner' && ended) {
    yield step(`${name} takes the ended job off the board`, state, (draft) => {
      draft.node = null
      draft.claimedBy = null
      forget(draft, name)
    })
  }
  if (at === 'owner' && !ended) {
    if (!passes(state, name, variant)) {
      yield step(`${name} is fenced and drops the flow`, state, (draft) => giveBack(draft, name))
    } else if (variant === 'check, then write') {
      yield step(`${name} checks the fence: passes`, state, (draft) => {
        draft.conductors[name].at = 'checked'
      })
    } else {
      yield step(`${name} commits ${known + 1}`, state, (draft) => write(draft, name))
    }
  }
  if (at === 'checked') {
    yield step(`${name} writes ${known + 1}`, state, (draft) => write(draft, name))
  }
}

function passes(state: FenceState, name: Name, variant: FenceVariant): boolean {
  const { fence: shown, claim } = state.conductors[name]
  if (variant === 'no fence') return true
  if (variant === 'epoch alone') return state.sql.epoch === shown
  return state.sql.epoch === shown && state.sql.claimId === claim.id
}

/** A write that SQL accepts; says what it damages. */
function write(draft: FenceState, name: Name): void {
  const { claim, known } = draft.conductors[name]
  if (claim.epoch < draft.highest.epoch) {
    draft.damage = `${name} wrote with epoch ${claim.epoch} after epoch ${draft.highest.epoch} was adopted`
  } else if (claim.id !== draft.highest.id) {
    draft.damage = `${name} wrote with epoch ${claim.epoch}, which another claim holds too`
  } else if (known !== draft.sql.commits) {
    draft.damage = `${name} wrote over a commit that it did not know`
  }
  draft.sql.commits = known + 1
  draft.conductors[name].known = known + 1
  draft.conductors[name].at = 'owner'
}

/** A session expires and its conductor is not told; it finds out, or dies, at any time or never. */
function* losing(state: FenceState, name: Name): Generator<Step<FenceState>> {
  const { at, claim } = state.conductors[name]
  const holds = state.claimedBy?.name === name && state.claimedBy.id === claim.id
  if (holds && state.left.expiries > 0) {
    yield step(`${name}'s session expires`, state, (draft) => {
      draft.left.expiries -= 1
      draft.claimedBy = null
    })
  }
  if (!holds && at !== 'idle') {
    yield step(`${name} finds its claim gone and forgets the flow`, state, (draft) => {
      forget(draft, name)
    })
  }
}

function* rebuilding(state: FenceState, commits: number): Generator<Step<FenceState>> {
  if (state.left.wipes > 0) {
    yield step('the board is wiped', state, (draft) => {
      draft.left.wipes -= 1
      draft.node = null
      draft.claimedBy = null
    })
    yield step('the board is restored from its oldest copy', state, (draft) => {
      draft.left.wipes -= 1
      draft.node = { epoch: 0 }
      draft.claimedBy = null
    })
  }
  if (!state.node && state.sql.commits < commits) {
    yield step(`the job is posted again from SQL: epoch ${state.sql.epoch}`, state, (draft) => {
      draft.node = { epoch: draft.sql.epoch }
    })
  }
}

function giveBack(draft: FenceState, name: Name): void {
  const mine = draft.claimedBy?.id === draft.conductors[name].claim.id
  if (draft.claimedBy?.name === name && mine) draft.claimedBy = null
  forget(draft, name)
}

function forget(draft: FenceState, name: Name): void {
  draft.conductors[name] = { ...IDLE, claim: { ...NO_CLAIM } }
}
