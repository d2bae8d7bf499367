/**
 * From a resolved document to a plan: the nodes of the flow with their order, and who may provide each symbol.
 *
 * Invariants
 * C1  Compiling costs O(nodes + edges + symbols), and a plan is shared by all flows that run its document.
 * C2  A graph's edges are its links and, for each symbol that a node asks of outside itself, one from every sibling that
 *     provides it. A pair of nodes has one edge at most.
 * C3  `providers` yields who may give a symbol to a node, nearest first: the node's earlier siblings (right to left, into
 *     nested flows), the retry of its flow, then the same one flow further out. Input is what remains.
 * C4  A plan is never changed after it was compiled (but for lazily built look-up tables).
 */
import { compileExpression } from './expression.ts'
import { compileTemplate } from './template.ts'
import type {
  DeciderDepth,
  OnChildFailure,
  ResolvedDocument,
  ResolvedFlow,
  ResolvedNode,
  ResolvedRetry,
  ResolvedTask,
  Template,
} from './resolved.ts'

export interface Plan {
  readonly document: ResolvedDocument
  /** Hash of the document. */
  readonly hash: string
  readonly root: FlowPlan
}

interface NodeCommon {
  /** Position among its siblings. */
  readonly index: number
  readonly id: string
  /** Path from the root, without iterations. */
  readonly path: string
  readonly parent: FlowPlan | null
  readonly priority: number
  readonly when: string | null
  /** `onFailure: continue`. */
  readonly continues: boolean
  /** Graphs: edges from siblings. Empty elsewhere. */
  readonly incoming: readonly Edge[]
}

export interface TaskPlan extends NodeCommon {
  readonly kind: 'task'
  readonly task: ResolvedTask
}

export interface FlowPlan extends NodeCommon {
  readonly kind: 'flow'
  readonly flow: ResolvedFlow
  readonly pattern: 'linear' | 'unordered' | 'graph'
  readonly children: readonly NodePlan[]
  readonly retry: RetryPlan | null
  readonly onChildFailure: OnChildFailure
  readonly timeoutMs: number | null
  /** Graphs: for each child the children that wait for it. */
  readonly successors: readonly (readonly number[])[]
  /** Graphs: for each child how many it waits for. */
  readonly indegree: Int32Array
  /** Children that may start first, bigger priority first. */
  readonly heads: readonly number[]
  /** Positions of the children that provide a symbol, ascending. */
  readonly givers: ReadonlyMap<string, readonly number[]>
}

export interface RetryPlan {
  readonly kind: 'retry'
  readonly path: string
  readonly flow: FlowPlan
  readonly retry: ResolvedRetry
  readonly provides: string | null
  readonly priority: number
}

export type NodePlan = TaskPlan | FlowPlan
export type AtomPlan = TaskPlan | RetryPlan

export interface Edge {
  readonly from: number
  readonly when: string | null
  readonly depth: DeciderDepth
}

/** Compiles a resolved document. It was checked when it was resolved; a document that was not may throw here. */
export function compile(document: ResolvedDocument, hash: string): Plan {
  return { document, hash, root: compileFlow(document.root, null, 0, [], document.root.id).plan }
}

interface Compiled<P> {
  readonly plan: P
  /** Symbols that it asks of outside itself. */
  readonly asks: ReadonlySet<string>
  /** Symbols that it provides. */
  readonly gives: ReadonlySet<string>
}

function compileNode(
  node: ResolvedNode,
  parent: FlowPlan,
  index: number,
  incoming: readonly Edge[],
): Compiled<NodePlan> {
  const path = `${parent.path}/${node.id}`
  return node.kind === 'task'
    ? compileTask(node, parent, index, incoming, path)
    : compileFlow(node, parent, index, incoming, path)
}

function compileTask(
  task: ResolvedTask,
  parent: FlowPlan,
  index: number,
  incoming: readonly Edge[],
  path: string,
): Compiled<TaskPlan> {
  const asks = new Set<string>()
  for (const argument of Object.keys(task.requires)) {
    const template = task.with === undefined ? undefined : own(task.with, argument)
    if (template === undefined) asks.add(argument)
    else for (const symbol of compileTemplate(template).symbols) asks.add(symbol)
  }
  for (const symbol of conditionSymbols(task.when)) asks.add(symbol)
  return {
    plan: {
      kind: 'task',
      index,
      id: task.id,
      path,
      parent,
      priority: task.priority ?? 0,
      when: task.when ?? null,
      continues: task.onFailure === 'continue',
      incoming,
      task,
    },
    asks,
    gives: new Set(Object.keys(task.provides)),
  }
}

function compileFlow(
  flow: ResolvedFlow,
  parent: FlowPlan | null,
  index: number,
  incoming: readonly Edge[],
  path: string,
): Compiled<FlowPlan> {
  const children: NodePlan[] = []
  const edges: Edge[][] = []
  const givers = new Map<string, number[]>()
  const successors: number[][] = []
  const heads: number[] = []
  const plan: FlowPlan & { retry: RetryPlan | null; indegree: Int32Array } = {
    kind: 'flow',
    index,
    id: flow.id,
    path,
    parent,
    priority: flow.priority ?? 0,
    when: flow.when ?? null,
    continues: flow.onFailure === 'continue',
    incoming,
    flow,
    pattern: flow.kind,
    children,
    retry: null,
    onChildFailure: flow.onChildFailure ?? 'wait',
    timeoutMs: flow.timeoutMs ?? null,
    successors,
    indegree: NO_EDGES,
    heads,
    givers,
  }
  const provides =
    flow.retry !== undefined && 'provides' in flow.retry ? flow.retry.provides : undefined
  if (flow.retry !== undefined) {
    plan.retry = {
      kind: 'retry',
      path: `${path}:retry`,
      flow: plan,
      retry: flow.retry,
      provides: provides ?? null,
      priority: 0,
    }
  }

  const asked: ReadonlySet<string>[] = []
  for (const [position, node] of flow.nodes.entries()) {
    edges.push([])
    const compiled = compileNode(node, plan, position, edges[position] ?? [])
    children.push(compiled.plan)
    asked.push(compiled.asks)
    for (const symbol of compiled.gives) {
      const positions = givers.get(symbol)
      if (positions === undefined) givers.set(symbol, [position])
      else positions.push(position)
    }
  }
  if (flow.kind === 'graph') {
    plan.indegree = addEdges(flow, children, asked, givers, edges, successors)
  }
  addHeads(plan, heads)
  return {
    plan,
    asks: asksOf(plan, asked),
    gives: new Set([...givers.keys(), ...(provides ? [provides] : [])]),
  }
}

const NO_EDGES = new Int32Array(0)

/** C2. */
function addEdges(
  flow: ResolvedFlow,
  children: readonly NodePlan[],
  asked: readonly ReadonlySet<string>[],
  givers: ReadonlyMap<string, readonly number[]>,
  edges: Edge[][],
  successors: number[][],
): Int32Array {
  const indegree = new Int32Array(children.length)
  const positions = new Map(children.map((child) => [child.id, child.index]))
  for (let i = 0; i < children.length; i++) successors.push([])
  const links = new Map<number, Map<number, Edge>>()
  const add = (to: number, edge: Edge) => {
    const known = links.get(to) ?? new Map<number, Edge>()
    links.set(to, known)
    if (known.has(edge.from)) return
    known.set(edge.from, edge)
    edges[to]?.push(edge)
    successors[edge.from]?.push(to)
    indegree[to] = (indegree[to] ?? 0) + 1
  }
  for (const link of flow.links ?? []) {
    const from = positions.get(link.from)
    const to = positions.get(link.to)
    if (from === undefined || to === undefined)
      throw new Error(`unknown id in link ${link.from} → ${link.to}`)
    add(to, { from, when: link.when ?? null, depth: link.depth ?? 'path' })
    // The expression of a link asks for symbols before its target starts.
    for (const symbol of conditionSymbols(link.when)) {
      for (const giver of givers.get(symbol) ?? []) {
        if (giver !== to) add(to, { from: giver, when: null, depth: 'path' })
      }
    }
  }
  for (const [to, symbols] of asked.entries()) {
    for (const symbol of symbols) {
      for (const from of givers.get(symbol) ?? []) {
        if (from !== to) add(to, { from, when: null, depth: 'path' })
      }
    }
  }
  const priority = (position: number) => children[position]?.priority ?? 0
  for (const list of successors) {
    if (list.length > 1) list.sort((a, b) => priority(b) - priority(a) || a - b)
  }
  return indegree
}

function addHeads(plan: FlowPlan, heads: number[]): void {
  if (plan.pattern === 'linear') {
    if (plan.children.length > 0) heads.push(0)
    return
  }
  for (const child of plan.children) {
    if (plan.pattern === 'unordered' || plan.indegree[child.index] === 0) heads.push(child.index)
  }
  if (plan.children.some((child) => child.priority !== 0)) {
    heads.sort(
      (a, b) => (plan.children[b]?.priority ?? 0) - (plan.children[a]?.priority ?? 0) || a - b,
    )
  }
}

/** What a flow asks of outside: what no earlier child surely provides. */
function asksOf(plan: FlowPlan, asked: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  const asks = new Set<string>()
  const provided = new Set<string>()
  if (plan.retry?.provides) provided.add(plan.retry.provides)
  const isSure = (child: NodePlan) =>
    child.when === null && !child.continues && child.incoming.every((edge) => edge.when === null)
  if (plan.pattern === 'graph') {
    for (const [symbol, positions] of plan.givers) {
      if (positions.some((position) => isSure(plan.children[position] as NodePlan)))
        provided.add(symbol)
    }
  }
  for (const child of plan.children) {
    for (const symbol of asked[child.index] ?? []) if (!provided.has(symbol)) asks.add(symbol)
    if (plan.pattern === 'linear' && isSure(child)) {
      if (child.kind === 'task')
        for (const symbol of Object.keys(child.task.provides)) provided.add(symbol)
      else {
        for (const symbol of child.givers.keys()) provided.add(symbol)
        if (child.retry?.provides) provided.add(child.retry.provides)
      }
    }
  }
  for (const link of plan.flow.links ?? []) {
    for (const symbol of conditionSymbols(link.when)) if (!provided.has(symbol)) asks.add(symbol)
  }
  for (const symbol of conditionSymbols(plan.flow.when)) asks.add(symbol)
  for (const symbol of retrySymbols(plan.flow.retry)) asks.add(symbol)
  return asks
}

function conditionSymbols(when: string | undefined): readonly string[] {
  return when === undefined ? [] : compileExpression(when).symbols
}

/** Symbols that a retry's own values and conditions name. */
function retrySymbols(retry: ResolvedRetry | undefined): readonly string[] {
  if (retry === undefined) return []
  const templates: Template[] = []
  if (retry.kind === 'times' && typeof retry.attempts === 'string') templates.push(retry.attempts)
  if (retry.kind === 'forEach') templates.push(retry.values)
  if (retry.kind === 'strategy') templates.push(...Object.values(retry.with ?? {}))
  const symbols = templates.flatMap((template) => compileTemplate(template).symbols)
  return 'when' in retry ? [...symbols, ...conditionSymbols(retry.when)] : symbols
}

/** Who may give a symbol to a node (C3). The caller skips atoms that were ignored, reverted or give nothing. */
export function* providers(of: AtomPlan | NodePlan, symbol: string): Generator<AtomPlan> {
  let node: NodePlan = of.kind === 'retry' ? of.flow : of
  while (node.parent !== null) {
    const flow: FlowPlan = node.parent
    yield* providersAmong(flow, symbol, node.index)
    if (flow.retry?.provides === symbol) yield flow.retry
    node = flow
  }
}

/** Who in a whole flow gives a symbol to what comes after it, nearest first. */
export function* providersIn(flow: FlowPlan, symbol: string): Generator<AtomPlan> {
  yield* within(flow, symbol)
}

function* providersAmong(flow: FlowPlan, symbol: string, self: number): Generator<AtomPlan> {
  if (flow.pattern === 'unordered') return
  const positions = flow.givers.get(symbol)
  if (positions === undefined) return
  const end = flow.pattern === 'linear' ? lowerBound(positions, self) : positions.length
  for (let i = end - 1; i >= 0; i--) {
    const position = positions[i]
    if (position === undefined || position === self) continue
    yield* within(flow.children[position] as NodePlan, symbol)
  }
}

function* within(node: NodePlan, symbol: string): Generator<AtomPlan> {
  if (node.kind === 'task') {
    if (own(node.task.provides, symbol) !== undefined) yield node
    return
  }
  const positions = node.givers.get(symbol) ?? []
  for (let i = positions.length - 1; i >= 0; i--) {
    yield* within(node.children[positions[i] as number] as NodePlan, symbol)
  }
  if (node.retry?.provides === symbol) yield node.retry
}

/** First index whose value is not below `limit`. */
function lowerBound(sorted: readonly number[], limit: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < limit) low = middle + 1
    else high = middle
  }
  return low
}

function own<V>(record: { readonly [key: string]: V }, key: string): V | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}

const tables = new WeakMap<Plan, ReadonlyMap<string, NodePlan>>()

/** All nodes by their path. Made when it is first asked for; the runs of a plan share it. */
export function nodesOf(plan: Plan): ReadonlyMap<string, NodePlan> {
  const known = tables.get(plan)
  if (known !== undefined) return known
  const table = new Map<string, NodePlan>()
  const stack: NodePlan[] = [plan.root]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    table.set(node.path, node)
    if (node.kind === 'flow') for (const child of node.children) stack.push(child)
  }
  tables.set(plan, table)
  return table
}

/** The node at a path of records (iterations in it, such as `each[3]`, are left out of the look-up). */
export function nodeAt(plan: Plan, path: string): NodePlan | undefined {
  const table = nodesOf(plan)
  return table.get(path) ?? table.get(path.replace(/\[[^\]]*\]/g, ''))
}
