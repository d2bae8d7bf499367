import type { Sql } from '../sql.ts'
import type { TableNames } from '../tables.ts'

/** A step of the schema. Never edited once it was released. */
export interface Migration {
  /** As the migration table has it; also its order. */
  readonly name: string
  up(schema: SchemaContext): readonly Sql[]
  down(schema: SchemaContext): readonly Sql[]
}

/** What a migration writes its statements with. */
export interface SchemaContext {
  readonly kind: 'sqlite' | 'postgres'
  readonly tables: TableNames
}
