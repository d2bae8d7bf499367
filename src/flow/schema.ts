/**
 * Schemas of symbols, from any library that speaks Standard Schema: what they are in JSON Schema (documents, announcements),
 * and checking values against them (every call of a task).
 */
import { z } from 'zod'
import { didYouMean } from '../base/did-you-mean.ts'
import { formatPath } from '../base/codec.ts'
import { UsageError } from '../base/errors.ts'
import type { Issue } from '../base/errors.ts'
import type { JsonObject } from '../base/json.ts'
import { describe } from './document.ts'
import { documentSchemaOf } from './json-schema-of.ts'
import { symbolProblem } from './names.ts'
import type { JsonSchema, ResolvedSymbol } from './resolved.ts'
import type { Schema, SchemaIssue, Shape } from './types/schema.ts'

/**
 * What a shape is for. Arguments are what their schemas take, results what they give after defaults and transforms. The
 * input of a flow is never changed, so both have to be JSON; and nothing but its JSON Schema checks it.
 */
export type SchemaUse = 'arguments' | 'result' | 'input of a flow'

type SchemaSide = 'input' | 'output'

/** A shape that was read once: its symbols for documents, its validators for calls. */
export interface ReadShape {
  /** It has no symbols. */
  readonly isEmpty: boolean
  readonly symbols: { readonly [symbol: string]: ResolvedSymbol }
  /**
   * The values of the shape's symbols, checked, with defaults; other keys are left out. When something does not fit,
   * the issues go to `problems` and what is returned is of no use.
   */
  check(values: JsonObject, problems: Issue[]): { [symbol: string]: unknown }
}

type Validate = Schema['~standard']['validate']

/**
 * Reads a shape (`{ sku: z.string() }`). `where` is for messages: `the task "inventory.reserve" requires`. Throws
 * {@link UsageError} for what is not a shape, a name that is no symbol, and a schema that JSON Schema cannot express.
 */
export function readShape(shape: Shape, use: SchemaUse, where: string): ReadShape {
  refuseOtherThanShape(shape, where)
  const symbols: { [symbol: string]: ResolvedSymbol } = {}
  const fields: {
    readonly name: string
    readonly validate: Validate
    readonly isOptional: boolean
  }[] = []
  for (const name of Object.keys(shape)) {
    const problem = symbolProblem(name)
    if (problem !== undefined) throw new UsageError(`${where} "${name}", but ${problem}`)
    const schema = shape[name]
    if (!isSchema(schema)) {
      throw new UsageError(`${where} "${name}", whose schema is ${describe(schema)}`, {
        hint: 'give a Standard Schema, such as z.string()',
      })
    }
    const symbol = readSymbol(schema, use, `${where} "${name}"`)
    if (use === 'input of a flow') toJsonSchema(schema, 'output', `${where} "${name}"`)
    symbols[name] = symbol
    fields.push({
      name,
      validate: schema['~standard'].validate,
      isOptional: symbol.optional === true || symbol.default !== undefined,
    })
  }
  return {
    symbols,
    isEmpty: fields.length === 0,
    check(values, problems) {
      const checked: { [symbol: string]: unknown } = {}
      for (const { name, validate, isOptional } of fields) {
        const value = Object.hasOwn(values, name) ? values[name] : undefined
        if (value === undefined && !isOptional) {
          problems.push(missing(name, values, symbols))
          continue
        }
        const answer = validate(value)
        if (answer instanceof Promise) throw asynchronous(where, name)
        if (answer.issues !== undefined) {
          for (const issue of answer.issues) problems.push(asIssue(name, issue))
        } else if (answer.value !== undefined) {
          checked[name] = answer.value
        }
      }
      return checked
    },
  }
}

/** One schema as a symbol: its JSON Schema, whether it may be absent, its default. */
function readSymbol(schema: Schema, use: SchemaUse, subject: string): ResolvedSymbol {
  const side = use === 'result' ? 'output' : 'input'
  const raw = toJsonSchema(schema, side, subject)
  const read = documentSchemaOf(raw)
  if (read.recurs && use === 'input of a flow') {
    throw new UsageError(`${subject}, whose schema refers to itself`, {
      hint: 'take z.json() there, and check the value in a task',
    })
  }
  const { default: fallback, ...rest } = read.schema
  const mayBeAbsent = fallback === undefined && isOptional(schema, side, rest)
  return {
    schema: rest,
    ...(mayBeAbsent ? { optional: true } : {}),
    ...(fallback === undefined ? {} : { default: fallback }),
  }
}

/** Whether something speaks Standard Schema. */
export function isSchema(value: unknown): value is Schema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard: unknown = Reflect.get(value, '~standard')
  return (
    typeof standard === 'object' &&
    standard !== null &&
    'validate' in standard &&
    typeof standard.validate === 'function'
  )
}

function refuseOtherThanShape(shape: unknown, where: string): void {
  if (isSchema(shape)) {
    const inner: unknown = Reflect.get(shape, 'shape')
    throw new UsageError(
      `${where} one schema, expected a shape: an object with a schema for each symbol`,
      {
        hint:
          typeof inner === 'object' && inner !== null
            ? `pass the shape: { ${Object.keys(inner).join(', ')} } instead of z.object({ … })`
            : 'pass the shape: { symbol: z.string() }',
      },
    )
  }
  if (typeof shape !== 'object' || shape === null || Array.isArray(shape)) {
    throw new UsageError(
      `${where} ${describe(shape)}, expected a shape such as { sku: z.string() }`,
    )
  }
}

function toJsonSchema(schema: Schema, side: SchemaSide, subject: string): JsonSchema {
  const standard = schema['~standard']
  try {
    if (standard.jsonSchema !== undefined) {
      return standard.jsonSchema[side]({ target: 'draft-2020-12' }) as JsonSchema // JSON by its contract
    }
    if ('_zod' in schema) {
      // zod 4.0 and 4.1 have no `jsonSchema` of their own.
      return z.toJSONSchema(schema as unknown as z.ZodType, { io: side }) as JsonSchema
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${subject}, whose schema JSON Schema cannot express: ${reason}`, {
      hint: remedyFor(reason),
      cause: error,
    })
  }
  throw new UsageError(`${subject}, whose schema (of ${standard.vendor}) has no JSON Schema`, {
    hint: 'use a version of the library that offers "~standard".jsonSchema, or zod',
  })
}

function remedyFor(reason: string): string {
  if (/\bdate\b/i.test(reason)) return 'symbols are JSON values: use z.iso.datetime()'
  if (/bigint/i.test(reason))
    return 'symbols are JSON values: use z.int(), or z.string() for big numbers'
  if (/\b(map|set)\b/i.test(reason)) return 'symbols are JSON values: use z.record() or z.array()'
  if (/transform/i.test(reason)) {
    return 'symbols are JSON values: end the transform with .pipe(z.string()) or another plain schema'
  }
  return 'symbols are JSON values: use a schema of plain JSON'
}

/** `unknown` takes undefined too, yet whoever requires an unknown value wants one. */
function isOptional(schema: Schema, side: SchemaSide, jsonSchema: JsonSchema): boolean {
  const internals: unknown = Reflect.get(schema, '_zod')
  if (typeof internals === 'object' && internals !== null) {
    return Reflect.get(internals, side === 'input' ? 'optin' : 'optout') === 'optional'
  }
  if (Object.keys(jsonSchema).length === 0) return false
  const answer = schema['~standard'].validate(undefined)
  if (answer instanceof Promise) return false
  return answer.issues === undefined && (side === 'input' || answer.value === undefined)
}

function missing(
  name: string,
  values: JsonObject,
  symbols: { readonly [symbol: string]: ResolvedSymbol },
): Issue {
  const others = Object.keys(values).filter((key) => !Object.hasOwn(symbols, key))
  const hint = didYouMean(name, others)
  return {
    path: name,
    message: 'missing',
    ...(hint === undefined
      ? {}
      : { hint: hint.replace('did you mean', 'there is').replace('?', '') }),
  }
}

function asIssue(name: string, issue: SchemaIssue): Issue {
  const keys: PropertyKey[] = [name]
  for (const part of issue.path ?? []) {
    keys.push(typeof part === 'object' && part !== null ? part.key : part)
  }
  return { path: formatPath(keys), message: issue.message }
}

function asynchronous(where: string, name: string): UsageError {
  return new UsageError(`${where} "${name}", whose schema checks asynchronously`, {
    hint: 'check what needs waiting inside execute',
  })
}
