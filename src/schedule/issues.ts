import { formatPath } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import type { Issue } from '../base/errors.ts'
import type { z } from 'zod'
import { describe, isObject } from '../flow/grammar.ts'

/** Finds where something stands in the text that a value came from. */
export type Place = (
  path: readonly PropertyKey[],
) => { readonly line: number; readonly column: number } | undefined

/** What zod found, as issues with path, expected and got; `value` is what was checked. */
export function schemaIssues(error: z.ZodError, value: unknown, place?: Place): readonly Issue[] {
  return error.issues.flatMap((issue) => {
    const made = (path: readonly PropertyKey[], found: Omit<Issue, 'path'>): Issue => ({
      path: formatPath(path),
      ...found,
      ...place?.(path),
    })
    if (issue.code === 'unrecognized_keys') {
      // One line of the message for each key, in the same order; see `strict` of src/flow/grammar.ts.
      const messages = issue.message.split('\n')
      return issue.keys.map((key, at) => {
        return made([...issue.path, key], { message: messages[at] ?? issue.message })
      })
    }
    return [made(issue.path, found(issue, valueAt(value, issue.path)))]
  })
}

function found(issue: z.core.$ZodIssue, value: unknown): Omit<Issue, 'path'> {
  const got = describe(value)
  switch (issue.code) {
    case 'custom': {
      const { message } = issue
      const given: Readonly<Record<string, unknown>> = issue.params ?? {}
      const text = (name: string): string | undefined => {
        const one = given[name]
        return typeof one === 'string' ? one : undefined
      }
      return { message, expected: text('expected'), got: text('got'), hint: text('hint') }
    }
    case 'invalid_type': {
      const expected = WORDS.get(issue.expected) ?? issue.expected
      if (value === undefined) return { message: 'missing', expected }
      if (!issue.message.startsWith('Invalid input')) return { message: issue.message, got }
      return { message: 'wrong type', expected, got }
    }
    case 'invalid_value': {
      const values = issue.values.map(String)
      const hint = typeof value === 'string' ? didYouMean(value, values) : undefined
      return { message: 'unknown value', expected: `one of ${values.join(', ')}`, got, hint }
    }
    case 'too_small':
      return { message: 'too small', expected: `at least ${issue.minimum}`, got }
    case 'too_big':
      return { message: 'too big', expected: `at most ${issue.maximum}`, got }
    default:
      return { message: issue.message, got }
  }
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['array', 'a list'],
  ['object', 'an object'],
  ['record', 'an object'],
  ['string', 'a text'],
  ['int', 'a whole number'],
  ['number', 'a number'],
])

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value
  for (const key of path) {
    if (Array.isArray(at)) at = (at as readonly unknown[])[Number(key)]
    else if (isObject(at) && Object.hasOwn(at, key)) at = at[String(key)]
    else return undefined
  }
  return at
}
