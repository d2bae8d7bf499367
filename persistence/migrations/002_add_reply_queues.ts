/**
 * What workers elsewhere need: the key of a broker's tokens, and the queues that answers come to. Atoms are found by their queue
 * through a partial index: rows without one, which are all where calls run in the conductor's process, do not touch it.
 */
import { name } from '../sql.ts'
import type { Sql } from '../sql.ts'
import type { Migration, SchemaContext } from './migration.ts'

export const addReplyQueues: Migration = { name: '002_add_reply_queues', up, down }

function up({ kind, tables }: SchemaContext): readonly Sql[] {
  const { prefix } = tables
  const isPostgres = kind === 'postgres'
  const text = isPostgres ? 'text collate "C"' : 'text'
  const time = isPostgres ? 'bigint' : 'integer'
  return [
    // No release has written a row of a broker: none is left without a secret.
    `delete from ${prefix}brokers`,
    `alter table ${prefix}brokers add column secret text not null default ''`,
    `create table ${prefix}reply_queues (
      queue ${text} primary key,
      conductor ${text} not null,
      created_at ${time} not null
    )`,
    `create index ${prefix}atoms_sent on ${prefix}atoms (reply_to) where reply_to is not null`,
  ].map(name)
}

function down({ tables }: SchemaContext): readonly Sql[] {
  const { prefix } = tables
  return [
    `drop index ${prefix}atoms_sent`,
    `drop table ${prefix}reply_queues`,
    `alter table ${prefix}brokers drop column secret`,
  ].map(name)
}
