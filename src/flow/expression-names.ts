/** What is named in an expression: variables, symbols, members of values; and whether they are there. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { isList, isRecord } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import type { Json } from '../base/json.ts'
import { NOT_OFFERED } from './expression-functions.ts'
import {
  charge,
  kindOf,
  refuse,
  type Compilation,
  type Evaluation,
  type Run,
} from './expression-run.ts'
import type { ExpressionScope } from './expression.ts'
import { symbolProblem } from './names.ts'

/** Names that stand for something else than a symbol. */
export const VARIABLE_NAMES: ReadonlySet<string> = new Set(['input', 'job', 'result', 'failure'])

/** A name that stands alone: the item of a macro, a variable, or a symbol. */
export function variable(name: string, ast: ASTNode, on: Compilation): Run {
  if (name === on.itemName) return (evaluation) => evaluation.item
  if (name === 'symbols') {
    throw refuse(
      on,
      ast,
      'the map of all symbols has no value',
      'name one: symbols.x, has(symbols.x)',
    )
  }
  on.bare.add(name)
  return reference(name, ast, on)
}

/** `of.key`; `symbols.key` is a symbol. */
export function field(of: ASTNode, key: string, ast: ASTNode, on: Compilation): Run {
  if (isSymbols(of, on)) {
    return reference(key, ast, on)
  }
  const object = on.part(of)
  return (evaluation) => {
    charge(evaluation, on, 1)
    return member(object(evaluation), key, ast, on)
  }
}

/** `of[at]`; `symbols["x"]` is a symbol. */
export function index(of: ASTNode, at: ASTNode, ast: ASTNode, on: Compilation): Run {
  if (isSymbols(of, on)) {
    if (at.op !== 'value' || typeof at.args !== 'string') {
      throw refuse(on, ast, 'a symbol is named by a literal', 'write symbols.x')
    }
    return field(of, at.args, ast, on)
  }
  const object = on.part(of)
  const position = on.part(at)
  return (evaluation) => {
    charge(evaluation, on, 1)
    const value = object(evaluation)
    const key = position(evaluation)
    if (!isList(value)) {
      if (typeof key === 'string') return member(value, key, ast, on)
      throw refuse(
        on,
        ast,
        `[${kindOf(key)}] of ${kindOf(value)}`,
        'a list has numbers from 0, an object has texts',
      )
    }
    const found = typeof key === 'number' ? value[key] : undefined
    if (found !== undefined) return found
    if (typeof key !== 'number')
      throw refuse(on, ast, `a list has numbers from 0, got ${kindOf(key)}`)
    throw refuse(on, ast, `there is no item ${key} in a list of ${value.length}`)
  }
}

/** `has(a.b)`: whether the last key is there. What comes before it must be. */
export function has(args: readonly ASTNode[], ast: ASTNode, on: Compilation): Run {
  const [asked] = args
  if (args.length !== 1 || asked === undefined || asked.op !== '.') {
    throw refuse(
      on,
      ast,
      'has() asks for a key of an object',
      asked?.op === 'id' ? `write has(symbols.${asked.args})` : 'write has(a.b)',
    )
  }
  const [of, key] = asked.args
  if (isSymbols(of, on)) {
    on.guarded.add(key)
    checkName(key, ast, on)
    const read = lookup(key, on)
    return (evaluation) => read(evaluation) !== undefined
  }
  const object = on.part(of)
  return (evaluation) => {
    const value = object(evaluation)
    return isRecord(value) && Object.hasOwn(value, key)
  }
}

function reference(name: string, ast: ASTNode, on: Compilation): Run {
  checkName(name, ast, on)
  const read = lookup(name, on)
  return (evaluation) => {
    const value = read(evaluation)
    if (value !== undefined) return value
    throw refuse(
      on,
      ast,
      VARIABLE_NAMES.has(name)
        ? `"${name}" is not known here`
        : `the symbol "${name}" has no value here`,
    )
  }
}

/** Names that no symbol can have are no symbols: they would be looked for in vain, or found where they should not. */
function checkName(name: string, ast: ASTNode, on: Compilation): void {
  if (VARIABLE_NAMES.has(name)) return
  const found = symbolProblem(name)
  if (found !== undefined)
    throw refuse(on, ast, `"${name.slice(0, 100)}" is no symbol`, NOT_OFFERED.get(name))
}

function lookup(name: string, on: Compilation): (evaluation: Evaluation) => Json | undefined {
  let slot = on.names.indexOf(name)
  if (slot === -1) slot = on.names.push(name) - 1
  return (evaluation) => {
    charge(evaluation, on, 1)
    const known = evaluation.values[slot]
    if (known !== undefined) return known
    const value = find(evaluation.scope, name)
    evaluation.values[slot] = value
    return value
  }
}

function find(scope: ExpressionScope, name: string): Json | undefined {
  switch (name) {
    case 'input':
      return scope.input
    case 'job':
      return scope.job
    case 'result':
      return scope.result
    case 'failure':
      return scope.failure
    default:
      return scope.lookup(name)
  }
}

function member(value: Json, key: string, ast: ASTNode, on: Compilation): Json {
  if (!isRecord(value))
    throw refuse(on, ast, `".${key}" of ${kindOf(value)}`, 'only an object has members')
  const found = Object.hasOwn(value, key) ? value[key] : undefined
  if (found !== undefined) return found
  const keys = Object.keys(value)
  throw refuse(
    on,
    ast,
    `there is no key "${key.slice(0, 100)}"`,
    keys.length > 1_000 ? undefined : didYouMean(key, keys),
  )
}

function isSymbols(ast: ASTNode, on: Compilation): boolean {
  return ast.op === 'id' && ast.args === 'symbols' && on.itemName !== 'symbols'
}
