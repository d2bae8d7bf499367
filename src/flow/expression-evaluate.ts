/** From CEL's syntax tree to a function that evaluates it; see `expression.ts` for what it guarantees. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { BANNED_KEYS, isList, isRecord } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import { ExpressionError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { FUNCTIONS, METHODS, NOT_OFFERED, type Callable } from './expression-functions.ts'
import type { ExpressionScope } from './expression.ts'
import { symbolProblem } from './names.ts'

/** One evaluation under way. */
export interface Evaluation {
  readonly scope: ExpressionScope
  /** What the names were looked up as, by slot. */
  readonly values: (Json | undefined)[]
  /** The item of the macro under way: macros do not nest. */
  item: Json
  stepsLeft: number
}

export type Run = (evaluation: Evaluation) => Json

export const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])

/** Longest text that an expression may make on its way. */
export const MAX_TEXT = 2 * 1024 * 1024

interface Compilation {
  readonly text: string
  /** Names by slot: symbols and variables. */
  readonly names: string[]
  readonly bare: Set<string>
  readonly guarded: Set<string>
  /** The macro's variable, inside its body. */
  itemName: string | undefined
}

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

interface MacroSteps {
  readonly body: (entry: Json) => Json
  readonly test: (entry: Json) => boolean
  readonly transform: ((entry: Json) => Json) | undefined
}

const MACRO_BODIES = {
  map(list: readonly Json[], { body, test, transform }: MacroSteps): Json {
    if (transform === undefined) return list.map((entry) => body(entry))
    return list.filter((entry) => test(entry)).map((entry) => transform(entry))
  },
  filter: (list: readonly Json[], { test }: MacroSteps): Json =>
    list.filter((entry) => test(entry)),
  exists_one(list: readonly Json[], { test }: MacroSteps): Json {
    let count = 0
    for (const entry of list) if (test(entry)) count += 1
    return count === 1
  },
  /** As CEL has it: an error counts only if no item decides. */
  all: (list: readonly Json[], steps: MacroSteps, on: Compilation): Json =>
    quantify(list, steps, false, on),
  exists: (list: readonly Json[], steps: MacroSteps, on: Compilation): Json =>
    quantify(list, steps, true, on),
}

function quantify(
  list: readonly Json[],
  { test }: MacroSteps,
  decides: boolean,
  on: Compilation,
): boolean {
  let failed: ExpressionError | undefined
  for (const entry of list) {
    try {
      if (test(entry) === decides) return decides
    } catch (error) {
      if (!(error instanceof ExpressionError) || isOutOfSteps(error, on)) throw error
      failed ??= error
    }
  }
  if (failed !== undefined) throw failed
  return !decides
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

function arithmetic(
  op: string,
  left: Json,
  right: Json,
  evaluation: Evaluation,
  ast: ASTNode,
  on: Compilation,
): Json {
  charge(evaluation, on, 1)
  if (typeof left === 'number' && typeof right === 'number')
    return calculate(op, left, right, ast, on)
  if (op === '+' && typeof left === 'string' && typeof right === 'string') {
    if (left.length + right.length > MAX_TEXT) throw refuse(on, ast, 'a text of more than 2 MB')
    return left + right
  }
  if (op === '+' && isList(left) && isList(right)) {
    charge(evaluation, on, left.length + right.length)
    return [...left, ...right]
  }
  const mixed = op === '+' && (typeof left === 'string' || typeof right === 'string')
  throw refuse(
    on,
    ast,
    `${kindOf(left)} ${op} ${kindOf(right)}`,
    mixed ? 'write string(x) around what is no text' : undefined,
  )
}

function calculate(op: string, left: number, right: number, ast: ASTNode, on: Compilation): number {
  if ((op === '/' || op === '%') && right === 0) throw refuse(on, ast, 'division by zero')
  const value = operate(op, left, right)
  if (!Number.isFinite(value)) throw refuse(on, ast, 'a number that is too big')
  const whole = Number.isInteger(left) && Number.isInteger(right)
  if (whole && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw refuse(
      on,
      ast,
      'a whole number that is not exact any more',
      'whole numbers go to 9007199254740991',
    )
  }
  return value
}

function operate(op: string, left: number, right: number): number {
  switch (op) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return left / right
    default:
      return left % right
  }
}

function compare(
  op: string,
  left: Json,
  right: Json,
  evaluation: Evaluation,
  ast: ASTNode,
  on: Compilation,
): boolean {
  charge(evaluation, on, 1)
  const comparable =
    (typeof left === 'number' && typeof right === 'number') ||
    (typeof left === 'string' && typeof right === 'string') ||
    (typeof left === 'boolean' && typeof right === 'boolean')
  if (!comparable) throw refuse(on, ast, `${kindOf(left)} ${op} ${kindOf(right)}`)
  if (typeof left === 'string') charge(evaluation, on, left.length >> 6)
  switch (op) {
    case '<':
      return left < right
    case '<=':
      return left <= right
    case '>':
      return left > right
    default:
      return left >= right
  }
}

function contains(
  value: Json,
  of: Json,
  evaluation: Evaluation,
  ast: ASTNode,
  on: Compilation,
): boolean {
  if (isList(of)) return of.some((item) => equal(value, item, evaluation, on))
  if (isRecord(of)) {
    charge(evaluation, on, 1)
    return typeof value === 'string' && Object.hasOwn(of, value)
  }
  throw refuse(
    on,
    ast,
    `in ${kindOf(of)}`,
    typeof of === 'string' ? 'write text.contains(part)' : undefined,
  )
}

function equal(left: Json, right: Json, evaluation: Evaluation, on: Compilation): boolean {
  charge(evaluation, on, 1)
  if (left === right) return true
  if (typeof left === 'string' && typeof right === 'string') {
    if (left.length === right.length) charge(evaluation, on, left.length >> 6)
    return false
  }
  if (isList(left) && isList(right)) {
    if (left.length !== right.length) return false
    for (let at = 0; at < left.length; at++) {
      if (!equal(left[at] ?? null, right[at] ?? null, evaluation, on)) return false
    }
    return true
  }
  if (!isRecord(left) || !isRecord(right)) return false
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  for (const key of keys) {
    if (!Object.hasOwn(right, key)) return false
    if (!equal(left[key] ?? null, right[key] ?? null, evaluation, on)) return false
  }
  return true
}

function charge(evaluation: Evaluation, on: Compilation, steps: number): void {
  evaluation.stepsLeft -= steps
  if (evaluation.stepsLeft < 0)
    throw new ExpressionError(on.text, OUT_OF_STEPS, { hint: 'do it in a task' })
}

const OUT_OF_STEPS = 'takes too many steps for values of this size'

/** Not absorbed by `&&`, `||`, `all`, `exists`: the evaluation ends. */
function isOutOfSteps(error: ExpressionError, on: Compilation): boolean {
  return error.expression === on.text && error.reason.startsWith(OUT_OF_STEPS)
}

function bool(value: Json, ast: ASTNode, on: Compilation, where: string): boolean {
  if (typeof value === 'boolean') return value
  throw refuse(on, ast, `${where} needs true or false, got ${kindOf(value)}`)
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

/** What a value is, for people. */
export function kindOf(value: Json): string {
  if (value === null) return 'null'
  if (isList(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return 'a text'
    case 'number':
      return 'a number'
    case 'boolean':
      return 'true or false'
    default:
      return 'an object'
  }
}

function refuse(on: Compilation, ast: ASTNode, reason: string, hint?: string): ExpressionError {
  return new ExpressionError(on.text, reason, { at: ast.start, hint })
}
