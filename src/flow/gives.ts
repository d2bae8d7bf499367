/** Nodes as they are built from the source, and what each gives to what comes after it. */
import type { FlowKind } from './names.ts'
import type { JsonSchema, ResolvedFlow, ResolvedTask, TaskSignature } from './resolved.ts'
import type { CompiledTemplate } from './template.ts'

/** A symbol that a node gives to what comes after it. */
export interface Give {
  /** Id of the task or retry. */
  readonly by: string
  readonly schema: JsonSchema
  /**
   * Why it may not be there: its node has a condition, a dead link may skip it, its failure is passed over, the result
   * may lack it. Undefined: it surely is.
   */
  readonly maybe: 'skipped' | 'linked' | 'failed' | 'absent' | undefined
  /** Position among the children of the flow where it is looked up; -1 for the flow's own retry. */
  readonly node: number
}

/** What gives each symbol: of a graph all who do, of others the last sure one and the last one. */
export type Givers = Map<string, readonly Give[]>

/** A task as it was built from the source. */
export interface BuiltTask {
  readonly kind: 'task'
  readonly node: ResolvedTask
  /** In the source. */
  readonly path: readonly PropertyKey[]
  readonly gives: ReadonlyMap<string, Give>
  /** The templates of `with` that compile. */
  readonly bound: ReadonlyMap<string, CompiledTemplate>
  readonly signature: TaskSignature | undefined
}

/** A flow as it was built from the source. */
export interface BuiltFlow {
  readonly kind: FlowKind
  readonly node: ResolvedFlow
  /** In the source. */
  readonly path: readonly PropertyKey[]
  readonly children: readonly BuiltNode[]
}

/** A node as it was built from the source. */
export type BuiltNode = BuiltTask | BuiltFlow

/** What the children of a flow give, each as its siblings see it. */
export function givesOfChildren(flow: BuiltFlow): Givers {
  const isGraph = flow.kind === 'graph'
  const conditional = isGraph ? conditionalChildren(flow) : NONE
  const all: Givers = new Map()
  for (const [index, child] of flow.children.entries()) {
    for (const [symbol, given] of givesOf(child)) {
      const give = outward(given, child, index, conditional.has(index))
      if (isGraph) all.set(symbol, [...(all.get(symbol) ?? []), give])
      else addNearest(all, symbol, give)
    }
  }
  return all
}

/** What a node gives to what comes after it. */
export function givesOf(node: BuiltNode): ReadonlyMap<string, readonly Give[]> {
  if (node.kind === 'task')
    return new Map([...node.gives].map(([symbol, give]) => [symbol, [give]]))
  return withRetry(givesOfChildren(node), node.node)
}

/** Adds what the retry of a flow provides: its children come before it. */
export function withRetry(gives: Givers, flow: ResolvedFlow): Givers {
  const provided = retryGive(flow)
  if (provided !== undefined) {
    gives.set(provided.symbol, [provided.give, ...(gives.get(provided.symbol) ?? [])])
  }
  return gives
}

/** The symbol that the retry of a flow provides. */
export function retryGive(
  flow: ResolvedFlow,
): { readonly symbol: string; readonly give: Give } | undefined {
  const { retry } = flow
  if (retry === undefined || !('provides' in retry) || retry.provides === undefined)
    return undefined
  const schema: JsonSchema = retry.kind === 'times' ? { type: 'integer' } : {}
  const give: Give = { by: `the retry of ${flow.id}`, schema, maybe: undefined, node: -1 }
  return { symbol: retry.provides, give }
}

/** What a child gives, as its siblings see it: one entry, the surest. */
export function outward(
  gives: readonly Give[],
  child: BuiltNode,
  index: number,
  isConditional: boolean,
): Give {
  const best = gives.findLast((give) => give.maybe === undefined) ?? gives.at(-1)
  const inside = best?.maybe === 'linked' ? 'skipped' : best?.maybe
  const own =
    child.node.when !== undefined
      ? 'skipped'
      : child.node.onFailure === 'continue'
        ? 'failed'
        : undefined
  return {
    by: best?.by ?? child.node.id,
    schema: best?.schema ?? {},
    maybe: own ?? inside ?? (isConditional ? 'linked' : undefined),
    node: index,
  }
}

/** Adds who gives a symbol after those before: only the last sure one and the last one can be looked up. */
export function addNearest(givers: Givers, symbol: string, give: Give): void {
  const sure =
    give.maybe === undefined
      ? undefined
      : givers.get(symbol)?.find((other) => other.maybe === undefined)
  givers.set(symbol, sure === undefined ? [give] : [sure, give])
}

const NONE: ReadonlySet<number> = new Set()

/** Children of a graph that a dead link may skip: targets of links with `when`, and what follows them by links. */
export function conditionalChildren(flow: BuiltFlow): ReadonlySet<number> {
  const links = flow.node.links ?? []
  if (!links.some((link) => link.when !== undefined)) return NONE
  const positions = new Map(flow.children.map((child, index) => [child.node.id, index]))
  const after = new Map<string, string[]>()
  for (const link of links) {
    const known = after.get(link.from)
    if (known === undefined) after.set(link.from, [link.to])
    else known.push(link.to)
  }
  const found = new Set<number>()
  const next = links.flatMap((link) => (link.when === undefined ? [] : [link.to]))
  for (let id = next.pop(); id !== undefined; id = next.pop()) {
    const index = positions.get(id)
    if (index === undefined || found.has(index)) continue
    found.add(index)
    next.push(...(after.get(id) ?? []))
  }
  return found
}
