import assert from 'node:assert/strict'
import { test } from 'node:test'
import knex from 'knex'
import { Database } from '../../persistence/database.ts'
import { DriverError } from '../../persistence/errors.ts'
import { ClosedError } from '../../src/base/errors.ts'

test('however many wait for a database that is away, Node warns of no leak, and stop() ends their wait', async (t) => {
  const warnings: Error[] = []
  const warn = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warn)
  t.after(() => process.off('warning', warn))
  const database = new Database({
    server: 'nowhere',
    open: async () =>
      knex({ client: 'better-sqlite3', useNullAsDefault: true, connection: ':memory:' }),
    meaning: () => 'away',
    begin: 'begin',
    placeholder: () => '?',
  })
  await database.start()
  const waiting = Array.from({ length: 30 }, () =>
    database.attempt(() => Promise.reject(new DriverError('away', 'nobody listens', undefined))),
  )
  const ended = Promise.allSettled(waiting)
  await new Promise<void>((resolve) => setImmediate(resolve))
  await database.stop()
  for (const outcome of await ended) {
    assert.ok(outcome.status === 'rejected' && outcome.reason instanceof ClosedError)
  }
  assert.deepEqual(warnings, [])
})
