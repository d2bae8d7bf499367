/** One evaluation of an expression: what it has, what it is charged, and how it fails. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { isList } from '../base/codec.ts'
import { ExpressionError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import type { ExpressionScope } from './expression.ts'

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

/** One expression that is compiled. */
export interface Compilation {
  readonly text: string
  /** Names by slot: symbols and variables. */
  readonly names: string[]
  readonly bare: Set<string>
  readonly guarded: Set<string>
  /** The macro's variable, inside its body. */
  itemName: string | undefined
  /** Compiles a part of it: each file compiles what it knows, and hands on what stands inside. */
  readonly part: (ast: ASTNode) => Run
}

/** Takes steps away; throws {@link ExpressionError} when there are none left. */
export function charge(evaluation: Evaluation, on: Compilation, steps: number): void {
  evaluation.stepsLeft -= steps
  if (evaluation.stepsLeft < 0)
    throw new ExpressionError(on.text, OUT_OF_STEPS, { hint: 'do it in a task' })
}

const OUT_OF_STEPS = 'takes too many steps for values of this size'

/** Not absorbed by `&&`, `||`, `all`, `exists`: the evaluation ends. */
export function isOutOfSteps(error: ExpressionError, on: Compilation): boolean {
  return error.expression === on.text && error.reason.startsWith(OUT_OF_STEPS)
}

/** The value, which must be true or false. Throws {@link ExpressionError}. */
export function bool(value: Json, ast: ASTNode, on: Compilation, where: string): boolean {
  if (typeof value === 'boolean') return value
  throw refuse(on, ast, `${where} needs true or false, got ${kindOf(value)}`)
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

/** The error of a node; the caller throws it. */
export function refuse(
  on: Compilation,
  ast: ASTNode,
  reason: string,
  hint?: string,
): ExpressionError {
  return new ExpressionError(on.text, reason, { at: ast.start, hint })
}
