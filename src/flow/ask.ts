/** Looking symbols up while a flow is checked, and saying what is wrong with what was found. */
import { didYouMean } from '../base/did-you-mean.ts'
import { expectation } from './check-value.ts'
import { canBe, typeName, typeOfSchema } from './expression-types.ts'
import { givesOf, retryGive, type BuiltFlow, type Give, type Givers } from './gives.ts'
import type { Issues } from './issues.ts'
import type { JsonSchema, ResolvedSymbol } from './resolved.ts'

/** One flow on the way from the root to what is checked. */
export interface Level {
  readonly flow: BuiltFlow
  readonly above: Level | undefined
  /** What children give: of a graph all, of a linear flow those before the current one, of an unordered flow none. */
  readonly givers: Givers
  /** Position of the child that is checked. */
  current: number
  /** The child that is checked, or a flow in it, has a condition of its own: it may know that a symbol is there. */
  isGuarded: boolean
  /** Graphs: which children wait for which, and why. */
  readonly edges: Map<number, Map<number, string>> | undefined
}

/** One flow that is checked. */
export interface Checking {
  readonly issues: Issues
  readonly root: BuiltFlow
  readonly closed: boolean
  readonly declared: { readonly [symbol: string]: ResolvedSymbol }
  /** Of a flow that is not closed: what it was found to need. */
  readonly needed: Map<string, ResolvedSymbol>
}

/** Who asks for a symbol. */
export interface Ask {
  /** Its id, for messages. */
  readonly by: string
  readonly path: readonly PropertyKey[]
  /** It can do without. */
  readonly isOptional: boolean
  /** What it has to fit, as far as is known. */
  readonly schema: JsonSchema | undefined
}

/** Looks a symbol up and says what is wrong. Gives its schema as far as it is known. */
export function ask(
  symbol: string,
  asked: Ask,
  level: Level | undefined,
  on: Checking,
): JsonSchema | undefined {
  let perhaps: Give | undefined
  let isGuarded = false
  for (let at = level; at !== undefined; at = at.above) {
    // Who has a condition of its own, or is skipped by the same dead link, may know that the symbol is there.
    isGuarded ||= at.isGuarded
    const found = nearestGive(symbol, at)
    if (found === undefined) continue
    if (found.maybe === undefined) return fit(symbol, found, asked, perhaps, on)
    isGuarded ||= found.maybe === 'linked'
    perhaps ??= found
  }
  const declared = Object.hasOwn(on.declared, symbol) ? on.declared[symbol] : undefined
  if (declared !== undefined) {
    const isSure = declared.optional !== true || declared.default !== undefined
    const input: Give = { by: 'the input', schema: declared.schema, maybe: undefined, node: -1 }
    if (isSure || asked.isOptional || isGuarded) return fit(symbol, input, asked, perhaps, on)
    on.issues.add(asked.path, {
      message: `${asked.by} requires "${symbol}", an input that may be absent`,
      hint: 'give the input a default, do not make it optional, or ask has(symbols.x) first',
    })
    return undefined
  }
  if (!on.closed) need(symbol, perhaps === undefined ? asked : { ...asked, isOptional: true }, on)
  else if (perhaps === undefined && !asked.isOptional) reportMissing(symbol, asked, level, on)
  else if (perhaps !== undefined && !asked.isOptional && !isGuarded)
    reportMaybe(symbol, asked, perhaps, on)
  return perhaps === undefined ? undefined : fit(symbol, perhaps, asked, undefined, on)
}

/** Who gives a symbol at this level: the last sure one, else the retry, else the last. Edges of graphs are noted. */
function nearestGive(symbol: string, level: Level): Give | undefined {
  let sure: Give | undefined
  let last: Give | undefined
  for (const give of level.givers.get(symbol) ?? []) {
    if (give.node === level.current) continue
    last = give
    if (give.maybe === undefined) sure = give
    if (level.edges !== undefined) addEdge(level.edges, give.node, level.current, symbol)
  }
  const provided = retryGive(level.flow.node)
  return sure ?? (provided?.symbol === symbol ? provided.give : undefined) ?? last
}

/** Notes that one child of a graph waits for another, for a symbol or (empty) for a link. */
export function addEdge(
  edges: Map<number, Map<number, string>>,
  from: number,
  to: number,
  because: string,
): void {
  const known = edges.get(to)
  if (known === undefined) edges.set(to, new Map([[from, because]]))
  else if (!known.has(from)) known.set(from, because)
}

/** The types of who gives and who asks. */
function fit(
  symbol: string,
  give: Give,
  asked: Ask,
  perhaps: Give | undefined,
  on: Checking,
): JsonSchema | undefined {
  const type = typeOfSchema(give.schema)
  if (asked.schema !== undefined && !canBe(type, typeOfSchema(asked.schema))) {
    on.issues.add(asked.path, {
      message: `${asked.by} requires "${symbol}", which ${give.by} gives as ${typeName(type)}`,
      expected: expectation(asked.schema),
    })
    return undefined
  }
  return perhaps === undefined || canBe(typeOfSchema(perhaps.schema), type) ? give.schema : {}
}

/** A flow that is not closed asks outside for what nothing in it provides. */
function need(symbol: string, asked: Ask, on: Checking): void {
  const known = on.needed.get(symbol)
  const isOptional = asked.isOptional && known?.optional !== undefined
  const schema =
    known === undefined || Object.keys(known.schema).length === 0
      ? (asked.schema ?? {})
      : known.schema
  const optional = known === undefined ? asked.isOptional : isOptional
  on.needed.set(symbol, optional ? { schema, optional: true } : { schema })
}

function reportMaybe(symbol: string, asked: Ask, give: Give, on: Checking): void {
  const why = {
    skipped: 'whose provider may be skipped',
    linked: 'whose provider may be skipped',
    failed: 'whose provider may fail without ending the flow',
    absent: 'which may be absent in the result of its provider',
  }
  on.issues.add(asked.path, {
    message: `${asked.by} requires "${symbol}", ${why[give.maybe ?? 'skipped']}: ${give.by}`,
    hint: 'make the argument optional, provide the symbol otherwise before, or put the same condition on this node',
  })
}

function reportMissing(symbol: string, asked: Ask, level: Level | undefined, on: Checking): void {
  if (on.issues.isFull) return
  for (let at = level; at !== undefined; at = at.above) {
    const sibling = at.flow.children.find((child, index) => {
      return index !== at.current && givesOf(child).has(symbol)
    })
    if (sibling === undefined) continue
    const together = at.flow.kind === 'unordered'
    on.issues.add(asked.path, {
      message: together
        ? `${asked.by} requires "${symbol}", which ${sibling.node.id} provides, but in an unordered flow siblings do not see each other's symbols`
        : `${asked.by} requires "${symbol}", which only ${sibling.node.id} provides, after it`,
      hint: together ? 'use linear or graph' : `move ${sibling.node.id} before it, or use graph`,
    })
    return
  }
  const names = new Set(Object.keys(on.declared))
  for (let at = level; at !== undefined; at = at.above) {
    for (const name of at.givers.keys()) if (names.size < 5_000) names.add(name)
  }
  on.issues.add(asked.path, {
    message: `${asked.by} requires "${symbol}", which nothing before it provides`,
    hint:
      didYouMean(symbol, names) ??
      'provide it before, bind another value, or declare it as an input',
  })
}
