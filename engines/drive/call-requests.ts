/** Requests for calls: what an engine, here or elsewhere, needs to carry one out. */
import type { Failure } from '../../src/base/failure.ts'
import type { Command } from '../../src/machine/events.ts'
import type { AtomRun, Run, ScopeRun } from '../../src/machine/run.ts'
import type { CallRequest } from '../engine.ts'
import type { Values } from './values.ts'

/** A call as the machine commands it. */
export type CallCommand = Extract<Command, { kind: 'call' }>

/** Whose calls they are, and where their values come from. */
export interface RequestSource {
  readonly jobId: string
  readonly flowId: string
  readonly run: Run
  readonly values: Values
  /** Failures that stand, by atom. */
  failures(): { readonly [atom: string]: Failure }
}

/** Binds the arguments of a call. Throws `ValuesMissing`, or why they cannot be bound. */
export function requestOf(source: RequestSource, command: CallCommand): CallRequest {
  const { atom } = command
  if (atom.plan.kind === 'retry') return decideRequest(source, command)
  const request = executeRequest(source, command)
  if (command.direction === 'execute') return request
  const outcome = atom.outcome ?? 'unknown'
  return {
    ...request,
    outcome,
    ...(outcome === 'success'
      ? { result: source.values.resultOf(atom) }
      : { failure: atom.failure ?? UNKNOWN_OUTCOME }),
    failures: source.failures(),
  }
}

/** Written out: spreading what the kinds have in common took most of the time of a call. */
function executeRequest(source: RequestSource, command: CallCommand): CallRequest {
  const { atom, direction, call, again } = command
  if (atom.plan.kind !== 'task') throw new Error(`${atom.path} is no task`)
  const { task } = atom.plan
  return {
    jobId: source.jobId,
    flowId: source.flowId,
    flow: source.run.plan.root.id,
    atom: atom.path,
    direction,
    call,
    attempt: atom.attempt,
    again,
    task: task.task,
    topic: task.topic ?? 'default',
    args: source.values.arguments(atom.plan),
    timeoutMs: task.timeoutMs,
    heartbeatMs: task.heartbeatMs,
    repeat: task.repeat,
    priority: atom.plan.priority,
    sent: atom.sent ?? undefined,
  }
}

function decideRequest(source: RequestSource, command: CallCommand): CallRequest {
  const { atom, direction, call, again } = command
  if (atom.plan.kind !== 'retry' || atom.plan.retry.kind !== 'strategy') {
    throw new Error(`${atom.path} has no strategy to call`)
  }
  const { retry } = atom.plan
  return {
    jobId: source.jobId,
    flowId: source.flowId,
    flow: source.run.plan.root.id,
    atom: atom.path,
    direction,
    call,
    attempt: atom.attempt,
    again,
    task: retry.strategy,
    topic: retry.topic ?? 'default',
    args: source.values.strategyArguments(atom.plan),
    rounds: atom.rounds ?? [],
    priority: 0,
    sent: atom.sent ?? undefined,
  }
}

const UNKNOWN_OUTCOME: Failure = {
  code: 'UnknownOutcome',
  message: 'nothing is known of what its execution came to',
}

/** Whether an answer to this call is still waited for. */
export function isAwaited(
  run: Run,
  atom: AtomRun,
  call: Pick<CallRequest, 'direction' | 'call'>,
): boolean {
  switch (call.direction) {
    case 'execute':
      return atom.state === 'RUNNING' && call.call === atom.executeCalls + 1
    case 'revert':
      return atom.state === 'REVERTING' && call.call === atom.revertCalls + 1
    case 'decide':
      return run.deciding.has(atom.path) && call.call === atom.revertCalls + 1
  }
}

/** Why a call of an earlier owner is to end, where what it is part of is being reverted; null: its answer is awaited. */
export function whyAborted(run: Run, atom: AtomRun): string | null {
  if (run.reason !== null) return run.reason
  for (let scope: ScopeRun | null = atom.scope; scope !== null; scope = scope.parent) {
    if (!scope.reverting) break
    if (scope.plan.onChildFailure === 'abort') return `${scope.path} failed`
    if (scope.failure?.code === 'TimedOut') return scope.failure.message
  }
  return null
}
