/**
 * Values for a plan: the arguments of a task, the symbols that a result gives, the flow's output, conditions. Pure: whoever
 * calls says what each symbol is.
 *
 * A `Lookup` answers with a value or `undefined` (there is none); it may throw to say that it has to be asked again later.
 */
import type { Json, JsonObject } from '../base/json.ts'
import type { Failure } from '../base/failure.ts'
import type { TaskPlan } from './compile.ts'
import { compileExpression, type ExpressionScope } from './expression.ts'
import type { ResolvedRetry, ResolvedTaskRetry, Template } from './resolved.ts'
import { compileTemplate } from './template.ts'

/** The value of a symbol where it is asked, or undefined. */
export type Lookup = (symbol: string) => Json | undefined

/** What else expressions see. */
export interface Surroundings {
  readonly input: JsonObject
  readonly job: JsonObject
  readonly result?: Json | undefined
  readonly failure?: Failure | undefined
}

/** Thrown when an argument has no value, or an expression cannot be evaluated: a failure of the task, never retried. */
export class BindingError extends Error {
  override readonly name = 'BindingError'
}

function scopeOf(lookup: Lookup, around: Surroundings): ExpressionScope {
  return {
    lookup,
    input: around.input,
    job: around.job,
    ...(around.result === undefined ? {} : { result: around.result }),
    ...(around.failure === undefined ? {} : { failure: around.failure as unknown as Json }),
  }
}

/** The arguments of a task: `with` first, then the symbol of the argument's name, then the argument's default. */
export function bindArguments(plan: TaskPlan, lookup: Lookup, around: Surroundings): JsonObject {
  const { requires, with: bound } = plan.task
  const args: { [name: string]: Json } = {}
  for (const name in requires) {
    const template = bound === undefined || !Object.hasOwn(bound, name) ? undefined : bound[name]
    const value =
      template === undefined
        ? lookup(name)
        : compileTemplate(template).evaluate(scopeOf(lookup, around))
    if (value !== undefined) {
      args[name] = value
      continue
    }
    const argument = requires[name]
    if (argument?.default !== undefined) args[name] = argument.default
    else if (argument?.optional !== true) {
      throw new BindingError(
        `${plan.path} requires '${name}', but nothing gave it: its provider was ignored or reverted`,
      )
    }
  }
  return args
}

/** What a task's result gives under a symbol's name, or undefined. */
export function symbolOf(
  plan: TaskPlan,
  symbol: string,
  result: Json,
  around: Surroundings,
): Json | undefined {
  const provided = Object.hasOwn(plan.task.provides, symbol)
    ? plan.task.provides[symbol]
    : undefined
  if (provided === undefined) return undefined
  if (provided.value !== undefined) {
    return compileTemplate(provided.value).evaluate(scopeOf(noSymbols, { ...around, result }))
  }
  if (result === null || typeof result !== 'object' || Array.isArray(result)) return undefined
  const record = result as JsonObject
  return Object.hasOwn(record, symbol) ? record[symbol] : undefined
}

const noSymbols: Lookup = () => undefined

/** Why a result does not give all that its node provides, or null. */
export function whyIncomplete(plan: TaskPlan, result: Json, around: Surroundings): string | null {
  for (const symbol in plan.task.provides) {
    const provided = plan.task.provides[symbol]
    if (provided?.optional === true) continue
    if (symbolOf(plan, symbol, result, around) === undefined) {
      return `${plan.path} provides '${symbol}', but its result has no '${symbol}'`
    }
  }
  return null
}

/** A condition's value; anything but true or false is an error. */
export function evaluateCondition(text: string, lookup: Lookup, around: Surroundings): boolean {
  const value = compileExpression(text).evaluate(scopeOf(lookup, around))
  if (typeof value !== 'boolean') {
    throw new BindingError(
      `the condition '${text}' is ${JSON.stringify(value)}, expected true or false`,
    )
  }
  return value
}

/** The value of any template. */
export function evaluateTemplate(template: Template, lookup: Lookup, around: Surroundings): Json {
  return compileTemplate(template).evaluate(scopeOf(lookup, around))
}

/** `attempts`: a whole number above 0, be it written or computed. */
export function attemptsOf(retry: ResolvedTaskRetry, lookup: Lookup, around: Surroundings): number {
  const value =
    typeof retry.attempts === 'number'
      ? retry.attempts
      : evaluateTemplate(retry.attempts, lookup, around)
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    throw new BindingError(`attempts is ${JSON.stringify(value)}, expected a whole number`)
  }
  return value
}

/** The value that a retry gives next: what of its list was not tried yet (TaskFlow's ForEach; equal values count each). */
export function nextValue(
  retry: Extract<ResolvedRetry, { kind: 'forEach' }>,
  tried: readonly Json[],
  lookup: Lookup,
  around: Surroundings,
): { readonly value: Json; readonly left: number } {
  const values = evaluateTemplate(retry.values, lookup, around)
  if (!Array.isArray(values)) {
    throw new BindingError(`forEach is ${JSON.stringify(values)}, expected a list of values`)
  }
  const used = new Map<string, number>()
  for (const value of tried) {
    const key = JSON.stringify(value)
    used.set(key, (used.get(key) ?? 0) + 1)
  }
  const left = (values as readonly Json[]).filter((value) => {
    const key = JSON.stringify(value)
    const count = used.get(key) ?? 0
    if (count > 0) used.set(key, count - 1)
    return count === 0
  })
  const [value] = left
  if (value === undefined) {
    throw new BindingError(
      values.length === 0
        ? 'No elements left: the list of forEach is empty'
        : 'No elements left to try',
    )
  }
  return { value, left: left.length - 1 }
}
