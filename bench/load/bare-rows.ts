/**
 * The bare limit of durable work: rows a second through a database's own driver, in statements of 100 rows, each its own
 * commit. The row is about as wide as that of an atom, the table has one index, its key, and the statement is prepared.
 */
import { createRequire } from 'node:module'
import { Client } from 'pg'

/** Inserts that many rows, and says how many a second. */
export interface BareRows {
  insert(rows: number): Promise<number>
  close(): Promise<void>
}

const ROWS = 100
const COLUMNS = [
  'flow_id',
  'path',
  'kind',
  'state',
  'attempt',
  'calls',
  'due_at',
  'outcome',
] as const
const TABLE = `bare (flow_id text not null, path text not null, kind text not null, state text not null,
  attempt integer not null, calls integer not null, due_at bigint, outcome text, primary key (flow_id, path))`

type Value = string | number

/** The values of one statement. No two statements have a row in common. */
function* statements(rows: number): Generator<Value[]> {
  const batch = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`
  for (let at = 0; at < rows; at += ROWS) {
    const values: Value[] = []
    for (let row = 0; row < ROWS; row++) {
      values.push(
        `${batch}-${at}`,
        `flow/task-${row}`,
        'task',
        'SUCCESS',
        1,
        1,
        Date.now(),
        'success',
      )
    }
    yield values
  }
}

function insertion(placeholder: (n: number) => string): string {
  const tuples: string[] = []
  for (let row = 0; row < ROWS; row++) {
    const marks = COLUMNS.map((_, column) => placeholder(row * COLUMNS.length + column + 1))
    tuples.push(`(${marks.join(', ')})`)
  }
  return `insert into bare (${COLUMNS.join(', ')}) values ${tuples.join(', ')}`
}

async function rate(rows: number, insert: (values: Value[]) => unknown): Promise<number> {
  const startedAt = performance.now()
  for (const values of statements(rows)) await insert(values)
  return rows / ((performance.now() - startedAt) / 1000)
}

/** Over `pg`. */
export async function bareRowsOfPostgres(url: string): Promise<BareRows> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`create table ${TABLE}`)
  const text = insertion((n) => `$${n}`)
  return {
    insert: (rows) => rate(rows, (values) => client.query({ name: 'bare', text, values })),
    close: () => client.end(),
  }
}

/** Over `better-sqlite3`, which does its work before it returns. */
export function bareRowsOfBetterSqlite3(file: string): BareRows {
  const Database = require('better-sqlite3') as BetterSqlite3
  const database = new Database(file)
  for (const pragma of PRAGMAS) database.pragma(pragma)
  database.exec(`create table ${TABLE} without rowid`)
  const statement = database.prepare(insertion(() => '?'))
  return {
    insert: (rows) => rate(rows, (values) => statement.run(...values)),
    async close() {
      database.close()
    },
  }
}

/** Over `sqlite3`, whose work is done in a thread. */
export async function bareRowsOfSqlite3(file: string): Promise<BareRows> {
  const { Database } = require('sqlite3') as Sqlite3
  const database = new Database(file)
  const done = (run: (callback: (error?: Error | null) => void) => unknown): Promise<void> =>
    new Promise((resolve, reject) => {
      run((error) => (error ? reject(error) : resolve()))
    })
  for (const pragma of PRAGMAS)
    await done((callback) => database.exec(`pragma ${pragma}`, callback))
  await done((callback) => database.exec(`create table ${TABLE} without rowid`, callback))
  const statement = database.prepare(insertion(() => '?'))
  return {
    insert: (rows) => rate(rows, (values) => done((callback) => statement.run(values, callback))),
    close: async () => {
      await done((callback) => statement.finalize(callback))
      await done((callback) => database.close(callback))
    },
  }
}

const PRAGMAS = ['journal_mode = WAL', 'synchronous = FULL', 'cache_size = -16000']

const require = createRequire(import.meta.url)

/** What is used of the drivers; neither brings types. */
type BetterSqlite3 = new (file: string) => {
  pragma(text: string): unknown
  exec(text: string): unknown
  prepare(text: string): { run(...values: Value[]): unknown }
  close(): void
}
interface Sqlite3 {
  readonly Database: new (file: string) => {
    exec(text: string, callback: (error?: Error | null) => void): unknown
    prepare(text: string): {
      run(values: Value[], callback: (error?: Error | null) => void): unknown
      finalize(callback: (error?: Error | null) => void): unknown
    }
    close(callback: (error?: Error | null) => void): unknown
  }
}
