/** The URL of a ZooKeeper board: read, checked and shown. Pure. */
import { didYouMean } from '../../src/base/did-you-mean.ts'
import { readDuration } from '../../src/base/durations.ts'
import { UsageError } from '../../src/base/errors.ts'

const EXAMPLE = 'zookeeper://host1:2181,host2,host3/zagflow?board=main&session=10s'
const DEFAULT_PORT = 2181
const PARAMETERS = ['board', 'session']
/** Below, a pause of the process loses its jobs; above, those of a dead one wait too long. */
const SESSION = { leastMs: 1000, mostMs: 600_000 }

/** A server of an ensemble. */
export interface ZooKeeperHost {
  readonly host: string
  /** @default 2181 */
  readonly port: number
}

/** Where a ZooKeeper board is, as its URL says. */
export interface ZooKeeperLocation {
  readonly hosts: readonly ZooKeeperHost[]
  /** `/zagflow`; empty: the root. */
  readonly chroot: string
  readonly board: string
  /** In ms; undefined where the URL does not say it. */
  readonly sessionTimeoutMs: number | undefined
  readonly user: string | undefined
  readonly password: string | undefined
  /** Whether the scheme asks for TLS (`zookeeper+tls://`). */
  readonly tls: boolean
}

/** Whether this is meant as the URL of a ZooKeeper board, right or wrong. */
export function isBoardUrl(text: string): boolean {
  return /^(zookeeper|zk)(\+\w*)?:/i.test(text)
}

/**
 * Reads `zookeeper://[user:password@]host[:port],…[/chroot][?board=main&session=10s]`; `zookeeper+tls://` asks for TLS. User, password
 * and board may be percent-encoded. Throws {@link UsageError} that names the wrong part, and never the password.
 */
export function readBoardUrl(url: string): ZooKeeperLocation {
  const wrong = (what: string, hint = `write such as ${EXAMPLE}`): UsageError =>
    new UsageError(`the URL of the board "${shownUrl(url)}": ${what}`, { hint })
  const parts = /^([a-z0-9+.-]+):\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(#.*)?$/i.exec(url)
  const scheme = parts?.[1]?.toLowerCase()
  if (parts === null || (scheme !== 'zookeeper' && scheme !== 'zookeeper+tls')) {
    throw wrong('expected zookeeper:// or zookeeper+tls:// and hosts')
  }
  const [, , authority = '', path = '', query = '', fragment] = parts
  if (fragment !== undefined) throw wrong('expected nothing behind "#"', 'write a "#" as %23')
  const at = authority.lastIndexOf('@')
  const { user, password } = readCredentials(at < 0 ? undefined : authority.slice(0, at), wrong)
  const { board = 'main', session } = readQuery(query, wrong)
  if (board.trim() === '') throw wrong('board: expected a name, got an empty one')
  return {
    hosts: readHosts(authority.slice(at + 1), wrong),
    chroot: readChroot(path, wrong),
    board,
    sessionTimeoutMs: session === undefined ? undefined : readSession(session, wrong),
    user,
    password,
    tls: scheme === 'zookeeper+tls',
  }
}

/** Reads `host[:port],…`. Throws {@link UsageError} that names the wrong one. */
export function readServers(servers: string): readonly ZooKeeperHost[] {
  return readHosts(
    servers,
    (what, hint) =>
      new UsageError(`servers "${servers}": ${what}`, {
        hint: hint ?? 'write such as host1:2181,host2,host3',
      }),
  )
}

/** The URL as messages show it: without its password. */
export function shownUrl(url: string): string {
  return url.replace(
    /^([a-z0-9+.-]+:\/\/)([^/?#]*)@/i,
    (_, scheme: string, credentials: string) => {
      const user = credentials.split(':', 1)[0] ?? ''
      return `${scheme}${user}@`
    },
  )
}

type Wrong = (what: string, hint?: string) => UsageError

function readCredentials(
  text: string | undefined,
  wrong: Wrong,
): { readonly user: string | undefined; readonly password: string | undefined } {
  if (text === undefined) return { user: undefined, password: undefined }
  const colon = text.indexOf(':')
  const user = decoded(colon < 0 ? text : text.slice(0, colon))
  const password = colon < 0 ? undefined : decoded(text.slice(colon + 1))
  if (user === null || password === null) {
    throw wrong('user and password: expected percent-encoding, got a "%" alone', 'write % as %25')
  }
  if (user === '') throw wrong('expected a user before the password', 'write user:password@')
  if (user.includes(':')) throw wrong('user: ZooKeeper takes no ":" in it', 'choose another user')
  if (password === undefined || password === '') {
    throw wrong(`expected a password for the user "${user}"`, 'write user:password@')
  }
  return { user, password }
}

function readHosts(text: string, wrong: Wrong): readonly ZooKeeperHost[] {
  if (text === '') throw wrong('expected at least one host')
  if (text.includes('[') || text.split(':').length > text.split(',').length + 1) {
    throw wrong(
      'IPv6 addresses are not supported',
      'give host names, or IPv4 addresses, and ports after one ":"',
    )
  }
  return text.split(',').map((one) => {
    const [host = '', port, more] = one.split(':')
    if (host === '') throw wrong(`expected a host, got ${JSON.stringify(one)}`)
    if (!/^[a-z0-9._-]+$/i.test(host)) throw wrong(`"${host}" is not the name of a host`)
    if (port === undefined) return { host, port: DEFAULT_PORT }
    const number = /^\d{1,5}$/.test(port) ? Number(port) : 0
    if (more !== undefined || number < 1 || number > 65_535) {
      throw wrong(`port of ${host}: expected 1 to 65535, got "${port}"`)
    }
    return { host, port: number }
  })
}

function readChroot(path: string, wrong: Wrong): string {
  const chroot = decoded(path.replace(/\/$/, ''))
  if (chroot === null) throw wrong('chroot: expected percent-encoding, got a "%" alone')
  if (chroot === '') return ''
  for (const segment of chroot.slice(1).split('/')) {
    if (segment === '' || segment === '.' || segment === '..' || !isPrintable(segment)) {
      throw wrong(`chroot "${path}": expected names between its slashes, got "${segment}"`)
    }
  }
  if (chroot === '/zookeeper' || chroot.startsWith('/zookeeper/')) {
    throw wrong('chroot: /zookeeper belongs to the servers', 'choose such as /zagflow')
  }
  return chroot
}

function readQuery(
  query: string,
  wrong: Wrong,
): { readonly board?: string | undefined; readonly session?: string | undefined } {
  const found = new Map<string, string>()
  for (const part of query.split('&').filter((one) => one !== '')) {
    const [name = '', ...rest] = part.split('=')
    if (!PARAMETERS.includes(name)) {
      const hint = didYouMean(name, PARAMETERS) ?? `known are ${PARAMETERS.join(' and ')}`
      throw wrong(`the parameter "${name}" is not known`, hint)
    }
    if (found.has(name)) throw wrong(`the parameter "${name}" stands there twice`)
    const value = decoded(rest.join('='))
    if (value === null) throw wrong(`${name}: expected percent-encoding, got a "%" alone`)
    found.set(name, value)
  }
  return { board: found.get('board'), session: found.get('session') }
}

function readSession(text: string, wrong: Wrong): number {
  const reading = readDuration(text)
  if (reading.ms === undefined) throw wrong(`session: ${reading.problem}`, reading.hint)
  return checkSession(reading.ms, (what) => wrong(`session: ${what}, got "${text}"`))
}

/** Milliseconds of a session, if it makes sense; else throws what `wrong` makes of it. */
export function checkSession(ms: number, wrong: (what: string) => UsageError): number {
  if (!Number.isInteger(ms) || ms < SESSION.leastMs || ms > SESSION.mostMs) {
    throw wrong('expected 1s to 10m')
  }
  return ms
}

/** ZooKeeper refuses control characters, and what is no character of its own, in names. */
function isPrintable(text: string): boolean {
  return !/[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/.test(text)
}

/** Null: it is not percent-encoded. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
