import type { Json } from '../../src/base/json.ts'
import type { ResolvedSymbol, TaskSignature } from '../../src/flow/resolved.ts'
import { resolveValueSchema } from '../../src/flow/value-schema.ts'

type Shape = { readonly [symbol: string]: Json }

/** A signature whose symbols are bare types (`string?`) or schemas. */
export function signature(
  name: string,
  requires: Shape = {},
  provides: Shape = {},
  more: Partial<TaskSignature> = {},
): TaskSignature {
  return { name, requires: symbols(requires), provides: symbols(provides), revert: true, ...more }
}

function symbols(shape: Shape): { readonly [symbol: string]: ResolvedSymbol } {
  return Object.fromEntries(
    Object.entries(shape).map(([name, schema]) => [name, resolveValueSchema(schema)]),
  )
}
