/**
 * Changes of several callers that come at the same time, in one transaction: servers agree on it, write it down and answer it once.
 *
 * Invariants
 * T1  The steps of a caller are carried out all or none. Where a transaction is refused nothing of it was done: then each caller's steps are
 *     sent again alone, and who is refused is told why.
 * T2  Where its outcome is unknown, all of its callers are told so.
 * T3  Who comes alone does not wait: what comes while {@link AT_ONCE} transactions are under way goes with the next one.
 * T4  Only for what is right in whatever session it is carried out: nothing ephemeral.
 */
import type { TransactionStep, ZooKeeperClient } from './contract.ts'
import { NodeError } from './contract.ts'

const AT_ONCE = 4
/** Steps of one transaction: some 20 kB. */
const MOST_STEPS = 100

interface Change {
  readonly steps: readonly TransactionStep[]
  readonly alone: () => Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Together {
  readonly #client: Pick<ZooKeeperClient, 'transaction'>
  readonly #waiting: Change[] = []
  #underWay = 0

  constructor(client: Pick<ZooKeeperClient, 'transaction'>) {
    this.#client = client
  }

  /** `alone` does the same as the steps. Throws what it throws, or what the transaction of all does. */
  run(steps: readonly TransactionStep[], alone: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ steps, alone, resolve, reject })
      if (this.#underWay < AT_ONCE) void this.#runAll() // it never throws
    })
  }

  async #runAll(): Promise<void> {
    this.#underWay++
    while (this.#waiting.length > 0) await this.#runSome(this.#next())
    this.#underWay--
  }

  #next(): readonly Change[] {
    let count = 0
    const beyond = this.#waiting.findIndex(({ steps }, at) => {
      count += steps.length
      return at > 0 && count > MOST_STEPS
    })
    return this.#waiting.splice(0, beyond === -1 ? this.#waiting.length : beyond)
  }

  async #runSome(changes: readonly Change[]): Promise<void> {
    if (changes.length > 1) {
      try {
        await this.#client.transaction(changes.flatMap(({ steps }) => steps))
        for (const { resolve } of changes) resolve()
        return
      } catch (error) {
        if (!(error instanceof NodeError)) {
          for (const { reject } of changes) reject(error) // T2
          return
        }
      }
    }
    await Promise.all(changes.map(({ alone, resolve, reject }) => alone().then(resolve, reject)))
  }
}
