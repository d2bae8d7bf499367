/**
 * Small writes of SQLite, several in one transaction: each would wait for the disk alone, and only one can write at a time.
 *
 * Invariants
 * Q1  A write's promise settles after the transaction that it was part of: what resolved is durable.
 * Q2  One that fails takes no other with it: those beside it are done again, each alone. When the database is away all are told.
 * Q3  A write that comes alone does not wait: what comes while it is under way is the next transaction.
 */
import type { Database } from './database.ts'
import type { ErrorMeaning } from './errors.ts'
import { DriverError } from './errors.ts'
import type { Executor } from './sql.ts'

/** Writes of one transaction: others, such as conductors, want to write too. */
const TOGETHER = 100

const AWAY: ReadonlySet<ErrorMeaning> = new Set(['busy', 'away'] as const)

interface Write {
  readonly work: (executor: Executor) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class WriteQueue {
  readonly #database: Pick<Database, 'transaction'>
  readonly #waiting: Write[] = []
  #isRunning = false

  constructor(database: Pick<Database, 'transaction'>) {
    this.#database = database
  }

  /** Does it in a transaction; it may be begun again, so it must not do anything but run statements. */
  run<T>(work: (executor: Executor) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // `work` gives a T, and its value comes back to nobody else.
      this.#waiting.push({ work, resolve: resolve as Write['resolve'], reject })
      if (!this.#isRunning) void this.#run() // never throws
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      const writes = this.#waiting.splice(0, TOGETHER)
      const error = await this.#together(writes)
      if (error === undefined) continue
      const isAlone = writes.length === 1
      const isAway = error instanceof DriverError && AWAY.has(error.meaning)
      for (const write of writes) {
        const why = isAlone || isAway ? error : await this.#together([write])
        if (why !== undefined) write.reject(why)
      }
    }
    this.#isRunning = false
  }

  /** What failed, if anything did. */
  async #together(writes: readonly Write[]): Promise<unknown> {
    try {
      const values = await this.#database.transaction(async (executor) => {
        const values: unknown[] = []
        for (const { work } of writes) values.push(await work(executor))
        return values
      })
      for (const [at, { resolve }] of writes.entries()) resolve(values[at])
      return undefined
    } catch (error) {
      return error ?? new Error('a write failed')
    }
  }
}
