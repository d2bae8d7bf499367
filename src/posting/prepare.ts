/**
 * From whatever can be run or posted to what is stored: the source document, the resolved one, their hashes, and an input
 * that was checked and completed.
 */
import { canonicalJson } from '../base/codec.ts'
import { UsageError } from '../base/errors.ts'
import { hashJson } from '../base/ids.ts'
import type { Json, JsonObject } from '../base/json.ts'
import type { Runnable } from '../flow/runnable.ts'
import type { SourceDocument } from '../flow/document.ts'
import { parseDocument } from '../flow/parse.ts'
import { completeInput, resolve } from '../flow/resolve.ts'
import type { ResolvedDocument, TaskSignature } from '../flow/resolved.ts'

/** A flow that can be run or posted: what a builder made, or a source document. */
export type AnyFlow = Runnable | SourceDocument

/** A flow with all that is stored of it. */
export interface PreparedFlow {
  readonly source: SourceDocument
  readonly sourceHash: string
  readonly document: ResolvedDocument
  readonly documentHash: string
}

/** Where signatures of tasks come from: a new array where they have changed, else the same. */
export type Signatures = readonly TaskSignature[]

/** Made by a builder, and not a document. */
export function isRunnable(flow: unknown): flow is Runnable {
  return typeof flow === 'object' && flow !== null && 'document' in flow && 'tasks' in flow
}

/** The source document of a flow. Throws {@link InvalidFlowError}, {@link UsageError} for what is no flow at all. */
export function sourceOf(flow: unknown): SourceDocument {
  if (isRunnable(flow)) return flow.document
  if (typeof flow !== 'object' || flow === null) {
    throw new UsageError(`expected a flow, got ${flow === null ? 'null' : typeof flow}`, {
      hint: 'give what flow(), linear(), unordered() or graph() returned, or a flow document',
    })
  }
  return parseDocument(flow)
}

/** Resolving and hashing cost more than posting; the same flow with the same tasks comes out the same. */
const prepared = new WeakMap<SourceDocument, { signatures: Signatures; flow: PreparedFlow }>()

/** Resolves a source document with the signatures that are known. Throws {@link InvalidFlowError}. */
export function prepare(source: SourceDocument, signatures: Signatures): PreparedFlow {
  const before = prepared.get(source)
  if (before !== undefined && areSame(before.signatures, signatures)) return before.flow
  const document = resolve(source, { signatures })
  const flow = {
    source,
    sourceHash: document.source,
    document,
    documentHash: hashJson(document as unknown as Json), // R2: it is JSON
  }
  prepared.set(source, { signatures, flow })
  return flow
}

function areSame(a: Signatures, b: Signatures): boolean {
  return a === b || (a.length === b.length && a.every((signature, at) => signature === b[at]))
}

/** The input as the flow gets it: checked, defaults filled in. Throws {@link InvalidInputError}. */
export function completed(flow: PreparedFlow, input: unknown): JsonObject {
  return completeInput(flow.document, input)
}

/** Says whether two posts are the same: source document and completed input. */
export function contentHash(flow: PreparedFlow, input: JsonObject): string {
  return hashJson([flow.sourceHash, canonicalJson(input)])
}
