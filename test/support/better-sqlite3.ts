import { createRequire } from 'node:module'

/**
 * Why `better-sqlite3` cannot be used here, or undefined where it can. Its native part fits one version of Node.js
 * only, that of its installation, while `sqlite3` runs on all; so its tests skip where others go on:
 *
 *     const missing = betterSqlite3Missing()
 *     if (missing) return t.skip(missing)
 */
export function betterSqlite3Missing(): string | undefined {
  try {
    const Database: unknown = createRequire(import.meta.url)('better-sqlite3')
    if (typeof Database !== 'function') return 'better-sqlite3: exports no class'
    Reflect.construct(Database, [':memory:'])
    return undefined
  } catch (error) {
    const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    const foreign = /compiled against a different Node\.js version|was compiled/.test(String(error))
    return foreign
      ? `better-sqlite3: was installed with another version of Node.js than ${process.version}`
      : `better-sqlite3: ${message}`
  }
}
