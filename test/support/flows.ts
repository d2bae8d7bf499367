/** Resolved documents in a few words, for tests of the machine. */
import { compile, type Plan } from '../../src/flow/compile.ts'
import type {
  ResolvedDocument,
  ResolvedFlow,
  ResolvedLink,
  ResolvedNode,
  ResolvedTask,
} from '../../src/flow/resolved.ts'

type Options<T> = Partial<Omit<T, 'id' | 'kind' | 'nodes' | 'requires' | 'provides'>>

/** A task with a revert, unless told otherwise. */
export function task(
  id: string,
  options: Options<ResolvedTask> & {
    requires?: readonly string[]
    provides?: readonly string[]
  } = {},
): ResolvedTask {
  const { requires = [], provides = [], ...rest } = options
  return {
    kind: 'task',
    id,
    task: id,
    requires: Object.fromEntries(requires.map((name) => [name, { schema: {} }])),
    provides: Object.fromEntries(provides.map((name) => [name, { schema: {} }])),
    revert: true,
    ...rest,
  }
}

type FlowOptions = Options<ResolvedFlow>

export function linear(
  id: string,
  nodes: readonly ResolvedNode[],
  options: FlowOptions = {},
): ResolvedFlow {
  return { kind: 'linear', id, nodes, ...options }
}

export function unordered(
  id: string,
  nodes: readonly ResolvedNode[],
  options: FlowOptions = {},
): ResolvedFlow {
  return { kind: 'unordered', id, nodes, ...options }
}

export function graph(
  id: string,
  nodes: readonly ResolvedNode[],
  links: readonly ResolvedLink[] = [],
  options: FlowOptions = {},
): ResolvedFlow {
  return { kind: 'graph', id, nodes, links, ...options }
}

/** The document of a flow whose input is open. */
export function document(
  root: ResolvedFlow,
  options: Partial<ResolvedDocument> = {},
): ResolvedDocument {
  return { format: 1, flow: root.id, source: 'test', closed: false, input: {}, root, ...options }
}

export function planOf(root: ResolvedFlow, options: Partial<ResolvedDocument> = {}): Plan {
  return compile(document(root, options), 'test')
}
