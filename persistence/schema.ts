import { MigrationNeededError } from '../src/base/errors.ts'
import type { Dialect } from './dialect.ts'
import { migrations } from './migrations/index.ts'
import type { Executor } from './sql.ts'
import { name, sql } from './sql.ts'
import type { SchemaStatus } from './store.ts'

/** Brings the schema to the newest version, in one transaction; others who do the same wait, then find it done. */
export async function migrate(dialect: Dialect): Promise<SchemaStatus> {
  await dialect.database.transaction(async (executor) => {
    await dialect.lockMigrations(executor)
    await executor.run(
      name(
        `create table if not exists ${dialect.tables.prefix}migrations (name text primary key, applied_at bigint not null)`,
      ),
    )
    const applied = new Set(await appliedNames(dialect, executor))
    for (const migration of migrations) {
      if (applied.has(migration.name)) continue
      for (const statement of migration.up(dialect)) await executor.run(statement)
      await executor.run(sql`
        insert into ${dialect.tables.migrations} (name, applied_at) values (${migration.name}, ${dialect.now()})`)
    }
  })
  return schemaStatus(dialect)
}

/** Takes back the last migration; what is in its tables is lost. For developers. */
export async function migrateDown(dialect: Dialect): Promise<SchemaStatus> {
  await dialect.database.transaction(async (executor) => {
    await dialect.lockMigrations(executor)
    const last = (await appliedNames(dialect, executor)).at(-1)
    const migration = migrations.find((one) => one.name === last)
    if (migration === undefined) return
    for (const statement of migration.down(dialect)) await executor.run(statement)
    await executor.run(sql`delete from ${dialect.tables.migrations} where name = ${migration.name}`)
  })
  return schemaStatus(dialect)
}

/** What was applied, and what this version knows beyond it. */
export async function schemaStatus(dialect: Dialect): Promise<SchemaStatus> {
  const applied = (await hasMigrations(dialect))
    ? await appliedNames(dialect, dialect.database)
    : []
  const pending = migrations.map((one) => one.name).filter((one) => !applied.includes(one))
  return { applied, pending }
}

/** Throws {@link MigrationNeededError} when the schema is older than this version. */
export async function requireSchema(dialect: Dialect): Promise<void> {
  const { applied, pending } = await schemaStatus(dialect)
  const needed = pending.at(-1)
  if (needed === undefined) return
  throw new MigrationNeededError({
    database: dialect.database.server,
    found: applied.at(-1),
    needed,
  })
}

async function appliedNames({ tables }: Dialect, executor: Executor): Promise<string[]> {
  const rows = await executor.run(sql`select name from ${tables.migrations} order by name`)
  return rows.map((row) => String(row['name']))
}

async function hasMigrations({ kind, tables, database }: Dialect): Promise<boolean> {
  const table = tables.migrations.text
  const query =
    kind === 'postgres'
      ? sql`select 1 as there where to_regclass(${table}) is not null`
      : sql`select 1 as there from sqlite_master where type = 'table' and name = ${table}`
  return (await database.run(query)).length > 0
}
