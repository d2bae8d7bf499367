/** A store's own life in a database: its connection, its schema, its clock, its hints. */
import { migrate, requireSchema, schemaStatus } from '../schema.ts'
import { sql } from '../sql.ts'
import type { StoreLife } from '../store.ts'
import type { Statements } from './statements.ts'

/** Connects and closes, migrates, tells the time and gives hints. */
export function lifeIn(statements: Statements): StoreLife {
  const { dialect, hints } = statements
  const { database } = dialect

  /** For what is also done before `start`, such as migrating. */
  const connected = async <T>(work: () => Promise<T>): Promise<T> => {
    const wasOpen = database.isOpen
    await database.start()
    try {
      return await statements.attempt(work)
    } finally {
      if (!wasOpen) await database.stop()
    }
  }

  const migrateIfNeeded = async (): Promise<void> => {
    const { pending } = await schemaStatus(dialect)
    if (pending.length > 0) await migrate(dialect)
  }

  return {
    kind: dialect.kind,

    async start() {
      await database.start()
      try {
        await statements.attempt(() =>
          dialect.migratesItself ? migrateIfNeeded() : requireSchema(dialect),
        )
      } catch (error) {
        await database.stop()
        throw error
      }
    },

    async stop() {
      hints.clear()
      await database.stop()
    },

    migrate: () => connected(() => migrate(dialect)),

    schemaStatus: () => connected(() => schemaStatus(dialect)),

    async now() {
      const [row] = await statements.run(sql`select ${dialect.now()} as now`)
      return Number(row?.['now'])
    },

    onHint: (listener) => hints.add(listener),
  }
}
