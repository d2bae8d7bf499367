/**
 * After a crash, a hand-over or a suspension: a run is rebuilt from its rows, and what was under way goes on.
 *
 * Invariants
 * U1  Nothing of a run matters that is not in its rows and its plan.
 * U2  An atom whose answer was recorded does not run again; one that was RUNNING or REVERTING is called again under the same
 *     call number.
 * U3  A failure that was not resolved yet is resolved now; asking a retry again gives the same history.
 * U4  A flow that was entered in a former run (see `carry-over.ts`) has no time of its timeout yet: it begins now.
 */
import type { FlowPlan, Plan, TaskPlan } from '../flow/compile.ts'
import { nodeAt } from '../flow/compile.ts'
import type { AtomRecord, ScopeRecord } from './records.ts'
import { goOutwards, resolveFailure } from './failure.ts'
import { callRevert, resetContent, setUp } from './revert.ts'
import {
  around,
  createRun,
  ensureAtom,
  ensureScope,
  goFlow,
  isAtom,
  isCovered,
  planStart,
  touchScope,
  type AtomRun,
  type NodeRun,
  type Run,
  type ScopeRun,
} from './run.ts'
import { call, enterScope, scopeDone, startRound } from './start.ts'
import type { FlowState } from './states.ts'

export interface StoredRun {
  readonly state: FlowState
  readonly reason?: string | null | undefined
  readonly atoms: readonly AtomRecord[]
  readonly scopes: readonly ScopeRecord[]
}

/** A run as its rows say. Feed it `begin` to let it go on. */
export function restoreRun(plan: Plan, stored: StoredRun, window?: number): Run {
  const run = createRun(plan, window)
  run.state = stored.state
  run.reason = stored.reason ?? null
  for (const record of [...stored.scopes].sort(byDepth)) restoreScope(run, record)
  for (const record of stored.atoms) restoreAtom(run, record)
  count(run)
  collectFailures(run)
  return run
}

function byDepth(a: ScopeRecord, b: ScopeRecord): number {
  return a.path.length - b.path.length
}

/** The scope at a path, with those around it. */
function scopeAt(run: Run, path: string): ScopeRun {
  const known = run.scopes.get(path)
  if (known !== undefined) return known
  const plan = nodeAt(run.plan, path)
  if (plan === undefined || plan.kind !== 'flow') throw new Error(`the flow has no flow at ${path}`)
  const parent = scopeAt(run, path.slice(0, path.lastIndexOf('/')))
  return ensureScope(run, plan, parent)
}

function restoreScope(run: Run, record: ScopeRecord): void {
  const scope = scopeAt(run, record.path)
  scope.state = record.state
  scope.intention = record.intention
  scope.dueAt = record.dueAt
  scope.ignored = record.ignored
  scope.failure = record.failure
}

function restoreAtom(run: Run, record: AtomRecord): void {
  const atom = record.kind === 'retry' ? retryAt(run, record.path) : taskAt(run, record.path)
  atom.state = record.state
  atom.attempt = record.attempt
  atom.executeCalls = record.executeCalls
  atom.revertCalls = record.revertCalls
  atom.dueAt = record.dueAt
  atom.outcome = record.outcome
  atom.ignored = record.ignored
  atom.failure = record.failure
  atom.revertFailure = record.revertFailure
  atom.rounds = record.rounds === null ? null : [...record.rounds]
  const { replyTo, copy, starts } = record
  atom.sent = replyTo === null ? null : { replyTo, copy, starts }
  if (record.kind === 'retry') restoreRounds(run, atom)
  if (record.state === 'REVERT_FAILURE') run.revertFailures++
  if (record.dueAt !== null) run.waiting++
}

/** U1: what a retry still has to try, and what its strategy wanted for the next round. */
function restoreRounds(run: Run, retry: AtomRun): void {
  if (retry.state === 'REVERTED') return
  const { scope, rounds } = retry
  const last = rounds?.at(-1)
  scope.valuesLeft = last?.left ?? 0
  scope.attempts = last?.attempts ?? null
  const value = rounds?.findLast(({ next }) => next?.value !== undefined)?.next?.value
  if (value !== undefined) run.strategyValues.set(retry.path, value)
  // Once it waits for its next round, the delay has become the time when that is due.
  const delayMs = last?.next?.delayMs
  if (delayMs !== undefined && retry.state !== 'RETRYING') {
    run.strategyDelays.set(retry.path, delayMs)
  }
}

function retryAt(run: Run, path: string): AtomRun {
  const scope = scopeAt(run, path.slice(0, path.lastIndexOf(':')))
  if (scope.plan.retry === null) throw new Error(`the flow has no retry at ${path}`)
  const retry = ensureAtom(scope.plan.retry, scope)
  scope.retry = retry
  return retry
}

function taskAt(run: Run, path: string): AtomRun {
  const plan = nodeAt(run.plan, path)
  if (plan === undefined || plan.kind !== 'task') throw new Error(`the flow has no task at ${path}`)
  const scope = scopeAt(run, path.slice(0, path.lastIndexOf('/')))
  const atom = ensureAtom(plan, scope)
  scope.children.remember(plan.index, atom)
  return atom
}

/** Whether what comes after a node may start. */
function isDone(node: NodeRun): boolean {
  if (!isAtom(node))
    return node.state === 'DONE' || node.state === 'IGNORED' || node.state === 'CONTINUED'
  if (node.state === 'SUCCESS' || node.state === 'IGNORE') return true
  return node.state === 'REVERTED' && (node.plan as TaskPlan).continues
}

/** Children and counters of every scope, from the nodes that were restored. */
function count(run: Run): void {
  for (const scope of run.scopes.values()) {
    scope.remaining = scope.plan.children.length
    scope.unmet = scope.plan.pattern === 'graph' ? scope.plan.indegree.slice() : null
    if (scope.dueAt !== null) run.waiting++
  }
  const nodes: NodeRun[] = []
  for (const atom of run.atoms.values()) {
    if (atom.plan.kind === 'task' && atom.state !== 'PENDING') nodes.push(atom)
  }
  for (const scope of run.scopes.values()) {
    if (scope.parent !== null && scope.state !== 'PENDING') nodes.push(scope)
  }
  nodes.sort((a, b) => positionOf(a) - positionOf(b))
  for (const node of nodes) (around(node) as ScopeRun).children.set(positionOf(node), node)
  for (const scope of run.scopes.values()) countDone(scope)
}

function positionOf(node: NodeRun): number {
  return (node.plan as TaskPlan | FlowPlan).index
}

/** A node that a decider ignored early counts only when all before it is done, as it does in a run that never stopped. */
function countDone(scope: ScopeRun): void {
  const early: number[] = []
  const done = (index: number): void => {
    scope.remaining--
    for (const next of scope.unmet === null ? [] : (scope.plan.successors[index] ?? [])) {
      const left = ((scope.unmet as Int32Array)[next] as number) - 1
      ;(scope.unmet as Int32Array)[next] = left
      if (left === 0 && scope.children.get(next)?.ignored != null) early.push(next)
    }
  }
  if (scope.plan.pattern === 'linear') {
    for (let index = 0; isDoneAt(scope, index); index++) scope.remaining--
    return
  }
  for (const [index, node] of scope.children) {
    if (!isDone(node)) continue
    if (node.ignored === null || (scope.plan.indegree[index] ?? 0) === 0) done(index)
  }
  for (let index = early.pop(); index !== undefined; index = early.pop()) done(index)
}

function collectFailures(run: Run): void {
  for (const atom of run.atoms.values()) {
    if (atom.failure !== null && !isHealed(atom)) run.failures.set(atom.path, atom.failure)
  }
  for (const scope of run.scopes.values()) {
    if (scope.failure !== null && scope.state !== 'CONTINUED')
      run.failures.set(scope.path, scope.failure)
  }
}

function isHealed(atom: AtomRun): boolean {
  if (atom.state === 'REVERTED' && atom.plan.kind === 'task' && atom.plan.continues) return true
  for (let scope: ScopeRun | null = atom.scope; scope !== null; scope = scope.parent) {
    if (scope.state === 'CONTINUED') return true
  }
  return false
}

/** Lets a restored run go on: the counterpart of `begin` for a run that was under way. */
export function resumeRun(run: Run): boolean {
  if (run.state === 'SUCCESS' || run.state === 'REVERTED' || run.state === 'FAILURE') return false
  const wasSuspending = run.state === 'SUSPENDING'
  // Why it was suspended is no longer why it is as it is; why it was cancelled is.
  if (run.state === 'SUSPENDED' && !run.abortAll && run.root.intention !== 'REVERT')
    run.reason = null
  run.backlog.clear()
  if (run.state !== 'RESUMING') goFlow(run, 'RESUMING')
  if (wasSuspending) goFlow(run, 'SUSPENDING')
  else goFlow(run, run.root.intention === 'REVERT' ? 'REVERTING' : 'RUNNING')
  if (run.root.state === 'PENDING') enterScope(run, run.root)
  else resumeScope(run, run.root, false)
  return true
}

/** Lets a flow whose revert failed go on reverting, because an operator decided about it. */
export function reopenRun(run: Run): void {
  goFlow(run, 'RESUMING')
  goFlow(run, 'REVERTING')
  if (!run.root.reverting) resumeScope(run, run.root, false)
}

/** Goes on in a scope. `covered`: a scope around it is being reverted, and its turn comes from there. */
function resumeScope(run: Run, scope: ScopeRun, covered: boolean): void {
  beginTimeout(run, scope)
  if (scope.dueAt !== null && scope.state === 'ENTERED') {
    run.commands.push({ kind: 'wait', path: scope.path, dueAt: scope.dueAt })
  }
  const isReverting = covered || scope.intention !== 'EXECUTE'
  const retry = scope.retry
  if (retry?.state === 'RETRYING') {
    resumeRound(run, scope, retry, covered)
    return
  }
  if (retry?.state === 'RUNNING' || retry?.state === 'PENDING') {
    // Committed between its transitions: the round begins again.
    if (!isReverting) {
      retry.state = 'RETRYING'
      startRound(run, scope)
      return
    }
  }
  const failed: AtomRun[] = []
  for (const node of scope.children.values()) {
    if (!isAtom(node)) {
      if (node.state === 'ENTERED') {
        scope.active++
        resumeScope(run, node, isReverting)
      }
    } else if (resumeAtom(run, node)) failed.push(node)
  }
  if (isReverting) {
    if (!covered) setUp(run, scope)
    return
  }
  if (retry?.state === 'FAILURE' && retry.failure !== null && scope.state === 'ENTERED') {
    goOutwards(run, retry, retry.failure)
    return
  }
  if (scope.failure !== null && scope.state === 'ENTERED') {
    resolveFailure(run, scope, scope.failure)
    return
  }
  // Where failures wait for the other children, those that had not started yet count.
  const finishes = scope.plan.onChildFailure === 'finish' && scope.state === 'ENTERED'
  if (finishes) startReady(run, scope)
  for (const atom of failed) {
    if (atom.failure !== null) {
      scope.active++
      resolveFailure(run, atom, atom.failure)
    }
  }
  if (finishes || scope.reverting || scope.state !== 'ENTERED') return
  startReady(run, scope)
}

/** U4: elsewhere a flow whose time is gone has a failure, or is being reverted. */
function beginTimeout(run: Run, scope: ScopeRun): void {
  const { timeoutMs } = scope.plan
  const isRunning =
    scope.state === 'ENTERED' && scope.intention === 'EXECUTE' && scope.failure === null
  if (timeoutMs === null || scope.dueAt !== null || !isRunning || isCovered(scope)) return
  scope.dueAt = run.now + timeoutMs
  run.waiting++
  touchScope(run, scope)
}

/** A retry that waits for its next round; its content is PENDING, or becomes so. */
function resumeRound(run: Run, scope: ScopeRun, retry: AtomRun, covered: boolean): void {
  scope.intention = covered ? scope.intention : 'RETRY'
  scope.reverting = true
  scope.unreverted = 0
  resetContent(run, scope)
  scope.reverting = true
  if (covered) return
  if (retry.dueAt !== null)
    run.commands.push({ kind: 'wait', path: retry.path, dueAt: retry.dueAt })
  else if (run.state !== 'SUSPENDING') startRound(run, scope)
}

/** Calls again what was called; true: it failed and the failure may be unresolved. */
function resumeAtom(run: Run, atom: AtomRun): boolean {
  switch (atom.state) {
    case 'RUNNING':
      atom.scope.active++
      call(run, atom, true)
      return false
    case 'RETRYING':
      atom.scope.active++
      run.commands.push({ kind: 'wait', path: atom.path, dueAt: atom.dueAt ?? run.now })
      return false
    case 'REVERTING':
      atom.scope.active++
      if (atom.dueAt !== null)
        run.commands.push({ kind: 'wait', path: atom.path, dueAt: atom.dueAt })
      else callRevert(run, atom, true)
      return false
    case 'FAILURE':
      return true
    case 'PENDING':
    case 'SUCCESS':
    case 'REVERTED':
    case 'REVERT_FAILURE':
    case 'IGNORE':
      return false
  }
}

/** Starts what was ready: the first time, this is everything that waits for nothing. */
function startReady(run: Run, scope: ScopeRun): void {
  if (scope.remaining === 0) {
    scopeDone(run, scope)
    return
  }
  if (scope.plan.pattern === 'linear') {
    let next = 0
    while (next < scope.plan.children.length && isDoneAt(scope, next)) next++
    if (!scope.children.has(next)) planStart(run, scope, next)
    return
  }
  const order = scope.plan.children.map((child) => child.index)
  order.sort(
    (a, b) =>
      (scope.plan.children[b]?.priority ?? 0) - (scope.plan.children[a]?.priority ?? 0) || a - b,
  )
  for (const index of order) {
    if (!scope.children.has(index) && (scope.unmet === null || scope.unmet[index] === 0)) {
      planStart(run, scope, index)
    }
  }
}

function isDoneAt(scope: ScopeRun, index: number): boolean {
  const node = scope.children.get(index)
  return node !== undefined && isDone(node)
}
