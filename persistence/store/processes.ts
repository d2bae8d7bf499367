/** Who lives: conductors and workers, by their leases. */
import type { Json } from '../../src/base/json.ts'

/** A conductor or worker that lives: announced, renewed, and gone when `expiresAt` has passed. */
export interface ProcessRecord {
  readonly id: string
  readonly kind: 'conductor' | 'worker'
  readonly name: string
  readonly host: string
  readonly pid: number
  readonly board: string
  readonly topics: readonly string[]
  /** Names of the tasks that it serves; for workers their signatures. */
  readonly tasks: readonly string[]
  readonly signatures?: Json | undefined
  readonly load: Json
  readonly startedAt: number
  readonly seenAt: number
  readonly expiresAt: number
}

/** What `beat` writes: everything but the times, which are the database's; `leaseMs` from now it expires. */
export type Heartbeat = Omit<ProcessRecord, 'startedAt' | 'seenAt' | 'expiresAt'> & {
  readonly leaseMs: number
}

/** Announcing oneself, and seeing who else lives. */
export interface ProcessStore {
  /**
   * Announces or renews a process; false: the lease had run out meanwhile (its claims may be others' by now), or the id is that of a
   * process of another kind, which stays as it is.
   */
  beat(process: Heartbeat): Promise<boolean>
  /** Forgets a process; of that kind only, if one is given. */
  endProcess(id: string, kind?: ProcessRecord['kind']): Promise<void>
  /** Those whose lease holds, by kind and id. */
  processes(filter?: {
    readonly kind?: 'conductor' | 'worker'
    readonly board?: string
  }): Promise<readonly ProcessRecord[]>
}
