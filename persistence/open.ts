import type { Clock } from '../src/base/clock.ts'
import { realClock } from '../src/base/clock.ts'
import { UsageError } from '../src/base/errors.ts'
import type { Logger } from '../src/base/logger.ts'
import { silentLogger } from '../src/base/logger.ts'
import { knexStore } from './knex.ts'
import { MemoryStore } from './memory.ts'
import { postgres } from './postgres.ts'
import { sqlite } from './sqlite.ts'
import type { Store } from './store.ts'
import { parseStoreUrl, tablePrefix } from './url.ts'

/** Options of {@link openStore}. */
export interface StoreOptions {
  /** Begins the name of every table: 1 to 30 of `a-z`, `0-9`, `_`. Stores of several namespaces share a database. @default zagflow_ */
  readonly namespace?: string | undefined
  /** What the time is, for `memory:` and SQLite; PostgreSQL has its own. @default the machine's clock */
  readonly clock?: Pick<Clock, 'now'> | undefined
  /** @default says nothing */
  readonly logger?: Logger | undefined
  /**
   * SQLite: whether each commit waits for the disk (`FULL`), or may be lost with the power, though not with the process
   * (`NORMAL`; several times faster). @default FULL
   */
  readonly synchronous?: 'FULL' | 'NORMAL' | undefined
  /**
   * PostgreSQL: a statement that takes longer, in milliseconds, is ended, and tried again as after an outage. Raise it for a
   * slow server; it also bounds how long a dead one is waited for. @default 15000
   */
  readonly statementTimeoutMs?: number | undefined
}

/**
 * Makes a store; `start()` connects it. URLs: `sqlite:FILE`, `better-sqlite3:FILE` (FILE may be `:memory:`),
 * `postgres://user@host/database`, `memory:`.
 *
 *     const store = openStore('sqlite:.zagflow/zagflow.db')
 *     await store.start()
 *
 * Throws {@link UsageError} for a URL, namespace or option that it cannot use. Drivers are loaded by `start()`.
 */
export function openStore(url: string, options: StoreOptions = {}): Store {
  const location = parseStoreUrl(url)
  const prefix = tablePrefix(options.namespace)
  const logger = options.logger ?? silentLogger
  if (options.synchronous !== undefined && location.kind !== 'sqlite') {
    throw new UsageError('`synchronous` is an option of SQLite alone', {
      hint: 'leave it out',
    })
  }
  if (options.statementTimeoutMs !== undefined && location.kind !== 'postgres') {
    throw new UsageError('`statementTimeoutMs` is an option of PostgreSQL alone', {
      hint: 'leave it out',
    })
  }
  switch (location.kind) {
    case 'memory':
      return new MemoryStore({ clock: options.clock })
    case 'sqlite': {
      const { driver, file } = location
      const { clock = realClock, synchronous = 'FULL' } = options
      return knexStore(sqlite({ driver, file, prefix, synchronous, clock, logger }))
    }
    case 'postgres': {
      if (options.clock !== undefined) {
        throw new UsageError('PostgreSQL has a clock of its own', { hint: 'leave `clock` out' })
      }
      const { statementTimeoutMs = 15_000 } = options
      return knexStore(postgres({ url: location.url, prefix, statementTimeoutMs }))
    }
  }
}
