/**
 * Atoms that have succeeded and of which nothing else is to be said: most of what a long flow has behind it. The run keeps one
 * number of each, and makes the atom again when somebody asks for it (a revert, a new round).
 */
import type { RetryPlan, TaskPlan } from '../flow/compile.ts'
import type { AtomRun, ScopeRun } from './run.ts'

/** An atom that has not started. */
export function newAtom(plan: TaskPlan | RetryPlan, scope: ScopeRun): AtomRun {
  return {
    plan,
    path: pathOf(plan, scope),
    scope,
    state: 'PENDING',
    attempt: 0,
    executeCalls: 0,
    revertCalls: 0,
    dueAt: null,
    outcome: null,
    ignored: null,
    failure: null,
    revertFailure: null,
    rounds: null,
    sent: null,
    blockers: 0,
    isGone: false,
    dirty: false,
  }
}

/** The plan's own text where it is the same: maps find a text that they know by its identity, without comparing it. */
function pathOf(plan: TaskPlan | RetryPlan, scope: ScopeRun): string {
  if (scope.path === scope.plan.path) return plan.path
  return plan.kind === 'retry' ? `${scope.path}:retry` : `${scope.path}/${plan.id}`
}

/** All that is to be said of a task's atom as one number; null: there is more. */
export function settledNumber(atom: AtomRun): number | null {
  const { attempt, executeCalls, revertCalls } = atom
  const isPlain =
    atom.state === 'SUCCESS' &&
    atom.outcome === 'success' &&
    atom.plan.kind === 'task' &&
    atom.dueAt === null &&
    atom.ignored === null &&
    atom.failure === null &&
    atom.revertFailure === null &&
    atom.rounds === null &&
    atom.sent === null &&
    atom.blockers === 0 &&
    !atom.isGone
  if (!isPlain || (attempt | executeCalls | revertCalls) > MOST) return null
  return (attempt << (2 * BITS)) | (executeCalls << BITS) | revertCalls
}

/** The atom that a number was made of. */
export function settledAtom(plan: TaskPlan, scope: ScopeRun, number: number): AtomRun {
  const atom = newAtom(plan, scope)
  atom.state = 'SUCCESS'
  atom.outcome = 'success'
  atom.attempt = number >> (2 * BITS)
  atom.executeCalls = (number >> BITS) & MOST
  atom.revertCalls = number & MOST
  return atom
}

/** Of each count: three of them lie in a list as one number, without an object of its own. */
const BITS = 10
const MOST = 2 ** BITS - 1
