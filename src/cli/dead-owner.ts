import { hostname } from 'node:os'
import type { JobRecord, Store } from '../../persistence/store.ts'

/**
 * Takes a run from a process that is dead. Its lease would run out by itself, but on its own host one can see that it is gone, and
 * nobody wants to wait for what he has killed. Where that cannot be seen, the lease is waited for: the fence holds either way.
 * True: it was taken.
 */
export async function takeFromTheDead(
  store: Pick<Store, 'processes' | 'endProcess'>,
  { state, conductor }: Pick<JobRecord, 'state' | 'conductor'>,
): Promise<boolean> {
  if (state !== 'CLAIMED' || conductor === null) return false
  const owner = (await store.processes()).find(({ id }) => id === conductor)
  if (owner === undefined || owner.host !== hostname() || lives(owner.pid)) return false
  await store.endProcess(owner.id)
  return true
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
