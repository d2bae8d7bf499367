/** From CEL's syntax tree to a function that evaluates it; see `expression.ts` for what it guarantees. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { ExpressionError } from '../base/errors.ts'
import { call, method } from './expression-calls.ts'
import { listLiteral, literal, mapLiteral } from './expression-literals.ts'
import { field, index, variable, VARIABLE_NAMES } from './expression-names.ts'
import { arithmetic, compare, contains, equal } from './expression-operators.ts'
import { bool, isOutOfSteps, kindOf, refuse, type Compilation, type Run } from './expression-run.ts'

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
    part: (ast) => node(ast, compilation),
  }
  const run = node(ast, compilation)
  const symbols = compilation.names.filter((name) => !VARIABLE_NAMES.has(name))
  const optional = symbols.filter((name) => {
    return compilation.guarded.has(name) || !compilation.bare.has(name)
  })
  return { run, names: compilation.names, symbols, optional }
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
    case 'list':
      return listLiteral(ast.args, on)
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
