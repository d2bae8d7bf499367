/**
 * Going forward: which node may start, what a flow does when it is entered, and what follows when a node is done.
 */
import type { Failure } from '../base/failure.ts'
import type { Json } from '../base/json.ts'
import type { Edge, FlowPlan, NodePlan } from '../flow/compile.ts'
import type { DeciderDepth } from '../flow/resolved.ts'
import type { EvaluatedValue, EvaluatePurpose } from './events.ts'
import type { IgnoreReason, RetryRound } from './records.ts'
import {
  ensureAtom,
  ensureNode,
  goAtom,
  goFlow,
  goScope,
  isAtom,
  isHeld,
  planDone,
  planRevert,
  planStart,
  planStarts,
  touchScope,
  type AtomRun,
  type NodeRun,
  type Run,
  type ScopeRun,
} from './run.ts'

/** Starts a child whose predecessors are all done, unless its edges are dead; conditions are asked for first. */
export function startChild(run: Run, scope: ScopeRun, index: number): void {
  if (scope.queued > 0) scope.queued--
  if (isHeld(run) || scope.reverting || scope.stalled || isDeciding(run, scope)) return
  const plan = scope.plan.children[index] as NodePlan
  const known = scope.children.unsettled(index)
  if (known?.ignored != null) {
    scope.active++
    planDone(run, known)
    return
  }
  let dead = 0
  // Most edges have no condition, and every start comes by here.
  let links: string[] | null = null
  let edges: number[] | null = null
  for (let position = 0; position < plan.incoming.length; position++) {
    const edge = plan.incoming[position] as Edge // within
    const ignored = scope.children.unsettled(edge.from)?.ignored ?? null
    if (ignored === 'path') dead++
    else if (edge.when !== null && ignored === null) {
      ;(links ??= []).push(edge.when)
      ;(edges ??= []).push(position)
    }
  }
  scope.active++
  const isDead = plan.incoming.length > 0 && dead === plan.incoming.length
  if (isDead) ignoreChild(run, scope, plan, 'path')
  else if (plan.when === null && links === null) beginChild(run, scope, plan)
  else
    evaluate(run, {
      kind: 'conditions',
      scope,
      entry: scope.entry,
      index,
      when: plan.when,
      links: links ?? [],
      edges: edges ?? [],
      dead,
    })
}

/** Whether a retry strategy is being asked about a failure in this scope. */
function isDeciding(run: Run, scope: ScopeRun): boolean {
  return scope.retry !== null && run.deciding.has(scope.retry.path)
}

/** Asks for values; the answer comes back as `evaluated`. */
export function evaluate(run: Run, purpose: EvaluatePurpose): void {
  const id = run.nextEvaluation++
  run.evaluating.set(id, purpose)
  run.commands.push({ kind: 'evaluate', id, purpose })
}

type Conditions = Extract<EvaluatePurpose, { kind: 'conditions' }>

/** The conditions of a node are known: it begins, or is ignored with what its depth says. */
export function conditionsKnown(run: Run, asked: Conditions, value: EvaluatedValue): void {
  if (!('links' in value)) throw new Error('conditions were answered with something else')
  const plan = asked.scope.plan.children[asked.index] as NodePlan
  if (asked.scope.entry !== asked.entry) return
  if (asked.scope.reverting || isHeld(run)) {
    asked.scope.active--
    return
  }
  let dead = asked.dead
  let widest: Exclude<DeciderDepth, 'path'> | null = null
  for (const [position, holds] of value.links.entries()) {
    if (holds) continue
    const depth = plan.incoming[asked.edges[position] as number]?.depth ?? 'path'
    if (depth === 'path') dead++
    else if (widest === null || DEPTHS.indexOf(depth) > DEPTHS.indexOf(widest)) widest = depth
  }
  if (widest !== null) {
    ignoreChild(run, asked.scope, plan, widest)
    ignoreBeyond(run, asked.scope, asked.index, widest)
  } else if (plan.incoming.length > 0 && dead === plan.incoming.length) {
    ignoreChild(run, asked.scope, plan, 'path')
  } else if (!value.when) {
    ignoreChild(run, asked.scope, plan, 'when')
  } else {
    beginChild(run, asked.scope, plan)
  }
}

/** Narrow to wide. */
const DEPTHS: readonly DeciderDepth[] = ['atom', 'neighbors', 'flow', 'all']

function beginChild(run: Run, scope: ScopeRun, plan: NodePlan): void {
  const node = ensureNode(run, plan, scope)
  scope.children.set(plan.index, node)
  if (isAtom(node)) {
    node.attempt = 1
    node.outcome = null
    call(run, node, false)
  } else {
    enterScope(run, node)
  }
}

/** Runs an atom's next call. */
export function call(run: Run, atom: AtomRun, again: boolean): void {
  const number = atom.executeCalls + 1
  if (atom.state !== 'RUNNING') goAtom(run, atom, 'RUNNING', { call: number })
  run.inflight++
  run.commands.push({ kind: 'call', atom, direction: 'execute', call: number, again })
}

/** Enters a flow: its timeout begins, its retry gives the first value, its content starts. */
export function enterScope(run: Run, scope: ScopeRun): void {
  resetScope(scope)
  goScope(run, scope, 'ENTERED')
  scope.intention = 'EXECUTE'
  if (scope.plan.timeoutMs !== null) {
    scope.dueAt = run.now + scope.plan.timeoutMs
    run.waiting++
    run.commands.push({ kind: 'wait', path: scope.path, dueAt: scope.dueAt })
  }
  if (scope.plan.retry === null) {
    startContent(run, scope)
    return
  }
  const retry = ensureAtom(scope.plan.retry, scope)
  scope.retry = retry
  retry.rounds = []
  startRound(run, scope)
}

/** Counters of a scope of which nothing has been entered. */
export function resetScope(scope: ScopeRun): void {
  scope.entry++
  scope.children.clear()
  scope.remaining = scope.plan.children.length
  scope.unmet = scope.plan.pattern === 'graph' ? scope.plan.indegree.slice() : null
  scope.active = 0
  scope.queued = 0
  scope.stalled = false
  scope.inactive = false
  scope.reverting = false
  scope.unreverted = 0
  scope.deferred = null
  scope.ignored = null
  scope.failure = null
}

/** A round of a retry: it runs, gives its value, and the content of its flow starts. */
export function startRound(run: Run, scope: ScopeRun): void {
  const retry = scope.retry as AtomRun
  scope.intention = 'EXECUTE'
  scope.reverting = false
  scope.stalled = false
  touchScope(run, scope)
  retry.rounds ??= []
  retry.attempt = retry.rounds.length + 1
  retry.dueAt = null
  goAtom(run, retry, 'RUNNING', { call: retry.executeCalls + 1 })
  const data = retry.plan.kind === 'retry' ? retry.plan.retry : null
  const isPlain =
    data === null ||
    data.kind === 'never' ||
    data.kind === 'strategy' ||
    (data.kind === 'times' && typeof data.attempts === 'number')
  if (!isPlain) {
    evaluate(run, { kind: 'round', retry, entry: scope.entry })
    return
  }
  const given =
    data?.kind === 'strategy' ? (run.strategyValues.get(retry.path) ?? null) : retry.attempt
  roundKnown(run, retry, data?.kind === 'never' ? null : given, 0, null)
}

/** What the retry gives in this round is known. */
export function roundKnown(
  run: Run,
  retry: AtomRun,
  value: Json,
  left: number,
  attempts: number | null,
): void {
  const scope = retry.scope
  const round: RetryRound = {
    value,
    failures: {},
    ...(left > 0 ? { left } : {}),
    ...(attempts === null ? {} : { attempts }),
  }
  retry.rounds = [...(retry.rounds ?? []), round]
  retry.executeCalls++
  scope.valuesLeft = left
  scope.attempts = attempts
  goAtom(run, retry, 'SUCCESS', { call: retry.executeCalls, value })
  if (scope.reverting) planRevert(run, scope)
  else startContent(run, scope)
}

function startContent(run: Run, scope: ScopeRun): void {
  if (scope.remaining === 0) {
    scopeDone(run, scope)
    return
  }
  planStarts(run, scope, scope.plan.heads)
}

/** A node is done: what waited for it may start; the last one of a flow ends the flow. */
export function nodeDone(run: Run, node: NodeRun): void {
  const scope = isAtom(node) ? node.scope : (node.parent as ScopeRun)
  if (scope.reverting) {
    planRevert(run, node)
    return
  }
  const index = (node.plan as NodePlan).index
  scope.remaining--
  scope.active--
  if (scope.plan.pattern === 'linear') {
    if (index + 1 < scope.plan.children.length) planStart(run, scope, index + 1)
  } else if (scope.unmet !== null) {
    for (const successor of scope.plan.successors[index] ?? []) {
      const left = (scope.unmet[successor] as number) - 1
      scope.unmet[successor] = left
      if (left === 0) planStart(run, scope, successor)
    }
  }
  if (scope.remaining === 0) scopeDone(run, scope)
}

/** All in a scope is done. */
export function scopeDone(run: Run, scope: ScopeRun): void {
  // Its own failure (its time ran out) may still be waiting to be resolved.
  if (scope.failure !== null) return
  if (scope.parent === null) {
    evaluate(run, { kind: 'output' })
    return
  }
  endTimeout(run, scope)
  goScope(run, scope, 'DONE')
  planDone(run, scope)
}

/** The timeout of a scope that has ended is no longer waited for. */
export function endTimeout(run: Run, scope: ScopeRun): void {
  if (scope.dueAt === null) return
  scope.dueAt = null
  run.waiting--
  touchScope(run, scope)
}

/** The output is known (or could be made): the flow has succeeded. */
export function outputKnown(run: Run): void {
  if (run.root.reverting) return
  endTimeout(run, run.root)
  goScope(run, run.root, 'DONE')
  goFlow(run, 'SUCCESS')
  run.commands.push({ kind: 'finish', state: 'SUCCESS' })
}

function ignoreChild(run: Run, scope: ScopeRun, plan: NodePlan, reason: IgnoreReason): void {
  planDone(run, ignore(run, scope, plan, reason))
}

/** Marks a node, with all atoms in it, as IGNORE. */
function ignore(run: Run, scope: ScopeRun, plan: NodePlan, reason: IgnoreReason): NodeRun {
  const node = ensureNode(run, plan, scope)
  if (node.ignored !== null) return node
  scope.children.set(plan.index, node)
  node.ignored = reason
  if (isAtom(node)) {
    goAtom(run, node, 'IGNORE')
    return node
  }
  resetScope(node)
  node.ignored = reason
  goScope(run, node, 'IGNORED')
  if (node.plan.retry !== null) {
    const retry = ensureAtom(node.plan.retry, node)
    node.retry = retry
    retry.ignored = reason
    goAtom(run, retry, 'IGNORE')
  }
  for (const child of node.plan.children) ignore(run, node, child, reason)
  return node
}

/** What a decider of that depth ignores beside its target. They are passed over when their turn comes. */
function ignoreBeyond(
  run: Run,
  scope: ScopeRun,
  index: number,
  depth: Exclude<DeciderDepth, 'path'>,
): void {
  ignoreReached(run, scope, index, depth)
  if (depth !== 'all') return
  for (let inner = scope; inner.parent !== null; inner = inner.parent) {
    ignoreReached(run, inner.parent, inner.plan.index, depth)
  }
}

function ignoreReached(
  run: Run,
  scope: ScopeRun,
  from: number,
  depth: Exclude<DeciderDepth, 'path'>,
): void {
  for (const next of reachedBy(scope.plan, from, depth)) {
    ignore(run, scope, scope.plan.children[next] as NodePlan, depth)
  }
}

/**
 * Children of a flow that a decider of that depth ignores beyond its target, `from`. Depth `neighbors` takes the next tasks,
 * `flow` goes through tasks only; `all` takes flows too.
 */
export function reachedBy(plan: FlowPlan, from: number, depth: IgnoreReason): readonly number[] {
  const isTask = (index: number): boolean => plan.children[index]?.kind === 'task'
  if (depth === 'neighbors') return successorsOf(plan, from).filter(isTask)
  if (depth !== 'flow' && depth !== 'all') return []
  const reached: number[] = []
  const seen = new Set<number>([from])
  const queue = [from]
  for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
    for (const next of successorsOf(plan, index)) {
      if (seen.has(next)) continue
      seen.add(next)
      if (depth === 'flow' && !isTask(next)) continue
      reached.push(next)
      queue.push(next)
    }
  }
  return reached
}

export function successorsOf(plan: FlowPlan, index: number): readonly number[] {
  if (plan.pattern === 'graph') return plan.successors[index] ?? []
  if (plan.pattern === 'linear' && index + 1 < plan.children.length) return [index + 1]
  return []
}

export function predecessorsOf(plan: FlowPlan, index: number): readonly number[] {
  if (plan.pattern === 'graph')
    return (plan.children[index] as NodePlan).incoming.map((edge) => edge.from)
  if (plan.pattern === 'linear' && index > 0) return [index - 1]
  return []
}

/** A failure of a scope itself, kept with it. */
export function failScope(run: Run, scope: ScopeRun, failure: Failure): void {
  scope.failure = failure
  run.failures.set(scope.path, failure)
  touchScope(run, scope)
}
