/**
 * Rule: the group commit. One statement carries the changes of several flows; one of them may be fenced, its answer may be
 * lost, one value may be unstorable.
 *
 * G1  The batch begins by taking its flows: revision + 1 where (epoch, revision) are what the owner believes. Everything
 *     else in the batch is restricted to the flows taken.
 * G2  A flow that was not taken is read again. Another epoch: fenced, it is dropped. Its own epoch and the revision that it
 *     meant to write: the commit had arrived, it goes on. Its own epoch and the old revision: it did not arrive.
 * G3  What did not arrive is sent again unchanged. The statement that was given up on may still arrive.
 * G4  An error that is not an outage: the batch is committed flow by flow, and the guilty flow is trashed, under its fence.
 *
 * Conductor A has two flows, X and Y; each needs two commits. B may adopt one of them at any moment. A flow's `atoms` says
 * how far it is, its `history` has one row a commit; they must agree for ever.
 */
import { step, type Model, type Step } from './search.ts'

export type GroupCommitVariant =
  | 'rule'
  /** Only the atoms are restricted to the flows taken, the history is not (no G1). */
  | 'a filter per table'
  /** The epoch is checked, no revision is (no G1). */
  | 'epoch alone'
  /** The state that a row must have is checked instead of a revision; what does not fit is taken for fenced (no G2). */
  | 'expected state'
  /** What came in meanwhile is sent along with what is sent again (no G3). */
  | 'more in the retry'
  /** After an error the whole batch is tried again (no G4). */
  | 'all again'
  /** The guilty flow is trashed whoever owns it by now (no G4). */
  | 'trashed without fence'

const FLOWS = ['X', 'Y'] as const
type FlowName = (typeof FLOWS)[number]
const COMMITS = 2
/** Once in the batch and once alone, and again for each answer that was lost. */
const MOST_REFUSALS = 4

interface Row {
  epoch: number
  revision: number
  atoms: number
  /** The numbers of the commits whose history rows are there. */
  history: number[]
  trashed: boolean
}

/** What A knows of a flow that it holds. */
interface Held {
  revision: number
  atoms: number
  /** The last commit that its statement without an answer carried; 0: there is none. */
  sentTo: number
}

/** The part of a statement that is about one flow. */
interface Change {
  flow: FlowName
  revision: number
  /** Numbers of the commits that it carries. */
  from: number
  to: number
}

interface Statement {
  kind: 'commit' | 'trash'
  changes: Change[]
}

export interface GroupCommitState {
  rows: Record<FlowName, Row>
  /** Null: dropped or ended. */
  held: Record<FlowName, Held | null>
  at: 'ready' | 'waits' | 'reads'
  sent: Statement | null
  /** Flows taken by the statement that is answered; 'refused' if the database would not store a value. */
  answer: FlowName[] | 'refused' | null
  /** Given up on; may still arrive. */
  stray: Statement | null
  /** Committing flow by flow: what is left of the refused batch. */
  alone: FlowName[]
  /** Y's next value cannot be stored. */
  badValue: boolean
  /** Times that the value was refused. */
  refusals: number
  left: { takeovers: number; lostReplies: number }
  damage: string | null
}

export function groupCommit(
  variant: GroupCommitVariant,
  options: { readonly badValue: boolean; readonly left?: GroupCommitState['left'] },
): Model<GroupCommitState> {
  const row: Row = { epoch: 1, revision: 0, atoms: 0, history: [], trashed: false }
  const held: Held = { revision: 0, atoms: 0, sentTo: 0 }
  return {
    initial: {
      rows: { X: { ...row }, Y: { ...row } },
      held: { X: { ...held }, Y: { ...held } },
      at: 'ready',
      sent: null,
      answer: null,
      stray: null,
      alone: [],
      badValue: options.badValue,
      refusals: 0,
      left: { ...(options.left ?? { takeovers: 2, lostReplies: 2 }) },
      damage: null,
    },
    *steps(state) {
      yield* sending(state, variant)
      yield* arriving(state, variant)
      yield* hearing(state, variant)
      yield* readingBack(state, variant)
      yield* takingOver(state)
    },
    broken,
    goal: ({ rows, held: holds }) =>
      FLOWS.every((flow) => ended(rows[flow]) && holds[flow] === null),
  }
}

function broken(state: GroupCommitState): string | null {
  if (state.damage) return state.damage
  if (state.refusals > MOST_REFUSALS) {
    return `the same value was refused ${state.refusals} times, and X1, which is good, is not stored`
  }
  for (const flow of FLOWS) {
    const { epoch, revision, atoms, history } = state.rows[flow]
    const expected = Array.from({ length: atoms }, (_, index) => index + 1)
    if (history.join() !== expected.join()) {
      return `${flow} has ${atoms} commits in its atoms, but ${history.join(' ') || 'none'} in its history`
    }
    const held = state.held[flow]
    if (!held && epoch === 1 && !ended(state.rows[flow])) {
      return `A let go of ${flow}, which is still its own and has not ended`
    }
    const believes = held && state.at === 'ready' && epoch === 1 && held.revision === revision
    if (believes && held.atoms !== atoms) {
      return `A believes that commit ${held.atoms} of ${flow} is stored, but ${atoms} is the last`
    }
  }
  return null
}

const ended = (row: Row): boolean => row.trashed || row.atoms === COMMITS

function* sending(
  state: GroupCommitState,
  variant: GroupCommitVariant,
): Generator<Step<GroupCommitState>> {
  if (state.at !== 'ready') return
  const [guilty] = state.alone
  const flows = (guilty ? [guilty] : FLOWS).filter((flow) => state.held[flow])
  const changes = flows.flatMap((flow) => changeOf(state, flow, variant))
  if (changes.length > 0) {
    const told = changes.map(({ flow, from, to }) => `${flow}${from === to ? to : `${from}-${to}`}`)
    yield step(`A sends ${told.join(' and ')}${guilty ? ' alone' : ''}`, state, (draft) => {
      draft.at = 'waits'
      draft.sent = { kind: 'commit', changes }
      for (const { flow, to } of changes) mark(draft, flow, to)
    })
  }
}

function changeOf(
  { held }: GroupCommitState,
  flow: FlowName,
  variant: GroupCommitVariant,
): Change[] {
  const mine = held[flow]
  if (!mine) return []
  const more = variant === 'more in the retry' && mine.sentTo > 0
  const to = Math.min(mine.atoms + (more ? 2 : 1), COMMITS)
  return [{ flow, revision: mine.revision, from: mine.atoms + 1, to }]
}

function* arriving(
  state: GroupCommitState,
  variant: GroupCommitVariant,
): Generator<Step<GroupCommitState>> {
  const { sent, stray } = state
  if (sent && state.answer === null) {
    const answer = answerTo(state, sent, variant)
    const told =
      answer === 'refused' ? 'refuses a value' : `takes ${answer.join(' and ') || 'none'}`
    yield step(`SQL ${told}`, state, (draft) => {
      draft.answer = answer
      if (answer === 'refused') draft.refusals += 1
      apply(draft, sent, answer, variant)
    })
  }
  if (stray) {
    const answer = answerTo(state, stray, variant)
    const told = answer === 'refused' ? 'a refusal' : `takes ${answer.join(' and ') || 'none'}`
    yield step(`late: the statement that A gave up on arrives: ${told}`, state, (draft) => {
      draft.stray = null
      apply(draft, stray, answer, variant)
    })
    yield step('the statement that A gave up on never arrives', state, (draft) => {
      draft.stray = null
    })
  }
}

function answerTo(
  { rows, badValue }: GroupCommitState,
  statement: Statement,
  variant: GroupCommitVariant,
): FlowName[] | 'refused' {
  const { kind, changes } = statement
  const taken = changes.filter(({ flow, revision, from }) => {
    const row = rows[flow]
    if (kind === 'trash' && variant === 'trashed without fence') return true
    if (row.epoch !== 1 || row.trashed) return false
    if (variant === 'epoch alone') return true
    if (variant === 'expected state') return row.atoms === from - 1
    return row.revision === revision
  })
  // The database looks at the values of all flows, taken or not.
  const bad = kind === 'commit' && badValue && changes.some(({ flow }) => flow === 'Y')
  return bad ? 'refused' : taken.map(({ flow }) => flow)
}

function apply(
  draft: GroupCommitState,
  statement: Statement,
  answer: FlowName[] | 'refused',
  variant: GroupCommitVariant,
): void {
  if (answer === 'refused') return
  for (const { flow, from, to } of statement.changes) {
    const row = draft.rows[flow]
    const taken = answer.includes(flow)
    if (statement.kind === 'trash') {
      if (!taken) continue
      if (row.epoch !== 1) draft.damage = `A trashed ${flow}, which B owns`
      row.trashed = true
      row.revision += 1
      continue
    }
    if (taken) {
      row.revision += 1
      row.atoms = to
    }
    if (taken || variant === 'a filter per table') {
      for (let commit = from; commit <= to; commit += 1) row.history.push(commit)
    }
  }
}

function* hearing(
  state: GroupCommitState,
  variant: GroupCommitVariant,
): Generator<Step<GroupCommitState>> {
  const { sent, answer } = state
  if (!sent) return
  if (state.left.lostReplies > 0) {
    yield step('A hears nothing and gives up on the statement', state, (draft) => {
      draft.left.lostReplies -= 1
      draft.stray = draft.answer === null ? draft.sent : null
      draft.sent = null
      draft.answer = null
      draft.at = 'reads'
    })
  }
  if (answer === 'refused') {
    yield step('A hears that a value was refused', state, (draft) => {
      draft.sent = null
      draft.answer = null
      draft.at = 'ready'
      for (const { flow } of sent.changes) mark(draft, flow, 0)
      if (variant === 'all again') return
      if (sent.changes.length > 1) {
        draft.alone = sent.changes.map(({ flow }) => flow)
      } else {
        draft.sent = { kind: 'trash', changes: sent.changes }
        draft.at = 'waits'
        for (const { flow, to } of sent.changes) mark(draft, flow, to)
      }
    })
  } else if (answer) {
    const missing = sent.changes.some(({ flow }) => !answer.includes(flow))
    yield step(`A hears that ${answer.join(' and ') || 'none'} was taken`, state, (draft) => {
      draft.sent = null
      draft.answer = null
      draft.at = missing ? 'reads' : 'ready'
      for (const change of sent.changes) {
        if (answer.includes(change.flow)) settle(draft, change.flow, sent.kind)
      }
    })
  }
}

/** A knows that a change of its own is stored. */
function settle(draft: GroupCommitState, flow: FlowName, kind: Statement['kind']): void {
  const held = draft.held[flow]
  draft.alone = draft.alone.filter((name) => name !== flow)
  if (!held) return
  held.revision += 1
  held.atoms = held.sentTo
  held.sentTo = 0
  if (kind === 'trash' || held.atoms === COMMITS) draft.held[flow] = null
}

function mark(draft: GroupCommitState, flow: FlowName, sentTo: number): void {
  const held = draft.held[flow]
  if (held) held.sentTo = sentTo
}

function* readingBack(
  state: GroupCommitState,
  variant: GroupCommitVariant,
): Generator<Step<GroupCommitState>> {
  if (state.at !== 'reads') return
  const verdicts = FLOWS.flatMap((flow) => {
    const held = state.held[flow]
    return held && held.sentTo > 0
      ? [{ flow, verdict: verdictOn(state.rows[flow], held, variant) }]
      : []
  })
  const told = verdicts.map(({ flow, verdict }) => `${flow} ${verdict}`).join(', ')
  yield step(`A reads back: ${told}`, state, (draft) => {
    draft.at = 'ready'
    for (const { flow, verdict } of verdicts) {
      if (verdict === 'fenced' || verdict === 'trashed') {
        draft.held[flow] = null
        draft.alone = draft.alone.filter((name) => name !== flow)
      }
      if (verdict === 'had arrived') {
        settle(draft, flow, 'commit')
      }
    }
  })
}

function verdictOn(
  row: Row,
  held: Held,
  variant: GroupCommitVariant,
): 'fenced' | 'trashed' | 'had arrived' | 'did not arrive' {
  if (row.epoch !== 1) return 'fenced'
  if (row.trashed) return 'trashed'
  if (variant === 'expected state') return row.atoms === held.atoms ? 'did not arrive' : 'fenced'
  // Without a revision there is nothing to tell by: it is sent again.
  if (variant === 'epoch alone') return 'did not arrive'
  return row.revision === held.revision ? 'did not arrive' : 'had arrived'
}

/** B adopts one of A's flows, and later finishes what it owns. */
function* takingOver(state: GroupCommitState): Generator<Step<GroupCommitState>> {
  for (const flow of FLOWS) {
    const row = state.rows[flow]
    if (state.left.takeovers > 0 && row.epoch === 1 && !ended(row)) {
      yield step(`B adopts ${flow}`, state, (draft) => {
        draft.left.takeovers -= 1
        draft.rows[flow].epoch = 2
      })
    }
    if (row.epoch === 2 && !ended(row)) {
      yield step(`B commits ${flow}${row.atoms + 1}`, state, (draft) => {
        draft.rows[flow].atoms += 1
        draft.rows[flow].revision += 1
        draft.rows[flow].history.push(draft.rows[flow].atoms)
      })
    }
  }
}
