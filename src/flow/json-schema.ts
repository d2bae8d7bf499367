/** JSON Schema of flow documents, for editors: generated from the zod schemas, which are the single source. */
import { z } from 'zod'
import { isList, isRecord } from '../base/codec.ts'
import type { Json } from '../base/json.ts'
import { choiceForms } from './choice.ts'
import { documentSchema, nodeSchema } from './document.ts'
import type { JsonSchema } from './resolved.ts'
import { innerValueSchema } from './value-schema.ts'

/** Schemas that refer to themselves, by the name of their definition. */
const DEFINITIONS: ReadonlyMap<z.core.$ZodType, string> = new Map<z.core.$ZodType, string>([
  [nodeSchema, 'node'],
  [innerValueSchema, 'schema'],
])

/**
 * The JSON Schema (draft 2020-12) of flow documents. It knows what an editor can use: keys, kinds, types, choices. What
 * needs more (names of siblings, symbols, expressions) is checked when a document is loaded.
 */
export function flowJsonSchema(): JsonSchema {
  const definitions: { [name: string]: Json } = {}
  for (const [schema, name] of DEFINITIONS) definitions[name] = anyOf(choiceForms(schema) ?? [])
  const roots = (choiceForms(documentSchema) ?? []).map((form) => withTasks(convert(form)))
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Zagflow flow document',
    anyOf: roots,
    $defs: definitions,
  }
}

/** A file may name its tasks for the commands that run it; a posted document has no such key. */
function withTasks(root: Json): Json {
  if (!isRecord(root) || !isRecord(root['properties'])) return root
  const path = { type: 'string', minLength: 1 }
  const tasks: Json = {
    description: 'Modules of tasks, for `zagflow run`, `dev` and `flow check`.',
    anyOf: [path, { type: 'array', items: path }],
  }
  return { ...root, properties: { ...root['properties'], tasks } }
}

function anyOf(forms: readonly z.ZodType[]): { readonly [key: string]: Json } {
  return { anyOf: forms.map((form) => convert(form)) }
}

/** One schema; choices become `anyOf`, and what has a definition a reference to it. */
function convert(schema: z.core.$ZodType): Json {
  const made = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    unrepresentable: 'any',
    io: 'input',
    override({ zodSchema, jsonSchema }) {
      const inner = unwrapped(zodSchema)
      const name = DEFINITIONS.get(inner)
      const forms = choiceForms(inner)
      if (name !== undefined) replace(jsonSchema, { $ref: `#/$defs/${name}` })
      else if (forms !== undefined) {
        const { description, enum: values } = jsonSchema
        replace(jsonSchema, {
          ...(description === undefined ? {} : { description }),
          ...anyOf(forms),
        })
        if (values !== undefined) Object.assign(jsonSchema, { enum: values })
      }
    },
  })
  return tidy(made as Json)
}

/** What an optional or lazy schema is about. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodLazy) return unwrapped(schema.unwrap())
  if (schema instanceof z.ZodOptional) return unwrapped(schema.unwrap())
  return schema
}

function replace(target: object, by: object): void {
  for (const key of Object.keys(target)) Reflect.deleteProperty(target, key)
  Object.assign(target, by)
}

/** Without what zod adds to each part. */
function tidy(json: Json): Json {
  if (isList(json)) return json.map((item) => tidy(item))
  if (!isRecord(json)) return json
  const made: { [key: string]: Json } = {}
  for (const [key, value] of Object.entries(json)) {
    if (key === '$schema' || key === '~standard') continue
    if (
      key === 'propertyNames' &&
      isRecord(value) &&
      Object.keys(value).length === 1 &&
      value['type'] === 'string'
    )
      continue
    if (
      (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) ||
      (key === 'minimum' && value === Number.MIN_SAFE_INTEGER)
    )
      continue
    made[key] = tidy(value)
  }
  return made
}
