/**
 * Templates: JSON whose strings may hold `${{ expression }}`.
 *
 * Invariants
 * T1  A string that is one whole expression has the expression's value and type; else expressions become text within it.
 * T2  Only strings of the document are expanded, once: what an expression gives is never looked at again.
 * T3  Keys are never expanded.
 */
import { canonicalJson, isList, isRecord } from '../base/codec.ts'
import { ExpressionError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { compileExpression, type Expression, type ExpressionScope } from './expression.ts'
import { scanTemplate } from './expression-scan.ts'
import { typeOfValue, type TypeOf, type ValueType } from './expression-types.ts'
import type { Template } from './resolved.ts'

/** A template that was compiled. */
export interface CompiledTemplate {
  /** Symbols that its expressions name, optional ones included. */
  readonly symbols: readonly string[]
  /** Those of `symbols` that may have no value. */
  readonly optional: readonly string[]
  /** All expressions in it. */
  readonly expressions: readonly Expression[]
  /** Present when there is no expression in it: its value, `$${{` being `${{`. */
  readonly constant?: Json
  /** The value; throws {@link ExpressionError}. */
  evaluate(scope: ExpressionScope): Json
  /** The type of the value as far as it is known; throws {@link ExpressionError} on a mismatch. */
  typeWith(typeOf: TypeOf): ValueType
}

const byValue = new WeakMap<object, CompiledTemplate>()
const byText = new Map<string, CompiledTemplate>()
const CACHED = 50_000

/** Compiles a template; the same one gives the same object. Throws {@link ExpressionError}. */
export function compileTemplate(template: Template): CompiledTemplate {
  if (typeof template === 'string') {
    const known = byText.get(template)
    if (known !== undefined) return known
    if (byText.size >= CACHED) byText.clear()
    const compiled = compileText(template)
    byText.set(template, compiled)
    return compiled
  }
  if (template === null || typeof template !== 'object') return constantTemplate(template)
  const known = byValue.get(template)
  if (known !== undefined) return known
  const compiled = isList(template) ? compileList(template) : compileRecord(template)
  byValue.set(template, compiled)
  return compiled
}

/**
 * The text of a condition without `${{ }}` around it; a text without them as it is. Never throws: what is wrong is said
 * when it is compiled.
 */
export function bareExpression(text: string): string {
  const trimmed = text.trim()
  if (!trimmed.startsWith('${{')) return trimmed
  const pieces = scanTemplate(trimmed)
  if ('problem' in pieces || pieces.length !== 1) return trimmed
  return pieces[0]?.expression?.trim() ?? trimmed
}

function compileText(text: string): CompiledTemplate {
  if (!text.includes('${{')) return constantTemplate(text)
  const pieces = scanTemplate(text)
  if ('problem' in pieces) {
    throw new ExpressionError(text.slice(pieces.at + 3), pieces.problem, {
      hint: 'end the expression with }}, or write $${{ for the characters themselves',
    })
  }
  const [first] = pieces
  if (first !== undefined && pieces.length === 1) {
    return first.expression === undefined ? constantTemplate(first.text) : whole(first.expression)
  }
  const parts = pieces.map((piece) => {
    return piece.expression === undefined ? piece.text : compileExpression(piece.expression.trim())
  })
  return {
    ...namesOf(parts.filter((part): part is Expression => typeof part !== 'string')),
    evaluate(scope) {
      let value = ''
      for (const part of parts)
        value += typeof part === 'string' ? part : asText(part.evaluate(scope))
      if (value.length > 2 * 1024 * 1024)
        throw new ExpressionError(text, 'a text of more than 2 MB')
      return value
    },
    typeWith(typeOf) {
      for (const part of parts) if (typeof part !== 'string') part.typeWith(typeOf)
      return { kind: 'string' }
    },
  }
}

function whole(text: string): CompiledTemplate {
  const expression = compileExpression(text.trim())
  return {
    ...namesOf([expression]),
    evaluate: (scope) => expression.evaluate(scope),
    typeWith: (typeOf) => expression.typeWith(typeOf),
  }
}

function compileList(list: readonly Json[]): CompiledTemplate {
  const parts = list.map((item) => compileTemplate(item))
  if (parts.every(isConstant)) return constantTemplate(parts.map((part) => part.constant))
  return {
    ...namesOf(parts.flatMap((part) => part.expressions)),
    evaluate: (scope) => parts.map((part) => part.evaluate(scope)),
    typeWith(typeOf) {
      for (const part of parts) part.typeWith(typeOf)
      return { kind: 'list', items: { kind: 'any' } }
    },
  }
}

function compileRecord(record: { readonly [key: string]: Json }): CompiledTemplate {
  const parts = Object.entries(record).map(([key, value]) => [key, compileTemplate(value)] as const)
  const constants = parts.flatMap(([key, part]) =>
    isConstant(part) ? [[key, part.constant] as const] : [],
  )
  if (constants.length === parts.length) return constantTemplate(Object.fromEntries(constants))
  return {
    ...namesOf(parts.flatMap(([, part]) => part.expressions)),
    evaluate: (scope) =>
      Object.fromEntries(parts.map(([key, part]) => [key, part.evaluate(scope)])),
    typeWith(typeOf) {
      return {
        kind: 'map',
        fields: new Map(parts.map(([key, part]) => [key, part.typeWith(typeOf)])),
        rest: undefined,
      }
    },
  }
}

function constantTemplate(value: Json): CompiledTemplate & { readonly constant: Json } {
  return {
    symbols: [],
    optional: [],
    expressions: [],
    constant: value,
    evaluate: () => value,
    typeWith: () => typeOfValue(value),
  }
}

function isConstant(
  template: CompiledTemplate,
): template is CompiledTemplate & { readonly constant: Json } {
  return template.constant !== undefined
}

function namesOf(
  expressions: readonly Expression[],
): Pick<CompiledTemplate, 'symbols' | 'optional' | 'expressions'> {
  const symbols = new Set<string>()
  const required = new Set<string>()
  for (const expression of expressions) {
    for (const symbol of expression.symbols) {
      symbols.add(symbol)
      if (!expression.optional.includes(symbol)) required.add(symbol)
    }
  }
  return {
    symbols: [...symbols],
    optional: [...symbols].filter((symbol) => !required.has(symbol)),
    expressions,
  }
}

function asText(value: Json): string {
  if (typeof value === 'string') return value
  return isList(value) || isRecord(value) ? canonicalJson(value) : String(value)
}
