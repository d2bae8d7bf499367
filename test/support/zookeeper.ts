/**
 * ZooKeeper for tests: one server for each run of the test runner (its URL comes in the environment), one for each file that is
 * run alone; and servers and ensembles of a test's own, to be killed, frozen and wiped.
 *
 * Most tests need only a chroot of their own on the shared server: `freshChroot(t)`. A private server takes a second.
 */
import { randomBytes } from 'node:crypto'
import { after } from 'node:test'
import type { CleanUp } from './clean-up.ts'
import type { RunningServer } from './test-server.ts'
import { missingServer } from './test-server.ts'
import {
  findZookeeper,
  startZookeeper,
  startZookeeperEnsemble,
  zookeeperServer,
} from './zookeeper-server.ts'
import type { ZookeeperEnsemble, ZookeeperOptions, ZookeeperServer } from './zookeeper-server.ts'

export type { ZookeeperEnsemble, ZookeeperOptions, ZookeeperServer } from './zookeeper-server.ts'

/** The server that tests share: its URL, or why there is none. */
export type ZookeeperAvailability = { readonly url: string } | { readonly missing: string }

let started: Promise<RunningServer> | undefined
const chroots: { readonly url: string; readonly chroot: string }[] = []

after(async () => {
  // What is on a server of ours goes with it.
  if (started === undefined) for (const { url, chroot } of chroots) await removeTree(url, chroot)
  await (await started)?.stop()
})

/**
 * The shared server. Where there is none: in CI this throws, elsewhere it says what is missing, for `t.skip()`:
 *
 *     const server = await zookeeper()
 *     if ('missing' in server) return t.skip(server.missing)
 */
export async function zookeeper(): Promise<ZookeeperAvailability> {
  const given = process.env[zookeeperServer.urlVariable]
  if (given) return { url: given }
  const servers = zookeeperServers()
  if ('missing' in servers) return servers
  started ??= startZookeeper()
  return { url: (await started).url }
}

/**
 * Whether servers can be started here, which a foreign server's URL is not enough for: ask before `privateZookeeper()` and
 * `privateEnsemble()`. In CI this throws where they cannot.
 */
export function zookeeperServers(): { readonly jars: string } | { readonly missing: string } {
  const jars = findZookeeper()
  if (jars !== undefined) return { jars }
  const missing = missingServer(zookeeperServer)
  if (process.env['CI']) throw new Error(missing)
  return { missing }
}

/** A part of the shared server's tree that no other test uses. */
export interface Chroot {
  /** `zookeeper://127.0.0.1:2181/test-…` */
  readonly url: string
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  /** `/test-…`; it is not there yet. */
  readonly chroot: string
}

/**
 * A chroot of this test alone on the shared server; it is not made. On a foreign server what was made in it is removed when the
 * file's tests are over.
 * @throws Error where there is no server: ask `zookeeper()` first.
 */
export async function freshChroot(_t: CleanUp): Promise<Chroot> {
  const server = await zookeeper()
  if ('missing' in server) throw new Error(server.missing)
  const chroot = `/test-${randomBytes(6).toString('hex')}`
  chroots.push({ url: server.url, chroot })
  return { url: server.url.replace(/\/*$/, '') + chroot, hosts: hostsOf(server.url), chroot }
}

/** `zookeeper://a:1,b/x` → the hosts with their ports. */
export function hostsOf(url: string): readonly { readonly host: string; readonly port: number }[] {
  const authority = /^[\w+]+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(url)?.[1] ?? ''
  return authority.split(',').map((part) => {
    const [host = '', port = '2181'] = part.split(':')
    return { host, port: Number(port) }
  })
}

/**
 * A server of this test alone, which it may end, freeze, wipe and begin again; it is gone after the test.
 * @throws Error where ZooKeeper is not found: ask `zookeeperServers()` first.
 */
export async function privateZookeeper(
  t: CleanUp,
  options: ZookeeperOptions = {},
): Promise<ZookeeperServer> {
  const server = await startZookeeper(options)
  t.after(() => server.stop())
  return server
}

/**
 * An ensemble of this test alone, gone after the test. It takes about three seconds to start.
 * @throws Error where ZooKeeper is not found: ask `zookeeperServers()` first.
 */
export async function privateEnsemble(
  t: CleanUp,
  size = 3,
  options: ZookeeperOptions = {},
): Promise<ZookeeperEnsemble> {
  const ensemble = await startZookeeperEnsemble(size, options)
  t.after(() => ensemble.stop())
  return ensemble
}

/** Removes a node and all below it; what other users own stays. */
async function removeTree(url: string, chroot: string): Promise<void> {
  const { createClient } = await import('node-zookeeper-client')
  const client = createClient(new URL(url).host)
  client.connect()
  try {
    await new Promise<void>((resolve) => {
      // Not in the published types.
      const remove: unknown = Reflect.get(client, 'removeRecursive')
      if (typeof remove === 'function') remove.call(client, chroot, () => resolve())
      else resolve()
    })
  } finally {
    client.close()
  }
}
