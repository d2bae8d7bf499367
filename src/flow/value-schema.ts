/**
 * What documents say about values: a bare type such as `string?`, or a subset of JSON Schema that can be checked in
 * time linear in the value: no `$ref` (nothing is fetched, nothing recurs), no `pattern` (a regular expression can take
 * forever).
 */
import { z } from 'zod'
import { isRecord } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import type { Json } from '../base/json.ts'
import { choice, problem } from './choice.ts'
import type { JsonSchema, ResolvedSymbol } from './resolved.ts'

/** What JSON has. */
export const JSON_TYPES = [
  'string',
  'integer',
  'number',
  'boolean',
  'null',
  'array',
  'object',
] as const
/** Formats of texts that are checked. */
export const FORMATS = ['date-time', 'date', 'time', 'uuid', 'email', 'uri'] as const
const BARE_TYPES: readonly string[] = [...JSON_TYPES, ...FORMATS, 'any']

const FORBIDDEN = new Map([
  ['pattern', 'a regular expression can take forever: check it in a task'],
  ['patternProperties', 'a regular expression can take forever: check it in a task'],
  ['$ref', 'write the schema out: references are not followed'],
  ['$defs', 'write the schema out: references are not followed'],
  ['nullable', 'write type: [string, "null"]'],
])

/** Any JSON: documents are converted by `toJson` before they are parsed. */
const anyJson = z.unknown() as z.ZodType<Json>
const size = z.int().min(0)
const jsonType = z.enum(JSON_TYPES)

/** A schema inside another one. */
const innerSchema: z.ZodType<Json> = z.lazy(
  (): z.ZodType<Json> => innerValueSchema as z.ZodType<Json>,
) // JSON, see anyJson

const keywords = {
  type: choice({ one: jsonType, several: z.array(jsonType).min(1) }, (value) =>
    Array.isArray(value) ? 'several' : 'one',
  ),
  title: z.string(),
  description: z.string(),
  examples: z.array(anyJson),
  default: anyJson,
  enum: z.array(anyJson).min(1),
  const: anyJson,
  format: z.enum(FORMATS),
  minLength: size,
  maxLength: size,
  minimum: z.number(),
  maximum: z.number(),
  exclusiveMinimum: z.number(),
  exclusiveMaximum: z.number(),
  multipleOf: z.number().positive(),
  items: innerSchema,
  prefixItems: z.array(innerSchema),
  minItems: size,
  maxItems: size,
  properties: z.record(z.string(), innerSchema),
  required: z.array(z.string()),
  additionalProperties: innerSchema,
  propertyNames: innerSchema,
  anyOf: z.array(innerSchema).min(1),
  oneOf: z.array(innerSchema).min(1),
  allOf: z.array(innerSchema).min(1),
}

function schemaObject<Shape extends z.core.$ZodShape>(shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined
      return issue.keys
        .map((key) => {
          const hint = FORBIDDEN.get(key) ?? didYouMean(key, known)
          return `${JSON.stringify(key.slice(0, 100))} is not in the subset of JSON Schema that documents use${hint === undefined ? '' : `; ${hint}`}`
        })
        .join('\n')
    },
  })
}

const bareType = z.string().superRefine((text, context) => {
  if (!BARE_TYPES.includes(text)) notAType(text, context, text.endsWith('?'))
})
const bareSymbolType = z.string().superRefine((text, context) => {
  if (!BARE_TYPES.includes(text.replace(/\?$/, ''))) notAType(text, context, false)
})

/** A schema inside another one. */
export const innerValueSchema = choice(
  {
    bare: bareType.meta({ enum: BARE_TYPES }),
    schema: schemaObject(keywords).partial(),
    any: z.boolean(),
  },
  (value, context) => pickForm(value, context, true),
)

/** What a document says about a symbol: a bare type (`string?` may be absent), or a schema with `default` or `optional`. */
export const valueSchemaSchema = choice(
  {
    bare: bareSymbolType.meta({ enum: BARE_TYPES.flatMap((type) => [type, `${type}?`]) }),
    schema: schemaObject({ ...keywords, optional: z.boolean() }).partial(),
  },
  (value, context) => {
    const form = pickForm(value, context, false)
    return form === 'any' ? undefined : form
  },
)
/** What a document says about a symbol. */
export type SourceValueSchema = z.infer<typeof valueSchemaSchema>

/** A symbol's schema as it is resolved: `optional` and `default` beside it. */
export function resolveValueSchema(source: Json): ResolvedSymbol {
  const normal = normalSymbolSchema(source)
  if (!isRecord(normal)) return { schema: {} }
  const { optional, ...schema } = normal
  return {
    schema,
    ...(optional === true ? { optional: true } : {}),
    ...(schema['default'] === undefined ? {} : { default: schema['default'] }),
  }
}

/** The normal form of what a document says about a symbol: an object, with `optional: true` for `string?`. */
export function normalSymbolSchema(source: Json): Json {
  if (typeof source === 'string' && source.endsWith('?')) {
    return { ...bareSchema(source.slice(0, -1)), optional: true }
  }
  const schema = normalSchema(source)
  if (!isRecord(schema) || schema['optional'] !== false) return schema
  const { optional: _, ...rest } = schema
  return rest
}

/** The same constraint in one form: bare types and whole-number bounds written out one way, so that equal schemas are equal. */
export function normalSchema(source: Json): Json {
  if (typeof source === 'string') return bareSchema(source)
  if (!isRecord(source)) return source
  const schema: { [keyword: string]: Json } = {}
  for (const [keyword, value] of Object.entries(source)) {
    switch (keyword) {
      case 'items':
      case 'additionalProperties':
      case 'propertyNames':
        schema[keyword] = normalSchema(value)
        break
      case 'prefixItems':
      case 'anyOf':
      case 'oneOf':
      case 'allOf':
        schema[keyword] = Array.isArray(value)
          ? value.map((inner: Json) => normalSchema(inner))
          : value
        break
      case 'properties':
        schema[keyword] = isRecord(value)
          ? Object.fromEntries(
              Object.entries(value).map(([key, inner]) => [key, normalSchema(inner)]),
            )
          : value
        break
      default:
        schema[keyword] = value
    }
  }
  if (schema['type'] === 'integer') normaliseBounds(schema)
  return schema
}

/** Whole numbers: `> 0` is `>= 1`, and the bounds of safe integers go without saying. */
function normaliseBounds(schema: { [keyword: string]: Json }): void {
  const { exclusiveMinimum, exclusiveMaximum } = schema
  if (Number.isSafeInteger(exclusiveMinimum) && schema['minimum'] === undefined) {
    schema['minimum'] = Number(exclusiveMinimum) + 1
    delete schema['exclusiveMinimum']
  }
  if (Number.isSafeInteger(exclusiveMaximum) && schema['maximum'] === undefined) {
    schema['maximum'] = Number(exclusiveMaximum) - 1
    delete schema['exclusiveMaximum']
  }
  if (schema['minimum'] === Number.MIN_SAFE_INTEGER) delete schema['minimum']
  if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum']
}

function bareSchema(type: string): JsonSchema {
  if (type === 'any') return {}
  return FORMATS.some((format) => format === type) ? { type: 'string', format: type } : { type }
}

function pickForm(
  value: unknown,
  context: z.RefinementCtx,
  inner: boolean,
): 'bare' | 'schema' | 'any' | undefined {
  if (typeof value === 'string') return 'bare'
  if (typeof value === 'boolean' && inner) return 'any'
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return 'schema'
  return problem(context, [], {
    message: 'not a type',
    expected: `a bare type (${BARE_TYPES.join(', ')}) or a JSON Schema`,
    got: value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`,
    hint: value === null ? 'write "null" or any' : undefined,
  })
}

function notAType(text: string, context: z.RefinementCtx, question: boolean): void {
  problem(context, [], {
    message: `unknown type "${text.slice(0, 60)}"`,
    expected: `one of ${BARE_TYPES.join(', ')}`,
    hint: question
      ? 'only a symbol can be optional; use `required` of the object'
      : didYouMean(text.replace(/\?$/, ''), BARE_TYPES),
  })
}
