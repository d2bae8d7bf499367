/** Whether what a database has committed survives a loss of power: for those who look after it. */
import { realClock } from '../src/base/clock.ts'
import { silentLogger } from '../src/base/logger.ts'
import { postgres } from './postgres.ts'
import { name, sql } from './sql.ts'
import { sqlite } from './sqlite.ts'
import { DEFAULT_NAMESPACE, parseStoreUrl } from './url.ts'

/** A setting of the database on which durability rests. */
export interface DurabilitySetting {
  readonly name: string
  readonly value: string
  readonly isDurable: boolean
}

/**
 * Asks a database, over a connection of its own. Throws {@link UsageError} for a URL that it cannot use,
 * {@link UnavailableError}.
 */
export async function durabilityOf(url: string): Promise<readonly DurabilitySetting[]> {
  const location = parseStoreUrl(url)
  switch (location.kind) {
    case 'memory':
      return [{ name: 'memory', value: 'gone with its process', isDurable: false }]
    case 'sqlite': {
      const { driver, file } = location
      const options = { driver, file, prefix: DEFAULT_NAMESPACE, synchronous: 'FULL' } as const
      // Opening it sets these, and checks that they are so.
      const { database } = sqlite({ ...options, clock: realClock, logger: silentLogger })
      await database.start()
      try {
        const journal = String(await pragma(database, 'journal_mode'))
        const level = String(await pragma(database, 'synchronous'))
        return [
          { name: 'journal_mode', value: journal, isDurable: journal === 'wal' },
          { name: 'synchronous', value: LEVELS[level] ?? level, isDurable: Number(level) >= 2 },
        ]
      } finally {
        await database.stop()
      }
    }
    case 'postgres': {
      const options = { url: location.url, prefix: DEFAULT_NAMESPACE, statementTimeoutMs: 15_000 }
      const { database } = postgres(options)
      await database.start()
      try {
        const settings: DurabilitySetting[] = []
        for (const one of ['fsync', 'synchronous_commit', 'full_page_writes']) {
          const [row] = await database.attempt(() => database.run(sql`show ${name(one)}`))
          const value = String(row?.[one])
          settings.push({ name: one, value, isDurable: value !== 'off' })
        }
        return settings
      } finally {
        await database.stop()
      }
    }
  }
}

const LEVELS: { readonly [level: string]: string } = {
  0: 'OFF',
  1: 'NORMAL',
  2: 'FULL',
  3: 'EXTRA',
}

async function pragma(database: ReturnType<typeof sqlite>['database'], asked: string) {
  const [row] = await database.attempt(() => database.run(sql`pragma ${name(asked)}`))
  return row?.[asked]
}
