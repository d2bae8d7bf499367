/**
 * Going back: the scope that a failure decided on is reverted in reverse order of what ran, then it runs again (RETRY),
 * counts as done (CONTINUE), or the flow has ended (REVERT).
 *
 * Every entered node counts its entered successors that are not reverted yet (`blockers`); at zero its turn has come.
 */
import { delayAfterAttempt } from '../base/backoff.ts'
import type { Intention } from './records.ts'
import { INTENTIONS } from './records.ts'
import {
  goAtom,
  goFlow,
  goScope,
  hasRoom,
  isAtom,
  isCovered,
  isHeld,
  planDone,
  planRevert,
  touchAtom,
  touchScope,
  type AtomRun,
  type NodeRun,
  type Run,
  type ScopeRun,
} from './run.ts'
import { endTimeout, predecessorsOf, resetScope, startRound, successorsOf } from './start.ts'

/** Marks a scope, in one step, and begins to revert it. A wider answer that is under way wins (M5). */
export function revertScope(run: Run, scope: ScopeRun, intention: Intention): void {
  if (isCovered(scope)) return
  if (INTENTIONS.indexOf(scope.intention) >= INTENTIONS.indexOf(intention)) return
  scope.intention = intention
  touchScope(run, scope)
  if (scope.parent === null && intention === 'REVERT' && run.state === 'RUNNING')
    goFlow(run, 'REVERTING')
  setUp(run, scope)
}

/** Counts what is to be reverted in a scope and begins with what nothing waits for. Also used after a restore. */
export function setUp(run: Run, scope: ScopeRun, abort = false): void {
  const aborts = abort || run.aborting.has(scope)
  if (scope.reverting) {
    if (aborts) for (const node of scope.children.values()) abortRunning(run, node)
    if (scope.unreverted === 0) planRevert(run, scope)
    return
  }
  scope.reverting = true
  scope.queued = 0
  scope.unreverted = 0
  if (scope.intention !== 'RETRY' || isCovered(scope)) endTimeout(run, scope)
  const turns: NodeRun[] = []
  for (const [index, node] of scope.children) {
    node.blockers = 0
    node.isGone = false
    scope.unreverted++
    for (const next of successorsOf(scope.plan, index))
      if (scope.children.has(next)) node.blockers++
    if (aborts) abortRunning(run, node)
    if (node.blockers === 0) turns.push(node)
  }
  if (scope.unreverted === 0) {
    planRevert(run, scope)
    return
  }
  turns.sort((a, b) => b.plan.priority - a.plan.priority)
  for (const node of turns) planRevert(run, node)
}

function isReverted(node: NodeRun): boolean {
  return node.state === 'REVERTED' || node.state === 'CONTINUED'
}

function abortRunning(run: Run, node: NodeRun): void {
  if (!isAtom(node)) {
    if (!node.reverting && node.state === 'ENTERED') {
      for (const child of node.children.values()) abortRunning(run, child)
    }
    return
  }
  if (node.state !== 'RUNNING') return
  run.commands.push({
    kind: 'abort',
    atom: node,
    direction: 'execute',
    call: node.executeCalls + 1,
    reason: run.reason ?? 'a sibling failed',
  })
}

/** A node's turn to be reverted (or to go on with it) has come. */
export function revertNode(run: Run, node: NodeRun): void {
  if (isAtom(node)) {
    const isOwnEnd = node.plan.kind === 'task' && node.plan.continues
    if (node.scope.reverting || isOwnEnd) revertAtom(run, node)
  } else if (node.intention === 'EXECUTE' && !(node.parent?.reverting ?? false)) return
  else if (node.intention === 'EXECUTE' && node.blockers > 0) return
  else if (node.reverting) {
    if (node.unreverted === 0 && node.state === 'ENTERED') contentReverted(run, node)
  } else if (node.ignored !== null || isReverted(node)) nodeReverted(run, node)
  else {
    if (node.state === 'DONE') goScope(run, node, 'ENTERED')
    setUp(run, node, run.abortAll)
  }
}

function revertAtom(run: Run, atom: AtomRun): void {
  if (atom.blockers > 0 || isHeld(run)) return
  switch (atom.state) {
    case 'RUNNING':
      // Awaited: its answer brings its turn.
      return
    case 'RETRYING':
      if (atom.dueAt !== null) {
        atom.dueAt = null
        run.waiting--
      }
      break
    case 'SUCCESS':
      if (!atom.scope.reverting) return
      break
    case 'FAILURE':
      break
    case 'IGNORE':
    case 'REVERTED':
      // Nothing to take back, but what came before it still waits for what came after it.
      nodeReverted(run, atom)
      return
    case 'PENDING':
    case 'REVERTING':
    case 'REVERT_FAILURE':
      return
  }
  const { plan, scope } = atom
  const mayWait = plan.kind === 'task' && atom.state !== 'RETRYING' && hasRevert(atom)
  if (mayWait && !hasRoom(run, plan.priority)) {
    run.backlog.add('revert', scope, plan.index, plan.priority)
    return
  }
  atom.attempt = 1
  goAtom(run, atom, 'REVERTING', { call: atom.revertCalls + 1 })
  callRevert(run, atom, false)
}

/** Whether there is anything to take back. */
function hasRevert({ plan, failure }: AtomRun): boolean {
  return plan.kind === 'task' && plan.task.revert && failure?.code !== NEVER_BEGAN
}

/** Code of failures before a task's body could begin (conditions, arguments): there is nothing to take back. */
export const NEVER_BEGAN = 'InvalidArguments'

/** Runs an atom's revert; one without a revert is reverted at once. */
export function callRevert(run: Run, atom: AtomRun, again: boolean): void {
  if (hasRevert(atom)) {
    run.inflight++
    run.commands.push({
      kind: 'call',
      atom,
      direction: 'revert',
      call: atom.revertCalls + 1,
      again,
    })
    return
  }
  atomReverted(run, atom)
}

/** An atom is reverted: what came before it may be next; or (`onFailure: continue`) the flow goes on. */
export function atomReverted(run: Run, atom: AtomRun): void {
  atom.dueAt = null
  goAtom(run, atom, 'REVERTED', { call: atom.revertCalls })
  if (atom.plan.kind === 'task' && atom.plan.continues && !atom.scope.reverting) {
    run.failures.delete(atom.path)
    planDone(run, atom)
    return
  }
  nodeReverted(run, atom)
}

function nodeReverted(run: Run, node: NodeRun): void {
  const scope = isAtom(node) ? node.scope : (node.parent as ScopeRun)
  if (!scope.reverting || node.plan.kind === 'retry' || node.isGone) return
  node.isGone = true
  scope.unreverted--
  for (const index of predecessorsOf(scope.plan, node.plan.index)) {
    const before = scope.children.get(index)
    if (before === undefined) continue
    before.blockers--
    if (before.blockers === 0) planRevert(run, before)
  }
  if (scope.unreverted === 0) planRevert(run, scope)
}

/** All that ran in a scope is reverted. */
function contentReverted(run: Run, scope: ScopeRun): void {
  if (scope.retry?.state === 'RUNNING') return
  const isWider = isCovered(scope)
  if (scope.intention === 'RETRY' && !isWider) {
    runAgain(run, scope)
    return
  }
  revertRetry(run, scope)
  endTimeout(run, scope)
  if (scope.parent === null && scope.intention !== 'CONTINUE') {
    goScope(run, scope, 'REVERTED')
    goFlow(run, 'REVERTED')
    run.commands.push({ kind: 'finish', state: 'REVERTED' })
    return
  }
  if (scope.intention === 'CONTINUE' && !isWider) {
    forgetFailures(run, scope)
    goScope(run, scope, 'CONTINUED')
    scope.reverting = false
    if (scope.parent === null) {
      goFlow(run, 'SUCCESS')
      run.commands.push({ kind: 'finish', state: 'SUCCESS' })
    } else {
      planDone(run, scope)
    }
    return
  }
  goScope(run, scope, 'REVERTED')
  nodeReverted(run, scope)
}

/** A retry is reverted after its content. Its history stays for those who look, until a retry around it runs it again. */
function revertRetry(run: Run, scope: ScopeRun): void {
  const retry = scope.retry
  if (retry === null) return
  if (run.deciding.delete(retry.path)) {
    // A strategy is still being asked: its answer no longer counts, also not for a later question.
    run.inflight--
    retry.revertCalls++
    touchAtom(run, retry)
  }
  if (retry.state !== 'SUCCESS' && retry.state !== 'FAILURE' && retry.state !== 'RETRYING') return
  if (retry.dueAt !== null) {
    retry.dueAt = null
    run.waiting--
  }
  goAtom(run, retry, 'REVERTING')
  run.strategyValues.delete(retry.path)
  atomReverted(run, retry)
}

/** The flow of a retry runs again: all that ran in it is PENDING, and after the retry's delay the next round begins. */
function runAgain(run: Run, scope: ScopeRun): void {
  const retry = scope.retry as AtomRun
  if (retry.state === 'RETRYING') return
  forgetFailures(run, scope)
  goAtom(run, retry, 'RETRYING')
  resetContent(run, scope)
  const delayMs = run.strategyDelays.get(retry.path) ?? retryDelayMs(retry)
  run.strategyDelays.delete(retry.path)
  if (delayMs > 0) {
    retry.dueAt = run.now + delayMs
    run.waiting++
    touchAtom(run, retry)
    run.commands.push({ kind: 'wait', path: retry.path, dueAt: retry.dueAt })
    return
  }
  if (!isHeld(run)) startRound(run, scope)
}

function retryDelayMs(retry: AtomRun): number {
  const data = retry.plan.kind === 'retry' ? retry.plan.retry : null
  const round = retry.rounds?.length ?? 1
  if (data?.kind === 'times')
    return delayAfterAttempt(round, data, `${retry.path}#${retry.executeCalls}`)
  return data?.kind === 'forEach' ? (data.delayMs ?? 0) : 0
}

/** Back to PENDING, in the order of the flow: what never ran is not touched. */
export function resetContent(run: Run, scope: ScopeRun): void {
  for (const node of [...scope.children.values()]) {
    if (isAtom(node)) {
      resetAtom(run, node)
      continue
    }
    if (node.retry !== null) resetAtom(run, node.retry)
    node.intention = 'EXECUTE'
    resetContent(run, node)
    endTimeout(run, node)
    goScope(run, node, 'PENDING')
  }
  const wasReverting = scope.reverting
  const ignored = scope.ignored
  resetScope(scope)
  if (scope.intention !== 'EXECUTE') {
    scope.reverting = wasReverting
    scope.ignored = ignored
  }
}

function resetAtom(run: Run, atom: AtomRun): void {
  if (atom.state === 'PENDING') return
  atom.attempt = 0
  atom.failure = null
  atom.revertFailure = null
  atom.ignored = null
  atom.outcome = null
  atom.rounds = null
  goAtom(run, atom, 'PENDING')
}

/** Failures inside a scope were healed: they are not reported again. */
function forgetFailures(run: Run, scope: ScopeRun): void {
  const inside = `${scope.path}/`
  for (const path of run.failures.keys()) {
    if (path === scope.path || path.startsWith(inside) || path.startsWith(`${scope.path}:`)) {
      run.failures.delete(path)
    }
  }
}

/** A revert failed for good: everything else that can be reverted is, and the flow ends in FAILURE. */
export function revertFailed(run: Run, atom: AtomRun): void {
  goAtom(run, atom, 'REVERT_FAILURE', { call: atom.revertCalls, failure: atom.revertFailure })
  run.revertFailures++
  revertScope(run, run.root, 'REVERT')
}
