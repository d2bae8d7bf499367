/**
 * PostgreSQL for tests: one server for each run of the test runner (its URL comes in the environment), one for
 * each file that is run alone.
 *
 * Databases of tests that ended are dropped when the next one is asked for and at the end of the file: by
 * then whatever clean-up the tests registered has closed its connections.
 */
import { randomBytes } from 'node:crypto'
import { after } from 'node:test'
import type { CleanUp } from './clean-up.ts'
import { Client } from 'pg'
import { postgresServer, startPostgres } from './postgres-server.ts'
import type { RunningServer } from './test-server.ts'
import { missingServer } from './test-server.ts'

/** The server that tests share: its URL (a superuser, database `postgres`), or why there is none. */
export type PostgresAvailability = { readonly url: string } | { readonly missing: string }

let started: Promise<RunningServer> | undefined
const finished = new Set<string>()
const inUse = new Set<string>()

after(async () => {
  await drop([...inUse, ...finished])
  await (await started)?.stop()
})

/**
 * The shared server. Where there is none: in CI this throws, elsewhere it says what is missing, for `t.skip()`:
 *
 *     const server = await postgres()
 *     if ('missing' in server) return t.skip(server.missing)
 */
export async function postgres(): Promise<PostgresAvailability> {
  const given = process.env[postgresServer.urlVariable]
  if (given) return { url: given }
  if (postgresServer.find() === undefined) {
    const missing = missingServer(postgresServer)
    if (process.env['CI']) throw new Error(missing)
    return { missing }
  }
  started ??= startPostgres()
  return { url: (await started).url }
}

/**
 * The URL of a new, empty database of this test alone; it is dropped after the test.
 * @throws Error where there is no server: ask `postgres()` first.
 */
export async function freshDatabase(t: CleanUp): Promise<string> {
  const server = await postgres()
  if ('missing' in server) throw new Error(server.missing)
  await drop([...finished])
  const name = `zagflow_test_${randomBytes(6).toString('hex')}`
  inUse.add(name)
  t.after(() => {
    inUse.delete(name)
    finished.add(name)
  })
  await administer(server.url, [`CREATE DATABASE ${name}`])
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return url.href
}

async function drop(names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  for (const name of names) {
    inUse.delete(name)
    finished.delete(name)
  }
  const server = await postgres()
  if ('missing' in server) return
  await administer(
    server.url,
    names.map((name) => `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  )
}

async function administer(url: string, statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
