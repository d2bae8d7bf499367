/** What is called in an expression: functions, methods and macros. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { BANNED_KEYS, isList, isRecord } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import type { ExpressionError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { FUNCTIONS, METHODS, NOT_OFFERED, type Callable } from './expression-functions.ts'
import { MACRO_BODIES, MACROS } from './expression-macros.ts'
import { has } from './expression-names.ts'
import { bool, charge, kindOf, refuse, type Compilation, type Run } from './expression-run.ts'

/** `name(args)`. Throws {@link ExpressionError} for a function that there is not, or too few or many arguments. */
export function call(name: string, args: readonly ASTNode[], ast: ASTNode, on: Compilation): Run {
  if (name === 'has') return has(args, ast, on)
  const callable = FUNCTIONS.get(name)
  if (callable === undefined) throw unknownFunction(name, FUNCTIONS.keys(), ast, on)
  return callWith(name, callable, args, ast, on)
}

/** `receiver.name(args)`: a method, or a macro. Throws as {@link call} does. */
export function method(
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
  const values = args.map((arg) => on.part(arg))
  const context = {
    fail: (reason: string) => refuse(on, ast, `${callable.usage}: ${reason}`),
  }
  return (evaluation) => {
    const given = values.map((value) => value(evaluation))
    charge(evaluation, on, callable.cost(given))
    return callable.call(given, context)
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
  const items = on.part(receiver)
  on.itemName = item.args
  const body = on.part(first)
  const transform = second === undefined ? undefined : on.part(second)
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
