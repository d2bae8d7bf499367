/** A board's fleet, put together from its parts. */
import type { BoardFleet } from '../jobboard.ts'
import type { Inventory } from './inventory.ts'
import type { Leadership } from './leadership.ts'
import { readKey } from './names.ts'
import type { Registration } from './registration.ts'
import type { Window } from './window.ts'

export interface FleetParts {
  /** Who leads where nobody has joined. */
  readonly idHere: string
  readonly registration: Registration
  readonly leadership: Leadership
  readonly inventory: Inventory
  readonly window: Window
  readonly listeners: Set<() => void>
  /** Runs an operation of a board that is started, with its errors as callers may see them. */
  readonly run: <T>(operation: () => Promise<T>) => Promise<T>
}

export function fleetOf(parts: FleetParts): BoardFleet {
  const { registration, leadership, inventory, window, listeners, run } = parts
  const id = (): string => registration.member?.id ?? parts.idHere
  return {
    join: (member) => run(() => registration.join(member)),
    leave: () => run(() => registration.leave()),
    members: () =>
      run(async () => {
        const members = await registration.members()
        return members.map((member) => ({
          id: member.id,
          name: member.name,
          capacity: member.capacity,
        }))
      }),
    onMembers: (listener) => {
      const own = (): void => listener()
      listeners.add(own)
      registration.watch()
      return () => void listeners.delete(own)
    },
    lead: () => run(() => leadership.lead(id())),
    leader: () => run(() => leadership.leader()),
    resign: () => run(() => leadership.resign(id())),
    postings: () =>
      run(async () => {
        const [places, isAudited] = await Promise.all([inventory.places(), inventory.audit()])
        if (isAudited) await registration.members()
        const read = [...places.keys()].flatMap((key) => readKey(key) ?? [])
        return new Set(read.map(({ jobId, posting }) => `${jobId}.${posting}`))
      }),
    room: (priority) => run(() => window.room(priority)),
  }
}
