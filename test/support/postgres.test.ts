import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { Client } from 'pg'
import { EndedByHand } from './ended-by-hand.ts'
import { eventually } from './eventually.ts'
import { startPostgres } from './postgres-server.ts'
import { freshDatabase, postgres } from './postgres.ts'
import { spawnNode } from './spawn-node.ts'
import { temporaryFolder } from './temporary-folder.ts'

async function query(url: string, text: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const result: { readonly rows: readonly unknown[] } = await client.query(text)
    return result.rows
  } finally {
    await client.end()
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('each test has an empty database of its own', async (t) => {
  const server = await postgres()
  if ('missing' in server) return t.skip(server.missing)
  const [one, two] = [await freshDatabase(t), await freshDatabase(t)]
  assert.notEqual(one, two)
  await query(one, 'CREATE TABLE mine (id int)')
  const tables = "SELECT FROM pg_tables WHERE schemaname = 'public'"
  assert.equal((await query(one, tables)).length, 1)
  assert.equal((await query(two, tables)).length, 0)
})

test('a database is dropped after its test, even when a connection to it was forgotten', async (t) => {
  const server = await postgres()
  if ('missing' in server) return t.skip(server.missing)
  const inner = new EndedByHand()
  const url = await freshDatabase(inner)
  const name = new URL(url).pathname.slice(1)
  const forgotten = new Client({ connectionString: url })
  forgotten.on('error', () => {})
  await forgotten.connect()
  await inner.end()
  await freshDatabase(t)
  assert.deepEqual(await query(server.url, `SELECT FROM pg_database WHERE datname = '${name}'`), [])
  await forgotten.end()
})

test('a private server takes settings and leaves nothing when it is stopped', async (t) => {
  const shared = await postgres()
  if ('missing' in shared) return t.skip(shared.missing)
  const server = await startPostgres({ fsync: true, settings: { max_connections: '17' } })
  t.after(() => server.stop())
  const settings =
    "SELECT current_setting('fsync') AS fsync, current_setting('max_connections') AS most"
  assert.deepEqual(await query(server.url, settings), [{ fsync: 'on', most: '17' }])
  await server.stop()
  assert.equal(isAlive(server.pid), false)
  await server.stop() // A second stop does nothing.
})

test('a server ends with the process that started it, even when that is killed', async (t) => {
  const shared = await postgres()
  if ('missing' in shared) return t.skip(shared.missing)
  const folder = await temporaryFolder(t)
  const file = path.join(folder, 'owner.mjs')
  const support = new URL('./postgres-server.js', import.meta.url).href
  fs.writeFileSync(
    file,
    `const { startPostgres } = await import(${JSON.stringify(support)})
     const { pid } = await startPostgres()
     console.log('pid', pid)
     setInterval(() => {}, 1000)`,
  )
  const owner = spawnNode(t, file)
  const printed = await owner.prints(/pid \d+\n/, { withinMs: 60_000 })
  const pid = Number(/pid (\d+)/.exec(printed)?.[1])
  assert.equal(isAlive(pid), true)
  owner.kill('SIGKILL')
  await eventually(() => !isAlive(pid), { withinMs: 60_000 })
})
