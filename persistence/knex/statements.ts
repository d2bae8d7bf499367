/**
 * Statements of a store in a database, and the hints that follow from them: what all of its parts share.
 *
 * Invariants
 * K1  Each call of a store is one transaction (most are one statement), and may be made again when its answer was lost.
 */
import { InvalidInputError } from '../../src/base/errors.ts'
import type { Dialect } from '../dialect.ts'
import { DriverError } from '../errors.ts'
import { Hints } from '../hints.ts'
import { readRecord, type Column } from '../rows.ts'
import type { Row, Sql } from '../sql.ts'

/** Runs statements of one dialect. */
export class Statements {
  readonly dialect: Dialect
  readonly hints = new Hints()

  constructor(dialect: Dialect) {
    this.dialect = dialect
  }

  /** Runs one statement, until the database answers (K1). `named` as in {@link runOnce}. */
  async run(statement: Sql, named?: string): Promise<readonly Row[]> {
    return this.attempt(() => this.runOnce(statement, named))
  }

  /** The same, and reads its rows. */
  async select<T>(
    columns: readonly Column<T>[],
    statement: Sql,
    named?: string,
  ): Promise<readonly T[]> {
    return (await this.run(statement, named)).map((row) => readRecord(columns, row))
  }

  /** Runs one statement. `named`: its text is the same whenever this name is given; PostgreSQL plans it once for each connection. */
  runOnce(statement: Sql, named: string | undefined): Promise<readonly Row[]> {
    const { kind, database } = this.dialect
    return database.run(statement, kind === 'postgres' ? named : undefined)
  }

  /** Tries until the database answers (K1). Rows that it refuses are the caller's fault: `InvalidInputError`. */
  async attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.dialect.database.attempt(work)
    } catch (error) {
      throw asInputError(error)
    }
  }

  /** Tries once: a caller's transaction that failed is the caller's to begin again. Refused rows as in {@link attempt}. */
  async once<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.dialect.database.once(work)
    } catch (error) {
      throw asInputError(error)
    }
  }

  /** Tells that there are claimable jobs on these boards. */
  hintClaimable(boards: readonly string[]): void {
    for (const board of new Set(boards)) this.hints.give({ kind: 'claimable', board })
  }
}

function asInputError(error: unknown): unknown {
  if (!(error instanceof DriverError)) return error
  return new InvalidInputError([{ path: '', message: error.message }], {
    subject: 'what was given to the store',
    cause: error.cause,
  })
}
