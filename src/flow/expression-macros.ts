/** What the macros `map`, `filter`, `all`, `exists` and `exists_one` do with each item. */
import { ExpressionError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { isOutOfSteps, type Compilation } from './expression-run.ts'

/** What is done with one item. */
export interface MacroSteps {
  readonly body: (entry: Json) => Json
  readonly test: (entry: Json) => boolean
  readonly transform: ((entry: Json) => Json) | undefined
}

/** The macros by name. */
export const MACRO_BODIES = {
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

/** Names of macros. */
export const MACROS: ReadonlySet<string> = new Set(Object.keys(MACRO_BODIES))
