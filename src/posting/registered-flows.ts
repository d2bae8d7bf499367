import { NotFoundError, UsageError } from '../base/errors.ts'
import type { SourceDocument } from '../flow/document.ts'
import { MAX_BUILT_BYTES } from '../flow/names.ts'
import { parseDocument } from '../flow/parse.ts'
import type { Store } from '../../persistence/store.ts'

const MAX_KEPT = 100

/** Documents that were registered, by name and version. */
export class RegisteredFlows {
  readonly #store: Pick<Store, 'findFlow' | 'listFlows' | 'document'>
  /** By hash; a document never changes. */
  readonly #documents = new Map<string, SourceDocument>()

  constructor(store: Pick<Store, 'findFlow' | 'listFlows' | 'document'>) {
    this.#store = store
  }

  /** The document of `name` (its newest version) or `name@version`. Throws {@link NotFoundError}, {@link UsageError}. */
  async find(reference: string): Promise<SourceDocument> {
    const [name, version] = readReference(reference)
    const found = await this.#store.findFlow(name, version)
    if (found === null) throw await this.#notFound(name, version)
    const known = this.#documents.get(found.hash)
    if (known !== undefined) return known
    const document = parseDocument(await this.#store.document(found.hash), {
      maxBytes: MAX_BUILT_BYTES, // builders may have made it
    })
    this.#documents.set(found.hash, document)
    for (const oldest of this.#documents.keys()) {
      if (this.#documents.size <= MAX_KEPT) break
      this.#documents.delete(oldest)
    }
    return document
  }

  async #notFound(name: string, version: number | undefined): Promise<NotFoundError> {
    const all = await this.#store.listFlows()
    const versions = all.filter((flow) => flow.name === name).map((flow) => flow.version)
    if (version !== undefined && versions.length > 0) {
      return new NotFoundError('flow', `${name}@${version}`, {
        hint: `its versions are 1 to ${Math.max(...versions)}`,
      })
    }
    return new NotFoundError('registered flow', name, {
      candidates: new Set(all.map((flow) => flow.name)),
    })
  }
}

/** Reads `name` or `name@version`. Throws {@link UsageError}. */
export function readReference(reference: string): readonly [name: string, version?: number] {
  const at = reference.lastIndexOf('@')
  if (at === -1) return [reference]
  const version = reference.slice(at + 1)
  if (!/^[1-9]\d{0,8}$/.test(version)) {
    throw new UsageError(`"${reference}": expected name or name@version, such as checkout@2`)
  }
  return [reference.slice(0, at), Number(version)]
}
