/** Private servers that are as durable as real ones, and places on them: a fresh database and a fresh chroot for each measurement. */
import { Client } from 'pg'
import { GuardedClient } from '../../jobboard/zookeeper/client.ts'
import { openStore } from '../../persistence/open.ts'
import { findPostgres, startPostgres } from '../../test/support/postgres-server.ts'
import { findZookeeper, startZookeeper } from '../../test/support/zookeeper-server.ts'

/** Where jobs are kept and shown. */
export interface Place {
  /** Of a migrated database. */
  readonly persistence: string
  /** Of a board in a chroot of its own. */
  readonly board: string
  readonly chroot: string
  /** Drops the database. */
  remove(): Promise<void>
}

export interface Servers {
  readonly zookeeper: { readonly host: string; readonly port: number }
  /** Connected to the database that the server came with. */
  readonly admin: Client
  place(): Promise<Place>
  /** How many nodes stand below a path. */
  childrenOf(path: string): Promise<number>
  stop(): Promise<void>
}

/** What is missing here; undefined: nothing. */
export function missingServers(): string | undefined {
  const missing = [
    ...(findPostgres() === undefined ? ['PostgreSQL'] : []),
    ...(findZookeeper() === undefined ? ['ZooKeeper'] : []),
  ]
  return missing.length === 0 ? undefined : `${missing.join(' and ')} not installed`
}

/** Starts PostgreSQL (`fsync=on`) and one ZooKeeper (`forceSync=yes`), the latter with Java's full compiler and a heap of 1 GB. */
export async function startServers(): Promise<Servers> {
  const database = await startPostgres({
    fsync: true,
    settings: { max_wal_size: '2GB', max_connections: '200' },
  })
  const zookeeper = await startZookeeper({
    fsync: true,
    settings: { tickTime: '2000', 'autopurge.purgeInterval': '0' },
    java: ['-Xmx1g', '-XX:TieredStopAtLevel=4'],
  })
  const admin = new Client({ connectionString: database.url })
  await admin.connect()
  const { host, port } = zookeeper
  const looking = new GuardedClient({ hosts: [{ host, port }] })
  await looking.start()
  let number = 0
  return {
    zookeeper: { host, port },
    admin,
    async place() {
      const name = `bench_${++number}`
      await admin.query(`create database ${name}`)
      const url = new URL(database.url)
      url.pathname = `/${name}`
      const store = openStore(url.href)
      await store.migrate()
      await store.stop()
      const chroot = `/${name}`
      return {
        persistence: url.href,
        board: `${zookeeper.url}${chroot}`,
        chroot,
        async remove() {
          await admin.query(`drop database ${name} with (force)`)
        },
      }
    },
    childrenOf: async (path) => (await looking.exists(path))?.children ?? 0,
    async stop() {
      await Promise.all([looking.close(), admin.end()])
      await Promise.all([database.stop(), zookeeper.stop()])
    },
  }
}
