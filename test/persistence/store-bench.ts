import type { TestContext } from 'node:test'
import type { Store } from '../../persistence/store.ts'

/** A store of one test, started, and further ones on the same data (as other processes would have). */
export interface StoreBench {
  readonly store: Store
  /** Memory gives the same store again. */
  another(): Promise<Store>
}

/** Opens a fresh one; it is closed when the test ends. */
export type OpenBench = (t: TestContext) => Promise<StoreBench>
