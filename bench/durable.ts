/**
 * Durable work: 2,000 flows of 10 tasks, 50 at a time, beside rows a second through the bare driver. Every commit waits for
 * the disk in both. Posting is done before the clock starts; claims are part of the work.
 */
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Client } from 'pg'
import { openStore } from '../persistence/open.ts'
import type { Store } from '../persistence/store.ts'
import { betterSqlite3Missing } from '../test/support/better-sqlite3.ts'
import { findPostgres, startPostgres } from '../test/support/postgres-server.ts'
import {
  bareRowsOfBetterSqlite3,
  bareRowsOfPostgres,
  bareRowsOfSqlite3,
  type BareRows,
} from './load/bare-rows.ts'
import { countStore, type Count } from './load/count-store.ts'
import { chainOfTen, postJobs, runJobs } from './load/durable-flows.ts'
import { alternate, ratios } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const FLOWS = 2000
const TASKS = FLOWS * 10
const AT_ONCE = 50
const BARE_ROWS = 20_000
const THROUGHPUT = { atLeast: 0.08 }
const COMMITS = { atMost: 0.3 }

/** A database that is fresh for each round. */
interface Database {
  readonly name: string
  open(): Promise<{ readonly store: Store; readonly bare: BareRows; close(): Promise<void> }>
  /** Transactions that the server has committed, where it counts them. */
  readonly transactions?: () => Promise<number>
  stop(): Promise<void>
}

const only = process.argv.slice(2)
const throughput: string[][] = []
const commits: string[][] = []
for (const make of [postgres, () => sqlite('better-sqlite3'), () => sqlite('sqlite3')]) {
  const database = await make()
  if (typeof database === 'string') {
    console.log(`not measured: ${database}`)
    continue
  }
  if (only.length === 0 || only.includes(database.name)) await measure(database)
  await database.stop()
}
console.log(
  `Tasks a second: ${FLOWS} flows of 10 tasks, ${AT_ONCE} at a time, beside bare rows a second\n`,
)
printTable(['database', 'tasks/s', 'bare rows/s', 'tasks per row', 'goal', ''], throughput)
console.log('\nCommitted transactions a task\n')
printTable(
  ['database', 'of flows', 'with claims and all else', "the server's count", 'goal', ''],
  commits,
)

async function measure(database: Database): Promise<void> {
  const counts: (Count & { readonly server: number })[] = []
  let current: Awaited<ReturnType<Database['open']>>
  const figures = await alternate({
    rows: async () => {
      current = await database.open()
      return current.bare.insert(BARE_ROWS)
    },
    tasks: async () => {
      const { store } = current
      await postJobs(store, chainOfTen, FLOWS)
      const before = await database.transactions?.()
      const counted = countStore(store)
      const ms = await runJobs(counted.store, chainOfTen, { jobs: FLOWS, maxFlows: AT_ONCE })
      const after = await database.transactions?.()
      counts.push({ ...counted.count, server: (after ?? Number.NaN) - (before ?? 0) })
      await current.close()
      return TASKS / (ms / 1000)
    },
  })
  counts.shift() // of the round that warmed up
  const share = ratios(figures.tasks, figures.rows)
  throughput.push([
    database.name,
    spreadText(figures.tasks),
    spreadText(figures.rows),
    spreadText(share),
    goalText(THROUGHPUT),
    verdict(share, THROUGHPUT),
  ])
  const perTask = (of: (count: (typeof counts)[number]) => number) =>
    counts.map((count) => of(count) / TASKS)
  const all = perTask((count) => count.commits + count.others)
  const server = perTask((count) => count.server)
  commits.push([
    database.name,
    spreadText(perTask((count) => count.commits)),
    spreadText(all),
    database.transactions === undefined ? 'none' : spreadText(server),
    goalText(COMMITS),
    verdict(all, COMMITS),
  ])
}

async function postgres(): Promise<Database | string> {
  if (findPostgres() === undefined) return 'PostgreSQL, which is not installed'
  const server = await startPostgres({ fsync: true, settings: { max_wal_size: '2GB' } })
  const admin = new Client({ connectionString: server.url })
  await admin.connect()
  let number = 0
  let database = ''
  return {
    name: 'postgres',
    async open() {
      database = `bench_${++number}`
      await admin.query(`create database ${database}`)
      const url = new URL(server.url)
      url.pathname = `/${database}`
      const bare = await bareRowsOfPostgres(url.href)
      const store = openStore(url.href)
      await store.migrate()
      await store.start()
      return {
        store,
        bare,
        close: async () => {
          await store.stop()
          await bare.close()
          await admin.query(`drop database ${database} with (force)`)
        },
      }
    },
    async transactions() {
      // Sessions report what they did once they are idle for a second.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      const { rows } = await admin.query<{ xact_commit: string }>(
        'select xact_commit from pg_stat_database where datname = $1',
        [database],
      )
      return Number(rows[0]?.xact_commit)
    },
    async stop() {
      await admin.end()
      await server.stop()
    },
  }
}

async function sqlite(driver: 'sqlite3' | 'better-sqlite3'): Promise<Database | string> {
  const missing = driver === 'better-sqlite3' ? betterSqlite3Missing() : undefined
  if (missing !== undefined) return missing
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'zagflow-bench-'))
  let number = 0
  return {
    name: driver,
    async open() {
      const file = path.join(folder, `${++number}.db`)
      const bare = await (driver === 'sqlite3'
        ? bareRowsOfSqlite3(`${file}-bare`)
        : bareRowsOfBetterSqlite3(`${file}-bare`))
      const store = openStore(`${driver === 'sqlite3' ? 'sqlite' : driver}:${file}`)
      await store.start()
      return {
        store,
        bare,
        close: async () => {
          await store.stop()
          await bare.close()
        },
      }
    },
    stop: () => fs.rm(folder, { recursive: true, force: true }),
  }
}
