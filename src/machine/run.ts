/**
 * A run of a flow in memory: what is known of the scopes that were entered and of the atoms that have started.
 *
 * Invariants
 * M1  A run is changed by `advance` alone, in place: copying it would cost O(flow) for every event. Its owner drops it when a
 *     commit is refused and restores a new one from the rows.
 * M2  Only nodes that were entered are held. What has no node is PENDING.
 * M3  Each event costs O(changed atoms + their neighbours): siblings wait by counters, never by scans.
 * M4  Intentions stand at scopes and are derived for atoms: an atom is to be reverted if a scope around it is.
 * M5  A wider intention wins over a narrower one, never the reverse.
 * M6  Every state change goes through `goAtom`, `goFlow` or `goScope`, which refuse what is not in the tables.
 * M7  No more calls are begun than `window` allows to be in flight; what else could start or be reverted waits in the backlog,
 *     and goes on as calls are answered. (Attempts after a delay, and what a restore finds under way, are not held back.)
 * M8  An atom that has succeeded, and whose row was taken, is let go (`settled.ts`): nothing that was planned holds it then, and
 *     while its flow is being reverted it is not.
 */
import type { Failure } from '../base/failure.ts'
import type { Json } from '../base/json.ts'
import type { FlowPlan, NodePlan, Plan, RetryPlan, TaskPlan } from '../flow/compile.ts'
import { Atoms } from './atoms.ts'
import { Backlog } from './backlog.ts'
import { Children } from './children.ts'
import type { Command, EvaluatePurpose, Transition } from './events.ts'
import type {
  AtomRecord,
  CallOutcome,
  IgnoreReason,
  Intention,
  RetryRound,
  ScopeRecord,
  ScopeState,
  SentRecord,
} from './records.ts'
import { newAtom } from './settled.ts'
import { atomMayGo, flowMayGo, isFinal, type AtomState, type FlowState } from './states.ts'

export interface AtomRun {
  readonly plan: TaskPlan | RetryPlan
  readonly path: string
  readonly scope: ScopeRun
  state: AtomState
  attempt: number
  executeCalls: number
  revertCalls: number
  dueAt: number | null
  outcome: CallOutcome | null
  ignored: IgnoreReason | null
  failure: Failure | null
  revertFailure: Failure | null
  rounds: RetryRound[] | null
  /** Where its present call is. The driver's alone: what is decided here never depends on it. */
  sent: SentRecord | null
  /** Entered successors that are not reverted yet. */
  blockers: number
  /** Those before it were told that it is reverted. */
  isGone: boolean
  dirty: boolean
}

export interface ScopeRun {
  readonly plan: FlowPlan
  readonly path: string
  readonly parent: ScopeRun | null
  state: ScopeState
  intention: Intention
  dueAt: number | null
  ignored: IgnoreReason | null
  failure: Failure | null
  /** Nodes that were entered, by position. */
  readonly children: Children
  retry: AtomRun | null
  /** Graphs: edges into each child that are not satisfied yet. */
  unmet: Int32Array | null
  /** Counts how often it was entered or left: what was asked or planned for an earlier time is void. */
  entry: number
  /** Children that are not done yet. */
  remaining: number
  /** Children that may still change by themselves (for `onChildFailure: finish`). */
  active: number
  /** Children that are about to start: planned, or waiting for room. None counts once it stalls or is reverted. */
  queued: number
  /** A failure went through it outwards: nothing new starts in it. */
  stalled: boolean
  /** Its parent no longer counts it as active. */
  inactive: boolean
  /** It is being reverted: its counters of that are set up. */
  reverting: boolean
  unreverted: number
  blockers: number
  isGone: boolean
  /** Values that its retry has left to try, after the present one. */
  valuesLeft: number
  /** `attempts` of its retry, where that is an expression. */
  attempts: number | null
  /** Failures that wait until the other children have ended (`finish`). */
  deferred: Deferred[] | null
  dirty: boolean
}

export type NodeRun = AtomRun | ScopeRun

export interface Deferred {
  readonly origin: NodeRun
  readonly failure: Failure
}

/** What is left to do within one `advance`. */
export type Work =
  | {
      readonly kind: 'start'
      readonly scope: ScopeRun
      readonly index: number
      readonly entry: number
    }
  | { readonly kind: 'done' | 'revert'; readonly node: NodeRun; readonly entry: number }

export interface Run {
  readonly plan: Plan
  state: FlowState
  root: ScopeRun
  readonly atoms: Atoms
  readonly scopes: Map<string, ScopeRun>
  /** Failures that stand, by atom, oldest first. */
  readonly failures: Map<string, Failure>
  /** Why it was cancelled. */
  reason: string | null
  /** Calls that may be in flight at once, from 1. */
  readonly window: number
  /** Calls that were commanded and have not answered. */
  inflight: number
  /** Starts in `work`. */
  starting: number
  /** What waits for room in the window. */
  readonly backlog: Backlog
  /** Atoms and scopes that wait for a time. */
  waiting: number
  /** Reverts that failed for good. */
  revertFailures: number
  readonly evaluating: Map<number, EvaluatePurpose>
  /** Retry strategies that are being asked, by the retry's path. */
  readonly deciding: Map<string, Deferred>
  /** What strategies gave for the next round. */
  readonly strategyValues: Map<string, Json>
  readonly strategyDelays: Map<string, number>
  /** Scopes whose running children are sent the abort signal when they are reverted. */
  readonly aborting: Set<ScopeRun>
  /** Its owner hands it over: nothing new starts, what runs is awaited. Not stored. */
  holding: boolean
  /** The flow is cancelled: all that runs is sent the abort signal. */
  abortAll: boolean
  nextEvaluation: number
  now: number
  work: Work[]
  transitions: Transition[]
  commands: Command[]
  dirtyAtoms: AtomRun[]
  dirtyScopes: ScopeRun[]
}

/** Calls in flight at once, unless the owner of a run says otherwise: more than workers elsewhere mostly have places. */
const WINDOW = 10_000

/** A run that has not begun. `window`: calls that may be in flight at once. */
export function createRun(plan: Plan, window: number = WINDOW): Run {
  const root = newScope(plan.root, null)
  const scopes = new Map([[root.path, root]])
  return {
    plan,
    state: 'PENDING',
    root,
    atoms: new Atoms(plan, scopes),
    scopes,
    failures: new Map(),
    reason: null,
    window,
    inflight: 0,
    starting: 0,
    backlog: new Backlog(),
    waiting: 0,
    revertFailures: 0,
    evaluating: new Map(),
    deciding: new Map(),
    strategyValues: new Map(),
    strategyDelays: new Map(),
    aborting: new Set(),
    abortAll: false,
    holding: false,
    nextEvaluation: 1,
    now: 0,
    work: [],
    transitions: [],
    commands: [],
    dirtyAtoms: [],
    dirtyScopes: [],
  }
}

export function isAtom(node: NodeRun): node is AtomRun {
  return node.plan.kind !== 'flow'
}

/** The scope around a node; of a scope, its parent (the root has none). */
export function around(node: NodeRun): ScopeRun | null {
  return isAtom(node) ? node.scope : node.parent
}

function newScope(plan: FlowPlan, parent: ScopeRun | null): ScopeRun {
  return {
    plan,
    path: parent === null ? plan.id : `${parent.path}/${plan.id}`,
    parent,
    state: 'PENDING',
    intention: 'EXECUTE',
    dueAt: null,
    ignored: null,
    failure: null,
    children: new Children(),
    retry: null,
    unmet: null,
    entry: 0,
    remaining: plan.children.length,
    active: 0,
    queued: 0,
    stalled: false,
    inactive: false,
    reverting: false,
    unreverted: 0,
    blockers: 0,
    isGone: false,
    valuesLeft: 0,
    attempts: null,
    deferred: null,
    dirty: false,
  }
}

/** The scope of a nested flow, made when it is first asked for. */
export function ensureScope(run: Run, plan: FlowPlan, parent: ScopeRun): ScopeRun {
  const path = `${parent.path}/${plan.id}`
  const known = run.scopes.get(path)
  if (known !== undefined) return known
  const scope = newScope(plan, parent)
  run.scopes.set(path, scope)
  return scope
}

/**
 * The atom of a task, or a scope's retry: what the scope knows, or a new one. The caller puts that where the scope finds it
 * (`children`, `retry`).
 */
export function ensureAtom(plan: TaskPlan | RetryPlan, scope: ScopeRun): AtomRun {
  const known = plan.kind === 'retry' ? scope.retry : scope.children.known(plan.index)
  if (known != null) return known as AtomRun // at a task's position there is its atom
  return newAtom(plan, scope)
}

/** The node of a child, atom or scope. */
export function ensureNode(run: Run, plan: NodePlan, scope: ScopeRun): NodeRun {
  return plan.kind === 'task' ? ensureAtom(plan, scope) : ensureScope(run, plan, scope)
}

/** Plans to start a child of a scope, at once or when there is room. */
export function planStart(run: Run, scope: ScopeRun, index: number): void {
  if (scope.stalled || scope.reverting) return
  scope.queued++
  const { priority } = scope.plan.children[index] as NodePlan
  // What a decider ignored is only passed over: that takes no room.
  const isPassed = scope.children.unsettled(index)?.ignored != null
  if (isPassed || hasRoom(run, priority)) pushStart(run, scope, index)
  else run.backlog.add('start', scope, index, priority)
}

/**
 * Plans to start children of a scope of which nothing has been entered yet. `indexes` is a list of the plan's, bigger priority
 * first. If all have one priority, as most have, those for which there is no room are not even looked at.
 */
export function planStarts(run: Run, scope: ScopeRun, indexes: readonly number[]): void {
  const { children } = scope.plan
  const priority = children[indexes[0] as number]?.priority ?? 0
  const isOne = children[indexes.at(-1) as number]?.priority === priority
  let at = 0
  while (at < indexes.length && (!isOne || hasRoom(run, priority))) {
    planStart(run, scope, indexes[at++] as number) // within
  }
  if (at === indexes.length || scope.stalled || scope.reverting) return
  scope.queued += indexes.length - at
  run.backlog.addList(scope, indexes, at, priority)
}

function pushStart(run: Run, scope: ScopeRun, index: number): void {
  run.starting++
  run.work.push({ kind: 'start', scope, index, entry: scope.entry })
}

/** M7. Whether something of that priority may be called now: there is room, and nothing bigger waits for it. */
export function hasRoom(run: Run, priority: number): boolean {
  const expected = run.inflight + run.starting + run.evaluating.size
  return expected < run.window && run.backlog.best <= priority
}

/** Takes up one child that waited for room; false: there is none, or nothing waits, or nothing may start now. */
export function takeUp(run: Run): boolean {
  if (run.backlog.best === -Infinity || isHeld(run) || !hasRoom(run, Infinity)) return false
  const next = run.backlog.take()
  if (next === undefined) return false
  if (next.turn === 'start') pushStart(run, next.scope, next.index)
  else planRevert(run, next.scope.children.get(next.index) as NodeRun) // it was entered when it was added
  return true
}

/** Whether anything in a scope may still change by itself. */
export function isActive(scope: ScopeRun): boolean {
  return scope.active > 0 || scope.queued > 0
}

/** Nothing new starts in a scope: a failure went through it outwards. */
export function stall(scope: ScopeRun): void {
  scope.stalled = true
  scope.queued = 0
}

/** Plans to go on behind a node that is done. */
export function planDone(run: Run, node: NodeRun): void {
  run.work.push({ kind: 'done', node, entry: around(node)?.entry ?? 0 })
}

/** Plans to revert a node when its turn has come (which is looked at then). */
export function planRevert(run: Run, node: NodeRun): void {
  run.work.push({ kind: 'revert', node, entry: around(node)?.entry ?? 0 })
}

/** Whether what was planned still belongs to the present time of its scope. */
export function isCurrent(work: Work): boolean {
  const scope = work.kind === 'start' ? work.scope : around(work.node)
  return scope === null || scope.entry === work.entry
}

/** M6. */
export function goAtom(
  run: Run,
  atom: AtomRun,
  to: AtomState,
  more: { readonly call?: number; readonly failure?: Failure | null; readonly value?: Json } = {},
): void {
  const from = atom.state
  if (!atomMayGo(from, to)) throw new Error(`${atom.path} may not go from ${from} to ${to}`)
  atom.state = to
  touchAtom(run, atom)
  run.transitions.push({
    kind: atom.plan.kind,
    name: atom.path,
    atom,
    from,
    state: to,
    attempt: atom.attempt,
    call: more.call ?? null,
    failure: more.failure ?? null,
    value: more.value,
  })
}

export function goFlow(run: Run, to: FlowState, failure: Failure | null = null): void {
  const from = run.state
  if (!flowMayGo(from, to)) throw new Error(`the flow may not go from ${from} to ${to}`)
  run.state = to
  run.transitions.push({
    kind: 'flow',
    name: run.plan.root.id,
    atom: null,
    from,
    state: to,
    attempt: null,
    call: null,
    failure,
    value: undefined,
  })
}

export function goScope(run: Run, scope: ScopeRun, to: ScopeState): void {
  scope.state = to
  if (to === 'CONTINUED' || to === 'REVERTED' || to === 'PENDING') scope.entry++
  touchScope(run, scope)
}

export function touchAtom(run: Run, atom: AtomRun): void {
  if (atom.dirty) return
  atom.dirty = true
  run.dirtyAtoms.push(atom)
}

export function touchScope(run: Run, scope: ScopeRun): void {
  if (scope.dirty) return
  scope.dirty = true
  run.dirtyScopes.push(scope)
}

/** Whether the flow takes no new work now: it is being suspended, or has ended. */
export function isHeld(run: Run): boolean {
  return (
    run.holding || run.state === 'SUSPENDING' || run.state === 'SUSPENDED' || isFinal(run.state)
  )
}

/** Whether a scope around this one (not itself) is to be reverted. */
export function isCovered(scope: ScopeRun): boolean {
  for (let outer = scope.parent; outer !== null; outer = outer.parent) {
    if (outer.intention !== 'EXECUTE') return true
  }
  return false
}

/** Rows of what changed since the last call. */
export function takeChanges(run: Run): { atoms: AtomRecord[]; scopes: ScopeRecord[] } {
  const atoms = run.dirtyAtoms.map(atomRecord)
  const scopes = run.dirtyScopes.map(scopeRecord)
  for (const atom of run.dirtyAtoms) {
    atom.dirty = false
    settleAtom(atom)
  }
  for (const scope of run.dirtyScopes) scope.dirty = false
  run.dirtyAtoms = []
  run.dirtyScopes = []
  return { atoms, scopes }
}

/** M8. */
function settleAtom(atom: AtomRun): void {
  const { state, plan, scope } = atom
  if (state === 'SUCCESS' && plan.kind === 'task' && !scope.reverting) {
    scope.children.settle(plan.index, atom)
  }
}

export function atomRecord(atom: AtomRun): AtomRecord {
  return {
    path: atom.path,
    kind: atom.plan.kind,
    state: atom.state,
    attempt: atom.attempt,
    executeCalls: atom.executeCalls,
    revertCalls: atom.revertCalls,
    dueAt: atom.dueAt,
    outcome: atom.outcome,
    ignored: atom.ignored,
    failure: atom.failure,
    revertFailure: atom.revertFailure,
    rounds: atom.rounds === null ? null : [...atom.rounds],
    replyTo: atom.sent === null ? null : atom.sent.replyTo,
    copy: atom.sent === null ? null : atom.sent.copy,
    starts: atom.sent === null ? 0 : atom.sent.starts,
  }
}

export function scopeRecord(scope: ScopeRun): ScopeRecord {
  return {
    path: scope.path,
    state: scope.state,
    intention: scope.intention,
    dueAt: scope.dueAt,
    ignored: scope.ignored,
    failure: scope.failure,
  }
}
