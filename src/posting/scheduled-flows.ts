import { InvalidFlowError, NotFoundError } from '../base/errors.ts'
import { hashJson } from '../base/ids.ts'
import type { Json } from '../base/json.ts'
import { MAX_BUILT_BYTES } from '../flow/names.ts'
import type { SourceDocument } from '../flow/document.ts'
import type { ResolvedDocument } from '../flow/resolved.ts'
import { parseDocument } from '../flow/parse.ts'
import { tickInput } from '../schedule/input.ts'
import type { ScheduleSpec } from '../schedule/spec.ts'
import { tickKey, type ScheduleRecord } from '../../persistence/schedule-store.ts'
import type { PostRequest, Store } from '../../persistence/store.ts'
import { TaskRegistry } from '../worker/registry.ts'
import { postRequest } from './post-request.ts'
import { prepare, type PreparedFlow } from './prepare.ts'
import { RegisteredFlows } from './registered-flows.ts'
import { KnownSignatures } from './signatures.ts'

/** How long the newest version of a registered flow is believed to be that: a thousand schedules of one flow ask once. */
const BELIEVED_MS = 1000
const MAX_KEPT = 200

type Documents = Pick<Store, 'findFlow' | 'listFlows' | 'document' | 'processes'>

/** The flows that schedules post, as they are when a tick comes. */
export class ScheduledFlows {
  readonly #store: Documents
  readonly #registered: RegisteredFlows
  readonly #signatures: KnownSignatures
  readonly #found = new Map<
    string,
    { readonly flow: Promise<SourceDocument>; readonly at: number }
  >()
  /** By hash; a document never changes. */
  readonly #documents = new Map<string, Promise<unknown>>()

  constructor(options: {
    readonly store: Documents
    readonly board: string
    /** Tasks of this process. */
    readonly here: TaskRegistry
  }) {
    this.#store = options.store
    this.#registered = new RegisteredFlows(options.store)
    this.#signatures = new KnownSignatures(options)
  }

  /**
   * The flow that a schedule posts now: of a registered name the newest version, resolved with the signatures that are known now; where
   * they are not (no worker lives), as it was resolved for the last job. Throws {@link NotFoundError}, {@link InvalidFlowError},
   * {@link UnavailableError}.
   */
  async of(
    schedule: Pick<ScheduleRecord, 'reference' | 'source' | 'document'>,
  ): Promise<PreparedFlow> {
    const source = await this.#source(schedule)
    try {
      return prepare(source, await this.#signatures.of(source, NO_TASKS))
    } catch (error) {
      if (!(error instanceof InvalidFlowError)) throw error
      const known = await this.#asBefore(source, schedule)
      if (known === null) throw error
      return known
    }
  }

  #source({
    reference,
    source,
  }: Pick<ScheduleRecord, 'reference' | 'source'>): Promise<SourceDocument> {
    const key = reference ?? source
    const known = this.#found.get(key)
    const now = performance.now()
    if (known !== undefined && (reference === null || now - known.at < BELIEVED_MS)) {
      return known.flow
    }
    const flow = reference === null ? this.#stored(source) : this.#registered.find(reference)
    keep(this.#found, key, { flow, at: now })
    flow.catch(() => this.#found.delete(key)) // whoever asked gets the error
    return flow
  }

  async #stored(hash: string): Promise<SourceDocument> {
    const document = await this.#store.document(hash)
    if (document === null) throw new NotFoundError('stored document', hash)
    return parseDocument(document, { maxBytes: MAX_BUILT_BYTES })
  }

  async #asBefore(
    source: SourceDocument,
    schedule: Pick<ScheduleRecord, 'source' | 'document'>,
  ): Promise<PreparedFlow | null> {
    let known = this.#documents.get(schedule.document)
    if (known === undefined) {
      known = this.#store.document(schedule.document)
      keep(this.#documents, schedule.document, known)
      known.catch(() => this.#documents.delete(schedule.document))
    }
    const document = (await known) as ResolvedDocument | null // stored by its hash when it was resolved
    if (document === null || document.source !== schedule.source) return null
    // Of a newer version nothing was ever resolved.
    if (hashJson(source as unknown as Json) !== schedule.source) return null // parsing made it JSON
    const { source: sourceHash, document: documentHash } = schedule
    return { source, sourceHash, document, documentHash }
  }
}

/** A tick of a schedule, and how its job begins. */
export interface TickPost {
  readonly board: string
  readonly name: string
  readonly spec: ScheduleSpec
  readonly tick: number
  /** The tick that was posted before; null: this is the first. */
  readonly previous: number | null
  readonly state: PostRequest['state']
}

/** The post of a tick's job. Throws {@link InvalidInputError}, {@link UsageError}. */
export function tickRequest(flow: PreparedFlow, post: TickPost): PostRequest {
  const { board, name, spec, tick, state } = post
  return postRequest(flow, tickInput(spec, post), {
    board,
    state,
    key: tickKey(name, tick),
    priority: spec.priority,
    labels: { schedule: name, ...spec.labels },
    postedBy: spec.postedBy ?? `schedule ${name}`.slice(0, 255),
    scheduledFor: tick,
  })
}

const NO_TASKS = new TaskRegistry()

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= MAX_KEPT) break
    map.delete(oldest)
  }
}
