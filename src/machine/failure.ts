/**
 * What a failure leads to: another attempt of the task, another round of a flow around it, its own reversal with the flow
 * going on, or the reversal of everything. (TaskFlow's `defer_reverts`: a retry that answers REVERT passes the failure to
 * the next one outwards at once.)
 */
import { delayAfterAttempt } from '../base/backoff.ts'
import type { Failure } from '../base/failure.ts'
import type { ResolvedTaskRetry } from '../flow/resolved.ts'
import type { Decision } from './events.ts'
import {
  around,
  goAtom,
  isActive,
  isAtom,
  isHeld,
  planRevert,
  stall,
  touchAtom,
  type AtomRun,
  type NodeRun,
  type Run,
  type ScopeRun,
} from './run.ts'
import { revertFailed, revertScope } from './revert.ts'
import { call, evaluate } from './start.ts'
import { callRevert } from './revert.ts'

/** An execution failed: the next attempt is due, or the atom has failed. */
export function executeFailed(run: Run, atom: AtomRun, failure: Failure): void {
  const retry = atom.plan.kind === 'task' ? atom.plan.task.retry : undefined
  if (atom.scope.reverting || retry === undefined || failure.retryable === false) {
    atomFailed(run, atom, failure)
    return
  }
  if (retry.when !== undefined || typeof retry.attempts === 'string') {
    evaluate(run, { kind: 'again', atom, failure, direction: 'execute' })
    return
  }
  tryAgain(run, atom, failure, retry, true, retry.attempts)
}

/** Whether a condition allows another attempt is known. */
export function tryAgain(
  run: Run,
  atom: AtomRun,
  failure: Failure,
  retry: ResolvedTaskRetry,
  holds: boolean,
  attempts: number,
): void {
  if (!holds || atom.attempt >= attempts || atom.scope.reverting) {
    atomFailed(run, atom, failure)
    return
  }
  atom.failure = failure
  run.failures.set(atom.path, failure)
  goAtom(run, atom, 'RETRYING', { call: atom.executeCalls, failure })
  const delayMs = delayAfterAttempt(atom.attempt, retry, `${atom.path}#${atom.executeCalls}`)
  atom.attempt++
  if (delayMs > 0) waitFor(run, atom, delayMs)
  else if (isHeld(run)) waitFor(run, atom, 0)
  else call(run, atom, false)
}

function waitFor(run: Run, atom: AtomRun, delayMs: number): void {
  atom.dueAt = run.now + delayMs
  run.waiting++
  touchAtom(run, atom)
  run.commands.push({ kind: 'wait', path: atom.path, dueAt: atom.dueAt })
}

/** A revert failed: the next attempt is due, or it has failed for good. */
export function revertAttemptFailed(run: Run, atom: AtomRun, failure: Failure): void {
  atom.revertFailure = failure
  touchAtom(run, atom)
  const task = atom.plan.kind === 'task' ? atom.plan.task : undefined
  const retry = task?.revertRetry ?? task?.retry
  if (retry === undefined || failure.retryable === false) {
    revertFailed(run, atom)
    return
  }
  if (retry.when !== undefined || typeof retry.attempts === 'string') {
    evaluate(run, { kind: 'again', atom, failure, direction: 'revert' })
    return
  }
  tryRevertAgain(run, atom, retry, true, retry.attempts)
}

export function tryRevertAgain(
  run: Run,
  atom: AtomRun,
  retry: ResolvedTaskRetry,
  holds: boolean,
  attempts: number,
): void {
  if (!holds || atom.attempt >= attempts) {
    revertFailed(run, atom)
    return
  }
  const delayMs = delayAfterAttempt(atom.attempt, retry, `${atom.path}!${atom.revertCalls}`)
  atom.attempt++
  if (delayMs > 0 || isHeld(run)) waitFor(run, atom, delayMs)
  else callRevert(run, atom, false)
}

/** An atom has failed: no attempt is left. */
export function atomFailed(run: Run, atom: AtomRun, failure: Failure): void {
  atom.failure = failure
  atom.outcome ??= 'failure'
  run.failures.set(atom.path, failure)
  goAtom(run, atom, 'FAILURE', { call: atom.executeCalls, failure })
  const isReverting = atom.scope.reverting
  resolveFailure(run, atom, failure)
  if (isReverting) planRevert(run, atom)
  else ended(run, atom.scope)
}

/**
 * Finds the scope that a failure decides on, and marks it. Asked again (after a restore) it comes to the same end: a
 * retry's history keeps the first failure of each atom in a round.
 */
export function resolveFailure(run: Run, origin: NodeRun, failure: Failure): void {
  if (isAtom(origin)) {
    const { plan, scope } = origin
    if (plan.kind === 'task' && plan.continues) {
      if (!scope.reverting) planRevert(run, origin)
      return
    }
  } else if (origin.plan.continues) {
    revertScope(run, origin, 'CONTINUE')
    return
  }
  deactivate(origin)
  passOutwards(run, origin, around(origin), failure)
}

/** A node that failed for good no longer keeps its flow waiting. */
function deactivate(node: NodeRun): void {
  if (isAtom(node)) {
    if (node.plan.kind === 'task') node.scope.active--
  } else if (!node.inactive && node.parent !== null) {
    node.inactive = true
    node.parent.active--
  }
}

/** `origin` failed inside `scope`: its retry is asked, then the next one outwards. */
export function passOutwards(
  run: Run,
  origin: NodeRun,
  scope: ScopeRun | null,
  failure: Failure,
): void {
  let failed = origin
  for (let inside = scope; ; inside = inside.parent) {
    if (inside === null) {
      revertScope(run, run.root, 'REVERT')
      return
    }
    if (inside.plan.onChildFailure === 'finish' && isActive(inside) && !inside.reverting) {
      inside.deferred = [...(inside.deferred ?? []), { origin: failed, failure }]
      return
    }
    if (inside.plan.onChildFailure === 'abort') run.aborting.add(inside)
    const retry = inside.retry
    if (retry !== null && failed !== retry && retry.rounds !== null && retry.state === 'SUCCESS') {
      remember(run, retry, failed, failure)
      const decision = decide(run, retry, failed, failure)
      if (decision === 'asked') return
      if (follow(run, inside, decision)) return
      failed = retry
    }
    if (inside.plan.continues) {
      revertScope(run, inside, 'CONTINUE')
      return
    }
    if (inside.parent === null) {
      revertScope(run, inside, 'REVERT')
      return
    }
    stall(inside)
    if (inside.active === 0) deactivate(inside)
  }
}

/** Does what a retry decided; false: the failure goes on outwards. */
export function follow(run: Run, scope: ScopeRun, decision: Decision): boolean {
  switch (decision) {
    case 'RETRY':
      revertScope(run, scope, 'RETRY')
      return true
    case 'REVERT_ALL': {
      // `onFailure: continue` ends resolution for everything inside it, this answer included.
      let boundary = scope
      while (!boundary.plan.continues && boundary.parent !== null) boundary = boundary.parent
      revertScope(run, boundary, boundary.plan.continues ? 'CONTINUE' : 'REVERT')
      return true
    }
    case 'REVERT':
      return false
  }
}

/** Failures that one round remembers: what a decision needs, and a bound for the row when thousands of siblings fail. */
const REMEMBERED = 100

/** The first failure of each atom in a round is kept. */
function remember(run: Run, retry: AtomRun, failed: NodeRun, failure: Failure): void {
  const rounds = retry.rounds ?? []
  const last = rounds.at(-1)
  if (last === undefined || Object.hasOwn(last.failures, failed.path)) return
  if (Object.keys(last.failures).length >= REMEMBERED) return
  retry.rounds = [
    ...rounds.slice(0, -1),
    { ...last, failures: { ...last.failures, [failed.path]: failure } },
  ]
  touchAtom(run, retry)
}

function decide(run: Run, retry: AtomRun, origin: NodeRun, failure: Failure): Decision | 'asked' {
  const data = retry.plan.kind === 'retry' ? retry.plan.retry : null
  if (data === null) return 'REVERT'
  if (data.kind === 'never') return data.answer === 'revertAll' ? 'REVERT_ALL' : 'REVERT'
  if (data.kind === 'strategy') {
    if (retry.rounds?.at(-1)?.decision === 'REVERT') return 'REVERT'
    if (run.deciding.has(retry.path)) return 'asked'
    run.deciding.set(retry.path, { origin, failure })
    run.inflight++
    run.commands.push({
      kind: 'call',
      atom: retry,
      direction: 'decide',
      call: retry.revertCalls + 1,
      again: false,
    })
    return 'asked'
  }
  if (data.when !== undefined) {
    evaluate(run, { kind: 'decide', retry, origin, failure })
    return 'asked'
  }
  return decideByBudget(retry)
}

/** Whether the budget of a retry allows another round. */
export function decideByBudget(retry: AtomRun): Decision {
  const data = retry.plan.kind === 'retry' ? retry.plan.retry : null
  const givesUp =
    data !== null && 'then' in data && data.then === 'revertAll' ? 'REVERT_ALL' : 'REVERT'
  if (data?.kind === 'times') {
    const attempts = typeof data.attempts === 'number' ? data.attempts : (retry.scope.attempts ?? 1)
    return (retry.rounds?.length ?? 0) < attempts ? 'RETRY' : givesUp
  }
  return retry.scope.valuesLeft > 0 ? 'RETRY' : givesUp
}

/** Something in a scope has ended: failures that waited for it (`finish`) go on when nothing is active any more. */
export function ended(run: Run, scope: ScopeRun | null): void {
  for (let inside = scope; inside !== null && !isActive(inside); inside = inside.parent) {
    const deferred = inside.deferred
    if (deferred !== null) {
      inside.deferred = null
      for (const { origin, failure } of deferred) passOutwards(run, origin, inside, failure)
      return
    }
    if (!inside.stalled || inside.reverting || inside.parent === null) return
    deactivate(inside)
  }
}

/** A retry gave up: it is what failed for those around its flow. */
export function goOutwards(run: Run, retry: AtomRun, failure: Failure): void {
  const scope = retry.scope
  if (scope.plan.continues) revertScope(run, scope, 'CONTINUE')
  else if (scope.parent === null) revertScope(run, scope, 'REVERT')
  else {
    stall(scope)
    passOutwards(run, retry, scope.parent, failure)
    ended(run, scope)
  }
}
