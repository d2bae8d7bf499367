import { canonicalJson } from '../src/base/codec.ts'
import { SEMANTICS } from '../src/flow/resolved.ts'
import { sealText } from './rows.ts'
import type { Cell } from './sql.ts'
import type { JsonObject } from '../src/base/json.ts'
import type { PostRequest } from './store.ts'

/** A post as columns. What is not here has its default from the table, or is the database's time. */
export interface PostRows {
  readonly request: PostRequest
  readonly documents: readonly (readonly [hash: string, body: string])[]
  readonly job: { readonly [column: string]: Cell }
  readonly detail: { readonly [column: string]: Cell }
  /** Characters of the input. */
  readonly inputSize: number
}

/** Makes the columns of a post. */
export function postRows(request: PostRequest): PostRows {
  const input = sealInput(request.input)
  const isDelayed = request.delayMs !== undefined || request.dueAt !== undefined
  return {
    request,
    documents: [
      [request.documentHash, JSON.stringify(request.document)],
      [request.sourceHash, JSON.stringify(request.source)],
    ],
    job: {
      id: request.id,
      board: request.board,
      key: request.key ?? null,
      flow: request.document.flow,
      state: isDelayed ? 'PARKED' : request.state,
      priority: request.priority ?? 0,
      flow_id: request.flowId,
      parked_for: isDelayed ? 'delay' : null,
      labels: JSON.stringify(request.labels ?? {}),
      tenant: tenantOf(request),
      outside: request.state === 'POSTING',
      traceparent: request.traceparent ?? null,
      posted_by: request.postedBy ?? null,
      scheduled_for: request.scheduledFor ?? null,
      content_hash: request.contentHash,
    },
    detail: {
      id: request.flowId,
      job_id: request.id,
      run: 1,
      document: request.documentHash,
      source: request.sourceHash,
      format: request.document.format,
      semantics: SEMANTICS,
      input,
      state: 'PENDING',
    },
    inputSize: input.length,
  }
}

/** Whose a job is, for fair turns. */
export function tenantOf(job: Pick<PostRequest, 'labels'>): string {
  const { labels = {} } = job
  return Object.hasOwn(labels, 'tenant') ? (labels['tenant'] ?? '') : ''
}

/** The envelope of an input: in canonical form, so that SQLite too can compare what is in it with what is searched. */
export function sealInput(input: JsonObject): string {
  return sealText(canonicalJson(input))
}
