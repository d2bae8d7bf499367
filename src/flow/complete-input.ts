import { formatPath, isRecord, toJson } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import { InvalidInputError, type Issue, NotSerialisableError } from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { checkValue, expectation } from './check-value.ts'
import type { Problem } from './choice.ts'
import { describe } from './document.ts'
import type { ResolvedDocument } from './resolved.ts'

const MAX_ISSUES = 100

/**
 * The input of a flow with its defaults, checked. A closed flow takes what it declares and nothing else; another flow takes
 * what it needs, and more. Throws {@link InvalidInputError} that names every place.
 */
export function completeInput(resolved: ResolvedDocument, input: unknown): JsonObject {
  const issues: Issue[] = []
  const report = (path: readonly PropertyKey[], problem: Problem): void => {
    if (issues.length < MAX_ISSUES) issues.push({ path: formatPath(path), ...problem })
  }
  const given = plainInput(input, resolved)
  const complete: { [symbol: string]: Json } = {}
  const symbols = Object.keys(resolved.input)
  for (const symbol of symbols) {
    const declared = resolved.input[symbol]
    if (declared === undefined) continue
    const value = Object.hasOwn(given, symbol) ? given[symbol] : undefined
    if (value !== undefined) complete[symbol] = checkValue(declared.schema, value, [symbol], report)
    else if (declared.default !== undefined) complete[symbol] = declared.default
    else if (declared.optional !== true) {
      const extra = Object.keys(given).filter((key) => !Object.hasOwn(resolved.input, key))
      report([symbol], {
        message: 'missing',
        expected: expectation(declared.schema),
        hint: extra.length > 1_000 ? undefined : meantBy(symbol, extra),
      })
    }
  }
  for (const [key, value] of Object.entries(given)) {
    if (Object.hasOwn(resolved.input, key)) continue
    if (!resolved.closed) complete[key] = value
    else {
      const hint =
        didYouMean(key, symbols) ??
        (symbols.length === 0 ? 'it takes none' : `it takes ${symbols.slice(0, 20).join(', ')}`)
      report([key], { message: `the flow has no input "${key.slice(0, 100)}"`, hint })
    }
  }
  throwIfAny(issues, resolved)
  return complete
}

function meantBy(symbol: string, given: readonly string[]): string | undefined {
  const found = didYouMean(symbol, given)
  return found?.replace('did you mean', 'is it').replace('?', ', which was given?')
}

function plainInput(input: unknown, resolved: ResolvedDocument): JsonObject {
  try {
    const json = toJson(input ?? {})
    if (isRecord(json)) return json
    throw new InvalidInputError(
      [
        {
          path: '',
          message: 'not an input',
          expected: 'an object from symbol to value',
          got: describe(json),
        },
      ],
      { subject: subjectOf(resolved) },
    )
  } catch (error) {
    if (!(error instanceof NotSerialisableError)) throw error
    throw new InvalidInputError(
      [{ path: error.path, message: `JSON cannot carry ${error.reason}`, hint: error.instead }],
      {
        subject: subjectOf(resolved),
        cause: error,
      },
    )
  }
}

function throwIfAny(issues: readonly Issue[], resolved: ResolvedDocument): void {
  if (issues.length > 0) throw new InvalidInputError(issues, { subject: subjectOf(resolved) })
}

function subjectOf(resolved: ResolvedDocument): string {
  return `the input of the flow "${resolved.flow}"`
}
