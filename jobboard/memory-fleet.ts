import { ConflictError } from '../src/base/errors.ts'
import type { BoardFleet, FleetMember } from './jobboard.ts'
import type { MemoryMembership } from './memory-members.ts'

/** What the fleet of one board in memory is made of. */
export interface MemoryFleetParts {
  readonly members: MemoryMembership
  readonly postings: {
    names(): ReadonlySet<string>
    room(priority: number): number
  }
  /** Throws where the board cannot be used. */
  readonly check: () => void
}

const LOOK_MS = 10

export class MemoryFleet implements BoardFleet {
  readonly #parts: MemoryFleetParts
  readonly #unlisten = new Set<() => void>()
  #member: FleetMember | null = null

  constructor(parts: MemoryFleetParts) {
    this.#parts = parts
  }

  async join(member: FleetMember): Promise<void> {
    const { members, check } = this.#parts
    const deadline = performance.now() + members.sessionMs
    for (;;) {
      check()
      if (members.enter(member)) break
      if (performance.now() >= deadline) {
        throw new ConflictError(`the conductor "${member.name}"`, 'one of that name lives', {
          hint: 'stop that one, or give this one another name',
        })
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    this.#member = member
  }

  async leave(): Promise<void> {
    this.#member = null
    this.#parts.members.leave()
  }

  async members(): Promise<readonly FleetMember[]> {
    this.#parts.check()
    return this.#parts.members.all()
  }

  onMembers(listener: () => void): () => void {
    const unlisten = this.#parts.members.listen(listener)
    this.#unlisten.add(unlisten)
    return () => {
      this.#unlisten.delete(unlisten)
      unlisten()
    }
  }

  async lead(): Promise<boolean> {
    this.#parts.check()
    return this.#parts.members.lead()
  }

  async leader(): Promise<string | null> {
    this.#parts.check()
    return this.#parts.members.leader()
  }

  async resign(): Promise<void> {
    this.#parts.members.resign()
  }

  async postings(): Promise<ReadonlySet<string>> {
    this.#parts.check()
    return this.#parts.postings.names()
  }

  async room(priority: number): Promise<number> {
    this.#parts.check()
    return this.#parts.postings.room(priority)
  }

  /** @internal The session is a new one. */
  enterAgain(): void {
    if (this.#member !== null) this.#parts.members.enter(this.#member)
  }

  /** @internal The board has stopped. */
  end(): void {
    this.#member = null
    for (const unlisten of this.#unlisten) unlisten()
    this.#unlisten.clear()
  }
}
