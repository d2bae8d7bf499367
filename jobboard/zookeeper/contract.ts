/**
 * What the board asks of a ZooKeeper client: one session at a time, and operations whose promises always settle.
 *
 * Invariants
 * G1  Every operation settles once: with its answer, or with an error that says whether the server may have carried it out.
 * G2  An operation is sent within the session that it was called in (or that it names), or not at all.
 * G3  A session that ended (told by the server, guessed by time, or another id after a reconnect) is `lost` for good; a new one
 *     follows by itself, with a bigger `session`. Nothing of the old one is carried over: no watch, no ephemeral node.
 * G4  A watch tells once: of the change, or of the end of its session.
 * G5  Operations of one connection are carried out in the order in which they were called. After a reconnect, `sync` comes first:
 *     a read behind it sees whatever was done before.
 * G6  No error of the server, known or not, and no bytes on its connection end the process.
 */
import type { ConnectionOptions } from 'node:tls'
import type { Clock } from '../../src/base/clock.ts'
import { UnavailableError } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'

/**
 * `connecting`: there was no session yet, or the last one was lost. `suspended`: no server is reached, but the session may still
 * stand. `lost` is told between the end of a session and the next `connecting`.
 */
export type SessionState = 'connecting' | 'connected' | 'suspended' | 'lost' | 'closed'

/** Of a node. Counters that may be long are bigints. */
export interface NodeStat {
  readonly czxid: bigint
  readonly version: number
  readonly children: number
  /** Grows with each child that comes or goes (`cversion`): unchanged means that a listing of it still holds. */
  readonly childrenVersion: number
  /** Session of an ephemeral node, 16 hexadecimal digits; null for one that stays. */
  readonly ephemeralOwner: string | null
  /** Epoch ms by the server's clock. */
  readonly createdAt: number
}

export interface WatchedEvent {
  readonly kind: 'created' | 'removed' | 'changed' | 'children' | 'session'
  readonly path: string
}
export type WatchListener = (event: WatchedEvent) => void

export type TransactionStep =
  | { readonly op: 'check'; readonly path: string; readonly version: number }
  | {
      readonly op: 'create'
      readonly path: string
      readonly data: Buffer
      readonly ephemeral?: boolean
    }
  | { readonly op: 'set'; readonly path: string; readonly data: Buffer; readonly version?: number }
  | { readonly op: 'remove'; readonly path: string; readonly version?: number }

export interface OperationOptions {
  /** Refused with `SESSION_LOST` unless this is the present session. @default the present one */
  readonly session?: number | undefined
  /** From the call to its end, in ms. @default that of the client (4,000) */
  readonly withinMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}
export interface ReadOptions extends OperationOptions {
  /** Told once when what was read changes (G4). */
  readonly watch?: WatchListener | undefined
}

/** Names of the answers that mean something to callers. Others come as their name or number. */
export type NodeErrorCode =
  | 'NO_NODE'
  | 'NODE_EXISTS'
  | 'BAD_VERSION'
  | 'NOT_EMPTY'
  | 'NO_AUTH'
  | 'NO_CHILDREN_FOR_EPHEMERALS'
  | (string & {})

/** A server has refused an operation; nothing was changed. For the board's own eyes: it never leaves this unit. */
export class NodeError extends Error {
  readonly reply: NodeErrorCode
  readonly path: string
  /** Of a transaction: which of its steps was refused, from 0. */
  readonly step: number | undefined

  constructor(reply: NodeErrorCode, path: string, step?: number) {
    super(`ZooKeeper refused ${path}: ${reply}`)
    this.name = 'NodeError'
    this.reply = reply
    this.path = path
    this.step = step
  }
}

/** No server could be asked, or none answered in time. */
export class ZooKeeperUnavailableError extends UnavailableError {
  /** Whether a server may have carried it out all the same: then look before trying again. */
  readonly outcome: 'not sent' | 'unknown'

  constructor(
    servers: string,
    outcome: 'not sent' | 'unknown',
    options: {
      readonly reason?: string | undefined
      readonly hint?: string | undefined
      readonly cause?: unknown
    } = {},
  ) {
    super(servers, options)
    this.outcome = outcome
  }
}

/** What a client is made with. */
export interface ZooKeeperClientOptions {
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  /** `/zagflow`: all paths of the client are below it; it is made if it is missing. Empty: the root. @default "" */
  readonly chroot?: string | undefined
  /** Asked for; the servers may give another, which then counts, in ms. @default 10,000 */
  readonly sessionTimeoutMs?: number | undefined
  /** What an operation takes at most, in ms, unless it says otherwise. @default 4,000 */
  readonly operationMs?: number | undefined
  /** Digest credentials. Every node that is made then belongs to them alone (`auth`, all rights). @default none: nodes are everybody's */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** TLS to every server; certificates are always verified. @default no TLS */
  readonly tls?:
    | Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername' | 'minVersion'>
    | undefined
  readonly logger?: Logger | undefined
  /** Only differences of its times count. @default a steady one: setting the machine's time ends no session */
  readonly clock?: Clock | undefined
}

export interface ZooKeeperClient {
  readonly state: SessionState
  /** Number of the present session, from 1; 0 before the first. */
  readonly session: number
  /** Its id at the servers, 16 hexadecimal digits; null while there is none. */
  readonly sessionId: string | null
  /** Negotiated, in ms; the asked one before. */
  readonly sessionTimeoutMs: number
  /** The server that it is connected to, as `host:port`; null while it is to none. */
  readonly server: string | null
  /** Resolves once a session stands. Throws `ZooKeeperUnavailableError` after `withinMs`; it goes on trying all the same until `close()`. */
  start(options?: { readonly withinMs?: number; readonly signal?: AbortSignal }): Promise<void>
  /** Ends the session in order, if a server is reached soon. Twice is fine. */
  close(): Promise<void>
  onState(listener: (state: SessionState) => void): () => void
  create(
    path: string,
    data: Buffer,
    options?: OperationOptions & { readonly ephemeral?: boolean },
  ): Promise<void>
  /** Creates it and what is missing above it; there already is fine. */
  ensure(path: string, options?: OperationOptions): Promise<void>
  get(
    path: string,
    options?: ReadOptions,
  ): Promise<{ readonly data: Buffer; readonly stat: NodeStat }>
  set(
    path: string,
    data: Buffer,
    options?: OperationOptions & { readonly version?: number },
  ): Promise<NodeStat>
  /** Null: it is not there (and the watch tells when it is made). */
  exists(path: string, options?: ReadOptions): Promise<NodeStat | null>
  children(
    path: string,
    options?: ReadOptions,
  ): Promise<{ readonly names: readonly string[]; readonly stat: NodeStat }>
  remove(path: string, options?: OperationOptions & { readonly version?: number }): Promise<void>
  /** All or nothing. Throws `NodeError` with the step that was refused. */
  transaction(steps: readonly TransactionStep[], options?: OperationOptions): Promise<void>
  /** What is read on this connection afterwards is at least as new as all that was done before this call. */
  sync(path: string, options?: OperationOptions): Promise<void>
}
