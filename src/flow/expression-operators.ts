/** Operators of expressions, on JSON with one number type. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { isList, isRecord } from '../base/codec.ts'
import type { Json } from '../base/json.ts'
import { charge, kindOf, refuse, type Compilation, type Evaluation } from './expression-run.ts'

/** Longest text that an expression may make on its way. */
const MAX_TEXT = 2 * 1024 * 1024

/** `+ - * / %`: numbers; `+` also joins two texts or two lists. Throws {@link ExpressionError}. */
export function arithmetic(
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

/** `< <= > >=` of two numbers, two texts or two booleans. Throws {@link ExpressionError}. */
export function compare(
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

/** `in`: an item of a list, a key of an object. Throws {@link ExpressionError}. */
export function contains(
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

/** `==`: the same JSON; values of different kinds differ. */
export function equal(left: Json, right: Json, evaluation: Evaluation, on: Compilation): boolean {
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
