/** A client's options, checked and completed. Pure. */
import type { Clock } from '../../src/base/clock.ts'
import { UsageError } from '../../src/base/errors.ts'
import { silentLogger, type Logger } from '../../src/base/logger.ts'
import type { ZooKeeperClientOptions } from './contract.ts'
import { steadyClock } from './steady-clock.ts'

const DEFAULTS = { sessionTimeoutMs: 10_000, operationMs: 4000 }

export interface ResolvedClientOptions {
  readonly hosts: ZooKeeperClientOptions['hosts']
  /** Without a slash at its end; empty: the root. */
  readonly chroot: string
  readonly sessionTimeoutMs: number
  readonly operationMs: number
  /** `user:password` */
  readonly digest: string | undefined
  readonly tls: ZooKeeperClientOptions['tls']
  readonly logger: Logger
  readonly clock: Clock
  /** As errors and logs name them. */
  readonly servers: string
}

/** Throws {@link UsageError} that names the wrong option, and never the password. */
export function resolveClientOptions(options: ZooKeeperClientOptions): ResolvedClientOptions {
  const { hosts, chroot = '', user, password } = options
  const wrong = (what: string, hint: string): UsageError =>
    new UsageError(`the ZooKeeper client: ${what}`, { hint })
  if (hosts.length === 0) throw wrong('hosts: expected at least one', 'give { host, port }')
  for (const { host, port } of hosts) {
    if (host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) {
      throw wrong(
        `hosts: expected a name and a port of 1 to 65535, got "${host}" and ${port}`,
        'give { host, port }',
      )
    }
  }
  if (chroot !== '' && chroot !== '/') checkPath(chroot)
  const { sessionTimeoutMs = DEFAULTS.sessionTimeoutMs, operationMs = DEFAULTS.operationMs } =
    options
  for (const [name, value] of Object.entries({ sessionTimeoutMs, operationMs })) {
    if (!Number.isFinite(value) || value <= 0 || value > 2 ** 31 - 1) {
      throw wrong(`${name}: expected milliseconds above 0, got ${value}`, 'give such as 10000')
    }
  }
  if ((user === undefined) !== (password === undefined)) {
    throw wrong('user and password: expected both or none', 'give both')
  }
  if (user !== undefined && (user === '' || user.includes(':'))) {
    throw wrong(`user: expected a name without ":", got "${user}"`, 'choose another user')
  }
  const path = chroot === '/' ? '' : chroot
  const scheme = options.tls ? 'zookeeper+tls' : 'zookeeper'
  const shown = hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
  return {
    hosts,
    chroot: path,
    sessionTimeoutMs: Math.round(sessionTimeoutMs),
    operationMs,
    digest: user === undefined ? undefined : `${user}:${password}`,
    tls: options.tls,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? steadyClock,
    servers: `${scheme}://${shown.join(',')}${path}`,
  }
}

/** Throws {@link UsageError} where ZooKeeper would not take it as the path of a node. */
export function checkPath(path: string): void {
  const isPath =
    path === '/' ||
    (path.startsWith('/') &&
      path
        .slice(1)
        .split('/')
        .every((name) => name !== '' && name !== '.' && name !== '..') &&
      !/[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/.test(path))
  if (!isPath) {
    throw new UsageError(`"${path}" is no path of a ZooKeeper node`, {
      hint: 'write such as /boards/main, without control characters',
    })
  }
}
