/** The stores that conductors are tested on: real ones, each of one test alone. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openStore } from '../../persistence/open.ts'
import type { Store } from '../../persistence/store.ts'
import { freshDatabase, postgres } from './postgres.ts'
import { lastFirst } from './last-first.ts'
import { temporaryFolder } from './temporary-folder.ts'

export const STORES = ['memory', 'sqlite', 'postgres'] as const

/** A fresh database of that kind, by its URL; null where the server is missing (the test is skipped). */
export async function freshUrl(
  t: TestContext,
  kind: (typeof STORES)[number],
): Promise<string | null> {
  switch (kind) {
    case 'memory':
      return 'memory:'
    case 'sqlite':
      return `sqlite:${join(await temporaryFolder(lastFirst(t)), 'zagflow.db')}`
    case 'postgres': {
      const server = await postgres()
      if ('missing' in server) {
        t.skip(server.missing)
        return null
      }
      return freshDatabase(lastFirst(t))
    }
  }
}

/** A started store at that URL; it is stopped after the test. */
export async function storeAt(t: TestContext, url: string): Promise<Store> {
  const store = openStore(url, url.startsWith('sqlite:') ? { synchronous: 'NORMAL' } : {})
  await store.migrate()
  await store.start()
  lastFirst(t).after(() => store.stop())
  return store
}

/** A started store of that kind; null where the server is missing. */
export async function freshStore(
  t: TestContext,
  kind: (typeof STORES)[number],
): Promise<Store | null> {
  const url = await freshUrl(t, kind)
  return url === null ? null : storeAt(t, url)
}

/** A store between us and the real one: `before` is awaited before each call of its methods, and may throw. */
export function behind(
  store: Store,
  before: (method: string, args: readonly unknown[]) => void | Promise<void>,
): Store {
  return new Proxy(store, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function' || name === 'onHint') {
        return typeof value === 'function' ? value.bind(target) : value
      }
      return async (...args: readonly unknown[]) => {
        await before(String(name), args)
        return Reflect.apply(value, target, args) as unknown
      }
    },
  })
}
