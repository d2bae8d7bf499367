/** The pieces that the grammar of documents is made of, and what their errors say. */
import { z } from 'zod'
import { didYouMean } from '../base/did-you-mean.ts'
import { readDuration } from '../base/durations.ts'
import { problem } from './choice.ts'
import { MAX_NAME, MAX_SYMBOL, NAME, nameProblem, SYMBOL, symbolProblem } from './names.ts'
import type { Template } from './resolved.ts'

/** An object without other keys than these; `hints` say more about some, `notObject` about what is no object. */
export function strict<Shape extends z.core.$ZodShape>(
  shape: Shape,
  hints: Readonly<Record<string, string>> = {},
  notObject?: (value: unknown) => string,
) {
  const keys = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'invalid_type' && notObject !== undefined) return notObject(issue.input)
      if (issue.code !== 'unrecognized_keys') return undefined
      const known = new Map(Object.entries(hints))
      return issue.keys
        .map((key) => {
          const hint = known.get(key) ?? didYouMean(key, keys)
          return `unknown key ${JSON.stringify(key.slice(0, 100))}${hint === undefined ? `, known are ${keys.join(', ')}` : `; ${hint}`}`
        })
        .join('\n')
    },
  })
}

/** A text with a check whose problem is the message. */
export function checked(
  pattern: RegExp,
  longest: number,
  check: (text: string) => string | undefined,
) {
  return z
    .string()
    .superRefine((text, context) => {
      const found = check(text)
      if (found !== undefined)
        problem(context, [], { message: found, got: JSON.stringify(text.slice(0, 60)) })
    })
    .meta({ pattern: pattern.source, maxLength: longest, minLength: 1 })
}

/** A name of a flow, task or node: `[A-Za-z0-9_.-]+`, at most 200 characters. */
export const nameSchema = checked(NAME, MAX_NAME, nameProblem)

/** A name of a task; an expression in it is reserved. */
export const taskNameSchema = checked(NAME, MAX_NAME, (name) => {
  return name.includes('${{')
    ? 'a computed task name is reserved for a later version'
    : nameProblem(name)
})

/** A symbol: a CEL identifier that is no variable of expressions. */
export const symbolSchema = checked(SYMBOL, MAX_SYMBOL, symbolProblem)

/** A duration with a unit, such as `5s` or `1h30m`. */
export const durationSchema = z
  .string({
    error: (issue) => {
      const reading = readDuration(issue.input)
      return `${reading.problem ?? 'not a duration'}; ${reading.hint ?? 'write such as 5s'}`
    },
  })
  .superRefine((text, context) => {
    const reading = readDuration(text)
    if (reading.problem === undefined) return
    problem(context, [], {
      message: reading.problem,
      got: JSON.stringify(text.slice(0, 40)),
      hint: reading.hint,
    })
  })
  .meta({
    pattern:
      '^(\\d+(\\.\\d+)?d)?(\\d+(\\.\\d+)?h)?(\\d+(\\.\\d+)?m)?(\\d+(\\.\\d+)?s)?(\\d+(\\.\\d+)?ms)?$',
    examples: ['500ms', '5s', '1h30m', '7d'],
  })

/** A duration longer than 0. */
export const timeoutSchema = durationSchema
  .refine((text) => readDuration(text).ms !== 0, 'a timeout is longer than 0')
  .meta({ description: 'How long it may take.' })

/** Any JSON; strings in it may hold `${{ expression }}`. */
export const templateSchema = z.unknown() as z.ZodType<Template> // P1 of parse.ts: it is JSON already

/** CEL, with or without `${{ }}` around it. */
export const conditionSchema = z.string().min(1)

/** An object whose keys are symbols. */
export function bySymbol<Value extends z.ZodType>(value: Value) {
  const symbols = z.record(z.string(), value).superRefine((record, context) => {
    for (const key of Object.keys(record)) {
      const found = symbolProblem(key)
      if (found !== undefined) problem(context, [key], { message: found })
    }
  })
  return symbols.meta({ propertyNames: { pattern: SYMBOL.source, maxLength: MAX_SYMBOL } })
}

/** The one of `keys` that an object has; a problem when it has none or several. */
export function onlyKey(
  value: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  what: string,
  context: z.RefinementCtx,
): string | undefined {
  const found = keys.filter((key) => Object.hasOwn(value, key))
  if (found.length === 1) return found[0]
  if (found.length > 1) {
    return problem(context, [], {
      message: `${what} has exactly one of ${keys.join(', ')}, this has ${found.join(' and ')}`,
    })
  }
  const meant = Object.keys(value)
    .map((key) => didYouMean(key, keys))
    .find((hint) => hint !== undefined)
  return problem(context, [], {
    message: `${what} needs one of ${keys.join(', ')}`,
    got: describe(value),
    hint: meant,
  })
}

/** What a value is, for people: `5`, `a list`, `"text"`. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  }
  if (typeof value === 'object') {
    const keys = Object.keys(value)
    if (keys.length === 0) return 'an empty object'
    return `an object with ${keys.length > 5 ? `${keys.length} keys` : keys.join(', ').slice(0, 100)}`
  }
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
    return String(value)
  }
  return `a ${typeof value}`
}

/** Neither null nor a list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
