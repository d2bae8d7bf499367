/** The checks of one expression or template where it stands: it compiles, what it names is there, its type fits. */
import { ExpressionError } from '../base/errors.ts'
import { ask, type Checking, type Level } from './ask.ts'
import { expectation } from './check-value.ts'
import { compileExpression, type Expression, type Variable } from './expression.ts'
import {
  ANY,
  canBe,
  typeName,
  typeOfSchema,
  type TypeOf,
  type ValueType,
} from './expression-types.ts'
import type { Issues } from './issues.ts'
import type { JsonSchema, Template } from './resolved.ts'
import { compileTemplate, type CompiledTemplate } from './template.ts'

/** A condition: compiles, sees what it names, is true or false. */
export function checkCondition(
  text: string,
  by: string,
  path: readonly PropertyKey[],
  level: Level | undefined,
  variables: readonly Variable[],
  on: Checking,
): void {
  let expression: Expression
  try {
    expression = compileExpression(text)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    on.issues.add(path, { message: error.message })
    return
  }
  const type = checkExpressions([expression], by, path, level, variables, on, (typeOf) =>
    expression.typeWith(typeOf),
  )
  if (type !== undefined && type.kind !== 'any' && type.kind !== 'boolean') {
    on.issues.add(path, { message: 'a condition is true or false', got: typeName(type) })
  }
}

/** A template: sees what it names. Gives its type, undefined when something is wrong. */
export function checkTemplate(
  template: CompiledTemplate,
  by: string,
  path: readonly PropertyKey[],
  level: Level | undefined,
  variables: readonly Variable[],
  on: Checking,
): ValueType | undefined {
  if (template.constant !== undefined) return template.typeWith(() => ANY)
  return checkExpressions(template.expressions, by, path, level, variables, on, (typeOf) =>
    template.typeWith(typeOf),
  )
}

/** Looks up what expressions name, then infers their type; undefined when something is wrong. */
function checkExpressions(
  expressions: readonly Expression[],
  by: string,
  path: readonly PropertyKey[],
  level: Level | undefined,
  variables: readonly Variable[],
  on: Checking,
  typeWith: (typeOf: TypeOf) => ValueType,
): ValueType | undefined {
  const before = on.issues.count
  refuseVariables(expressions, variables, path, on)
  const types = new Map<string, ValueType>()
  for (const expression of expressions) {
    for (const symbol of expression.symbols) {
      const isOptional = expression.optional.includes(symbol)
      const schema = ask(symbol, { by, path, isOptional, schema: undefined }, level, on)
      if (schema !== undefined) types.set(symbol, typeOfSchema(schema))
    }
  }
  if (on.issues.count > before) return undefined
  return typed(path, on, () => typeWith((name) => types.get(name) ?? variableType(name, on)))
}

/** Reports variables that are not known where the expressions stand. */
export function refuseVariables(
  expressions: readonly Expression[],
  allowed: readonly Variable[],
  path: readonly PropertyKey[],
  on: Checking,
): void {
  for (const expression of expressions) {
    const foreign = expression.variables.find((variable) => !allowed.includes(variable))
    if (foreign === undefined) continue
    const where = foreign === 'result' ? '`provides` of a task' : '`when` of a retry'
    on.issues.add(path, {
      message: `"${foreign}" is not known here`,
      hint: `it is known in ${where}`,
    })
  }
}

const FAILURE: ValueType = {
  kind: 'map',
  fields: new Map<string, ValueType>([
    ['code', { kind: 'string' }],
    ['message', { kind: 'string' }],
    ['name', { kind: 'string' }],
    ['stack', { kind: 'string' }],
    ['retryable', { kind: 'boolean' }],
    ['data', ANY],
    ['cause', ANY],
  ]),
  rest: ANY,
}

/** The type of a variable that is no symbol, as far as it is known. */
export function variableType(name: string, on: Checking): ValueType | undefined {
  if (name === 'failure') return FAILURE
  if (name !== 'input' || !on.closed) return undefined
  const fields = Object.entries(on.declared).map(
    ([symbol, { schema }]) => [symbol, typeOfSchema(schema)] as const,
  )
  return { kind: 'map', fields: new Map(fields), rest: undefined }
}

/** The inferred type; a mismatch is reported. */
export function typed(
  path: readonly PropertyKey[],
  on: Checking,
  infer: () => ValueType,
): ValueType | undefined {
  try {
    return infer()
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    on.issues.add(path, { message: error.message })
    return undefined
  }
}

/** A template, or undefined when it does not compile, which is reported. */
export function compileTemplateAt(
  value: Template,
  path: readonly PropertyKey[],
  on: { readonly issues: Issues },
): CompiledTemplate | undefined {
  try {
    return compileTemplate(value)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    on.issues.add(path, { message: error.message })
    return undefined
  }
}

/** Reports a type that cannot fit a schema. */
export function checkFits(
  type: ValueType,
  schema: JsonSchema,
  what: string,
  path: readonly PropertyKey[],
  on: Checking,
): void {
  if (canBe(type, typeOfSchema(schema))) return
  on.issues.add(path, {
    message: `${what} does not fit`,
    expected: expectation(schema),
    got: typeName(type),
  })
}
