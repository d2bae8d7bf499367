/** From the text of a YAML or JSON file to a source document; every error has its line and column. Pure: no file is read. */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  visit,
  type YAMLError,
} from 'yaml'
import { BANNED_KEYS } from '../base/codec.ts'
import { InvalidFlowError, type Issue } from '../base/errors.ts'
import type { SourceDocument } from './document.ts'
import type { Position } from './issues.ts'
import { isPlainJson } from './plain-json.ts'
import { MAX_DOCUMENT_BYTES } from './names.ts'
import { parseDocument } from './parse.ts'

export interface LoadOptions {
  /** Name of the file, for errors; one that ends in `.json` is read as JSON. */
  readonly name?: string | undefined
  /** Bytes of the text. @default 2,097,152 (2 MB) */
  readonly maxBytes?: number | undefined
  /**
   * `take` gives the value of the key `tasks` beside the document (for commands that run a file here); else it is an
   * error. @default 'refuse'
   */
  readonly tasks?: 'take' | 'refuse' | undefined
}

export interface LoadedFlow {
  readonly document: SourceDocument
  /** Modules of tasks that the file names; only with `tasks: 'take'`. */
  readonly tasks: readonly string[]
}

/** Levels of brackets. */
const MAX_BRACKETS = 200
const MAX_ISSUES = 100

/**
 * Reads the text of a flow, YAML 1.2 (core schema) or JSON, as a source document. Throws `InvalidFlowError` with line and
 * column of every problem. Aliases, anchors, tags, merge keys, several documents and duplicate keys are refused.
 */
export function loadFlow(text: string, options: LoadOptions = {}): LoadedFlow {
  const clean = text.startsWith('\ufeff') ? text.slice(1) : text
  const found = textProblems(clean, options)
  throwIfAny(found, options)
  const quick = options.tasks === 'take' ? undefined : readPlainJson(clean, options)
  if (quick !== undefined) return { document: quick, tasks: [] }
  const lines = new LineCounter()
  const yaml = readYaml(clean, lines, options)
  const tasks = takeTasks(yaml, lines, options)
  const document = parseDocument(yaml.toJS({ maxAliasCount: 0 }), {
    source: options.name,
    locate: (path) => positionOf(yaml, path, lines),
    maxBytes: options.maxBytes,
  })
  return { document, tasks }
}

function textProblems(text: string, options: LoadOptions): readonly Issue[] {
  const maxBytes = options.maxBytes ?? MAX_DOCUMENT_BYTES
  const bytes = Buffer.byteLength(text)
  if (bytes > maxBytes) {
    return [
      {
        path: '',
        message: `the text has ${bytes} bytes, at most ${maxBytes} are read`,
        hint: 'divide the flow',
      },
    ]
  }
  if (text.includes('\0') || text.includes('\ufffd')) {
    return [{ path: '', message: 'the text is not UTF-8', hint: 'save the file as UTF-8' }]
  }
  if (text.trim() === '')
    return [{ path: '', message: 'the text is empty', expected: 'a flow document' }]
  // Brackets nest without indentation, and the parser recurs as deep. Those in texts count too: nobody writes so many.
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '[' || character === '{') depth += 1
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1)
    if (depth > MAX_BRACKETS) {
      return [{ path: '', message: `more than ${MAX_BRACKETS} levels`, hint: 'make it flatter' }]
    }
  }
  return []
}

/**
 * JSON without anything unusual is read by JSON.parse, many times faster; the YAML parser is asked only where an error
 * stands. Undefined: not such a text.
 */
function readPlainJson(text: string, options: LoadOptions): SourceDocument | undefined {
  if (!text.trimStart().startsWith('{') || !isPlainJson(text)) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  let yaml: Document.Parsed | undefined
  const lines = new LineCounter()
  const locate = (path: readonly PropertyKey[]): Position | undefined => {
    yaml ??= readYaml(text, lines, options)
    return positionOf(yaml, path, lines)
  }
  return parseDocument(value, { source: options.name, locate, maxBytes: options.maxBytes })
}

function readYaml(text: string, lines: LineCounter, options: LoadOptions): Document.Parsed {
  const documents = parse(text, lines, options)
  const [document] = documents
  const found: Issue[] = []
  if (document === undefined) {
    throw new InvalidFlowError([{ path: '', message: 'there is no document in the text' }], {
      source: options.name,
    })
  }
  if (documents.length > 1) {
    const at = documents[1]?.range?.[0]
    found.push(
      issue(lines, at, `the file has ${documents.length} documents`, 'keep one flow a file'),
    )
  }
  found.push(...yamlProblems(document, text, lines))
  if (found.length === 0)
    found.push(...jsonProblems(text, options), ...nodeProblems(document, lines))
  throwIfAny(found, options)
  return document
}

function parse(text: string, lines: LineCounter, options: LoadOptions): readonly Document.Parsed[] {
  try {
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      version: '1.2',
      schema: 'core',
      merge: false,
      uniqueKeys: true,
      prettyErrors: false,
      stringKeys: true,
      logLevel: 'silent',
    })
    return Array.isArray(documents) ? documents : []
  } catch (error) {
    const message =
      error instanceof RangeError
        ? 'too many levels'
        : error instanceof Error
          ? error.message
          : String(error)
    throw new InvalidFlowError([{ path: '', message }], { source: options.name, cause: error })
  }
}

/** What a JSON file may not have though YAML reads it: comments, bare words, trailing commas. */
function jsonProblems(text: string, options: LoadOptions): readonly Issue[] {
  if (options.name?.toLowerCase().endsWith('.json') !== true) return []
  try {
    JSON.parse(text)
    return []
  } catch (error) {
    return [
      {
        path: '',
        message: error instanceof Error ? error.message : String(error),
        hint: 'write JSON, or name the file .yaml',
      },
    ]
  }
}

/** What YAML can say and documents may not. */
function nodeProblems(document: Document.Parsed, lines: LineCounter): readonly Issue[] {
  const found: Issue[] = []
  const report = (at: number | undefined, message: string, hint: string): void => {
    if (found.length < MAX_ISSUES) found.push(issue(lines, at, message, hint))
  }
  visit(document, {
    Alias(_, alias) {
      report(alias.range?.[0], `the alias *${alias.source} is not allowed`, 'write the value out')
    },
    Value(_, node) {
      const at = node.range?.[0]
      if (node.anchor !== undefined)
        report(at, `the anchor &${node.anchor} is not allowed`, 'write the value out')
      if (node.tag !== undefined)
        report(at, `the tag ${node.tag} is not allowed`, 'values are plain JSON')
      if (isScalar(node) && typeof node.value === 'number') {
        const problem = numberProblem(node.value, node.source ?? '')
        if (problem !== undefined) report(at, problem, 'put it in quotes')
      }
    },
    Pair(_, pair) {
      const key = isScalar(pair.key) ? pair.key.value : undefined
      const at = isNode(pair.key) ? pair.key.range?.[0] : undefined
      if (typeof key !== 'string') report(at, 'a key is a text', 'put it in quotes')
      else if (BANNED_KEYS.has(key))
        report(at, `the key "${key}" is not allowed`, 'choose another key')
      else if (key === '<<') report(at, 'merge keys are not allowed', 'write the keys out')
    },
  })
  return found
}

function numberProblem(value: number, source: string): string | undefined {
  if (!Number.isFinite(value)) return `${source} is no number that JSON can carry`
  if (/^[-+]?0\d/.test(source)) return `${source} begins with 0: a number or a text?`
  if (/^[-+]?\d+$/.test(source) && !Number.isSafeInteger(value)) {
    return `${source} is a whole number that JSON cannot carry exactly`
  }
  return undefined
}

const QUOTE = 'quote the expression: "${{ … }}"'

/** One problem a line. An expression that is not quoted confuses the parser for many lines: then only those are told. */
function yamlProblems(
  document: Document.Parsed,
  text: string,
  lines: LineCounter,
): readonly Issue[] {
  const byLine = new Map<number | undefined, Issue>()
  for (const error of document.errors.slice(0, 10 * MAX_ISSUES)) {
    const problem = yamlProblem(error, text, lines)
    if (!byLine.has(problem.line)) byLine.set(problem.line, problem)
  }
  const found = [...byLine.values()].slice(0, MAX_ISSUES)
  const unquoted = found.filter((problem) => problem.hint === QUOTE)
  return unquoted.length > 0 ? unquoted : found
}

function yamlProblem(error: YAMLError, text: string, lines: LineCounter): Issue {
  const [at] = error.pos
  const message = error.message.charAt(0).toLowerCase() + error.message.slice(1)
  if (lineAt(text, at).includes('${{')) return issue(lines, at, message, QUOTE)
  if (error.code === 'TAB_AS_INDENT')
    return issue(lines, at, 'a tab indents this line', 'indent with spaces')
  if (error.code === 'DUPLICATE_KEY')
    return issue(lines, at, 'this key was there already', 'keep one of them')
  return issue(lines, at, message)
}

function lineAt(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const end = text.indexOf('\n', at)
  return text.slice(start, end === -1 ? undefined : end)
}

/** Takes the key `tasks` out of the document: it is for the command that reads the file, not for the flow. */
function takeTasks(
  document: Document.Parsed,
  lines: LineCounter,
  options: LoadOptions,
): readonly string[] {
  if (options.tasks !== 'take' || !isMap(document.contents) || !document.contents.has('tasks'))
    return []
  const node: unknown = document.contents.get('tasks', true)
  const value: unknown = isNode(node) ? node.toJS(document, { maxAliasCount: 0 }) : undefined
  const tasks: readonly unknown[] = Array.isArray(value) ? value : [value]
  const paths = tasks.filter((task): task is string => typeof task === 'string' && task !== '')
  if (paths.length !== tasks.length) {
    const at = positionOf(document, ['tasks'], lines)
    const problem = {
      message: '`tasks` names modules of tasks',
      expected: 'a path, or a list of paths',
    }
    throw new InvalidFlowError([{ path: 'tasks', ...problem, ...at }], { source: options.name })
  }
  document.contents.delete('tasks')
  return paths
}

/** The place of a path: of its value, or of what holds it when there is none. */
export function positionOf(
  document: Document.Parsed,
  path: readonly PropertyKey[],
  lines: LineCounter,
): Position | undefined {
  let node: unknown = document.contents
  let at = isNode(node) ? node.range?.[0] : undefined
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key)
      if (pair === undefined) break
      if (isNode(pair.key)) at = pair.key.range?.[0] ?? at
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(key)]
    } else break
    // A key says better than the first key of its object where something is.
    if (isScalar(node) || isSeq(node) || typeof key === 'number')
      at = (isNode(node) ? node.range?.[0] : at) ?? at
  }
  return at === undefined ? undefined : place(lines, at)
}

function place(lines: LineCounter, at: number): Position {
  const { line, col } = lines.linePos(at)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

function issue(lines: LineCounter, at: number | undefined, message: string, hint?: string): Issue {
  return {
    path: '',
    message,
    ...(at === undefined ? {} : place(lines, at)),
    ...(hint === undefined ? {} : { hint }),
  }
}

function throwIfAny(found: readonly Issue[], options: LoadOptions): void {
  if (found.length > 0) throw new InvalidFlowError(found, { source: options.name })
}
