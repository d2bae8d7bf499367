/** A JSON value from a text that a person wrote, in JSON or YAML, with the line and column of what is wrong. Pure. */
import { isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import { BANNED_KEYS } from '../base/codec.ts'
import { InvalidInputError, type Issue } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import type { Locate } from './issues.ts'
import { positionOf } from './load.ts'

const MAX_BYTES = 2 * 1024 * 1024
const MAX_LEVELS = 64

/**
 * Reads one value. Duplicate keys, aliases, tags, several documents and keys such as `__proto__` are refused, and so are whole
 * numbers that JSON cannot carry exactly. Throws {@link InvalidInputError}.
 */
export function readValue(text: string, options: ReadOptions): Json {
  return readPlaced(text, options).value
}

export interface ReadOptions {
  readonly format: 'json' | 'yaml'
  /** What errors call it. */
  readonly subject: string
}

/** The same, with where each part of it stands. */
export function readPlaced(
  text: string,
  options: ReadOptions,
): { readonly value: Json; readonly locate: Locate } {
  const { format, subject } = options
  const fail = (issues: readonly Issue[]): never => {
    throw new InvalidInputError(issues, { subject })
  }
  const clean = text.startsWith('\ufeff') ? text.slice(1) : text
  if (Buffer.byteLength(clean) > MAX_BYTES) {
    fail([{ path: '', message: 'it has more than 2 MB', hint: 'give a reference to it instead' }])
  }
  if (clean.trim() === '') fail([{ path: '', message: 'it is empty', expected: format }])
  if (tooDeep(clean)) fail([{ path: '', message: `it has more than ${MAX_LEVELS} levels` }])
  const lines = new LineCounter()
  const document = parseDocument(clean, {
    lineCounter: lines,
    schema: format === 'json' ? 'json' : 'core',
    version: '1.2',
    merge: false,
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: 'silent',
  })
  const locate: Locate = (path) => positionOf(document, path, lines)
  const found: Issue[] = []
  const report = (at: number | undefined, message: string, hint?: string): void => {
    const { line, col } = lines.linePos(at ?? 0)
    found.push({ path: '', message, line, column: col, hint })
  }
  for (const error of document.errors.slice(0, 10)) {
    const message = error.code === 'DUPLICATE_KEY' ? 'this key was there already' : error.message
    report(error.pos[0], message.charAt(0).toLowerCase() + message.slice(1))
  }
  if (found.length === 0) {
    visit(document, {
      Alias: (_, alias) => report(alias.range?.[0], 'aliases are not allowed', 'write it out'),
      Value(_, node) {
        if (node.tag !== undefined) report(node.range?.[0], `the tag ${node.tag} is not allowed`)
        if (!isScalar(node) || typeof node.value !== 'number') return
        const isExact = !/^[-+]?\d+$/.test(node.source ?? '') || Number.isSafeInteger(node.value)
        if (Number.isFinite(node.value) && isExact) return
        report(node.range?.[0], `${node.source} is no number that JSON carries`, 'quote it')
      },
      Map(_, map) {
        if (!isMap(map)) return
        for (const { key } of map.items) {
          const name = isScalar(key) ? String(key.value) : undefined
          const at = isScalar(key) ? key.range?.[0] : undefined
          if (name === undefined) report(at, 'a key is a text')
          else if (BANNED_KEYS.has(name)) report(at, `the key "${name}" is not allowed`)
        }
      },
    })
  }
  if (found.length === 0 && format === 'json') {
    try {
      return { value: JSON.parse(clean) as Json, locate }
    } catch (error) {
      fail([{ path: '', message: error instanceof Error ? error.message : String(error) }])
    }
  }
  if (found.length > 0) fail(found)
  return { value: document.toJS({ maxAliasCount: 0 }) as Json, locate }
}

function tooDeep(text: string): boolean {
  let depth = 0
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1
    else if (character === ']' || character === '}') depth -= 1
    if (depth > MAX_LEVELS) return true
  }
  return false
}
