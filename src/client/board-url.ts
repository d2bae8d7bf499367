import { UsageError } from '../base/errors.ts'
import type { ZooKeeperBoardOptions } from '../../jobboard/zookeeper/board-options.ts'
import { isBoardUrl, readBoardUrl, shownUrl } from '../../jobboard/zookeeper/url.ts'
import { RUN_BOARD } from './local-run.ts'

/** What a board in ZooKeeper needs beside its URL. */
export interface ZooKeeperAccess {
  /** Digest credentials; they win over those of the URL. The board's nodes belong to them alone. @default none: nodes are everybody's */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** Certificates for `zookeeper+tls://`; those of the servers are always verified. @default what Node trusts */
  readonly tls?: ZooKeeperBoardOptions['tls']
  /**
   * Postings of a priority and above that stand on the board at most; the rest of the backlog waits in the database. The same for all
   * processes of a board. @default 10,000
   */
  readonly window?: number | undefined
}

/** Where a board is, as its URL says. */
export type BoardPlace =
  | { readonly kind: 'sql'; readonly name: string }
  | {
      readonly kind: 'zookeeper'
      readonly name: string
      /** With credentials: never shown. */
      readonly options: ZooKeeperBoardOptions
      /** For people: without user and password. */
      readonly shown: string
    }

/**
 * Reads the URL of a board: `sql:` is the board `main` in the persistence database, `sql:name` another one there;
 * `zookeeper://h1,h2,h3/chroot?board=name` is one in ZooKeeper. Connects to nothing. Throws {@link UsageError} that names the wrong
 * part, and never a password.
 */
export function parseBoardUrl(url: string, access: ZooKeeperAccess = {}): BoardPlace {
  if (isBoardUrl(url)) return zookeeperPlace(url, access)
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/s.exec(url) ?? []
  if (scheme === 'sql') return { kind: 'sql', name: boardName(rest === '' ? 'main' : rest) }
  throw new UsageError(
    `"${shownUrl(url)}" is not the URL of a board; expected sql: or sql:NAME, or zookeeper://HOSTS/CHROOT`,
  )
}

function zookeeperPlace(url: string, access: ZooKeeperAccess): BoardPlace {
  const { hosts, chroot, board, sessionTimeoutMs, tls, ...inUrl } = readBoardUrl(url)
  const name = boardName(board)
  if (!tls && access.tls !== undefined) {
    throw new UsageError(`the board "${shownUrl(url)}" has certificates, and does not use TLS`, {
      hint: 'write zookeeper+tls://…, or leave the certificates out',
    })
  }
  const user = access.user ?? inUrl.user
  const password = access.user === undefined ? (access.password ?? inUrl.password) : access.password
  if ((user === undefined) !== (password === undefined)) {
    throw new UsageError(
      `the board "${shownUrl(url)}" has a ${user === undefined ? 'password and no user' : 'user and no password'}`,
      { hint: 'set ZAGFLOW_ZOOKEEPER_USER and ZAGFLOW_ZOOKEEPER_PASSWORD, both or none' },
    )
  }
  const servers = hosts.map(({ host, port }) => `${host}:${port}`).join(',')
  return {
    kind: 'zookeeper',
    name,
    options: {
      servers: hosts,
      chroot,
      name,
      sessionTimeoutMs,
      user,
      password,
      tls: tls ? (access.tls ?? {}) : undefined,
      window: access.window,
    },
    shown: `zookeeper${tls ? '+tls' : ''}://${servers}${chroot}?board=${name}`,
  }
}

function boardName(name: string): string {
  if (!/^[A-Za-z0-9_.-]{1,100}$/.test(name)) {
    throw new UsageError(
      `"${name}" cannot be the name of a board; expected 1 to 100 of A-Z, a-z, 0-9, _, . and -`,
    )
  }
  if (name === RUN_BOARD) {
    throw new UsageError(`the board "${RUN_BOARD}" is kept for run(), which needs no conductor`, {
      hint: 'choose another name',
    })
  }
  return name
}
