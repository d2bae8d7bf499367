/** From CEL's syntax tree to a function that evaluates it; see `expression.ts` for what it guarantees. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { BANNED_KEYS, isList, isRecord } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import { ExpressionError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { FUNCTIONS, METHODS, NOT_OFFERED, type Callable } from './expression-functions.ts'
import { MACRO_BODIES, MACROS } from './expression-macros.ts'
import { arithmetic, compare, contains, equal } from './expression-operators.ts'
import {
  bool,
  charge,
  isOutOfSteps,
  kindOf,
  refuse,
  type Compilation,
  type Evaluation,
  type Run,
} from './expression-run.ts'
import type { ExpressionScope } from './expression.ts'
import { symbolProblem } from './names.ts'

const VARIABLE_NAMES: ReadonlySet<string> = new Set(['input', 'job', 'result', 'failure'])

/** Compiles a parsed expression. Throws {@link ExpressionError} for what is CEL but not offered. */
export function compileNode(
  ast: ASTNode,
  text: string,
): {
  readonly run: Run
  readonly names: readonly string[]
  readonly symbols: readonly string[]
  readonly optional: readonly string[]
} {
  const compilation: Compilation = {
    text,
    names: [],
    bare: new Set(),
    guarded: new Set(),
    itemName: undefined,
  }
  const run = node(ast, compilation)
  const symbols = compilation.names.filter((name) => !VARIABLE_NAMES.has(name))
  const optional = symbols.filter((name) => {
    return compilation.guarded.has(name) || !compilation.bare.has(name)
  })
  return { run, names: compilation.names, symbols, optional }
}

/** The number that a literal stands for; undefined for what JSON does not have. */
export function literal(args: unknown): Json | undefined {
  if (typeof args === 'bigint') {
    const number = Number(args)
    return Number.isSafeInteger(number) ? number : undefined
  }
  if (args === null || ['string', 'number', 'boolean'].includes(typeof args)) return args as Json
  return undefined
}

function node(ast: ASTNode, on: Compilation): Run {
  switch (ast.op) {
    case 'value': {
      const value = literal(ast.args)
      if (value === undefined) {
        throw refuse(
          on,
          ast,
          'a literal that JSON does not have',
          'bytes, unsigned and unsafe whole numbers are not offered',
        )
      }
      return () => value
    }
    case 'id':
      return variable(ast.args, ast, on)
    case '.':
      return field(ast.args[0], ast.args[1], ast, on)
    case '[]':
      return index(ast.args[0], ast.args[1], ast, on)
    case 'call':
      return call(ast.args[0], ast.args[1], ast, on)
    case 'rcall':
      return method(ast.args[0], ast.args[1], ast.args[2], ast, on)
    case 'list': {
      const items = ast.args.map((item) => node(item, on))
      return (evaluation) => {
        charge(evaluation, on, items.length)
        return items.map((item) => item(evaluation))
      }
    }
    case 'map':
      return mapLiteral(ast.args, ast, on)
    case '?:': {
      const condition = node(ast.args[0], on)
      const yes = node(ast.args[1], on)
      const no = node(ast.args[2], on)
      return (evaluation) => {
        const chosen = bool(condition(evaluation), ast, on, 'the condition of ? :')
        return chosen ? yes(evaluation) : no(evaluation)
      }
    }
    case '&&':
      return logical(ast.args[0], ast.args[1], false, ast, on)
    case '||':
      return logical(ast.args[0], ast.args[1], true, ast, on)
    case '!_': {
      const operand = node(ast.args, on)
      return (evaluation) => !bool(operand(evaluation), ast, on, '!')
    }
    case '-_': {
      const operand = node(ast.args, on)
      return (evaluation) => {
        const value = operand(evaluation)
        if (typeof value !== 'number')
          throw refuse(on, ast, `- needs a number, got ${kindOf(value)}`)
        return -value
      }
    }
    case '.?':
    case '[?]':
      throw refuse(on, ast, 'optional access is not offered', 'write has(a.b) ? a.b : other')
    default:
      return binary(ast.op, ast.args[0], ast.args[1], ast, on)
  }
}

function variable(name: string, ast: ASTNode, on: Compilation): Run {
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

/** Names that no symbol can have are no symbols: they would be looked for in vain, or found where they should not. */
function checkName(name: string, ast: ASTNode, on: Compilation): void {
  if (VARIABLE_NAMES.has(name)) return
  const found = symbolProblem(name)
  if (found !== undefined)
    throw refuse(on, ast, `"${name.slice(0, 100)}" is no symbol`, NOT_OFFERED.get(name))
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

function field(of: ASTNode, key: string, ast: ASTNode, on: Compilation): Run {
  if (isSymbols(of, on)) {
    return reference(key, ast, on)
  }
  const object = node(of, on)
  return (evaluation) => {
    charge(evaluation, on, 1)
    return member(object(evaluation), key, ast, on)
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

function index(of: ASTNode, at: ASTNode, ast: ASTNode, on: Compilation): Run {
  if (isSymbols(of, on)) {
    if (at.op !== 'value' || typeof at.args !== 'string') {
      throw refuse(on, ast, 'a symbol is named by a literal', 'write symbols.x')
    }
    return field(of, at.args, ast, on)
  }
  const object = node(of, on)
  const position = node(at, on)
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

function call(name: string, args: readonly ASTNode[], ast: ASTNode, on: Compilation): Run {
  if (name === 'has') return has(args, ast, on)
  const callable = FUNCTIONS.get(name)
  if (callable === undefined) throw unknownFunction(name, FUNCTIONS.keys(), ast, on)
  return callWith(name, callable, args, ast, on)
}

function method(
  name: string,
  receiver: ASTNode,
  args: readonly ASTNode[],
  ast: ASTNode,
  on: Compilation,
): Run {
  if (MACROS.has(name)) return macro(name, receiver, args, ast, on)
  const callable = METHODS.get(name)
  if (callable === undefined) throw unknownFunction(name, [...METHODS.keys(), ...MACROS], ast, on)
  return callWith(name, callable, [receiver, ...args], ast, on)
}

function callWith(
  name: string,
  callable: Callable,
  args: readonly ASTNode[],
  ast: ASTNode,
  on: Compilation,
): Run {
  const most = callable.arity + (callable.optional ?? 0)
  if (args.length < callable.arity || args.length > most) {
    throw refuse(on, ast, `${name}() has ${args.length} arguments here`, `write ${callable.usage}`)
  }
  const values = args.map((arg) => node(arg, on))
  const context = {
    fail: (reason: string) => refuse(on, ast, `${callable.usage}: ${reason}`),
  }
  return (evaluation) => {
    const given = values.map((value) => value(evaluation))
    charge(evaluation, on, callable.cost(given))
    return callable.call(given, context)
  }
}

/** `has(a.b)`: whether the last key is there. What comes before it must be. */
function has(args: readonly ASTNode[], ast: ASTNode, on: Compilation): Run {
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
  const object = node(of, on)
  return (evaluation) => {
    const value = object(evaluation)
    return isRecord(value) && Object.hasOwn(value, key)
  }
}

function macro(
  name: string,
  receiver: ASTNode,
  args: readonly ASTNode[],
  ast: ASTNode,
  on: Compilation,
): Run {
  if (on.itemName !== undefined) {
    throw refuse(on, ast, `.${name}() inside another macro: macros do not nest`, 'do it in a task')
  }
  const [item, first, second] = args
  const counted = name === 'map' ? args.length === 2 || args.length === 3 : args.length === 2
  if (!counted || item === undefined || first === undefined || item.op !== 'id') {
    throw refuse(
      on,
      ast,
      `.${name}() is written wrongly`,
      `write list.${name}(x, ${name === 'map' ? 'x.name' : 'x > 0'})`,
    )
  }
  if (BANNED_KEYS.has(item.args)) throw refuse(on, item, `"${item.args}" cannot be a variable`)
  const items = node(receiver, on)
  on.itemName = item.args
  const body = node(first, on)
  const transform = second === undefined ? undefined : node(second, on)
  on.itemName = undefined
  const each = MACRO_BODIES[name as keyof typeof MACRO_BODIES] // `name` is one of MACROS
  return (evaluation) => {
    const value = items(evaluation)
    const list = isList(value) ? value : isRecord(value) ? Object.keys(value) : undefined
    if (list === undefined)
      throw refuse(on, ast, `.${name}() of ${kindOf(value)}`, 'only lists and objects have items')
    const step = (of: Run): ((entry: Json) => Json) => {
      return (entry) => {
        charge(evaluation, on, 1)
        evaluation.item = entry
        return of(evaluation)
      }
    }
    const test = (of: Run): ((entry: Json) => boolean) => {
      const value = step(of)
      return (entry) => bool(value(entry), ast, on, `the condition of .${name}()`)
    }
    return each(
      list,
      { body: step(body), test: test(body), transform: transform && step(transform) },
      on,
    )
  }
}

function mapLiteral(
  entries: readonly (readonly [ASTNode, ASTNode])[],
  ast: ASTNode,
  on: Compilation,
): Run {
  const members = entries.map(([key, value]) => {
    const known = key.op === 'value' ? literal(key.args) : undefined
    if (key.op === 'value') checkKey(known ?? null, ast, on)
    return [node(key, on), node(value, on)] as const
  })
  return (evaluation) => {
    charge(evaluation, on, members.length)
    const made: { [key: string]: Json } = {}
    for (const [key, value] of members) {
      const name = key(evaluation)
      checkKey(name, ast, on)
      if (typeof name === 'string') made[name] = value(evaluation)
    }
    return made
  }
}

function checkKey(key: Json, ast: ASTNode, on: Compilation): void {
  if (typeof key !== 'string')
    throw refuse(on, ast, `a key is a text, got ${kindOf(key)}`, 'write it in quotes')
  if (BANNED_KEYS.has(key)) throw refuse(on, ast, `"${key}" cannot be a key`)
}

/** `&&` and `||` as CEL has them: the side that decides wins, also when the other fails. */
function logical(
  left: ASTNode,
  right: ASTNode,
  decides: boolean,
  ast: ASTNode,
  on: Compilation,
): Run {
  const first = node(left, on)
  const second = node(right, on)
  const name = decides ? '||' : '&&'
  return (evaluation) => {
    let failed: ExpressionError | undefined
    try {
      if (bool(first(evaluation), ast, on, name) === decides) return decides
    } catch (error) {
      if (!(error instanceof ExpressionError) || isOutOfSteps(error, on)) throw error
      failed = error
    }
    const other = bool(second(evaluation), ast, on, name)
    if (other !== decides && failed !== undefined) throw failed
    return other
  }
}

function binary(op: string, left: ASTNode, right: ASTNode, ast: ASTNode, on: Compilation): Run {
  const first = node(left, on)
  const second = node(right, on)
  switch (op) {
    case '==':
      return (evaluation) => equal(first(evaluation), second(evaluation), evaluation, on)
    case '!=':
      return (evaluation) => !equal(first(evaluation), second(evaluation), evaluation, on)
    case 'in':
      return (evaluation) => contains(first(evaluation), second(evaluation), evaluation, ast, on)
    case '<':
    case '<=':
    case '>':
    case '>=':
      return (evaluation) => compare(op, first(evaluation), second(evaluation), evaluation, ast, on)
    default:
      return (evaluation) =>
        arithmetic(op, first(evaluation), second(evaluation), evaluation, ast, on)
  }
}

function isSymbols(ast: ASTNode, on: Compilation): boolean {
  return ast.op === 'id' && ast.args === 'symbols' && on.itemName !== 'symbols'
}

function unknownFunction(
  name: string,
  known: Iterable<string>,
  ast: ASTNode,
  on: Compilation,
): ExpressionError {
  const names = [...known]
  const hint =
    NOT_OFFERED.get(name) ?? didYouMean(name, names) ?? `functions are ${names.join(', ')}`
  return refuse(on, ast, `there is no function ${name}() here`, hint)
}
