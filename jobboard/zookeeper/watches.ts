/** Who wants to be told of which node, in one session. A watch tells once (G4), and never throws into its caller. */
import type { WatchedEvent, WatchListener } from './contract.ts'

/** `data`: of a node that is there; `existence`: of one that is not; `children`: of the names below one. */
export type WatchKind = 'data' | 'existence' | 'children'

/** By the type of a notification: what it is called, and which watches it ends. Others mean nothing to us. */
const MEANINGS: Readonly<
  Record<number, { readonly kind: WatchedEvent['kind']; readonly ends: readonly WatchKind[] }>
> = {
  1: { kind: 'created', ends: ['data', 'existence'] },
  2: { kind: 'removed', ends: ['data', 'existence', 'children'] },
  3: { kind: 'changed', ends: ['data', 'existence'] },
  4: { kind: 'children', ends: ['children'] },
}

export class Watches {
  readonly #byKind: Readonly<Record<WatchKind, Map<string, Set<WatchListener>>>> = {
    data: new Map(),
    existence: new Map(),
    children: new Map(),
  }
  readonly #failed: (error: unknown) => void

  /** @param failed told what a listener threw. */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  /** Listens until the next notification. The same listener at the same node is told once. */
  add(kind: WatchKind, path: string, listener: WatchListener): void {
    const listeners = this.#byKind[kind].get(path) ?? new Set()
    listeners.add(listener)
    this.#byKind[kind].set(path, listeners)
  }

  /** Tells those whom a notification concerns, and forgets them. */
  tell(type: number, path: string): void {
    const meaning = MEANINGS[type]
    if (meaning === undefined) return
    const listeners = new Set<WatchListener>()
    for (const kind of meaning.ends) {
      for (const listener of this.#byKind[kind].get(path) ?? []) listeners.add(listener)
      this.#byKind[kind].delete(path)
    }
    this.#call(listeners, { kind: meaning.kind, path })
  }

  /** Tells all that the session has ended, and forgets them: each once for each node. */
  tellEnd(): void {
    const byPath = new Map<string, Set<WatchListener>>()
    for (const watches of Object.values(this.#byKind)) {
      for (const [path, listeners] of watches) {
        const all = byPath.get(path) ?? new Set()
        for (const listener of listeners) all.add(listener)
        byPath.set(path, all)
      }
      watches.clear()
    }
    for (const [path, listeners] of byPath) this.#call(listeners, { kind: 'session', path })
  }

  /** The watched nodes in parts of which none has much more than `partBytes` of names: a server refuses long requests. */
  parts(partBytes: number): readonly Readonly<Record<WatchKind, readonly string[]>>[] {
    const parts: Record<WatchKind, string[]>[] = []
    let bytes = Infinity
    for (const kind of ['data', 'existence', 'children'] as const) {
      for (const path of this.#byKind[kind].keys()) {
        if (bytes > partBytes) {
          parts.push({ data: [], existence: [], children: [] })
          bytes = 0
        }
        parts.at(-1)?.[kind].push(path)
        bytes += Buffer.byteLength(path) + 4
      }
    }
    return parts
  }

  #call(listeners: ReadonlySet<WatchListener>, event: WatchedEvent): void {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#failed(error)
      }
    }
  }
}
