/** Types of expressions, as far as the schemas of symbols tell; what is not known is `any` and fits everything. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { isList, isRecord } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import { ExpressionError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { literal } from './expression-literals.ts'
import { FUNCTIONS, METHODS } from './expression-functions.ts'
import { MACROS } from './expression-macros.ts'

/** What is known of a value before it is there. */
export type ValueType =
  | { readonly kind: 'any' }
  | { readonly kind: 'number' }
  | { readonly kind: 'string' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'null' }
  | { readonly kind: 'list'; readonly items: ValueType }
  | {
      readonly kind: 'map'
      readonly fields: ReadonlyMap<string, ValueType>
      /** Type of other keys; undefined when there are none. */
      readonly rest: ValueType | undefined
    }

/** The type of a symbol or variable; undefined where it is not known. */
export type TypeOf = (name: string) => ValueType | undefined

/** Nothing is known. */
export const ANY: ValueType = { kind: 'any' }
const NUMBER: ValueType = { kind: 'number' }
const STRING: ValueType = { kind: 'string' }
const BOOLEAN: ValueType = { kind: 'boolean' }
const NULL: ValueType = { kind: 'null' }

/** The type of what fits a JSON Schema. Where it may be one of several kinds, `any`. */
export function typeOfSchema(schema: Json | undefined, depth = 0): ValueType {
  if (!isRecord(schema) || depth > 16) return ANY
  if (schema['const'] !== undefined) return typeOfValue(schema['const'])
  switch (schema['type']) {
    case 'string':
      return STRING
    case 'integer':
    case 'number':
      return NUMBER
    case 'boolean':
      return BOOLEAN
    case 'null':
      return NULL
    case 'array':
      return {
        kind: 'list',
        items: isList(schema['prefixItems']) ? ANY : typeOfSchema(schema['items'], depth + 1),
      }
    case 'object': {
      const properties = isRecord(schema['properties']) ? schema['properties'] : {}
      const fields = new Map<string, ValueType>()
      for (const [key, inner] of Object.entries(properties))
        fields.set(key, typeOfSchema(inner, depth + 1))
      const rest = schema['additionalProperties']
      return {
        kind: 'map',
        fields,
        rest: rest === false ? undefined : typeOfSchema(rest, depth + 1),
      }
    }
    default:
      if (isList(schema['enum']))
        return schema['enum'].map((value) => typeOfValue(value)).reduce(common)
      return ANY
  }
}

/** The type of a constant. */
export function typeOfValue(value: Json): ValueType {
  if (value === null) return NULL
  if (isList(value))
    return {
      kind: 'list',
      items: value.length === 0 ? ANY : value.map((item) => typeOfValue(item)).reduce(common),
    }
  switch (typeof value) {
    case 'number':
      return NUMBER
    case 'string':
      return STRING
    case 'boolean':
      return BOOLEAN
    default: {
      const entries = isRecord(value) ? Object.entries(value) : []
      return {
        kind: 'map',
        fields: new Map(entries.map(([key, inner]) => [key, typeOfValue(inner)])),
        rest: undefined,
      }
    }
  }
}

/** Whether a value of the one type can be a value of the other: only certain mismatches are told. */
export function canBe(given: ValueType, wanted: ValueType): boolean {
  if (given.kind === 'any' || wanted.kind === 'any') return true
  if (given.kind !== wanted.kind) return false
  if (given.kind === 'list' && wanted.kind === 'list') return canBe(given.items, wanted.items)
  if (given.kind === 'map' && wanted.kind === 'map') {
    for (const [key, type] of given.fields) {
      const other = wanted.fields.get(key) ?? wanted.rest
      if (other !== undefined && !canBe(type, other)) return false
    }
  }
  return true
}

/** A type in words: `a number`, `a list of texts`. */
export function typeName(type: ValueType): string {
  switch (type.kind) {
    case 'any':
      return 'anything'
    case 'number':
      return 'a number'
    case 'string':
      return 'a text'
    case 'boolean':
      return 'true or false'
    case 'null':
      return 'null'
    case 'list':
      return type.items.kind === 'any'
        ? 'a list'
        : `a list of ${typeName(type.items).replace(/^an? /, '')}s`
    case 'map':
      return 'an object'
  }
}

/** Infers the type of an expression. Throws {@link ExpressionError} where the types cannot go together. */
export function inferType(ast: ASTNode, text: string, typeOf: TypeOf): ValueType {
  return infer(ast, { text, typeOf })
}

interface Inference {
  readonly text: string
  readonly typeOf: TypeOf
}

function infer(ast: ASTNode, on: Inference): ValueType {
  switch (ast.op) {
    case 'value':
      return typeOfValue(literal(ast.args) ?? null)
    case 'id':
      return on.typeOf(ast.args) ?? ANY
    case '.':
      return fieldType(ast.args[0], ast.args[1], ast, on)
    case '[]': {
      const [of, at] = ast.args
      if (at.op === 'value' && typeof at.args === 'string') return fieldType(of, at.args, ast, on)
      const type = infer(of, on)
      const key = infer(at, on)
      if (type.kind === 'list') {
        expect(key, ['number'], at, on, 'the position in a list')
        return type.items
      }
      if (type.kind === 'map') {
        expect(key, ['string'], at, on, 'the key of an object')
        return type.fields.size === 0 ? (type.rest ?? ANY) : ANY
      }
      expect(type, ['list', 'map'], ast, on, '[ ]')
      return ANY
    }
    case 'call':
      return callType(ast.args[0], ast.args[1], ast, on)
    case 'rcall':
      return methodType(ast.args[0], ast.args[1], ast.args[2], ast, on)
    case 'list':
      return {
        kind: 'list',
        items: ast.args.length === 0 ? ANY : ast.args.map((item) => infer(item, on)).reduce(common),
      }
    case 'map': {
      const fields = new Map<string, ValueType>()
      let computed = false
      for (const [key, value] of ast.args) {
        const type = infer(value, on)
        if (key.op === 'value' && typeof key.args === 'string') fields.set(key.args, type)
        else computed = true
      }
      return {
        kind: 'map',
        fields: computed ? new Map() : fields,
        rest: computed ? ANY : undefined,
      }
    }
    case '?:': {
      expect(infer(ast.args[0], on), ['boolean'], ast.args[0], on, 'the condition of ? :')
      return common(infer(ast.args[1], on), infer(ast.args[2], on))
    }
    case '&&':
    case '||':
      expect(infer(ast.args[0], on), ['boolean'], ast.args[0], on, ast.op)
      expect(infer(ast.args[1], on), ['boolean'], ast.args[1], on, ast.op)
      return BOOLEAN
    case '!_':
      expect(infer(ast.args, on), ['boolean'], ast, on, '!')
      return BOOLEAN
    case '-_':
      expect(infer(ast.args, on), ['number'], ast, on, '-')
      return NUMBER
    case '.?':
    case '[?]':
      return ANY
    default:
      return binaryType(ast.op, ast.args[0], ast.args[1], ast, on)
  }
}

function fieldType(of: ASTNode, key: string, ast: ASTNode, on: Inference): ValueType {
  if (of.op === 'id' && of.args === 'symbols') return on.typeOf(key) ?? ANY
  const type = infer(of, on)
  expect(type, ['map'], ast, on, `".${key}"`)
  if (type.kind !== 'map') return ANY
  const found = type.fields.get(key) ?? type.rest
  if (found !== undefined) return found
  const keys = [...type.fields.keys()]
  throw new ExpressionError(on.text, `there is no key "${key}"`, {
    at: ast.start,
    hint:
      didYouMean(key, keys) ??
      (keys.length > 0 && keys.length <= 12 ? `keys are ${keys.join(', ')}` : undefined),
  })
}

function callType(name: string, args: readonly ASTNode[], ast: ASTNode, on: Inference): ValueType {
  if (name === 'has') {
    const [asked] = args
    if (asked?.op === '.' && !(asked.args[0].op === 'id' && asked.args[0].args === 'symbols'))
      infer(asked.args[0], on)
    return BOOLEAN
  }
  return callableType(FUNCTIONS.get(name), name, args, ast, on)
}

function methodType(
  name: string,
  receiver: ASTNode,
  args: readonly ASTNode[],
  ast: ASTNode,
  on: Inference,
): ValueType {
  if (!MACROS.has(name)) return callableType(METHODS.get(name), name, [receiver, ...args], ast, on)
  const list = infer(receiver, on)
  expect(list, ['list', 'map'], receiver, on, `.${name}()`)
  const entry = list.kind === 'list' ? list.items : list.kind === 'map' ? STRING : ANY
  const [item, body, transform] = args
  const within: Inference = {
    text: on.text,
    typeOf: (asked) => (item?.op === 'id' && asked === item.args ? entry : on.typeOf(asked)),
  }
  const result = body === undefined ? ANY : infer(body, within)
  if (name === 'map') {
    if (transform === undefined) return { kind: 'list', items: result }
    expect(result, ['boolean'], ast, on, 'the condition of .map()')
    return { kind: 'list', items: infer(transform, within) }
  }
  expect(result, ['boolean'], body ?? ast, on, `the condition of .${name}()`)
  return name === 'filter' ? { kind: 'list', items: entry } : BOOLEAN
}

function callableType(
  callable: ReturnType<typeof FUNCTIONS.get>,
  name: string,
  args: readonly ASTNode[],
  ast: ASTNode,
  on: Inference,
): ValueType {
  const types = args.map((arg) => infer(arg, on))
  if (callable === undefined) return ANY
  const [first] = types
  if (first !== undefined) expect(first, callable.takes, ast, on, `${name}()`)
  switch (callable.gives) {
    case 'number':
      return NUMBER
    case 'string':
      return STRING
    case 'boolean':
      return BOOLEAN
    case 'list of texts':
      return { kind: 'list', items: STRING }
    case 'any':
      return ANY
  }
}

function binaryType(
  op: string,
  left: ASTNode,
  right: ASTNode,
  ast: ASTNode,
  on: Inference,
): ValueType {
  const a = infer(left, on)
  const b = infer(right, on)
  switch (op) {
    case '==':
    case '!=':
      return BOOLEAN
    case 'in':
      expect(b, ['list', 'map'], ast, on, 'in')
      return BOOLEAN
    case '<':
    case '<=':
    case '>':
    case '>=':
      expect(a, ['number', 'string', 'boolean'], ast, on, op)
      expect(b, ['number', 'string', 'boolean'], ast, on, op)
      if (a.kind !== 'any' && b.kind !== 'any' && a.kind !== b.kind)
        throw mismatch(op, a, b, ast, on)
      return BOOLEAN
    case '+':
      expect(a, ['number', 'string', 'list'], ast, on, '+')
      expect(b, ['number', 'string', 'list'], ast, on, '+')
      if (a.kind !== 'any' && b.kind !== 'any' && a.kind !== b.kind)
        throw mismatch(op, a, b, ast, on)
      return a.kind === 'any' ? b : common(a, b)
    default:
      expect(a, ['number'], ast, on, op)
      expect(b, ['number'], ast, on, op)
      return NUMBER
  }
}

/** What both are; `any` where they differ. */
function common(a: ValueType, b: ValueType): ValueType {
  if (a.kind === 'list' && b.kind === 'list')
    return { kind: 'list', items: common(a.items, b.items) }
  if (a.kind === 'map' && b.kind === 'map')
    return a === b ? a : { kind: 'map', fields: new Map(), rest: ANY }
  return a.kind === b.kind ? a : ANY
}

function expect(
  type: ValueType,
  kinds: readonly ValueType['kind'][],
  ast: ASTNode,
  on: Inference,
  where: string,
): void {
  if (type.kind === 'any' || kinds.includes(type.kind)) return
  const wanted = kinds.map((kind) => typeName(kindType(kind))).join(' or ')
  throw new ExpressionError(on.text, `${where} needs ${wanted}, got ${typeName(type)}`, {
    at: ast.start,
  })
}

function kindType(kind: ValueType['kind']): ValueType {
  if (kind === 'list') return { kind, items: ANY }
  if (kind === 'map') return { kind, fields: new Map(), rest: ANY }
  return { kind }
}

function mismatch(
  op: string,
  a: ValueType,
  b: ValueType,
  ast: ASTNode,
  on: Inference,
): ExpressionError {
  const text = op === '+' && (a.kind === 'string' || b.kind === 'string')
  return new ExpressionError(on.text, `${typeName(a)} ${op} ${typeName(b)}`, {
    at: ast.start,
    hint: text ? 'write string(x) around what is no text' : undefined,
  })
}
