import { NotFoundError, UsageError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { compile, type Plan } from '../flow/compile.ts'
import type { ResolvedDocument, ResolvedFlow } from '../flow/resolved.ts'
import type { Store } from '../../persistence/store.ts'

/** A compiled document, and what it needs of a process that runs its tasks. */
export interface KnownPlan {
  readonly plan: Plan
  readonly tasks: ReadonlySet<string>
  readonly strategies: ReadonlySet<string>
}

/** Compiled documents by hash; those that were not used for longest are forgotten. */
export class PlanCache {
  readonly #store: Pick<Store, 'document'>
  readonly #max: number
  readonly #plans = new Map<string, Promise<KnownPlan>>()

  constructor(store: Pick<Store, 'document'>, max: number) {
    this.#store = store
    this.#max = max
  }

  get size(): number {
    return this.#plans.size
  }

  /** Throws `UnavailableError` when the store is away; every other error is the document's own. */
  get(hash: string): Promise<KnownPlan> {
    const known = this.#plans.get(hash)
    const plan = known ?? this.#compile(hash)
    this.#plans.delete(hash)
    this.#plans.set(hash, plan)
    if (known !== undefined) return plan
    plan.catch(() => {
      if (this.#plans.get(hash) === plan) this.#plans.delete(hash)
    })
    for (const oldest of this.#plans.keys()) {
      if (this.#plans.size <= this.#max) break
      this.#plans.delete(oldest)
    }
    return plan
  }

  async #compile(hash: string): Promise<KnownPlan> {
    const document = await this.#store.document(hash)
    if (document === null) {
      throw new NotFoundError('document', hash, { hint: 'restore it, or cancel the job' })
    }
    if (!isDocument(document)) {
      throw new UsageError(`the document ${hash} is not a resolved flow`, {
        hint: 'post the job again',
      })
    }
    const tasks = new Set<string>()
    const strategies = new Set<string>()
    collect(document.root, tasks, strategies)
    return { plan: compile(document, hash), tasks, strategies }
  }
}

/** The store keeps what was posted, and posts are checked whole; this is against rows that were changed by hand. */
function isDocument(value: Json): value is Json & ResolvedDocument {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false
  const { root, flow } = value as { readonly root?: Json; readonly flow?: Json }
  if (root === null || typeof root !== 'object' || Array.isArray(root)) return false
  return typeof flow === 'string' && Array.isArray((root as { readonly nodes?: Json }).nodes)
}

function collect(flow: ResolvedFlow, tasks: Set<string>, strategies: Set<string>): void {
  if (flow.retry?.kind === 'strategy') strategies.add(flow.retry.strategy)
  for (const node of flow.nodes) {
    if (node.kind === 'task') tasks.add(node.task)
    else collect(node, tasks, strategies)
  }
}
