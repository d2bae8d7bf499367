import type { Json } from '../src/base/json.ts'
import type { ResolvedDocument } from '../src/flow/resolved.ts'

/** A resolved document as the JSON that it is (R2): its optional fields are absent, never undefined, once it went through the codec. */
export function documentJson(document: ResolvedDocument): Json {
  return document as unknown as Json
}
