/** The members of the boards that share postings in memory, and which of them leads: held by sessions, which are boards. */
import type { FleetMember } from './jobboard.ts'

/** What one session sees of it. */
export interface MemoryMembership {
  /** How long one of the same name may be waited for, in ms. */
  readonly sessionMs: number
  enter(member: FleetMember): boolean
  leave(): void
  all(): readonly FleetMember[]
  lead(): boolean
  resign(): void
  leader(): string | null
  listen(listener: () => void): () => void
}

export class MemoryMembers<Session extends object> {
  readonly #sessionMs: number
  readonly #members = new Map<Session, FleetMember>()
  readonly #listeners = new Set<() => void>()
  #leader: Session | null = null

  constructor(sessionMs: number) {
    this.#sessionMs = sessionMs
  }

  /** Ends what a session holds. */
  drop(session: Session): void {
    if (this.#leader === session) this.#leader = null
    if (this.#members.delete(session)) this.#tell()
  }

  of(session: Session): MemoryMembership {
    return {
      sessionMs: this.#sessionMs,
      enter: (member) => {
        for (const [other, { name }] of this.#members) {
          if (other !== session && name === member.name) return false
        }
        this.#members.set(session, member)
        this.#tell()
        return true
      },
      leave: () => {
        if (this.#members.delete(session)) this.#tell()
      },
      all: () => [...this.#members.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
      lead: () => (this.#leader ??= session) === session,
      resign: () => {
        if (this.#leader === session) this.#leader = null
      },
      leader: () => (this.#leader === null ? null : (this.#members.get(this.#leader)?.id ?? null)),
      listen: (listener) => {
        const own = (): void => listener()
        this.#listeners.add(own)
        return () => void this.#listeners.delete(own)
      },
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) queueMicrotask(listener)
  }
}
