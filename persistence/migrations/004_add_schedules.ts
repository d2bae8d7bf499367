/**
 * Schedules: one row each. Who looks for what is due, which every conductor does all the time, reads two small indexes; a row that ended
 * or is paused is in neither.
 */
import { name } from '../sql.ts'
import type { Sql } from '../sql.ts'
import type { Migration, SchemaContext } from './migration.ts'

export const addSchedules: Migration = { name: '004_add_schedules', up, down }

function up({ kind, tables }: SchemaContext): readonly Sql[] {
  const { prefix } = tables
  const isPostgres = kind === 'postgres'
  const text = isPostgres ? 'text collate "C"' : 'text'
  const time = isPostgres ? 'bigint' : 'integer'
  const flag = isPostgres ? 'boolean not null default false' : 'integer not null default 0'
  return [
    `create table ${prefix}schedules (
      board ${text} not null,
      name ${text} not null,
      group_name ${text},
      spec text not null,
      hash ${text} not null,
      flow ${text} not null,
      reference ${text},
      source ${text} not null,
      document ${text} not null,
      paused ${flag},
      anchor_at ${time} not null,
      next_at ${time},
      due_at ${time},
      missed_before ${time},
      last_tick_at ${time},
      last_job_id ${text},
      queued text,
      posted integer not null default 0,
      skipped integer not null default 0,
      missed integer not null default 0,
      problem text,
      revision integer not null,
      created_at ${time} not null,
      updated_at ${time} not null,
      primary key (board, name)
    )${isPostgres ? '' : ' without rowid'}`,
    `create index ${prefix}schedules_due on ${prefix}schedules (board, due_at) where due_at is not null`,
    `create index ${prefix}schedules_queued on ${prefix}schedules (board) where queued is not null`,
  ].map(name)
}

function down({ tables }: SchemaContext): readonly Sql[] {
  return [name(`drop table ${tables.prefix}schedules`)]
}
