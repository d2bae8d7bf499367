/** JSON Schema as schema libraries write it → as documents write it, so that a builder and its YAML give the same bytes. */
import { isList, isRecord } from '../base/codec.ts'
import type { Json } from '../base/json.ts'
import type { JsonSchema } from './resolved.ts'
import { FORMATS, normalSchema } from './value-schema.ts'

/** A schema as documents have it. */
export interface DocumentSchema {
  readonly schema: JsonSchema
  /** It refers to itself, which documents cannot say: there it takes anything. */
  readonly recurs: boolean
}

/**
 * Without what says nothing: `$schema`, the pattern that libraries add to a named format, names of properties being
 * texts; and a schema of any JSON value is `{}`. References are written out. The rest is in the normal form of documents.
 */
export function documentSchemaOf(source: JsonSchema): DocumentSchema {
  const { $schema: _, $defs: definitions, ...root } = source
  const known = isRecord(definitions) ? definitions : {}
  const walk: Walk = { root, definitions: known, above: [], recurs: false }
  const schema = normalSchema(strip(root, walk, '#'))
  return { schema: isRecord(schema) ? schema : {}, recurs: walk.recurs }
}

interface Walk {
  readonly root: JsonSchema
  readonly definitions: JsonSchema
  /** The references that we are in. */
  readonly above: string[]
  recurs: boolean
}

function strip(schema: JsonSchema, walk: Walk, reference?: string): JsonSchema {
  if (reference !== undefined) {
    if (isAnyJson(schema, reference)) return {}
    if (walk.above.includes(reference)) {
      walk.recurs = true
      return {}
    }
    walk.above.push(reference)
    const stripped = strip(schema, walk)
    walk.above.pop()
    return stripped
  }
  const { $ref: ref, ...rest } = schema
  const referred = typeof ref === 'string' ? strip(target(ref, walk), walk, ref) : {}
  const out: { [key: string]: Json } = { ...referred }
  for (const [key, value] of Object.entries(rest)) {
    if (key === 'default' || key === 'const' || key === 'enum' || key === 'examples')
      out[key] = value
    else if (key === 'properties') out[key] = stripMembers(value, walk)
    else if (isList(value))
      out[key] = value.map((item) => (isRecord(item) ? strip(item, walk) : item))
    else out[key] = isRecord(value) ? strip(value, walk) : value
  }
  if (FORMATS.some((format) => format === out['format'])) delete out['pattern']
  const names = out['propertyNames']
  if (isRecord(names) && names['type'] === 'string' && Object.keys(names).length === 1) {
    delete out['propertyNames']
  }
  return out
}

function stripMembers(members: Json, walk: Walk): Json {
  if (!isRecord(members)) return members
  const out: { [key: string]: Json } = {}
  for (const [name, member] of Object.entries(members)) {
    out[name] = isRecord(member) ? strip(member, walk) : member
  }
  return out
}

function target(ref: string, walk: Walk): JsonSchema {
  if (ref === '#') return walk.root
  const found = walk.definitions[ref.replace('#/$defs/', '')]
  return isRecord(found) ? found : {}
}

/** What `z.json()` is: any of the six JSON types, with lists and objects of itself. */
function isAnyJson(schema: JsonSchema, reference: string): boolean {
  const any = schema['anyOf']
  if (!isList(any) || any.length !== 6 || Object.keys(schema).length !== 1) return false
  const types = new Set(any.map((one) => (isRecord(one) ? one['type'] : undefined)))
  return (
    types.size === 6 && JSON.stringify(any).split(JSON.stringify({ $ref: reference })).length === 3
  )
}
