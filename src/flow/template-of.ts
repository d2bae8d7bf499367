/** Values that builders take: constants, paths and expressions → templates of documents. */
import { BANNED_KEYS, formatPath, toJson } from '../base/codec.ts'
import { NotSerialisableError, UsageError } from '../base/errors.ts'
import { describe, type SourceTask } from './document.ts'
import { symbolProblem } from './names.ts'

/** A path into a symbol, whose type is checked: made by {@link from}. */
export interface From<Path extends string = string> {
  readonly '~from': Path
}

/** An expression, whose type is not known to TypeScript: made by {@link cel}. */
export interface Cel {
  readonly cel: string
  readonly '~cel': true
}

/**
 * Binds a symbol, or what lies in it: `from("total")`, `from("customer.address.city")`. TypeScript checks that it is
 * there and of the right type. Throws {@link UsageError} for what is no path; write `cel("items[0].price")` for more.
 */
export function from<const Path extends string>(path: Path): From<Path> {
  const keys = typeof path === 'string' ? path.split('.') : []
  const [symbol = ''] = keys
  const problem = symbolProblem(symbol)
  const isPath = keys.every((key) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key))
  if (problem !== undefined || !isPath) {
    throw new UsageError(`from(${describe(path)}): ${problem ?? 'expected names joined by dots'}`, {
      hint: 'write from("customer.address"), and cel("…") for anything else',
    })
  }
  return Object.freeze({ '~from': path })
}

/**
 * An expression in CEL over the symbols in scope: `cel("total * 2")`. Checked when the flow is compiled, not by TypeScript.
 */
export function cel(expression: string): Cel {
  if (typeof expression !== 'string' || expression.trim() === '') {
    throw new UsageError(`cel(${describe(expression)}): expected an expression such as "total * 2"`)
  }
  return Object.freeze({ cel: expression.trim(), '~cel': true as const })
}

/** Whether this was made by {@link cel}, of whatever copy of the package. */
export function isExpression(value: unknown): value is Cel {
  return typeof value === 'object' && value !== null && '~cel' in value && 'cel' in value
}

/** Whether this was made by {@link from}. */
export function isPath(value: unknown): value is From {
  return typeof value === 'object' && value !== null && '~from' in value
}

/** JSON as zod's types of documents have it. */
export type DocumentJson = NonNullable<SourceTask['with']>[string]

/** The template of a value: constants as they are (their `${{` escaped), paths and expressions in `${{ }}`. */
export function templateOf(value: unknown, where: string): DocumentJson {
  return convert(value, where, [])
}

function convert(value: unknown, where: string, path: readonly PropertyKey[]): DocumentJson {
  if (isPath(value)) return `\${{ ${value['~from']} }}`
  if (isExpression(value)) return `\${{ ${value.cel} }}`
  if (typeof value === 'string') return escapeTemplate(value)
  if (path.length > 64) throw new UsageError(`${where} has more than 64 levels`)
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => convert(item, where, [...path, index]))
  }
  if (isPlain(value)) {
    const out: { [key: string]: DocumentJson } = {}
    for (const [key, member] of Object.entries(value)) {
      if (BANNED_KEYS.has(key))
        throw new UsageError(`${where} has a key "${key}"`, { hint: 'choose another key' })
      if (member !== undefined) out[key] = convert(member, where, [...path, key])
    }
    return out
  }
  try {
    return toJson(value)
  } catch (error) {
    if (!(error instanceof NotSerialisableError)) throw error
    const at = path.length === 0 ? where : `${where}: ${formatPath(path)}`
    throw new UsageError(`${at} is ${error.reason}, expected JSON`, {
      hint: error.instead,
      cause: error,
    })
  }
}

/** A constant text that documents do not take for an expression. */
function escapeTemplate(text: string): string {
  return text.split('${{').join('$${{')
}

function isPlain(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
