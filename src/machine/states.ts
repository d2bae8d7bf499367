/**
 * The states of atoms and flows, and which may follow which. Only listed transitions happen; every other one throws.
 * (States and events are those of TaskFlow; RETRYING of a task, and its way out into a revert, are Zagflow's.)
 */

export const ATOM_STATES = [
  'PENDING',
  'RUNNING',
  'SUCCESS',
  'FAILURE',
  'RETRYING',
  'REVERTING',
  'REVERTED',
  'REVERT_FAILURE',
  'IGNORE',
] as const
export type AtomState = (typeof ATOM_STATES)[number]

export const FLOW_STATES = [
  'PENDING',
  'RUNNING',
  'SUCCESS',
  'FAILURE',
  'REVERTING',
  'REVERTED',
  'SUSPENDING',
  'SUSPENDED',
  'RESUMING',
] as const
export type FlowState = (typeof FLOW_STATES)[number]

/** From, to, why. */
type Row<S> = readonly [from: S, to: S, reason: string]

export const ATOM_TRANSITIONS: readonly Row<AtomState>[] = [
  ['PENDING', 'RUNNING', 'everything before it is done and its condition holds'],
  ['PENDING', 'IGNORE', 'its condition is false, or every edge into it is dead'],
  ['PENDING', 'FAILURE', 'its condition could not be evaluated'],
  ['RUNNING', 'SUCCESS', 'its call answered'],
  ['RUNNING', 'FAILURE', 'its call failed and no attempt is left'],
  ['RUNNING', 'RETRYING', 'its call failed and another attempt is due'],
  ['RETRYING', 'RUNNING', 'the next attempt, or the next round of a flow, begins'],
  ['RETRYING', 'REVERTING', 'a wider failure reverts it while it waits for its next attempt'],
  ['SUCCESS', 'RETRYING', 'a retry: all that ran in its flow is reverted, the flow runs again'],
  ['SUCCESS', 'REVERTING', 'what comes after it is reverted'],
  ['SUCCESS', 'FAILURE', 'a retry: its decision could not be made'],
  ['FAILURE', 'REVERTING', 'the failed atom is reverted too, first'],
  ['REVERTING', 'REVERTED', 'its revert answered, or it has none'],
  ['REVERTING', 'REVERT_FAILURE', 'its revert failed and no attempt is left'],
  ['REVERT_FAILURE', 'REVERTING', 'an operator tries the revert again'],
  ['REVERT_FAILURE', 'REVERTED', 'an operator skips the revert'],
  ['REVERTED', 'PENDING', 'a retry of an enclosing flow runs it again'],
  ['IGNORE', 'PENDING', 'a retry of an enclosing flow asks its condition again'],
]

export const FLOW_TRANSITIONS: readonly Row<FlowState>[] = [
  ['PENDING', 'RUNNING', 'its first claim'],
  ['PENDING', 'SUSPENDED', 'suspended before it began'],
  ['PENDING', 'REVERTED', 'cancelled before it began'],
  ['RUNNING', 'SUCCESS', 'all atoms are done'],
  ['RUNNING', 'REVERTING', 'a failure that no retry heals, or a cancel'],
  ['RUNNING', 'SUSPENDING', 'a user suspends it'],
  ['RUNNING', 'RESUMING', 'its owner died or handed it over'],
  ['REVERTING', 'REVERTED', 'every atom that ran is reverted'],
  ['REVERTING', 'FAILURE', 'a revert failed and nothing else can be reverted'],
  ['REVERTING', 'SUSPENDING', 'a user suspends it'],
  ['REVERTING', 'RESUMING', 'its owner died or handed it over'],
  ['SUSPENDING', 'SUSPENDED', 'nothing runs any more'],
  ['SUSPENDING', 'SUCCESS', 'what ran was the last'],
  ['SUSPENDING', 'REVERTED', 'what ran was the last revert'],
  ['SUSPENDING', 'FAILURE', 'what ran was the last revert, and it failed'],
  ['SUSPENDING', 'RESUMING', 'its owner died or handed it over'],
  ['SUSPENDED', 'RESUMING', 'a user resumes it'],
  ['RESUMING', 'RUNNING', 'it goes on'],
  ['RESUMING', 'REVERTING', 'it goes on reverting'],
  ['RESUMING', 'SUSPENDING', 'it was being suspended'],
  ['FAILURE', 'RESUMING', 'an operator tries or skips a failed revert'],
]

/** States by the state before them; looked up for each transition of each atom. */
function allowed<S extends string>(rows: readonly Row<S>[]): ReadonlyMap<S, ReadonlySet<S>> {
  const after = new Map<S, Set<S>>(rows.map(([from]) => [from, new Set()]))
  for (const [from, to] of rows) after.get(from)?.add(to)
  return after
}
const atomAllowed = allowed(ATOM_TRANSITIONS)
const flowAllowed = allowed(FLOW_TRANSITIONS)

/** Whether an atom may go from one state to another. */
export function atomMayGo(from: AtomState, to: AtomState): boolean {
  return atomAllowed.get(from)?.has(to) === true
}

/** Whether a flow may go from one state to another. */
export function flowMayGo(from: FlowState, to: FlowState): boolean {
  return flowAllowed.get(from)?.has(to) === true
}

/** Whether a flow in this state has ended: nothing happens to it any more, unless an operator asks. */
export function isFinal(state: FlowState): state is 'SUCCESS' | 'FAILURE' | 'REVERTED' {
  return state === 'SUCCESS' || state === 'FAILURE' || state === 'REVERTED'
}
