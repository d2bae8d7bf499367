import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { migrateDown } from '../../persistence/schema.ts'
import { postgres } from '../../persistence/postgres.ts'
import { sqlite } from '../../persistence/sqlite.ts'
import { realClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { DATABASES, testDatabase } from './databases.ts'
import { post } from './fixtures.ts'

const MIGRATIONS = [
  '001_create_tables',
  '002_add_reply_queues',
  '003_add_postings',
  '004_add_schedules',
]

/**
 * What the migrations make. A column is text unless it says otherwise: `time` is bigint, `json` jsonb and `flag` boolean in
 * PostgreSQL, and integer, text and integer in SQLite. Whoever changes the schema adds a migration and changes
 * this; a released migration is never edited.
 */
const SCHEMA = `
atoms: flow_id! path! kind! state! attempt:int! execute_calls:int! revert_calls:int! due_at:time outcome ignored failure revert_failure rounds reply_to copy:int starts:int! | flow_id path
brokers: name! epoch:int! marker! changed_at:time! secret! | name
calls: flow_id! atom! direction! call:int! attempt:int! outcome! started_at:time! ended_at:time! failure | flow_id atom direction call
documents: hash! body! used_at:time! | hash
flow_details: id! job_id! parent_id run:int! document! source! format:int! semantics:int! input:json! state! output failures reason created_at:time! started_at:time ended_at:time | id
flows: name! version:int! hash! created_at:time! | name version
history: job_id! seq:int! at:time! kind! name! from_state! state! attempt:int call:int failure | job_id seq
jobs: id! board! key flow! state! posting:int! priority:int! flow_id! epoch:int! claim_id conductor revision:int! mail:int! history_seq:int! due_at:time parked_for reason labels:json! traceparent posted_by scheduled_for:time content_hash! disorder:flag! probation:flag! probation_deaths:int! created_at:time! updated_at:time! ended_at:time tenant! outside:flag! | id
mailbox: job_id! key! kind! body! at:time! number:int! | job_id key
migrations: name! applied_at:time! | name
processes: id! kind! name! host! pid:int! board! topics:json! tasks:json! signatures:json load:json! started_at:time! seen_at:time! expires_at:time! | id
reply_queues: queue! conductor! created_at:time! | queue
results: flow_id! atom! direction! call:int! value! | flow_id atom direction call
schedules: board! name! group_name spec! hash! flow! reference source! document! paused:flag! anchor_at:time! next_at:time due_at:time missed_before:time last_tick_at:time last_job_id queued posted:int! skipped:int! missed:int! problem revision:int! created_at:time! updated_at:time! | board name
scopes: flow_id! path! state! intention! due_at:time ignored failure | flow_id path
signals: board! name! key! body! sent_by at:time! | board name key
atoms_sent: atoms (reply_to)
flow_details_run: unique flow_details (job_id, run)
jobs_age: jobs (created_at, id, board)
jobs_claimable: jobs (board, priority, created_at, id)
jobs_claimed: jobs (conductor, claim_id)
jobs_ended: jobs (ended_at)
jobs_key: unique jobs (key, board)
jobs_parked: jobs (board, due_at)
jobs_posting: jobs (board, priority, tenant, created_at, id)
schedules_due: schedules (board, due_at)
schedules_queued: schedules (board)
`

for (const { name, skip } of DATABASES) {
  describe(`the schema in ${name}`, { skip }, () => {
    it('has these tables, columns (! is never null), primary keys and indexes', async (t) => {
      const found = name === 'PostgreSQL' ? await postgresSchema(t) : await sqliteSchema(t)
      const expected =
        name === 'PostgreSQL'
          ? SCHEMA
          : SCHEMA.replace(/:(time|flag)/g, ':int').replaceAll(':json', '')
      assert.equal(found, expected.trim())
    })

    it('can be taken back and made again', async (t) => {
      const { url, namespace, store } = await testDatabase(t, name)
      const first = await store()
      await post(first)
      const dialect =
        name === 'PostgreSQL'
          ? postgres({ url, prefix: namespace, statementTimeoutMs: 15_000 })
          : sqlite({
              file: url.slice('sqlite:'.length),
              driver: 'sqlite3',
              prefix: namespace,
              synchronous: 'NORMAL',
              clock: realClock,
              logger: silentLogger,
            })
      await dialect.database.start()
      t.after(() => dialect.database.stop())
      for (let left = MIGRATIONS.length - 1; left >= 0; left -= 1) {
        assert.deepEqual(await migrateDown(dialect), {
          applied: MIGRATIONS.slice(0, left),
          pending: MIGRATIONS.slice(left),
        })
      }
      assert.deepEqual(await migrateDown(dialect), { applied: [], pending: MIGRATIONS })
      assert.deepEqual(await first.migrate(), { applied: MIGRATIONS, pending: [] })
      assert.deepEqual((await first.findJobs({})).jobs, [])
      await post(first)
    })

    it('may be newer than this version: a release reads what the next one has added to', async (t) => {
      const { namespace, store, knex } = await testDatabase(t, name)
      const first = await store()
      await knex()(`${namespace}migrations`).insert({ name: '999_of_the_future', applied_at: 1 })
      const { applied, pending } = await first.schemaStatus()
      assert.deepEqual([applied, pending], [[...MIGRATIONS, '999_of_the_future'], []])
      await post(await store())
    })
  })
}

interface ColumnRow {
  readonly table: string
  readonly column: string
  readonly type: string
  readonly required: boolean
  /** Place in the primary key, from 1. */
  readonly key: number | null
}

interface IndexRow {
  readonly name: string
  readonly table: string
  readonly unique: boolean
  /** Separated by `, `. */
  readonly columns: string
}

const TYPES: { readonly [type: string]: string } = {
  text: '',
  integer: ':int',
  bigint: ':time',
  jsonb: ':json',
  boolean: ':flag',
}

function describeSchema(
  columns: readonly ColumnRow[],
  indexes: readonly IndexRow[],
  prefix: string,
): string {
  const plain = (text: string) => text.slice(prefix.length)
  const tables = [...new Set(columns.map(({ table }) => table))].sort()
  const lines = tables.map((table) => {
    const own = columns.filter((one) => one.table === table)
    const names = own.map((one) => {
      return `${one.column}${TYPES[one.type] ?? one.type}${one.required ? '!' : ''}`
    })
    const keys = own.filter(({ key }) => key !== null).sort((a, b) => (a.key ?? 0) - (b.key ?? 0))
    return `${plain(table)}: ${names.join(' ')} | ${keys.map(({ column }) => column).join(' ')}`
  })
  const sorted = indexes.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name, table, unique, columns: own } of sorted) {
    lines.push(`${plain(name)}: ${unique ? 'unique ' : ''}${plain(table)} (${own})`)
  }
  return lines.join('\n')
}

async function sqliteSchema(t: TestContext): Promise<string> {
  const { namespace, store, knex } = await testDatabase(t, 'SQLite')
  await store()
  const own = knex()
  const columns = await own.raw<readonly (ColumnRow & { notnull: number; pk: number })[]>(`
    select m.name as "table", c.name as "column", case lower(c.type) when 'bigint' then 'integer' else lower(c.type) end as type, c."notnull", c.pk
    from sqlite_master as m, pragma_table_info(m.name) as c where m.type = 'table' order by m.name, c.cid`)
  const indexes = await own.raw<readonly IndexRow[]>(`
    select i.name, m.name as "table", i."unique",
      (select group_concat(c.name, ', ' order by c.seqno) from pragma_index_info(i.name) as c) as columns
    from sqlite_master as m, pragma_index_list(m.name) as i
    where m.type = 'table' and i.origin = 'c'`)
  return describeSchema(
    columns.map((row) => ({
      ...row,
      required: row.notnull === 1 || row.pk > 0,
      key: row.pk === 0 ? null : row.pk,
    })),
    indexes,
    namespace,
  )
}

async function postgresSchema(t: TestContext): Promise<string> {
  const { namespace, store, knex } = await testDatabase(t, 'PostgreSQL')
  await store()
  const own = knex()
  const like = `${namespace.replaceAll('_', '\\_')}%`
  const columns = await own.raw<{ readonly rows: readonly ColumnRow[] }>(
    `select c.relname as "table", a.attname as "column", format_type(a.atttypid, null) as type, a.attnotnull as required,
       array_position(i.indkey::int2[], a.attnum) as key
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
     join pg_index i on i.indrelid = c.oid and i.indisprimary
     where c.relkind = 'r' and c.relname like :like order by c.relname, a.attnum`,
    { like },
  )
  const indexes = await own.raw<{ readonly rows: readonly IndexRow[] }>(
    `select x.relname as name, c.relname as "table", i.indisunique as "unique",
       (select string_agg(a.attname, ', ' order by a.attnum) from pg_attribute a where a.attrelid = x.oid) as columns
     from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
     where not i.indisprimary and c.relname like :like`,
    { like },
  )
  // int2vector counts from 0, so its cast to an array does too.
  return describeSchema(columns.rows, indexes.rows, namespace)
}
