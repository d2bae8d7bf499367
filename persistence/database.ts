/**
 * A database behind knex: statements, transactions, and trying again.
 *
 * Invariants
 * D1  Nothing of a driver leaves here but rows and {@link DriverError}s; after `attempt`, rows and Zagflow's errors.
 * D2  Who is tried again must be harmless to do twice: an answer that was lost may have been a success.
 * D3  After `stop()` no connection and no timer is left.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { ClosedError, UnavailableError, UsageError } from '../src/base/errors.ts'
import type { ErrorMeaning } from './errors.ts'
import { DriverError, reasonOf } from './errors.ts'
import { propertyOf } from './property.ts'
import type { Binding, Executor, Row, Sql } from './sql.ts'

export interface DatabaseOptions {
  /** As messages name it: without password. */
  readonly server: string
  /** Opens the pool; no connection is made before the first statement. */
  readonly open: () => Promise<Knex>
  readonly meaning: (error: unknown) => ErrorMeaning
  /** `begin`, or what else begins a transaction that writes. */
  readonly begin: string
  /** After this many ms without an answer the connection is given up; undefined: never. */
  readonly timeoutMs?: number | undefined
  /** How knex writes the n-th binding into the text of a statement. */
  readonly placeholder: (n: number) => string
}

/** How long somebody else may be in the way before we say so. */
const BUSY_MS = 10_000
/** Waits before the next try when the database is away. */
const AWAY_DELAYS_MS = [50, 250, 1_000]

export class Database implements Executor {
  readonly server: string
  readonly #options: DatabaseOptions
  #knex: Knex | undefined
  #closed: AbortController | undefined

  constructor(options: DatabaseOptions) {
    this.server = options.server
    this.#options = options
  }

  async start(): Promise<void> {
    if (this.#knex !== undefined) return
    this.#closed = new AbortController()
    // Everything that waits to be tried again listens to it: while the database is away, that is many.
    setMaxListeners(0, this.#closed.signal)
    this.#knex = await this.#options.open()
  }

  async stop(): Promise<void> {
    this.#closed?.abort()
    const knex = this.#knex
    this.#knex = undefined
    await knex?.destroy()
  }

  get isOpen(): boolean {
    return this.#knex !== undefined
  }

  /** One statement, committed by itself. */
  async run(statement: Sql, named?: string): Promise<readonly Row[]> {
    return this.#run(this.#pool(), undefined, statement, named)
  }

  /** Several statements, all or nothing. */
  async transaction<T>(work: (executor: Executor) => Promise<T>): Promise<T> {
    const knex = this.#pool()
    const pool = poolOf(knex)
    const connection = await pool.acquireConnection().catch((error: unknown) => {
      throw this.#driverError(error, '')
    })
    const run = (statement: Sql): Promise<readonly Row[]> => this.#run(knex, connection, statement)
    const plain = (text: string): Promise<readonly Row[]> => run({ text, bindings: [] })
    try {
      await plain(this.#options.begin)
      try {
        const result = await work({ run })
        await plain('commit')
        return result
      } catch (error) {
        // It may have been rolled back already (SQLite: disk full).
        if (!isGone(connection)) await plain('rollback').catch(() => undefined)
        throw error
      }
    } finally {
      await pool.releaseConnection(connection)
    }
  }

  /** The caller's own transaction. Throws {@link UsageError} when it is none of this database's kind. */
  within(transaction: unknown): Executor {
    const knex = this.#pool()
    if (!isTransaction(transaction) || dialectOf(transaction) !== dialectOf(knex)) {
      throw new UsageError('the transaction is none that this store can write in', {
        hint: `give a knex transaction of the database ${this.server}`,
      })
    }
    return { run: (statement) => this.#run(transaction, undefined, statement) }
  }

  /**
   * Does something that may be done twice, again and again while the database is busy or away. Throws
   * {@link UnavailableError} when that lasts, {@link DriverError} when rows were refused.
   */
  async attempt<T>(work: () => Promise<T>): Promise<T> {
    const began = performance.now()
    const delays = AWAY_DELAYS_MS.values()
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof DriverError) || error.meaning === 'refused') throw error
        if (this.#closed?.signal.aborted === true) throw new ClosedError(`the store ${this.server}`)
        const delayMs = delayAfter(error.meaning, performance.now() - began, delays)
        if (delayMs === undefined) throw unavailable(this.server, error)
        // Ended early by stop(), which the next round sees.
        await sleep(delayMs, undefined, { signal: this.#closed?.signal }).catch(() => undefined)
      }
    }
  }

  /** Does something once, in the caller's transaction: what fails there is the caller's to begin again. */
  async once<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof DriverError && error.meaning !== 'refused') {
        throw unavailable(this.server, error)
      }
      throw error
    }
  }

  #pool(): Knex {
    if (this.#knex !== undefined) return this.#knex
    if (this.#closed !== undefined) throw new ClosedError(`the store ${this.server}`)
    throw new UsageError('the store was not started', { hint: 'await store.start() first' })
  }

  async #run(
    knex: Knex | Knex.Transaction,
    connection: unknown,
    statement: Sql,
    named?: string,
  ): Promise<readonly Row[]> {
    try {
      // knex's type of bindings knows no readonly lists.
      let query = knex.raw<unknown>(statement.text, statement.bindings as Binding[] as never)
      if (connection !== undefined) query = query.connection(connection)
      if (named !== undefined) query = query.options({ name: named })
      const { timeoutMs } = this.#options
      // In the caller's transaction waiting is the caller's to bound.
      if (timeoutMs !== undefined && knex === this.#knex) query = query.timeout(timeoutMs)
      return rowsOf(await query)
    } catch (error) {
      throw this.#driverError(error, statement.text)
    }
  }

  #driverError(error: unknown, text: string): DriverError {
    if (error instanceof DriverError) return error
    let n = 0
    const positioned = text.replaceAll('?', () => this.#options.placeholder(++n))
    return new DriverError(this.#options.meaning(error), reasonOf(error, positioned), error)
  }
}

/** How long to wait before the next try; undefined: no more tries. */
function delayAfter(
  meaning: ErrorMeaning,
  spentMs: number,
  delays: Iterator<number>,
): number | undefined {
  switch (meaning) {
    case 'busy':
      // Random, so that those who met here do not meet again.
      return spentMs < BUSY_MS ? 2 + Math.random() * 40 : undefined
    case 'away': {
      const next = delays.next()
      return next.done === true ? undefined : next.value * (0.75 + Math.random() / 2)
    }
    case 'refused':
    case 'other':
      return undefined
  }
}

function unavailable(server: string, error: DriverError): UnavailableError {
  const hint =
    error.meaning === 'other' && /does not exist|no such (table|column)/i.test(error.message)
      ? 'run: zagflow db status'
      : undefined
  return new UnavailableError(server, { reason: error.message, hint, cause: error.cause })
}

/** Drivers give a list (SQLite), an object with a list (PostgreSQL), or what was changed. */
function rowsOf(result: unknown): readonly Row[] {
  const rows = Array.isArray(result) ? result : propertyOf(result, 'rows')
  return Array.isArray(rows) ? (rows as readonly Row[]) : []
}

/** Whether knex will not use a connection again: it broke, or an answer did not come in time. */
function isGone(connection: unknown): boolean {
  return Boolean(propertyOf(connection, '__knex__disposed'))
}

/** The part of knex's client that hands out connections; knex itself types it `any`. */
interface Pool {
  acquireConnection(): Promise<unknown>
  releaseConnection(connection: unknown): Promise<void>
}

function poolOf(knex: Knex): Pool {
  return knex.client as Pool
}

function dialectOf(knex: Knex): unknown {
  return propertyOf(knex.client, 'dialect')
}

function isTransaction(value: unknown): value is Knex.Transaction {
  if (typeof value !== 'function') return false
  return 'isTransaction' in value && value.isTransaction === true && 'client' in value
}
