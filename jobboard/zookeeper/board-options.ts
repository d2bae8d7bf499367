/** A ZooKeeper board's options, checked and completed. Pure. */
import type { Clock } from '../../src/base/clock.ts'
import { UsageError } from '../../src/base/errors.ts'
import { silentLogger, type Logger } from '../../src/base/logger.ts'
import type { ZooKeeperClientOptions } from './contract.ts'
import { steadyClock } from './steady-clock.ts'
import { checkSession, readServers, type ZooKeeperHost } from './url.ts'

const DEFAULTS = Object.freeze({
  name: 'main',
  window: 10_000,
  scanMs: 2000,
  connectMs: 10_000,
  sessionTimeoutMs: 10_000,
})

/** Options of {@link ZooKeeperBoard}. */
export interface ZooKeeperBoardOptions {
  /** All servers of the ensemble: `host1:2181,host2,host3`, or a list. */
  readonly servers: string | readonly ZooKeeperHost[]
  /** Everything is kept below this node, which is made if it is missing. @default "" (the root) */
  readonly chroot?: string | undefined
  /** The board's name: boards of different names never see each other's jobs. @default "main" */
  readonly name?: string | undefined
  /**
   * Postings of a priority and above that stand on the board at most; the rest of the backlog waits in the store. A bigger one takes
   * more memory of every server, and 52 bytes of each listing for each posting; at some 19,000 of one priority a listing would be
   * longer than servers allow. @default 10,000
   */
  readonly window?: number | undefined
  /** How often a board that is asked for jobs compares what it knows with the servers, whatever watches told, in ms. @default 2,000 */
  readonly scanMs?: number | undefined
  /**
   * How long the servers wait for a sign of life before they end the session, and so give its claims to others, in ms. A shorter one
   * means a faster takeover after a crash, and more takeovers from processes that only stood still. @default 10,000
   */
  readonly sessionTimeoutMs?: number | undefined
  /** What `start()` waits for a server at most, in ms. @default 10,000 */
  readonly connectMs?: number | undefined
  /** What an operation takes at most, in ms. @default 4,000 */
  readonly operationMs?: number | undefined
  /** Digest credentials; the board's nodes belong to them alone. @default none: nodes are everybody's */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** TLS to every server. @default none */
  readonly tls?: ZooKeeperClientOptions['tls']
  /** @default silent */
  readonly logger?: Logger | undefined
  /** @default a steady one */
  readonly clock?: Clock | undefined
}

export interface ResolvedBoard {
  readonly name: string
  readonly window: number
  readonly scanMs: number
  readonly connectMs: number
  readonly client: ZooKeeperClientOptions
  /** As errors and logs name them. */
  readonly servers: string
  readonly logger: Logger
  readonly clock: Clock
}

/** Throws {@link UsageError}. */
export function resolveBoard(options: ZooKeeperBoardOptions): ResolvedBoard {
  const { servers, name = DEFAULTS.name } = options
  const hosts = typeof servers === 'string' ? readServers(servers) : servers
  if (name.trim() === '') throw new UsageError('name of a board: expected one, got an empty one')
  const sessionTimeoutMs = checkSession(
    options.sessionTimeoutMs ?? DEFAULTS.sessionTimeoutMs,
    (what) => new UsageError(`sessionTimeoutMs: ${what}, got ${options.sessionTimeoutMs} ms`),
  )
  const logger = (options.logger ?? silentLogger).child({ board: name })
  const { chroot = '', operationMs, user, password, tls, clock } = options
  const scheme = tls === undefined ? 'zookeeper' : 'zookeeper+tls'
  const list = hosts.map(({ host, port }) => `${host}:${port}`).join(',')
  return {
    name,
    window: wholeFrom(1, 'window', options.window, DEFAULTS.window),
    scanMs: wholeFrom(10, 'scanMs', options.scanMs, DEFAULTS.scanMs),
    connectMs: wholeFrom(1, 'connectMs', options.connectMs, DEFAULTS.connectMs),
    client: { hosts, chroot, sessionTimeoutMs, operationMs, user, password, tls, logger, clock },
    servers: `${scheme}://${list}${chroot}`,
    logger,
    clock: clock ?? steadyClock,
  }
}

function wholeFrom(
  least: number,
  name: string,
  given: number | undefined,
  byDefault: number,
): number {
  const value = given ?? byDefault
  if (!Number.isInteger(value) || value < least) {
    throw new UsageError(`${name}: expected a whole number from ${least}, got ${value}`)
  }
  return value
}
