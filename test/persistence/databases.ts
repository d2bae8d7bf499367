/** The databases that stores are tested on, for tests that are about all of them. */
import path from 'node:path'
import { after } from 'node:test'
import type { TestContext } from 'node:test'
import type { Knex } from 'knex'
import knex from 'knex'
import { openStore } from '../../persistence/open.ts'
import type { StoreOptions } from '../../persistence/open.ts'
import type { Store } from '../../persistence/store.ts'
import { lastFirst } from '../support/last-first.ts'
import { freshDatabase, postgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const server = await postgres()
let shared: Promise<string> | undefined
let namespaces = 0

/** Where one test keeps its stores. */
export interface TestDatabase {
  readonly url: string
  /** Of this test alone. */
  readonly namespace: string
  /** A store there, migrated and started; stopped after the test. */
  store(options?: StoreOptions): Promise<Store>
  /** A knex of the caller's own. */
  knex(config?: Partial<Knex.Config>): Knex
}

/** The databases by name, with the reason why one cannot be used here. */
export const DATABASES = [
  { name: 'SQLite', skip: false },
  { name: 'PostgreSQL', skip: 'missing' in server ? server.missing : false },
] as const

export async function testDatabase(
  t: TestContext,
  name: (typeof DATABASES)[number]['name'],
): Promise<TestDatabase> {
  const hooks = lastFirst(t)
  const namespace = `n${(namespaces += 1)}_`
  const file = path.join(await temporaryFolder(hooks), 'zagflow.db')
  const isPostgres = name === 'PostgreSQL'
  const url = isPostgres ? await (shared ??= freshDatabase({ after })) : `sqlite:${file}`
  return {
    url,
    namespace,
    async store(options) {
      const synchronous = isPostgres ? {} : ({ synchronous: 'NORMAL' } as const)
      const store = openStore(url, { namespace, ...synchronous, ...options })
      hooks.after(() => store.stop())
      await store.migrate()
      await store.start()
      return store
    },
    knex(config = {}) {
      const own = isPostgres
        ? knex({ client: 'pg', connection: url, ...config })
        : knex({
            client: 'sqlite3',
            connection: { filename: file },
            useNullAsDefault: true,
            ...config,
          })
      hooks.after(() => own.destroy())
      return own
    },
  }
}
