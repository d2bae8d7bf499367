import { UsageError } from '../src/base/errors.ts'

/** Where a store is, as its URL says. */
export type StoreLocation =
  | { readonly kind: 'memory' }
  | {
      readonly kind: 'sqlite'
      readonly driver: 'sqlite3' | 'better-sqlite3'
      readonly file: string
    }
  | { readonly kind: 'postgres'; readonly url: string }

/** Prefix of every table where none is given. */
export const DEFAULT_NAMESPACE = 'zagflow_'

/**
 * Reads the URL of a store: `memory:`, `sqlite:FILE`, `better-sqlite3:FILE` (FILE may be `:memory:`), `postgres://…`.
 * Throws {@link UsageError} for any other.
 */
export function parseStoreUrl(url: string): StoreLocation {
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(url)?.[1]
  switch (scheme) {
    case 'memory':
      return { kind: 'memory' }
    case 'sqlite':
    case 'sqlite3':
    case 'better-sqlite3': {
      const file = url.slice(scheme.length + 1).replace(/^\/\/(?=.)/, '')
      if (file === '' || file.includes('\0')) throw invalidUrl(url, 'a file after the colon')
      const driver = scheme === 'better-sqlite3' ? 'better-sqlite3' : 'sqlite3'
      return { kind: 'sqlite', driver, file }
    }
    case 'postgres':
    case 'postgresql':
      if (!URL.canParse(url)) throw invalidUrl(url, 'postgres://user:password@host:port/database')
      return { kind: 'postgres', url }
    default:
      throw invalidUrl(url, 'sqlite:FILE, better-sqlite3:FILE, postgres://… or memory:')
  }
}

/** A URL of PostgreSQL as messages show it: without password and parameters. */
export function withoutPassword(url: string): string {
  const { protocol, username, host, pathname } = new URL(url)
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`
}

/**
 * The prefix of all tables (and of their indexes) of a namespace; `_` is added where it does not end in one. Throws
 * {@link UsageError} when it could not be part of a name in SQL.
 */
export function tablePrefix(namespace: string = DEFAULT_NAMESPACE): string {
  if (!/^[a-z_][a-z0-9_]{0,29}$/.test(namespace)) {
    throw new UsageError(
      `the namespace ${JSON.stringify(namespace)} cannot begin the name of a table; expected 1 to 30 of a-z, 0-9 and _, not beginning with a digit`,
    )
  }
  return namespace.endsWith('_') ? namespace : `${namespace}_`
}

function invalidUrl(url: string, expected: string): UsageError {
  const shown = /^[a-z]+:\/\/[^/]*@/.test(url) ? url.replace(/\/\/[^/]*@/, '//…@') : url
  return new UsageError(`"${shown}" is not the URL of a store; expected ${expected}`)
}
