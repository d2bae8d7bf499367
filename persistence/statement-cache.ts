/**
 * Keeps the statements of a SQLite connection prepared. knex has its drivers prepare each statement anew, which is a quarter of what a
 * group commit costs. One connection is used by one caller at a time, so a statement is never in use twice.
 */

/** More than the statements of this folder; where shapes of filters make more, all are forgotten. */
const MAX_STATEMENTS = 200

/** What is used of a connection of `better-sqlite3`, whose `prepare` is synchronous. */
export interface SyncConnection {
  prepare(text: string): unknown
}

/** What is used of a connection of `sqlite3`. */
export interface AsyncConnection {
  all(text: string, ...rest: readonly unknown[]): unknown
  prepare(text: string, done: (error: Error | null) => void): AsyncStatement
  close(done: (error: Error | null) => void): void
}

interface AsyncStatement {
  all(...rest: readonly unknown[]): unknown
  finalize(done: () => void): void
}

/** Lets a connection of `better-sqlite3` remember what it prepared. */
export function cacheSyncStatements(connection: SyncConnection): void {
  const statements = new Map<string, unknown>()
  const prepare = connection.prepare.bind(connection)
  connection.prepare = (text) => {
    let statement = statements.get(text)
    if (statement === undefined) {
      if (statements.size >= MAX_STATEMENTS) statements.clear()
      statements.set(text, (statement = prepare(text)))
    }
    return statement
  }
}

/** Lets a connection of `sqlite3` remember what it prepared; they are finalized before it closes. */
export function cacheAsyncStatements(connection: AsyncConnection): void {
  const statements = new Map<string, AsyncStatement>()
  const close = connection.close.bind(connection)
  const finalizeAll = async (): Promise<void> => {
    const all = [...statements.values()]
    statements.clear()
    for (const statement of all) await new Promise<void>((done) => statement.finalize(done))
  }
  connection.all = (text, ...rest) => {
    const ready = statements.get(text)
    if (ready !== undefined) return ready.all(...rest)
    const fail = rest.at(-1)
    const statement = connection.prepare(text, (error) => {
      if (error !== null) {
        if (typeof fail === 'function') Reflect.apply(fail, connection, [error])
        return
      }
      if (statements.size >= MAX_STATEMENTS) void finalizeAll()
      statements.set(text, statement)
      statement.all(...rest)
    })
    return connection
  }
  connection.close = (done) => {
    void finalizeAll().then(() => close(done))
  }
}
