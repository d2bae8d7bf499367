/**
 * The machine: one event in, transitions and commands out. Deterministic; no clock, no I/O. See `run.ts` for the invariants.
 *
 * An event that no longer applies (a late answer, a timer of something that went on) changes nothing.
 */
import type { Failure } from '../base/failure.ts'
import type { NodePlan } from '../flow/compile.ts'
import type {
  CallRef,
  Command,
  EvaluatePurpose,
  MachineEvent,
  StrategyAnswer,
  Transition,
} from './events.ts'
import {
  atomFailed,
  decideByBudget,
  ended,
  executeFailed,
  follow,
  goOutwards,
  resolveFailure,
  revertAttemptFailed,
  tryAgain,
  tryRevertAgain,
} from './failure.ts'
import type { RetryRound } from './records.ts'
import { reopenRun, resumeRun } from './resume.ts'
import { atomReverted, callRevert, revertNode, revertScope } from './revert.ts'
import {
  ensureNode,
  goAtom,
  goFlow,
  goScope,
  isCovered,
  isCurrent,
  isHeld,
  planDone,
  planRevert,
  takeUp,
  touchAtom,
  type AtomRun,
  type Run,
  type ScopeRun,
} from './run.ts'
import {
  call,
  conditionsKnown,
  enterScope,
  failScope,
  nodeDone,
  outputKnown,
  roundKnown,
  startChild,
  startRound,
} from './start.ts'
import { isFinal } from './states.ts'

/** What an event led to. `isStale`: it no longer applied. */
export interface Step {
  readonly transitions: readonly Transition[]
  readonly commands: readonly Command[]
  readonly isStale: boolean
}

/** Feeds one event to a run (which it changes, M1) at the time `now` (epoch ms, the database's clock). */
export function advance(run: Run, event: MachineEvent, now: number): Step {
  run.now = now
  const applied = apply(run, event)
  for (let at = 0; at < run.work.length || takeUp(run); at++) {
    const work = run.work[at] as (typeof run.work)[number]
    if (work.kind === 'start') run.starting--
    if (!isCurrent(work)) continue
    if (work.kind === 'start') startChild(run, work.scope, work.index)
    else if (work.kind === 'done') {
      nodeDone(run, work.node)
      ended(run, 'scope' in work.node ? work.node.scope : work.node.parent)
    } else revertNode(run, work.node)
  }
  run.work = []
  settle(run)
  const { transitions, commands } = run
  run.transitions = []
  run.commands = []
  return { transitions, commands, isStale: !applied }
}

function apply(run: Run, event: MachineEvent): boolean {
  switch (event.kind) {
    case 'begin':
      return begin(run)
    case 'succeeded':
      return succeeded(run, event.call, event.decision)
    case 'failed':
      return failed(run, event)
    case 'evaluated':
      return evaluated(run, event)
    case 'due':
      return due(run, event.path)
    case 'cancel':
      return cancel(run, event.reason)
    case 'suspend':
      return suspend(run, event.reason)
    case 'resolve-revert':
      return resolveRevert(run, event.atom, event.how)
  }
}

function begin(run: Run): boolean {
  if (run.state !== 'PENDING') return resumeRun(run)
  goFlow(run, 'RUNNING')
  enterScope(run, run.root)
  return true
}

/** The atom of a call that is still awaited. */
function awaited(run: Run, ref: CallRef): AtomRun | null {
  const atom = run.atoms.get(ref.atom)
  if (atom === undefined) return null
  switch (ref.direction) {
    case 'execute':
      return atom.state === 'RUNNING' && ref.call === atom.executeCalls + 1 ? atom : null
    case 'revert':
      return atom.state === 'REVERTING' && ref.call === atom.revertCalls + 1 ? atom : null
    case 'decide':
      return run.deciding.has(atom.path) && ref.call === atom.revertCalls + 1 ? atom : null
  }
}

function succeeded(run: Run, ref: CallRef, answer: StrategyAnswer | undefined): boolean {
  const atom = awaited(run, ref)
  if (atom === null) return false
  run.inflight--
  switch (ref.direction) {
    case 'execute':
      atom.executeCalls++
      atom.outcome = 'success'
      if (atom.failure !== null) {
        atom.failure = null
        run.failures.delete(atom.path)
      }
      goAtom(run, atom, 'SUCCESS', { call: atom.executeCalls })
      planDone(run, atom)
      return true
    case 'revert':
      atom.revertCalls++
      atom.revertFailure = null
      atomReverted(run, atom)
      return true
    case 'decide':
      decided(run, atom, answer)
      return true
  }
}

function decided(run: Run, retry: AtomRun, answer: StrategyAnswer | undefined): void {
  const asked = run.deciding.get(retry.path)
  run.deciding.delete(retry.path)
  retry.revertCalls++
  touchAtom(run, retry)
  if (asked === undefined || answer === undefined) return
  if (answer.decision === 'RETRY') {
    if (answer.delayMs !== undefined) run.strategyDelays.set(retry.path, answer.delayMs)
    if (answer.value !== undefined) run.strategyValues.set(retry.path, answer.value)
  }
  const last = retry.rounds?.at(-1)
  if (last !== undefined) {
    retry.rounds = [...(retry.rounds ?? []).slice(0, -1), { ...last, ...remembered(answer) }]
  }
  if (!follow(run, retry.scope, answer.decision)) goOutwards(run, retry, asked.failure)
}

/** What of a strategy's answer has to outlive this process. */
function remembered({ decision, value, delayMs }: StrategyAnswer): Partial<RetryRound> {
  if (decision === 'REVERT') return { decision }
  if (decision !== 'RETRY' || (value === undefined && delayMs === undefined)) return {}
  return {
    next: {
      ...(value === undefined ? {} : { value }),
      ...(delayMs === undefined ? {} : { delayMs }),
    },
  }
}

function failed(run: Run, event: Extract<MachineEvent, { kind: 'failed' }>): boolean {
  const atom = awaited(run, event.call)
  if (atom === null) return false
  run.inflight--
  switch (event.call.direction) {
    case 'execute':
      atom.executeCalls++
      atom.outcome = event.outcome
      touchAtom(run, atom)
      executeFailed(run, atom, event.failure)
      return true
    case 'revert':
      atom.revertCalls++
      revertAttemptFailed(run, atom, event.failure)
      return true
    case 'decide':
      run.deciding.delete(atom.path)
      atom.revertCalls++
      retryFailed(run, atom, event.failure)
      return true
  }
}

/** A retry could not decide, or has nothing to give: it fails itself, and those around its flow are asked. */
function retryFailed(run: Run, retry: AtomRun, failure: Failure): void {
  retry.failure = failure
  run.failures.set(retry.path, failure)
  goAtom(run, retry, 'FAILURE', { failure })
  if (retry.scope.reverting) planRevert(run, retry.scope)
  goOutwards(run, retry, failure)
}

function evaluated(run: Run, event: Extract<MachineEvent, { kind: 'evaluated' }>): boolean {
  const purpose = run.evaluating.get(event.id)
  if (purpose === undefined) return false
  run.evaluating.delete(event.id)
  if (event.failure !== undefined) evaluationFailed(run, purpose, event.failure)
  else evaluationKnown(run, purpose, event.value)
  return true
}

function evaluationKnown(
  run: Run,
  purpose: EvaluatePurpose,
  value: Extract<MachineEvent, { kind: 'evaluated'; failure?: undefined }>['value'],
): void {
  switch (purpose.kind) {
    case 'conditions':
      conditionsKnown(run, purpose, value)
      return
    case 'round':
      if (purpose.entry !== purpose.retry.scope.entry) return
      if ('round' in value) roundKnown(run, purpose.retry, value.round, value.left, value.attempts)
      return
    case 'again': {
      const task = purpose.atom.plan.kind === 'task' ? purpose.atom.plan.task : undefined
      const retry =
        purpose.direction === 'revert' ? (task?.revertRetry ?? task?.retry) : task?.retry
      if (retry === undefined || !('again' in value)) return
      const attempts = value.attempts ?? (typeof retry.attempts === 'number' ? retry.attempts : 1)
      if (purpose.direction === 'revert')
        tryRevertAgain(run, purpose.atom, retry, value.again, attempts)
      else tryAgain(run, purpose.atom, purpose.failure, retry, value.again, attempts)
      return
    }
    case 'decide': {
      if (!('again' in value)) return
      const { retry, failure } = purpose
      const decision = value.again ? decideByBudget(retry) : givesUp(retry)
      if (!follow(run, retry.scope, decision)) goOutwards(run, retry, failure)
      return
    }
    case 'output':
      outputKnown(run)
      return
  }
}

function givesUp(retry: AtomRun): 'REVERT' | 'REVERT_ALL' {
  const data = retry.plan.kind === 'retry' ? retry.plan.retry : null
  return data !== null && 'then' in data && data.then === 'revertAll' ? 'REVERT_ALL' : 'REVERT'
}

/** Errors of expressions are failures of what they belong to. */
function evaluationFailed(run: Run, purpose: EvaluatePurpose, failure: Failure): void {
  switch (purpose.kind) {
    case 'conditions': {
      const plan = purpose.scope.plan.children[purpose.index]
      if (plan === undefined || purpose.scope.entry !== purpose.entry) return
      if (purpose.scope.reverting || isHeld(run)) return
      conditionFailed(run, purpose.scope, purpose.index, failure)
      return
    }
    case 'round':
      if (purpose.entry === purpose.retry.scope.entry) retryFailed(run, purpose.retry, failure)
      return
    case 'again':
      if (purpose.direction === 'execute') atomFailed(run, purpose.atom, failure)
      else revertAttemptFailed(run, purpose.atom, { ...failure, retryable: false })
      return
    case 'decide':
      retryFailed(run, purpose.retry, failure)
      return
    case 'output':
      failScope(run, run.root, failure)
      revertScope(run, run.root, 'REVERT')
      return
  }
}

function conditionFailed(run: Run, scope: ScopeRun, index: number, failure: Failure): void {
  const node = ensureNode(run, scope.plan.children[index] as NodePlan, scope)
  scope.children.set(index, node)
  if ('scope' in node) {
    atomFailed(run, node, failure)
    return
  }
  goScope(run, node, 'ENTERED')
  failScope(run, node, failure)
  resolveFailure(run, node, failure)
  ended(run, scope)
}

function due(run: Run, path: string): boolean {
  const atom = run.atoms.get(path)
  if (atom !== undefined) return atomDue(run, atom)
  const scope = run.scopes.get(path)
  if (scope === undefined || scope.dueAt === null || scope.dueAt > run.now) return false
  if (scope.state !== 'ENTERED' || isHeld(run)) return false
  // The time counts for all rounds of its retry, the reverts and waits between them included.
  if (scope.reverting && (scope.intention !== 'RETRY' || isCovered(scope))) return false
  scope.dueAt = null
  run.waiting--
  const seconds = (scope.plan.timeoutMs ?? 0) / 1000
  failScope(run, scope, {
    code: 'TimedOut',
    message: `${scope.path} did not end within ${seconds} s`,
  })
  run.aborting.add(scope)
  resolveFailure(run, scope, scope.failure as Failure)
  ended(run, scope.parent)
  return true
}

function atomDue(run: Run, atom: AtomRun): boolean {
  if (atom.dueAt === null || atom.dueAt > run.now || isHeld(run)) return false
  if (atom.state !== 'RETRYING' && atom.state !== 'REVERTING') return false
  atom.dueAt = null
  run.waiting--
  if (atom.plan.kind === 'retry') startRound(run, atom.scope)
  else if (atom.state === 'RETRYING') call(run, atom, false)
  else callRevert(run, atom, false)
  touchAtom(run, atom)
  return true
}

function cancel(run: Run, reason: string): boolean {
  if (isFinal(run.state)) return false
  if (!run.abortAll) run.reason = reason
  run.abortAll = true
  if (run.state === 'PENDING') {
    goFlow(run, 'REVERTED')
    run.commands.push({ kind: 'finish', state: 'REVERTED' })
    return true
  }
  // RESUMING: it has not begun, but begins with what a former run left standing.
  if (run.state === 'SUSPENDED' || run.state === 'RESUMING') resumeRun(run)
  abortEverything(run)
  revertScope(run, run.root, 'REVERT')
  return true
}

/** Executions that run anywhere in the flow are sent the abort signal; reverts are not. */
function abortEverything(run: Run): void {
  const scopes: ScopeRun[] = [run.root]
  for (let scope = scopes.pop(); scope !== undefined; scope = scopes.pop()) {
    for (const node of scope.children.unsettledValues()) {
      if (!('scope' in node)) scopes.push(node)
      else if (node.state === 'RUNNING') {
        const reason = run.reason ?? 'cancelled'
        run.commands.push({
          kind: 'abort',
          atom: node,
          direction: 'execute',
          call: node.executeCalls + 1,
          reason,
        })
      }
    }
  }
}

function suspend(run: Run, reason: string): boolean {
  if (run.state === 'PENDING') {
    run.reason = reason
    goFlow(run, 'SUSPENDED')
    run.commands.push({ kind: 'finish', state: 'SUSPENDED' })
    return true
  }
  const mayBe = ['RUNNING', 'REVERTING', 'RESUMING'] as const
  if (!mayBe.some((state) => state === run.state)) return false
  // A cancelled flow that is suspended while it reverts was cancelled all the same.
  run.reason ??= reason
  goFlow(run, 'SUSPENDING')
  return true
}

function resolveRevert(run: Run, path: string, how: 'again' | 'skip'): boolean {
  const atom = run.atoms.get(path)
  if (atom === undefined || atom.state !== 'REVERT_FAILURE') return false
  if (run.state === 'FAILURE') reopenRun(run)
  run.revertFailures--
  atom.attempt = 1
  if (how === 'again') {
    goAtom(run, atom, 'REVERTING', { call: atom.revertCalls + 1 })
    callRevert(run, atom, false)
  } else {
    atomReverted(run, atom)
  }
  return true
}

/** Ends a flow in which nothing goes on any more. */
function settle(run: Run): void {
  if (isFinal(run.state) || run.state === 'SUSPENDED' || run.state === 'PENDING') return
  if (run.inflight > 0 || run.evaluating.size > 0) return
  if (run.state === 'SUSPENDING') {
    goFlow(run, 'SUSPENDED')
    run.commands.push({ kind: 'finish', state: 'SUSPENDED' })
    return
  }
  if (run.waiting > 0 || run.holding) return
  if (run.revertFailures > 0) {
    goFlow(run, 'FAILURE')
    run.commands.push({ kind: 'finish', state: 'FAILURE' })
    return
  }
  throw new Error(`nothing goes on in ${run.plan.root.id}, but it has not ended`)
}
