/**
 * The tables. Each text that is compared or sorted is compared by its bytes, so that both databases give the same order.
 * Rows of flows lie by flow (SQLite: WITHOUT ROWID), so that loading one reads neighbours. Indexes are few: every commit pays
 * for each, so the states that are searched often have partial ones, which a row enters and leaves with its state.
 */
import type { Sql } from '../sql.ts'
import { name } from '../sql.ts'
import type { Migration, SchemaContext } from './migration.ts'

export const createTables: Migration = { name: '001_create_tables', up, down }

function up({ kind, tables }: SchemaContext): readonly Sql[] {
  const { prefix } = tables
  const isPostgres = kind === 'postgres'
  const text = isPostgres ? 'text collate "C"' : 'text'
  const time = isPostgres ? 'bigint' : 'integer'
  const json = isPostgres ? 'jsonb' : 'text'
  const flag = isPostgres ? 'boolean not null default false' : 'integer not null default 0'
  // Room in each page lets PostgreSQL update a row without touching its indexes.
  const updated = isPostgres ? ' with (fillfactor = 60)' : ''
  const byKey = isPostgres ? '' : ' without rowid'
  const byKeyUpdated = isPostgres ? ' with (fillfactor = 80)' : ' without rowid'
  return [
    `create table ${prefix}documents (
      hash ${text} primary key,
      body text not null,
      used_at ${time} not null
    )`,
    `create table ${prefix}flows (
      name ${text} not null,
      version integer not null,
      hash ${text} not null,
      created_at ${time} not null,
      primary key (name, version)
    )${byKey}`,
    // A job and its flow details are what TaskFlow calls a logbook.
    `create table ${prefix}jobs (
      id ${text} primary key,
      board ${text} not null,
      key ${text},
      flow ${text} not null,
      state ${text} not null,
      posting integer not null default 1,
      priority integer not null default 0,
      flow_id ${text} not null,
      epoch integer not null default 0,
      claim_id ${text},
      conductor ${text},
      revision integer not null default 0,
      mail integer not null default 0,
      history_seq integer not null default 0,
      due_at ${time},
      parked_for ${text},
      reason text,
      labels ${json} not null,
      traceparent text,
      posted_by text,
      scheduled_for ${time},
      content_hash ${text} not null,
      disorder ${flag},
      probation ${flag},
      probation_deaths integer not null default 0,
      created_at ${time} not null,
      updated_at ${time} not null,
      ended_at ${time}
    )${updated}`,
    `create unique index ${prefix}jobs_key on ${prefix}jobs (key, board) where key is not null`,
    // The board stands last: lists of all boards go by it too, and those of one skip the others within the index.
    `create index ${prefix}jobs_age on ${prefix}jobs (created_at, id, board)`,
    `create index ${prefix}jobs_claimable on ${prefix}jobs (board, priority desc, created_at, id) where state = 'UNCLAIMED'`,
    `create index ${prefix}jobs_claimed on ${prefix}jobs (conductor, claim_id) where state = 'CLAIMED'`,
    `create index ${prefix}jobs_parked on ${prefix}jobs (board, due_at) where state = 'PARKED'`,
    `create index ${prefix}jobs_ended on ${prefix}jobs (ended_at) where ended_at is not null`,
    `create table ${prefix}flow_details (
      id ${text} primary key,
      job_id ${text} not null,
      parent_id ${text},
      run integer not null,
      document ${text} not null,
      source ${text} not null,
      format integer not null,
      semantics integer not null,
      input ${json} not null,
      state ${text} not null,
      output text,
      failures text,
      reason text,
      created_at ${time} not null,
      started_at ${time},
      ended_at ${time}
    )${updated}`,
    `create unique index ${prefix}flow_details_run on ${prefix}flow_details (job_id, run)`,
    `create table ${prefix}scopes (
      flow_id ${text} not null,
      path ${text} not null,
      state ${text} not null,
      intention ${text} not null,
      due_at ${time},
      ignored ${text},
      failure text,
      primary key (flow_id, path)
    )${byKeyUpdated}`,
    // reply_to, copy and starts: where answers go, the broker epoch in which a copy is known to exist, how often one was let start again, less the starts that workers released.
    `create table ${prefix}atoms (
      flow_id ${text} not null,
      path ${text} not null,
      kind ${text} not null,
      state ${text} not null,
      attempt integer not null,
      execute_calls integer not null,
      revert_calls integer not null,
      due_at ${time},
      outcome ${text},
      ignored ${text},
      failure text,
      revert_failure text,
      rounds text,
      reply_to ${text},
      copy integer,
      starts integer not null default 0,
      primary key (flow_id, path)
    )${byKeyUpdated}`,
    `create table ${prefix}calls (
      flow_id ${text} not null,
      atom ${text} not null,
      direction ${text} not null,
      call integer not null,
      attempt integer not null,
      outcome ${text} not null,
      started_at ${time} not null,
      ended_at ${time} not null,
      failure text,
      primary key (flow_id, atom, direction, call)
    )${byKey}`,
    `create table ${prefix}results (
      flow_id ${text} not null,
      atom ${text} not null,
      direction ${text} not null,
      call integer not null,
      value text not null,
      primary key (flow_id, atom, direction, call)
    )${byKey}`,
    `create table ${prefix}history (
      job_id ${text} not null,
      seq integer not null,
      at ${time} not null,
      kind ${text} not null,
      name ${text} not null,
      from_state ${text} not null,
      state ${text} not null,
      attempt integer,
      call integer,
      failure text,
      primary key (job_id, seq)
    )${byKey}`,
    // number: the job's mail once this piece had arrived.
    `create table ${prefix}mailbox (
      job_id ${text} not null,
      key ${text} not null,
      kind ${text} not null,
      body text not null,
      at ${time} not null,
      number integer not null,
      primary key (job_id, key)
    )${byKey}`,
    `create table ${prefix}signals (
      board ${text} not null,
      name ${text} not null,
      key ${text} not null,
      body text not null,
      sent_by ${text},
      at ${time} not null,
      primary key (board, name, key)
    )${byKey}`,
    `create table ${prefix}processes (
      id ${text} primary key,
      kind ${text} not null,
      name ${text} not null,
      host ${text} not null,
      pid integer not null,
      board ${text} not null,
      topics ${json} not null,
      tasks ${json} not null,
      signatures ${json},
      load ${json} not null,
      started_at ${time} not null,
      seen_at ${time} not null,
      expires_at ${time} not null
    )${updated}`,
    // epoch grows when the marker queue of that broker is found missing; marker is the uuid in it.
    `create table ${prefix}brokers (
      name ${text} primary key,
      epoch integer not null,
      marker ${text} not null,
      changed_at ${time} not null
    )`,
  ].map(name)
}

function down({ tables }: SchemaContext): readonly Sql[] {
  const created = [
    'documents',
    'flows',
    'jobs',
    'flow_details',
    'scopes',
    'atoms',
    'calls',
    'results',
    'history',
    'mailbox',
    'signals',
    'processes',
    'brokers',
  ]
  return created.reverse().map((table) => name(`drop table ${tables.prefix}${table}`))
}
