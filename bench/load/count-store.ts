import type { Store } from '../../persistence/store.ts'

/** How often a store was asked to write. */
export interface Count {
  /** Batches of flows. */
  readonly commits: number
  /** Claims, leases, and what else writes. Each is one transaction. */
  readonly others: number
}

/** What else commits a transaction. Reading is left out: nothing waits for the disk. */
const WRITES = new Set([
  'claimJobs',
  'adopt',
  'release',
  'beginProbation',
  'mail',
  'beat',
  'promote',
  'reap',
])

/** The same store, counting. */
export function countStore(store: Store): { readonly store: Store; readonly count: Count } {
  const count = { commits: 0, others: 0 }
  const counting = new Proxy(store, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: readonly unknown[]) => {
        if (name === 'commit') count.commits++
        else if (typeof name === 'string' && WRITES.has(name)) count.others++
        const answer: unknown = Reflect.apply(value, target, args)
        return answer
      }
    },
  })
  return { store: counting, count }
}
