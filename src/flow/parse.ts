/**
 * From any value to a source document that keeps the grammar, in its normal form.
 *
 * Invariants
 * P1  What comes out is fresh JSON (no getters, no prototypes, no banned keys), within the limits, checked by
 *     `documentSchema`, in normal form: equal flows have equal bytes, however they were written.
 * P2  Every issue has its path; all issues of a document are reported together, at most 100.
 * P3  The cost is linear in the document.
 */
import type { z } from 'zod'
import { isRecord, toJson } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import { NotSerialisableError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import type { Problem } from './choice.ts'
import {
  describe,
  documentSchema,
  sourceChildren,
  type SourceDocument,
  type SourceNode,
} from './document.ts'
import { Issues, type Locate } from './issues.ts'
import { MAX_DOCUMENT_BYTES, MAX_NODE_DEPTH, MAX_NODES } from './names.ts'
import { normalise } from './normal-form.ts'

/** Limits, and where the document came from. */
export interface ParseOptions {
  /** Bytes of the document as JSON. @default 2,097,152 (2 MB) */
  readonly maxBytes?: number | undefined
  /** Nodes in all. @default 200,000 */
  readonly maxNodes?: number | undefined
  /** Finds the place of a path in the text, for errors. */
  readonly locate?: Locate | undefined
  /** Name of the file, for errors. */
  readonly source?: string | undefined
}

/** Where a document came from, for the errors of later checks. */
export interface Origin {
  readonly locate?: Locate | undefined
  readonly source?: string | undefined
}

const origins = new WeakMap<SourceDocument, Origin>()

/** Levels of lists and objects: two for each level of nodes, and values below. */
const MAX_JSON_DEPTH = 2 * MAX_NODE_DEPTH + 72

/**
 * Checks any value as a source document and gives it in normal form. A document that came from here comes back as it is.
 * Throws {@link InvalidFlowError} with every issue.
 */
export function parseDocument(value: unknown, options: ParseOptions = {}): SourceDocument {
  if (isParsed(value)) return value
  const issues = new Issues(options)
  const json = plainJson(value, options, issues)
  const flow = isRecord(json) && typeof json['flow'] === 'string' ? json['flow'] : undefined
  issues.throwIfAny()
  measure(json, options.maxNodes ?? MAX_NODES, issues)
  issues.throwIfAny(flow)
  const parsed = documentSchema.safeParse(json)
  if (parsed.success) checkIds(parsed.data, [], issues)
  else for (const issue of parsed.error.issues) addZodIssue(issue, json, issues)
  issues.throwIfAny(flow)
  if (!parsed.success) throw parsed.error
  const document = parsed.data
  if (isRecord(json)) normalise(json) // P1: fresh, and what `parsed.data` is
  origins.set(document, { locate: options.locate, source: options.source })
  return document
}

/** Where a parsed document came from; undefined for a value that was not parsed. */
export function originOf(document: SourceDocument): Origin | undefined {
  return origins.get(document)
}

function isParsed(value: unknown): value is SourceDocument {
  return typeof value === 'object' && value !== null && origins.has(value as SourceDocument)
}

function plainJson(value: unknown, options: ParseOptions, issues: Issues): Json {
  try {
    return toJson(value, {
      maxBytes: options.maxBytes ?? MAX_DOCUMENT_BYTES,
      maxDepth: MAX_JSON_DEPTH,
    })
  } catch (error) {
    if (!(error instanceof NotSerialisableError)) throw error
    const path = error.path === '' ? [] : [error.path]
    issues.add([], {
      message: `${path.join('')}${path.length > 0 ? ': ' : ''}${error.reason}`,
      hint: error.instead,
    })
    return null
  }
}

/** Depth and number of nodes, before anything recurs into them. */
function measure(json: Json, maxNodes: number, issues: Issues): void {
  let nodes = 0
  const visit = (node: Json, depth: number): boolean => {
    if (!isRecord(node)) return true
    nodes += 1
    if (nodes > maxNodes) {
      issues.add([], { message: `more than ${maxNodes} nodes`, hint: 'divide the flow' })
      return false
    }
    if (depth > MAX_NODE_DEPTH) {
      issues.add([], {
        message: `more than ${MAX_NODE_DEPTH} levels of nodes`,
        hint: 'make it flatter',
      })
      return false
    }
    for (const kind of ['linear', 'unordered', 'graph']) {
      const children = Object.hasOwn(node, kind) ? node[kind] : undefined
      if (!Array.isArray(children)) continue
      for (const child of children as readonly Json[]) if (!visit(child, depth + 1)) return false
    }
    return true
  }
  visit(json, 0)
}

/** Ids of siblings differ. An id that is not written is the task's name, else `<kind>-<n>`, n being the position from 1. */
export function nodeId(node: SourceNode, index: number): string {
  if (node.id !== undefined) return node.id
  if ('task' in node) return node.task
  return `${'linear' in node ? 'linear' : 'unordered' in node ? 'unordered' : 'graph'}-${index + 1}`
}

function checkIds(
  flow: SourceNode | SourceDocument,
  path: readonly PropertyKey[],
  issues: Issues,
): void {
  const children = sourceChildren(flow)
  if (children.length === 0 || issues.isFull) return
  const below = [...path, 'linear' in flow ? 'linear' : 'unordered' in flow ? 'unordered' : 'graph']
  const ids = new Map<string, number>()
  children.forEach((child, index) => {
    const id = nodeId(child, index)
    const other = ids.get(id)
    if (other === undefined) ids.set(id, index)
    else {
      const at = [...below, index, ...(child.id === undefined ? [] : ['id'])]
      issues.add(at, {
        message: `the id "${id}" is that of the ${ordinal(other)} node too`,
        expected: 'ids that differ among siblings',
        hint: child.id === undefined ? 'give this node an id' : undefined,
      })
    }
    if (!('task' in child)) checkIds(child, [...below, index], issues)
  })
  if (!('graph' in flow) || flow.links === undefined) return
  flow.links.forEach((link, index) => {
    for (const end of ['from', 'to'] as const) {
      if (ids.has(link[end])) continue
      issues.add([...path, 'links', index, end], {
        message: `no node of this graph has the id "${link[end]}"`,
        hint:
          didYouMean(link[end], ids.keys()) ??
          (ids.size <= 12 ? `ids are ${[...ids.keys()].join(', ')}` : undefined),
      })
    }
    if (link.from === link.to) {
      issues.add([...path, 'links', index], { message: `"${link.from}" is linked to itself` })
    }
  })
}

function addZodIssue(issue: z.core.$ZodIssue, json: Json, issues: Issues): void {
  if (issue.code === 'unrecognized_keys') {
    // One line of the message for each key, in the same order; see `strict` of document.ts.
    const messages = issue.message.split('\n')
    issue.keys.slice(0, messages.length).forEach((key, index) => {
      issues.add([...issue.path, key], { message: messages[index] ?? issue.message })
    })
  } else issues.add(issue.path, zodProblem(issue, valueAt(json, issue.path)))
}

function zodProblem(issue: z.core.$ZodIssue, value: Json | undefined): Problem {
  switch (issue.code) {
    case 'custom': {
      const given: Readonly<Record<string, unknown>> = issue.params ?? {}
      const field = (name: 'expected' | 'got' | 'hint'): string | undefined => {
        const text = given[name]
        return typeof text === 'string' ? text : undefined
      }
      return {
        message: issue.message,
        expected: field('expected'),
        got: field('got'),
        hint: field('hint'),
      }
    }
    case 'invalid_type':
      if (value === undefined) return { message: 'missing', expected: words(issue.expected) }
      if (!issue.message.startsWith('Invalid input'))
        return { message: issue.message, got: describe(value) }
      return { message: 'wrong type', expected: words(issue.expected), got: describe(value) }
    case 'invalid_value': {
      const values = issue.values.map(String)
      return {
        message: value === undefined ? 'missing' : 'unknown value',
        expected: values.length === 1 ? values[0] : `one of ${values.join(', ')}`,
        got: value === undefined ? undefined : describe(value),
        hint: typeof value === 'string' ? didYouMean(value, values) : undefined,
      }
    }
    case 'too_small':
      return {
        message: 'too small',
        expected: limit('at least', issue.minimum, issue.origin),
        got: size(value),
      }
    case 'too_big':
      return {
        message: 'too big',
        expected: limit('at most', issue.maximum, issue.origin),
        got: size(value),
      }
    default:
      return { message: issue.message }
  }
}

function words(expected: string): string {
  const known = new Map([
    ['array', 'a list'],
    ['object', 'an object'],
    ['record', 'an object'],
    ['string', 'a text'],
    ['int', 'a whole number'],
    ['number', 'a number'],
    ['boolean', 'true or false'],
  ])
  return known.get(expected) ?? expected
}

function limit(how: string, count: number | bigint, origin: string): string {
  const unit = origin === 'string' ? ' characters' : origin === 'array' ? ' items' : ''
  return `${how} ${count}${unit}`
}

function size(value: Json | undefined): string {
  if (typeof value === 'string') return `${value.length} characters`
  if (Array.isArray(value)) return `${value.length} items`
  return describe(value)
}

function valueAt(json: Json, path: readonly PropertyKey[]): Json | undefined {
  let at: Json | undefined = json
  for (const key of path) {
    if (Array.isArray(at)) at = (at as readonly Json[])[Number(key)]
    else if (isRecord(at) && Object.hasOwn(at, key)) at = at[String(key)]
    else return undefined
  }
  return at
}

function ordinal(index: number): string {
  const names = ['first', 'second', 'third']
  return names[index] ?? `${index + 1}th`
}
