/** The input of a flow: `--set` over `--input`. */
import { readFileSync } from 'node:fs'
import { BANNED_KEYS, isList, isRecord } from '../base/codec.ts'
import { InvalidInputError, UsageError } from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { readValue } from '../flow/read-value.ts'

/**
 * Reads `--input` (JSON, `@file` with JSON or YAML, or `@-` for stdin) and puts the `--set path=value` over it. Throws
 * {@link UsageError}, {@link InvalidInputError}.
 */
export function readInput(input: string | undefined, sets: readonly string[]): JsonObject {
  const value = input === undefined ? {} : readGiven(input)
  if (!isRecord(value)) {
    throw new InvalidInputError(
      [{ path: '', message: 'it is no object', expected: '{ "symbol": value, … }' }],
      { subject: '--input' },
    )
  }
  return assignSets(value, sets)
}

/** An input with the `--set path=value` over it. Throws {@link UsageError}. */
export function assignSets(input: JsonObject, sets: readonly string[]): JsonObject {
  let complete = input
  for (const set of sets) complete = assign(complete, ...readSet(set))
  return complete
}

function readGiven(input: string): Json {
  if (!input.startsWith('@')) return readValue(input, { format: 'json', subject: '--input' })
  const file = input.slice(1)
  const isYaml = /\.ya?ml$/i.test(file)
  let text: string
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`--input: ${file === '-' ? 'stdin' : file} cannot be read: ${reason}`)
  }
  return readValue(text, {
    format: isYaml ? 'yaml' : 'json',
    subject: file === '-' ? 'stdin' : file,
  })
}

/** `customer.address.city=Bern`: the value is JSON if it can be, else a text. Throws {@link UsageError}. */
export function readSet(
  set: string,
  option = '--set',
): readonly [path: readonly string[], value: Json] {
  const at = set.indexOf('=')
  if (at < 1) {
    throw new UsageError(`${option} ${set}: expected path=value`, {
      hint: `such as ${option} quantity=2`,
    })
  }
  const path = set.slice(0, at).split('.')
  for (const key of path) {
    if (key === '') throw new UsageError(`${option} ${set}: the path has an empty part`)
    if (BANNED_KEYS.has(key))
      throw new UsageError(`${option} ${set}: the key "${key}" is not allowed`)
  }
  const text = set.slice(at + 1)
  return [
    path,
    looksLikeJson(text)
      ? readValue(text, { format: 'json', subject: `${option} ${path.join('.')}` })
      : text,
  ]
}

/** A text such as `00123`, `1.2.3` or `[draft]` is a text, whatever it begins with. */
function looksLikeJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The value with another one at a path; what is missing on the way is made. */
function assign(target: JsonObject, path: readonly string[], value: Json): JsonObject {
  const [key = '', ...rest] = path
  if (rest.length === 0) return { ...target, [key]: value }
  const inner = Object.hasOwn(target, key) ? target[key] : {}
  if (isList(inner)) {
    return { ...target, [key]: assignAt(inner, rest, value) }
  }
  return {
    ...target,
    [key]: assign(isRecord(inner ?? null) ? (inner as JsonObject) : {}, rest, value),
  }
}

function assignAt(list: readonly Json[], path: readonly string[], value: Json): readonly Json[] {
  const [key = '', ...rest] = path
  const index = Number(key)
  if (!/^\d+$/.test(key) || index > list.length) {
    throw new UsageError(`--set: "${key}" is no place in a list of ${list.length}`)
  }
  const copy = [...list]
  const inner = copy[index]
  copy[index] =
    rest.length === 0
      ? value
      : isList(inner ?? null)
        ? assignAt(inner as readonly Json[], rest, value)
        : assign(isRecord(inner ?? null) ? (inner as JsonObject) : {}, rest, value)
  return copy
}
