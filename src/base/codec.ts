/**
 * The one way into JSON: every symbol, argument, result and stored detail passes through `toJson`, in every engine.
 *
 * Invariants
 * J1  What comes out is a fresh value of plain objects, lists, finite numbers, texts, booleans and null.
 * J2  Nothing is changed silently, except: `undefined` as a whole is null, undefined properties are left out, -0 is 0.
 *     `toJSON` methods are never called.
 * J3  What PostgreSQL's jsonb refuses (`\u0000`, half a surrogate pair) is refused here, so that every store behaves alike.
 * J4  The work is bounded by `maxBytes` and `maxDepth`, whatever the value is (shared references, Proxies, cycles).
 */
import type { Json } from './json.ts'
import { NotSerialisableError } from './not-serialisable-error.ts'

/** Limits of one value. */
export interface CodecLimits {
  /** UTF-8 bytes of its JSON text. @default 2,097,152 (2 MB) */
  readonly maxBytes?: number | undefined
  /** Levels of lists and objects. @default 64 */
  readonly maxDepth?: number | undefined
}

/** Default limits of {@link toJson}. */
export const MAX_VALUE_BYTES = 2 * 1024 * 1024
/** See {@link CodecLimits}. */
export const MAX_VALUE_DEPTH = 64

/** Keys that would reach a prototype when somebody copies the object. Refused at every level. */
export const BANNED_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** One conversion under way. */
interface Walk {
  readonly maxBytes: number
  readonly maxDepth: number
  /** Where we are: the keys from the value down, `depth` of them. */
  readonly keys: (string | number)[]
  /** The containers above, to tell a cycle from depth. */
  readonly above: object[]
  /** Fewest bytes that the text so far can have. */
  bytes: number
  /** Characters in texts so far: each is 1 to 6 bytes, so the exact count is taken only near the limit. */
  characters: number
}

/**
 * Converts any JavaScript value into JSON, strictly. Throws {@link NotSerialisableError} that names the place in the
 * value, the reason and what to write instead.
 */
export function toJson(value: unknown, limits: CodecLimits = {}): Json {
  if (value === undefined || value === null) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value === 0 ? 0 : value
  const walk: Walk = {
    maxBytes: limits.maxBytes ?? MAX_VALUE_BYTES,
    maxDepth: limits.maxDepth ?? MAX_VALUE_DEPTH,
    keys: [],
    above: [],
    bytes: 0,
    characters: 0,
  }
  let json: Json
  try {
    json = convert(value, walk, 0)
  } catch (error) {
    if (error instanceof NotSerialisableError) throw error
    throw new NotSerialisableError({
      path: pathOf(walk, walk.keys.length),
      reason: 'what cannot be read: a getter or Proxy threw',
      instead: 'give a plain value',
      cause: error,
    })
  }
  if (walk.bytes + walk.characters * 5 > walk.maxBytes) {
    const bytes = Buffer.byteLength(JSON.stringify(json))
    if (bytes > walk.maxBytes) throw tooBig(walk)
  }
  return json
}

/**
 * The canonical text of a value: keys sorted by UTF-16 code unit, no white space, numbers as JavaScript writes them
 * (RFC 8785). Equal values have equal texts, so hashes are taken of it.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isList(value)) {
    let text = '['
    for (let index = 0; index < value.length; index++) {
      if (index > 0) text += ','
      text += canonicalJson(value[index] as Json) // within length, J1: no holes
    }
    return text + ']'
  }
  let text = '{'
  for (const key of Object.keys(value).sort()) {
    const member = value[key]
    if (member === undefined) continue
    if (text.length > 1) text += ','
    text += JSON.stringify(key) + ':' + canonicalJson(member)
  }
  return text + '}'
}

/** `Array.isArray` for JSON, which TypeScript does not narrow to a readonly list. */
export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** A JSON object: neither null nor a list. */
export function isRecord(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function convert(value: unknown, walk: Walk, depth: number): Json {
  switch (typeof value) {
    case 'string':
      return text(value, walk, depth)
    case 'number':
      if (!Number.isFinite(value))
        throw refuse(walk, depth, String(value), 'give a finite number or null')
      walk.bytes += 1
      return value === 0 ? 0 : value
    case 'boolean':
      walk.bytes += 4
      return value
    case 'object':
      if (value === null) {
        walk.bytes += 4
        return null
      }
      if (depth >= walk.maxDepth) throw tooDeep(value, walk, depth)
      walk.above[depth] = value
      return Array.isArray(value) ? list(value, walk, depth) : record(value, walk, depth)
    case 'undefined':
      throw refuse(walk, depth, 'undefined in a list', 'give null, or leave the item out')
    case 'bigint':
      throw refuse(
        walk,
        depth,
        'a BigInt',
        'give Number(value), or String(value) where it may be unsafe',
      )
    case 'symbol':
      throw refuse(walk, depth, 'a symbol', 'give its description as a text')
    case 'function':
      throw refuse(walk, depth, 'a function', 'give the value that it would return')
  }
}

function list(value: readonly unknown[], walk: Walk, depth: number): Json {
  const out: Json[] = []
  walk.bytes += 2
  for (let index = 0; index < value.length; index++) {
    walk.keys[depth] = index
    walk.bytes += 1
    out.push(convert(value[index], walk, depth + 1))
    if (walk.bytes > walk.maxBytes) throw tooBig(walk)
  }
  walk.keys.length = depth
  return out
}

function record(value: object, walk: Walk, depth: number): Json {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null && !isForeignPlain(prototype)) {
    throw refuseInstance(value, walk, depth)
  }
  const out: { [key: string]: Json } = {}
  const source = value as { readonly [key: string]: unknown } // any object can be read by key
  walk.bytes += 2
  for (const key of Object.keys(value)) {
    walk.keys[depth] = key
    const member = source[key]
    if (member === undefined) continue
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
      throw refuse(walk, depth + 1, `the key "${key}"`, 'choose another key')
    }
    text(key, walk, depth + 1)
    walk.bytes += 2
    out[key] = convert(member, walk, depth + 1)
    if (walk.bytes > walk.maxBytes) throw tooBig(walk)
  }
  walk.keys.length = depth
  return out
}

/** `\u0000` or a surrogate; a text of one-byte characters is searched for the former alone. */
const SUSPECT = /[\0\ud800-\udfff]/
/** Half a surrogate pair: with the flag `u`, whole pairs are one character that does not match. */
const LONE_SURROGATE = /\p{Surrogate}/u

function text(value: string, walk: Walk, depth: number): string {
  walk.bytes += value.length + 2
  walk.characters += value.length
  if (walk.bytes > walk.maxBytes) throw tooBig(walk)
  if (SUSPECT.test(value)) {
    if (value.includes('\0')) {
      throw refuse(
        walk,
        depth,
        'a text with the character \\u0000',
        'remove it, or encode bytes as base64',
      )
    }
    if (LONE_SURROGATE.test(value)) {
      throw refuse(
        walk,
        depth,
        'a text with half a surrogate pair',
        'remove it, or give text.toWellFormed()',
      )
    }
  }
  return value
}

/** Plain objects of another realm (`node:vm`, test runners): their prototype is that realm's `Object.prototype`. */
function isForeignPlain(prototype: unknown): boolean {
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'isPrototypeOf')
  )
}

function refuseInstance(value: object, walk: Walk, depth: number): NotSerialisableError {
  if (value instanceof Date) return refuse(walk, depth, 'a Date', 'give date.toISOString()')
  if (value instanceof Map) return refuse(walk, depth, 'a Map', 'give Object.fromEntries(map)')
  if (value instanceof Set) return refuse(walk, depth, 'a Set', 'give [...set]')
  if (value instanceof Promise) return refuse(walk, depth, 'a promise', 'await it')
  if (value instanceof Error)
    return refuse(walk, depth, 'an Error', 'throw it, or give its message')
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return refuse(walk, depth, 'bytes', "give buffer.toString('base64'), or [...array]")
  }
  return refuse(
    walk,
    depth,
    `an instance of ${className(value)}`,
    'give a plain object: { ...value }',
  )
}

function className(value: object): string {
  const made: unknown = Reflect.get(value, 'constructor')
  return typeof made === 'function' && made.name !== '' ? made.name.slice(0, 100) : 'a class'
}

function tooDeep(value: object, walk: Walk, depth: number): NotSerialisableError {
  const cycle = new Set(walk.above.slice(0, depth)).size < depth || walk.above.includes(value)
  return cycle
    ? refuse(walk, depth, 'a value that contains itself', 'give ids instead of references')
    : refuse(walk, depth, `more than ${walk.maxDepth} levels`, 'make it flatter')
}

function tooBig(walk: Walk): NotSerialisableError {
  return new NotSerialisableError({
    path: '',
    reason: `more than ${walk.maxBytes} bytes`,
    instead: 'store it elsewhere and give a reference to it',
  })
}

function refuse(walk: Walk, depth: number, reason: string, instead: string): NotSerialisableError {
  return new NotSerialisableError({ path: pathOf(walk, depth), reason, instead })
}

function pathOf(walk: Walk, depth: number): string {
  return formatPath(walk.keys.slice(0, depth))
}

/** A path for people: `orders[3].placedAt`, `with["my key"]`. */
export function formatPath(keys: readonly PropertyKey[]): string {
  let path = ''
  for (const key of keys) {
    if (typeof key === 'number') path += `[${key}]`
    else if (/^[A-Za-z_$][\w$-]*$/.test(String(key)))
      path += path === '' ? String(key) : `.${String(key)}`
    else path += `[${JSON.stringify(String(key).slice(0, 100))}]`
  }
  return path
}
