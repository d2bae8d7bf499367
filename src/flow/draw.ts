/** Drawings of a flow that a person can read: Mermaid for documents and web pages, DOT for Graphviz. */
import { formatDuration } from '../base/durations.ts'
import { compileExpression } from './expression.ts'
import type {
  ResolvedDocument,
  ResolvedFlow,
  ResolvedNode,
  ResolvedRetry,
  ResolvedTask,
  ResolvedTaskRetry,
} from './resolved.ts'
import { compileTemplate } from './template.ts'

/** What a drawing shows beside the flow. */
export interface DrawOptions {
  /** State of atoms by path (`checkout/settle/payment.charge`, `checkout/settle:retry`): shown as text and colour. */
  readonly states?: ReadonlyMap<string, string> | undefined
  /** Children of one flow that are drawn; the rest is one node that counts them. @default 200 */
  readonly maxChildren?: number | undefined
}

/** A node as it is drawn. */
interface Drawn {
  /** Identifier in the drawing. */
  readonly key: string
  readonly lines: readonly string[]
  readonly state: string | undefined
  /** Undefined for a task. */
  readonly children?: readonly Drawn[]
  readonly edges?: readonly DrawnEdge[]
}

interface DrawnEdge {
  readonly from: Drawn
  readonly to: Drawn
  readonly label: string
  /** A dead one skips what it leads to. */
  readonly isConditional: boolean
}

interface Drawing {
  readonly options: DrawOptions
  count: number
}

const COLOURS: ReadonlyMap<string, readonly [fill: string, border: string]> = new Map([
  ['RUNNING', ['#cfe2ff', '#0b5ed7']],
  ['SUCCESS', ['#d1f0dc', '#198754']],
  ['FAILURE', ['#f8d7da', '#b02a37']],
  ['RETRYING', ['#ffe5b4', '#c77700']],
  ['REVERTING', ['#e8dcf5', '#6f42c1']],
  ['REVERTED', ['#ece8f1', '#8a7aa8']],
  ['REVERT_FAILURE', ['#b02a37', '#580c14']],
  ['IGNORE', ['#f1f1f1', '#a0a0a0']],
])

/** The flow as a Mermaid flowchart. */
export function drawMermaid(document: ResolvedDocument, options: DrawOptions = {}): string {
  const root = drawn(document, options)
  const lines = ['flowchart TD']
  mermaidNode(root, 1, lines)
  const states = new Set<string>()
  collectStates(root, states)
  for (const state of states) {
    const [fill, border] = COLOURS.get(state) ?? ['#ffffff', '#666666']
    const text = state === 'REVERT_FAILURE' ? ',color:#ffffff' : ''
    lines.push(`  classDef ${state} fill:${fill},stroke:${border}${text}`)
  }
  mermaidClasses(root, lines)
  return lines.join('\n') + '\n'
}

/** The flow in the DOT language of Graphviz. */
export function drawDot(document: ResolvedDocument, options: DrawOptions = {}): string {
  const root = drawn(document, options)
  const lines = [
    `digraph ${dotText([document.flow])} {`,
    '  graph [compound=true, rankdir=TB, fontname="Helvetica", fontsize=12, nodesep=0.35, ranksep=0.45]',
    '  node [shape=box, style="rounded,filled", fillcolor=white, color="#666666", fontname="Helvetica", fontsize=11, margin="0.15,0.08"]',
    '  edge [color="#666666", fontname="Helvetica", fontsize=10, arrowsize=0.7]',
  ]
  dotNode(root, 1, lines)
  lines.push('}')
  return lines.join('\n') + '\n'
}

function drawn(document: ResolvedDocument, options: DrawOptions): Drawn {
  return drawnFlow(document.root, document.root.id, '', { options, count: 0 })
}

function drawnNode(node: ResolvedNode, path: string, condition: string, on: Drawing): Drawn {
  return node.kind === 'task'
    ? drawnTask(node, path, condition, on)
    : drawnFlow(node, path, condition, on)
}

function drawnTask(task: ResolvedTask, path: string, condition: string, on: Drawing): Drawn {
  const state = on.options.states?.get(path)
  const lines = [task.label ?? task.id]
  if (task.label !== undefined || task.id !== task.task) lines.push(task.task)
  if (condition !== '') lines.push(condition)
  const notes = [
    ...(task.retry === undefined ? [] : [attemptsText(task.retry)]),
    ...(task.timeoutMs === undefined ? [] : [`at most ${formatDuration(task.timeoutMs)}`]),
    ...(task.onFailure === 'continue' ? ['may fail'] : []),
  ]
  if (notes.length > 0) lines.push(notes.join(', '))
  if (state !== undefined) lines.push(state)
  return { key: nextKey(on), lines, state }
}

function drawnFlow(flow: ResolvedFlow, path: string, condition: string, on: Drawing): Drawn {
  const key = nextKey(on)
  const retryState = on.options.states?.get(`${path}:retry`)
  const lines = [`${flow.label ?? flow.id} (${flow.kind})`]
  if (condition !== '') lines.push(condition)
  if (flow.retry !== undefined) {
    lines.push(
      `retry: ${retryText(flow.retry)}${retryState === undefined ? '' : ` – ${retryState}`}`,
    )
  }
  const notes = [
    ...(flow.timeoutMs === undefined ? [] : [`at most ${formatDuration(flow.timeoutMs)}`]),
    ...(flow.onFailure === 'continue' ? ['may fail'] : []),
  ]
  if (notes.length > 0) lines.push(notes.join(', '))
  const most = on.options.maxChildren ?? 200
  const shown = flow.nodes.slice(0, most)
  const edges = edgesOf(flow)
  const led = new Set(edges.map((edge) => edge.to))
  // A condition stands on the edge that leads to its node, or in the node where none does.
  const children = shown.map((node, index) => {
    const inside = node.when !== undefined && !led.has(index) ? conditionText(node.when) : ''
    return drawnNode(node, `${path}/${node.id}`, inside, on)
  })
  const rest = flow.nodes.length - shown.length
  if (rest > 0) children.push({ key: nextKey(on), lines: [`… ${rest} more`], state: undefined })
  const drawnEdges: DrawnEdge[] = []
  for (const { from, to, label, isConditional } of edges) {
    const start = children[from]
    const end = children[to]
    if (start === undefined || end === undefined || from > most || to > most) continue
    drawnEdges.push({ from: start, to: end, label, isConditional })
  }
  return { key, lines, state: on.options.states?.get(path), children, edges: drawnEdges }
}

interface PlainEdge {
  readonly from: number
  readonly to: number
  readonly label: string
  readonly isConditional: boolean
}

/** Which children come after which, and what the edge says: a condition, or the symbols that make it. */
function edgesOf(flow: ResolvedFlow): readonly PlainEdge[] {
  const when = (index: number): string => conditionText(flow.nodes[index]?.when)
  if (flow.kind === 'unordered') return []
  if (flow.kind === 'linear') {
    return flow.nodes.slice(1).map((node, index) => {
      return {
        from: index,
        to: index + 1,
        label: when(index + 1),
        isConditional: node.when !== undefined,
      }
    })
  }
  const positions = new Map(flow.nodes.map((node, index) => [node.id, index]))
  const labels = new Map<
    string,
    { readonly from: number; readonly to: number; readonly texts: string[]; isConditional: boolean }
  >()
  const add = (from: number, to: number, text: string, isConditional: boolean): void => {
    const key = `${from} ${to}`
    const known = labels.get(key) ?? { from, to, texts: [], isConditional: false }
    labels.set(key, known)
    if (text !== '') known.texts.push(text)
    known.isConditional ||= isConditional
  }
  for (const link of flow.links ?? []) {
    const from = positions.get(link.from)
    const to = positions.get(link.to)
    if (from !== undefined && to !== undefined)
      add(from, to, conditionText(link.when), link.when !== undefined)
  }
  const givers = new Map<string, number[]>()
  for (const [index, node] of flow.nodes.entries()) {
    for (const symbol of givenBy(node)) givers.set(symbol, [...(givers.get(symbol) ?? []), index])
  }
  for (const [to, node] of flow.nodes.entries()) {
    for (const symbol of askedBy(node)) {
      for (const from of givers.get(symbol) ?? []) if (from !== to) add(from, to, symbol, false)
    }
  }
  const led = new Set<number>()
  return [...labels.values()].map(({ from, to, texts, isConditional }) => {
    const own = led.has(to) ? '' : when(to)
    led.add(to)
    const label = [...texts, ...(own === '' ? [] : [own])].join(', ')
    return { from, to, label: shorten(label, 60), isConditional: isConditional || own !== '' }
  })
}

function givenBy(node: ResolvedNode): ReadonlySet<string> {
  if (node.kind === 'task') return new Set(Object.keys(node.provides))
  const given = new Set<string>()
  for (const child of node.nodes) for (const symbol of givenBy(child)) given.add(symbol)
  if (node.retry !== undefined && 'provides' in node.retry && node.retry.provides !== undefined)
    given.add(node.retry.provides)
  return given
}

/** Symbols that a node needs from outside itself. */
function askedBy(node: ResolvedNode): ReadonlySet<string> {
  const asked = new Set<string>(node.when === undefined ? [] : compileExpression(node.when).symbols)
  if (node.kind === 'task') {
    for (const argument of Object.keys(node.requires)) {
      const template =
        node.with !== undefined && Object.hasOwn(node.with, argument)
          ? node.with[argument]
          : undefined
      if (template === undefined) asked.add(argument)
      else for (const symbol of compileTemplate(template).symbols) asked.add(symbol)
    }
    return asked
  }
  const given = givenBy(node)
  for (const child of node.nodes)
    for (const symbol of askedBy(child)) if (!given.has(symbol)) asked.add(symbol)
  return asked
}

function conditionText(when: string | undefined): string {
  return when === undefined ? '' : shorten(`if ${when}`, 50)
}

function attemptsText(retry: ResolvedTaskRetry): string {
  const attempts =
    typeof retry.attempts === 'number' ? String(retry.attempts) : shorten(retry.attempts, 30)
  const delay = retry.delayMs === undefined ? '' : ` after ${formatDuration(retry.delayMs)}`
  const growing = retry.factor === undefined || retry.factor === 1 ? '' : ` ×${retry.factor}`
  return `${attempts} attempts${delay}${growing}`
}

function retryText(retry: ResolvedRetry): string {
  switch (retry.kind) {
    case 'times':
      return attemptsText(retry)
    case 'forEach':
      return `for each of ${Array.isArray(retry.values) ? `${retry.values.length} values` : typeof retry.values === 'string' ? shorten(retry.values, 30) : 'a value'}`
    case 'never':
      return `never, ${retry.answer === 'revert' ? 'revert' : 'revert all'}`
    case 'strategy':
      return `as ${retry.strategy} decides`
  }
}

function mermaidNode(node: Drawn, depth: number, lines: string[]): void {
  const indent = '  '.repeat(depth)
  if (node.children === undefined) {
    lines.push(`${indent}${node.key}["${mermaidText(node.lines)}"]`)
    return
  }
  lines.push(`${indent}subgraph ${node.key}["${mermaidText(node.lines)}"]`)
  if (node.children.length === 0) lines.push(`${indent}  ${node.key}empty["(empty)"]`)
  for (const child of node.children) mermaidNode(child, depth + 1, lines)
  for (const { from, to, label, isConditional } of node.edges ?? []) {
    const arrow = isConditional ? '-.->' : '-->'
    lines.push(
      `${indent}  ${from.key} ${arrow}${label === '' ? '' : `|"${mermaidText([label])}"|`} ${to.key}`,
    )
  }
  lines.push(`${indent}end`)
}

/** Mermaid reads `#…;` as an entity and some characters as its own syntax. */
function mermaidText(lines: readonly string[]): string {
  return lines
    .map((line) => {
      return plain(line).replace(/[#"<>&`|{}[\]\\]/g, (character) => `#${character.charCodeAt(0)};`)
    })
    .join('<br/>')
}

function mermaidClasses(node: Drawn, lines: string[]): void {
  if (node.state !== undefined) lines.push(`  class ${node.key} ${node.state}`)
  for (const child of node.children ?? []) mermaidClasses(child, lines)
}

function collectStates(node: Drawn, states: Set<string>): void {
  if (node.state !== undefined) states.add(node.state)
  for (const child of node.children ?? []) collectStates(child, states)
}

function dotNode(node: Drawn, depth: number, lines: string[]): void {
  const indent = '  '.repeat(depth)
  const [fill, border] = COLOURS.get(node.state ?? '') ?? []
  if (node.children === undefined) {
    const colours = fill === undefined ? '' : `, fillcolor="${fill}", color="${border}"`
    const text = node.state === 'REVERT_FAILURE' ? ', fontcolor=white' : ''
    lines.push(`${indent}${node.key} [label=${dotText(node.lines)}${colours}${text}]`)
    return
  }
  lines.push(`${indent}subgraph cluster_${node.key} {`)
  lines.push(
    `${indent}  graph [label=${dotText(node.lines, '\\l')}, labeljust=l, style="rounded,filled", color="${border ?? '#999999'}", fillcolor="${fill ?? (depth % 2 === 1 ? '#f7f7f7' : '#ffffff')}"]`,
  )
  if (node.children.length === 0)
    lines.push(`${indent}  ${node.key} [label="(empty)", style=dashed]`)
  for (const child of node.children) dotNode(child, depth + 1, lines)
  for (const { from, to, label, isConditional } of node.edges ?? []) {
    const attributes = [
      ...(from.children === undefined ? [] : [`ltail=cluster_${from.key}`]),
      ...(to.children === undefined ? [] : [`lhead=cluster_${to.key}`]),
      ...(label === '' ? [] : [`label=${dotText([label])}`]),
      ...(isConditional ? ['style=dashed'] : []),
    ]
    const text = attributes.length === 0 ? '' : ` [${attributes.join(', ')}]`
    lines.push(`${indent}  ${leaf(from, 'last')} -> ${leaf(to, 'first')}${text}`)
  }
  lines.push(`${indent}}`)
}

/** DOT has edges between nodes only: one inside stands for its cluster, so chosen that the other end comes below. */
function leaf(node: Drawn, which: 'first' | 'last'): string {
  const { children = [], edges = [] } = node
  const inner = new Set(edges.map((edge) => (which === 'first' ? edge.to : edge.from)))
  const ends = children.filter((child) => !inner.has(child))
  const [first] = ends
  if (first === undefined) return node.key
  const deepest = ends.reduce((best, child) => (height(child) > height(best) ? child : best), first)
  return leaf(which === 'first' ? first : deepest, which)
}

/** How many nodes come below each other in it, about. */
function height(node: Drawn): number {
  if (node.children === undefined) return 1
  const heights = node.children.map(height)
  const isOrdered = node.edges !== undefined && node.edges.length > 0
  return isOrdered ? heights.reduce((sum, each) => sum + each, 0) : Math.max(1, ...heights)
}

/** `end` is how DOT ends a line: `\\n` centred, `\\l` at the left. */
function dotText(lines: readonly string[], end = '\\n'): string {
  const text = lines.map((line) => plain(line).replace(/[\\"]/g, '\\$&')).join(end)
  return `"${text}${end === '\\l' ? end : ''}"`
}

function plain(text: string): string {
  return shorten(text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim(), 80)
}

function shorten(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}

function nextKey(on: Drawing): string {
  on.count += 1
  return `n${on.count}`
}
