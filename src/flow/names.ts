/** The words of the grammar: kinds of nodes, names, symbols, and how many of anything there may be. */

/** Kinds of nodes that have children. */
export const FLOW_KINDS = ['linear', 'unordered', 'graph'] as const
export type FlowKind = (typeof FLOW_KINDS)[number]

/** Kinds of nodes. A node has exactly one of these keys. */
export const KINDS = ['task', ...FLOW_KINDS] as const
export type Kind = (typeof KINDS)[number]

/** Kinds that are recognised and refused, so that no document uses the words for anything else. */
export const RESERVED_KINDS: ReadonlySet<string> = new Set([
  'switch',
  'forEach',
  'while',
  'until',
  'set',
  'sleep',
  'waitFor',
  'signal',
  'subflow',
  'post',
  'fail',
])

/** Names of expressions' variables that no symbol may have. */
export const RESERVED_SYMBOLS: ReadonlySet<string> = new Set([
  'symbols',
  'input',
  'job',
  'result',
  'failure',
  'schedule',
  'secret',
])

/** Words of CEL that no symbol may be called. */
export const CEL_WORDS: ReadonlySet<string> = new Set(
  (
    'true false null in as break const continue else for function if import let loop package ' +
    'namespace return var void while'
  ).split(' '),
)

/** Names of flows, tasks and nodes. */
export const NAME = /^[A-Za-z0-9_.-]+$/
export const MAX_NAME = 200

/** Names of symbols: CEL identifiers. */
export const SYMBOL = /^[A-Za-z_][A-Za-z0-9_]*$/
export const MAX_SYMBOL = 100

/** Atoms (tasks and retries) and flows of one document. */
export const MAX_NODES = 200_000
/** Characters of an atom's path, all ids on the way to it: databases index paths. */
export const MAX_ATOM_PATH = 2_000
/** Levels of nodes. */
export const MAX_NODE_DEPTH = 64
/** Bytes of a document as JSON, when it is read from a text or another process. */
export const MAX_DOCUMENT_BYTES = 2 * 1024 * 1024
/**
 * Bytes of a document that builders made: code wrote it, so that only the number of nodes has to bound it. 64 MB is room for
 * all of them, 335 bytes each.
 */
export const MAX_BUILT_BYTES = 64 * 1024 * 1024

const PROTOTYPE_WORDS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** Why this cannot be the name of a flow, task or node; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'a name cannot be empty'
  if (name.length > MAX_NAME)
    return `a name has at most ${MAX_NAME} characters, this has ${name.length}`
  if (!NAME.test(name)) return 'a name has only letters (A-Z, a-z), digits, "_", "." and "-"'
  if (/^\.+$/.test(name)) return 'a name cannot be dots alone'
  if (PROTOTYPE_WORDS.has(name)) return `"${name}" cannot be a name`
  return undefined
}

/** Why this cannot be the name of a symbol; undefined when it can. */
export function symbolProblem(name: string): string | undefined {
  if (name === '') return 'a symbol needs a name'
  if (name.length > MAX_SYMBOL) {
    return `a symbol has at most ${MAX_SYMBOL} characters, this has ${name.length}`
  }
  if (!SYMBOL.test(name)) {
    return 'a symbol has only letters (A-Z, a-z), digits and "_", and does not begin with a digit'
  }
  if (RESERVED_SYMBOLS.has(name))
    return `"${name}" is a variable of expressions, choose another symbol`
  if (CEL_WORDS.has(name))
    return `"${name}" is a word of the expression language, choose another symbol`
  if (PROTOTYPE_WORDS.has(name)) return `"${name}" cannot be a symbol`
  return undefined
}
