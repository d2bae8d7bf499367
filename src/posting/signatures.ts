import type { Json } from '../base/json.ts'
import { isList, isRecord } from '../base/codec.ts'
import { sourceChildren, type SourceDocument, type SourceNode } from '../flow/document.ts'
import type { TaskSignature } from '../flow/resolved.ts'
import type { TaskRegistry } from '../worker/registry.ts'
import type { Store } from '../../persistence/store.ts'
import type { Signatures } from './prepare.ts'

/** How long announcements are believed; workers come and go, but their tasks seldom change. */
const BELIEVED_MS = 5_000

/**
 * What is known of tasks when a flow is posted: of the flow's own tasks, then of those of this process, then what living
 * conductors and workers announced in the store, which is only asked when the others are not enough.
 */
export class KnownSignatures {
  readonly #store: Pick<Store, 'processes'>
  readonly #board: string
  readonly #here: TaskRegistry
  #announced: Promise<ReadonlyMap<string, TaskSignature>> | undefined
  #askedAt = -Infinity

  constructor(options: {
    readonly store: Pick<Store, 'processes'>
    readonly board: string
    readonly here: TaskRegistry
  }) {
    this.#store = options.store
    this.#board = options.board
    this.#here = options.here
  }

  /**
   * Signatures of the tasks that a document names. Where one is not known, of all that are: so that an error can say what was
   * probably meant. Throws {@link UnavailableError}.
   */
  async of(source: SourceDocument, own: TaskRegistry): Promise<Signatures> {
    const needed = namesIn(source)
    const found: TaskSignature[] = []
    const missing = new Set<string>()
    for (const name of needed) {
      const definition = own.find(name) ?? this.#here.find(name)
      if (definition === undefined) missing.add(name)
      else found.push(definition.signature)
    }
    if (missing.size === 0) return found
    const announced = await this.#askWhoLives()
    for (const name of missing) {
      const signature = announced.get(name)
      if (signature === undefined) {
        return [...announced.values(), ...this.#here.signatures(), ...own.signatures()]
      }
      found.push(signature)
    }
    return found
  }

  #askWhoLives(): Promise<ReadonlyMap<string, TaskSignature>> {
    const now = performance.now()
    if (this.#announced === undefined || now - this.#askedAt > BELIEVED_MS) {
      this.#askedAt = now
      const asked = this.#ask()
      this.#announced = asked
      asked.catch(() => {
        if (this.#announced === asked) this.#announced = undefined
      })
    }
    return this.#announced
  }

  async #ask(): Promise<ReadonlyMap<string, TaskSignature>> {
    const signatures = new Map<string, TaskSignature>()
    for (const process of await this.#store.processes()) {
      // Workers serve all boards of a broker.
      if (process.kind === 'conductor' && process.board !== this.#board) continue
      for (const signature of readSignatures(process.signatures)) {
        signatures.set(signature.name, signature)
      }
    }
    return signatures
  }
}

/** Names of the tasks in a document, each once. */
function namesIn(source: SourceDocument): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: SourceDocument | SourceNode): void => {
    if ('task' in node) names.add(node.task)
    else for (const child of sourceChildren(node)) visit(child)
  }
  visit(source)
  return names
}

/** Announcements come from other processes, perhaps of other versions: what is no signature is passed over. */
function readSignatures(announced: Json | undefined): readonly TaskSignature[] {
  if (!isList(announced)) return []
  return announced.filter(isSignature)
}

function isSignature(value: Json): value is Json & TaskSignature {
  if (!isRecord(value)) return false
  const { name, requires, provides, revert } = value
  return (
    typeof name === 'string' &&
    isRecord(requires) &&
    isRecord(provides) &&
    typeof revert === 'boolean'
  )
}
