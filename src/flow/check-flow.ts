/**
 * The checks of a flow that need no run: who provides each symbol, whether it surely does, whether types go together,
 * whether a graph has an order.
 *
 * Look-up, as the machine does it: the earlier siblings (in a graph all siblings, in an unordered flow none), nearest
 * first; then the retry of the enclosing flow; then the same one flow further out; then the input.
 */
import { addEdge, ask, type Checking, type Level } from './ask.ts'
import {
  checkCondition,
  checkFits,
  checkTemplate,
  compileTemplateAt,
  refuseVariables,
  typed,
  variableType,
} from './check-expressions.ts'
import type { SourceDocument } from './document.ts'
import { ANY, typeOfSchema, type ValueType } from './expression-types.ts'
import { findCycle } from './find-cycle.ts'
import {
  addNearest,
  conditionalChildren,
  givesOfChildren,
  outward,
  withRetry,
  type BuiltFlow,
  type BuiltNode,
  type BuiltTask,
  type Give,
  type Givers,
} from './gives.ts'
import type { Issues } from './issues.ts'
import type { ResolvedRetry, ResolvedSymbol, ResolvedTaskRetry, TaskSignature } from './resolved.ts'

/** Checks a flow, and gives its input: what it declares, or what it was found to need. Issues go to `issues`. */
export function checkFlow(flow: {
  readonly document: SourceDocument
  readonly root: BuiltFlow
  readonly input: { readonly [symbol: string]: ResolvedSymbol } | undefined
  readonly issues: Issues
}): { readonly [symbol: string]: ResolvedSymbol } {
  const on: Checking = {
    issues: flow.issues,
    root: flow.root,
    closed: flow.input !== undefined,
    declared: flow.input ?? {},
    needed: new Map(),
  }
  const retry = flow.root.node.retry
  if (retry !== undefined)
    checkRetry(retry, flow.root.node.id, undefined, [...flow.root.path, 'retry'], on)
  const gives = checkChildren(flow.root, undefined, on)
  checkOutput(flow.document, flow.root, gives, on)
  return on.closed ? on.declared : Object.fromEntries(on.needed)
}

/** Checks what is in a flow, and gives what it gives to what comes after it. */
function checkChildren(flow: BuiltFlow, above: Level | undefined, on: Checking): Givers {
  const { kind } = flow
  const all = kind === 'graph' ? givesOfChildren(flow) : new Map<string, readonly Give[]>()
  // Siblings in an unordered flow do not see each other, but what comes after the flow sees them.
  const givers: Givers = kind === 'unordered' ? new Map() : all
  const edges = kind === 'graph' ? new Map<number, Map<number, string>>() : undefined
  const level: Level = { flow, above, givers, current: 0, isGuarded: false, edges }
  if (kind === 'graph') checkAmbiguous(flow, all, on)
  const conditional = kind === 'graph' ? conditionalChildren(flow) : NONE
  for (const [index, child] of flow.children.entries()) {
    if (on.issues.isFull) return all
    level.current = index
    level.isGuarded = child.node.when !== undefined || conditional.has(index)
    const gives = checkNode(child, level, on)
    if (kind === 'graph') continue
    for (const [symbol, given] of gives)
      addNearest(all, symbol, outward(given, child, index, false))
  }
  if (kind === 'graph') checkGraph(level, on)
  return withRetry(all, flow.node)
}

const NONE: ReadonlySet<number> = new Set()

function checkNode(
  child: BuiltNode,
  level: Level,
  on: Checking,
): ReadonlyMap<string, readonly Give[]> {
  const id = child.node.id
  if (child.node.when !== undefined) {
    checkCondition(child.node.when, id, [...child.path, 'when'], level, ['input', 'job'], on)
  }
  if (child.kind === 'task') {
    checkTask(child, level, on)
    return new Map([...child.gives].map(([symbol, give]) => [symbol, [give]]))
  }
  if (child.node.retry !== undefined)
    checkRetry(child.node.retry, id, level, [...child.path, 'retry'], on)
  return checkChildren(child, level, on)
}

function checkAmbiguous(
  flow: BuiltFlow,
  gives: ReadonlyMap<string, readonly Give[]>,
  on: Checking,
): void {
  for (const [symbol, given] of gives) {
    const [first, second] = given.filter((give) => give.maybe === undefined && give.node >= 0)
    if (first === undefined || second === undefined) continue
    on.issues.add(flow.children[second.node]?.path ?? flow.path, {
      message: `"${second.by}" provides "${symbol}", which "${first.by}" of the same graph provides too`,
      hint: 'rename one with `provides`, or put them into a linear flow',
    })
  }
}

/** Links and cycles of a graph, when the symbols of all its children were looked up. */
function checkGraph(level: Level, on: Checking): void {
  const { flow, edges } = level
  if (edges === undefined) return
  const positions = new Map(flow.children.map((child, index) => [child.node.id, index]))
  for (const [index, link] of (flow.node.links ?? []).entries()) {
    const from = positions.get(link.from)
    const to = positions.get(link.to)
    if (from === undefined || to === undefined) continue
    addEdge(edges, from, to, '')
    if (link.when === undefined) continue
    level.current = to
    level.isGuarded = true
    checkCondition(
      link.when,
      link.to,
      [...flow.path, 'links', index, 'when'],
      level,
      ['input', 'job'],
      on,
    )
  }
  const cycle = findCycle(flow.children.length, edges)
  if (cycle === undefined) return
  const steps = cycle.map(({ node, because }) => {
    const id = flow.children[node]?.node.id ?? ''
    return because === '' ? id : `${id} (provides "${because}")`
  })
  const shown = steps.length > 20 ? [...steps.slice(0, 20), `… ${steps.length - 20} more`] : steps
  on.issues.add([...flow.path, 'graph'], {
    message: `these nodes wait for each other: ${shown.join(' → ')} → ${flow.children[cycle[0]?.node ?? 0]?.node.id ?? ''}`,
    hint: 'a graph has no cycles: rename a symbol, or remove a link',
  })
}

function checkTask(task: BuiltTask, level: Level, on: Checking): void {
  const { node, path } = task
  for (const [argument, symbol] of Object.entries(node.requires)) {
    const template = task.bound.get(argument)
    if (template !== undefined) {
      const at = [...path, 'with', argument]
      const type = checkTemplate(template, node.id, at, level, ['input', 'job'], on)
      if (type !== undefined && template.constant === undefined)
        checkFits(type, symbol.schema, `the argument "${argument}"`, at, on)
      continue
    }
    if (node.with !== undefined && Object.hasOwn(node.with, argument)) continue // did not compile: reported
    const isOptional = symbol.optional === true || symbol.default !== undefined
    ask(argument, { by: node.id, path, isOptional, schema: symbol.schema }, level, on)
  }
  checkProvides(task, on)
  if (node.retry !== undefined) checkTaskRetry(node.retry, node.id, [...path, 'retry'], level, on)
  if (node.revertRetry !== undefined)
    checkTaskRetry(node.revertRetry, node.id, [...path, 'revertRetry'], level, on)
}

/** Expressions over `result`. */
function checkProvides(task: BuiltTask, on: Checking): void {
  for (const [symbol, { value }] of Object.entries(task.node.provides)) {
    if (value === undefined) continue
    const path = [...task.path, 'provides', symbol]
    const template = compileTemplateAt(value, path, on)
    if (template === undefined) continue
    const [named] = template.symbols
    if (named !== undefined) {
      on.issues.add(path, {
        message: `"${named}" is not known here`,
        hint: `\`provides\` sees result, input and job: is it result.${named}?`,
      })
      continue
    }
    refuseVariables(template.expressions, ['input', 'job', 'result'], path, on)
    const result = task.signature === undefined ? ANY : resultType(task.signature)
    typed(path, on, () =>
      template.typeWith((name) => (name === 'result' ? result : variableType(name, on))),
    )
  }
}

function resultType(signature: TaskSignature): ValueType {
  const fields = Object.entries(signature.provides)
  if (fields.length === 0) return ANY
  return {
    kind: 'map',
    fields: new Map(fields.map(([name, symbol]) => [name, typeOfSchema(symbol.schema)])),
    rest: undefined,
  }
}

function checkTaskRetry(
  retry: ResolvedTaskRetry,
  by: string,
  path: readonly PropertyKey[],
  level: Level | undefined,
  on: Checking,
): void {
  if (typeof retry.attempts === 'string') {
    const at = [...path, 'attempts']
    const template = compileTemplateAt(retry.attempts, at, on)
    const type = template && checkTemplate(template, by, at, level, ['input', 'job'], on)
    if (type !== undefined) checkFits(type, { type: 'integer' }, '`attempts`', at, on)
  }
  if (retry.when !== undefined)
    checkCondition(retry.when, by, [...path, 'when'], level, ['input', 'job', 'failure'], on)
}

/** The retry of a flow sees what the flow itself sees. */
function checkRetry(
  retry: ResolvedRetry,
  by: string,
  level: Level | undefined,
  path: readonly PropertyKey[],
  on: Checking,
): void {
  switch (retry.kind) {
    case 'never':
      return
    case 'times':
      checkTaskRetry(retry, by, path, level, on)
      return
    case 'forEach': {
      const at = [...path, 'forEach']
      const template = compileTemplateAt(retry.values, at, on)
      const type = template && checkTemplate(template, by, at, level, ['input', 'job'], on)
      if (type !== undefined) checkFits(type, { type: 'array' }, '`forEach`', at, on)
      if (retry.when !== undefined)
        checkCondition(retry.when, by, [...path, 'when'], level, ['input', 'job', 'failure'], on)
      return
    }
    case 'strategy':
      for (const [name, value] of Object.entries(retry.with ?? {})) {
        const at = [...path, 'with', name]
        const template = compileTemplateAt(value, at, on)
        if (template !== undefined) checkTemplate(template, by, at, level, ['input', 'job'], on)
      }
  }
}

/** The output sees all that the flow gives, whatever its kind. */
function checkOutput(document: SourceDocument, root: BuiltFlow, gives: Givers, on: Checking): void {
  const end: Level = {
    flow: { ...root, kind: 'linear' },
    above: undefined,
    givers: gives,
    current: root.children.length,
    isGuarded: false,
    edges: undefined,
  }
  for (const [name, value] of Object.entries(document.output ?? {})) {
    const path = ['output', name]
    const template = compileTemplateAt(value, path, on)
    if (template !== undefined)
      checkTemplate(template, 'the output', path, end, ['input', 'job'], on)
  }
}
