/**
 * What boards outside the store need: which jobs are for one (`outside`), and those that wait to be put on it, by priority, then tenant,
 * then age. The index has the rows of that state alone, so boards in SQL do not pay for it.
 */
import { name } from '../sql.ts'
import type { Sql } from '../sql.ts'
import type { Migration, SchemaContext } from './migration.ts'

export const addPostings: Migration = { name: '003_add_postings', up, down }

function up({ kind, tables }: SchemaContext): readonly Sql[] {
  const { prefix } = tables
  const isPostgres = kind === 'postgres'
  const text = isPostgres ? 'text collate "C"' : 'text'
  const flag = isPostgres ? 'boolean not null default false' : 'integer not null default 0'
  const label = isPostgres ? `labels ->> 'tenant'` : `json_extract(labels, '$.tenant')`
  return [
    `alter table ${prefix}jobs add column tenant ${text} not null default ''`,
    `alter table ${prefix}jobs add column outside ${flag}`,
    `update ${prefix}jobs set tenant = ${label} where ended_at is null and ${label} is not null`,
    `create index ${prefix}jobs_posting on ${prefix}jobs (board, priority desc, tenant, created_at, id) where state = 'POSTING'`,
  ].map(name)
}

function down({ tables }: SchemaContext): readonly Sql[] {
  const { prefix } = tables
  return [
    `drop index ${prefix}jobs_posting`,
    `alter table ${prefix}jobs drop column outside`,
    `alter table ${prefix}jobs drop column tenant`,
  ].map(name)
}
