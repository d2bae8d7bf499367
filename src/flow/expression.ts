/**
 * Expressions: CEL, parsed by @marcbachmann/cel-js, with one number type and with bounds that make them safe to evaluate in a
 * process that serves others.
 *
 * Invariants
 * X1  Numbers are JSON numbers. There is no int and double, no BigInt, no bytes, no dates, no clock, no randomness, no
 *     regular expressions. What is not on the list of functions does not exist.
 * X2  Values are reached by own properties only; nothing of a prototype can be seen or called.
 * X3  An expression has at most 4,096 characters, 200 nodes and 32 levels; macros do not nest; one evaluation takes at most
 *     5,000,000 steps, each of constant cost; texts and results are at most 2 MB.
 * X4  Only symbols that are named are looked up, each once an evaluation, when it is needed.
 */
import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import { toJson } from '../base/codec.ts'
import { ExpressionError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { equalitiesOf } from './expression-equalities.ts'
import { compileNode } from './expression-evaluate.ts'
import type { Evaluation } from './expression-run.ts'
import { inferType, type TypeOf, type ValueType } from './expression-types.ts'
import { CEL_WORDS } from './names.ts'

export const MAX_EXPRESSION_LENGTH = 4096
export const MAX_EXPRESSION_STEPS = 5_000_000

/** What an expression can see. */
export interface ExpressionScope {
  /** The value of a symbol, or undefined when it has none here. What this throws passes through. */
  lookup(symbol: string): Json | undefined
  readonly input?: Json | undefined
  readonly job?: Json | undefined
  /** In `provides`: what the task returned. */
  readonly result?: Json | undefined
  /** In `retry.when`: the failure. */
  readonly failure?: Json | undefined
}

/** Variables that are no symbols. */
export const VARIABLES = ['input', 'job', 'result', 'failure'] as const
export type Variable = (typeof VARIABLES)[number]

/** An expression that was parsed and checked. */
export interface Expression {
  readonly text: string
  /** Symbols that it names, optional ones included. */
  readonly symbols: readonly string[]
  /** Those of `symbols` that may have no value: asked by `has(symbols.x)`, or named as `symbols.x` only. */
  readonly optional: readonly string[]
  /** Which of the other variables it names. */
  readonly variables: readonly Variable[]
  /** Symbols that must equal a constant for it to be true, as far as that is easily seen. */
  readonly equalities: ReadonlyMap<string, Json>
  /** The value; throws {@link ExpressionError} when the values do not allow one. */
  evaluate(scope: ExpressionScope): Json
  /** The type of the value as far as the types of its variables tell; throws {@link ExpressionError} on a mismatch. */
  typeWith(typeOf: TypeOf): ValueType
}

const environment = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  enableOptionalTypes: false,
  limits: {
    maxAstNodes: 200,
    maxDepth: 32,
    maxListElements: 200,
    maxMapEntries: 100,
    maxCallArguments: 8,
  },
})

/** Expressions that were compiled; emptied when full, for documents come and go. */
const cache = new Map<string, Expression>()
const CACHED = 50_000

/**
 * Compiles the text of an expression, without `${{ }}`. The same text gives the same object. Throws
 * {@link ExpressionError}: not CEL, too long, too deep, an unknown function, nested macros.
 */
export function compileExpression(text: string): Expression {
  const known = cache.get(text)
  if (known !== undefined) return known
  if (cache.size >= CACHED) cache.clear()
  const compiled = compile(text)
  cache.set(text, compiled)
  return compiled
}

function compile(text: string): Expression {
  if (text.length > MAX_EXPRESSION_LENGTH) {
    throw new ExpressionError(text, `longer than ${MAX_EXPRESSION_LENGTH} characters`)
  }
  if (text.trim() === '') throw new ExpressionError(text, 'an empty expression')
  const ast = parsePath(text) ?? parse(text)
  const { run, names, symbols, optional } = compileNode(ast, text)
  const keepsValue = ast.op === 'id' || ast.op === '.' || ast.op === '[]'
  return {
    text,
    symbols,
    optional,
    variables: VARIABLES.filter((variable) => names.includes(variable)),
    get equalities() {
      return equalitiesOf(ast)
    },
    evaluate(scope) {
      const evaluation: Evaluation = {
        scope,
        values: new Array<Json | undefined>(names.length),
        item: null,
        stepsLeft: MAX_EXPRESSION_STEPS,
      }
      const value = run(evaluation)
      return keepsValue ? value : storable(value, text)
    },
    typeWith: (typeOf) => inferType(ast, text, typeOf),
  }
}

/** Most expressions are a symbol or a path into it: read without the parser, several times faster. */
function parsePath(text: string): ASTNode | undefined {
  if (text.length > 200 || !/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(text)) return undefined
  const [first = '', ...keys] = text.split('.')
  if (CEL_WORDS.has(first)) return undefined
  let node: PathNode = { op: 'id', args: first, start: 0, end: first.length }
  for (const key of keys) {
    if (CEL_WORDS.has(key)) return undefined
    node = { op: '.', args: [node, key], start: 0, end: node.end + 1 + key.length }
  }
  return node as unknown as ASTNode // what the parser makes of a path, as far as this unit reads it
}

type PathNode =
  | { readonly op: 'id'; readonly args: string; readonly start: number; readonly end: number }
  | {
      readonly op: '.'
      readonly args: readonly [PathNode, string]
      readonly start: number
      readonly end: number
    }

function parse(text: string): ASTNode {
  try {
    return environment.parse(text).ast
  } catch (error) {
    const range: unknown = error instanceof Error ? Reflect.get(error, 'range') : undefined
    const at: unknown =
      typeof range === 'object' && range !== null ? Reflect.get(range, 'start') : undefined
    const summary: unknown = error instanceof Error ? Reflect.get(error, 'summary') : undefined
    throw new ExpressionError(text, typeof summary === 'string' ? readable(summary) : 'too deep', {
      at: typeof at === 'number' ? at : undefined,
      hint: hintFor(text),
    })
  }
}

function readable(summary: string): string {
  const limit = /^Exceeded (max\w+) \((\d+)\)/.exec(summary)
  if (limit === null) return summary.charAt(0).toLowerCase() + summary.slice(1)
  const what = new Map([
    ['maxAstNodes', 'nodes'],
    ['maxDepth', 'levels'],
    ['maxListElements', 'items in a list'],
    ['maxMapEntries', 'entries in a map'],
    ['maxCallArguments', 'arguments'],
  ])
  return `more than ${limit[2]} ${what.get(limit[1] ?? '') ?? 'parts'}`
}

function hintFor(text: string): string | undefined {
  if (text.includes('${{'))
    return 'a condition is one expression: write it without ${{ }}, or with it around the whole'
  if (/[^=!<>]=[^=]/.test(text)) return 'equality is =='
  if (/\b(and|or|not)\b/.test(text)) return 'write &&, || and !'
  return undefined
}

function storable(value: Json, text: string): Json {
  try {
    return toJson(value)
  } catch (error) {
    throw new ExpressionError(text, error instanceof Error ? error.message : 'no JSON')
  }
}
