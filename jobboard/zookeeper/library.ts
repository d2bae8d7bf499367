/**
 * What this unit uses of `node-zookeeper-client` 1.1.3, and the only place that loads it: its codec (jute) and, for one connection
 * at a time, its connection manager. Both are inner parts that have no published types; what is described here is checked when it is
 * loaded, so that another version of it fails at once and says so.
 *
 * The connection manager writes the handshake, the credentials and requests, numbers them, and matches and reads replies. Everything
 * else that it would do (connect, connect again, ping, time out, keep watches) is done in `connection.ts` and above, because there it
 * forgets callbacks, never notices a dead peer, and throws where nobody catches.
 */
import type net from 'node:net'

/** A part of a message; its fields are those of ZooKeeper's protocol. */
export interface JuteRecord {
  [field: string]: unknown
  serialize(buffer: Buffer, offset: number): number
  deserialize(buffer: Buffer, offset: number): number
}

/** A request, as the connection manager queues it. */
export interface JuteRequest {
  readonly header: JuteRecord
  readonly payload: unknown
}

/** A reply, as the connection manager hands it on. `payload` is null where the request has none, or was refused. */
export interface JuteResponse {
  readonly payload: JuteRecord | null
}

type RecordClass = new (...fields: readonly unknown[]) => JuteRecord

const recordNames = [
  'RequestHeader',
  'WatcherEvent',
  'CreateRequest',
  'DeleteRequest',
  'ExistsRequest',
  'GetDataRequest',
  'SetDataRequest',
  'GetChildren2Request',
  'GetACLRequest',
  'SetWatches',
] as const

export interface Jute {
  readonly protocol: Readonly<Record<(typeof recordNames)[number], RecordClass>>
  readonly Request: new (header: JuteRecord, payload: unknown) => JuteRequest
  readonly TransactionRequest: new (operations: readonly object[]) => unknown
}

/** States of the connection manager. */
export const managerStates = {
  connecting: 1,
  connected: 2,
  closed: -2,
  expired: -3,
  authenticationFailed: -4,
} as const

/** The connection manager of one connection. */
export interface ConnectionManager {
  state: number
  socket: net.Socket
  /** Number of the next request. */
  xid: number
  /** Last seen transaction, 8 bytes. */
  zxid: Buffer
  sessionId: Buffer
  sessionPassword: Buffer
  /** In ms; negotiated once the handshake was answered. */
  sessionTimeout: number
  connect(): void
  onSocketTimeout(): void
  onSocketConnected(): void
  onSocketData(bytes: Buffer): void
  queue(
    request: JuteRequest,
    callback?: (error: unknown, response: JuteResponse | undefined) => void,
  ): void
  close(): void
  setState(state: number): void
}

export interface Library {
  readonly jute: Jute
  /** Rights of a node, as requests want them: everybody's, and only those of who creates it. */
  readonly acls: { readonly open: readonly JuteAcl[]; readonly creator: readonly JuteAcl[] }
  /** The manager of one new connection, which connects nowhere by itself. */
  manager(options: {
    readonly sessionTimeoutMs: number
    readonly sessionId?: Buffer | undefined
    readonly sessionPassword?: Buffer | undefined
    /** `user:password` */
    readonly digest?: string | undefined
  }): ConnectionManager
}

export interface JuteAcl {
  toRecord(): JuteRecord
}

let loading: Promise<Library> | undefined

/** Loads it, once. */
export function loadLibrary(): Promise<Library> {
  loading ??= load()
  return loading
}

async function load(): Promise<Library> {
  const client = await import('node-zookeeper-client')
  const loaded: unknown = await import('node-zookeeper-client/lib/jute/index.js')
  const jute = checkedJute(property(loaded, 'default'))
  const acls = {
    open: checkedAcls(property(client.ACL, 'OPEN_ACL_UNSAFE')),
    creator: checkedAcls(property(client.ACL, 'CREATOR_ALL_ACL')),
  }
  return {
    jute,
    acls,
    manager({ sessionTimeoutMs, sessionId, sessionPassword, digest }) {
      const options = { sessionTimeout: sessionTimeoutMs, sessionId, sessionPassword }
      // The host is never used: sockets are made in connection.ts. Ids of sessions are options that its types do not know.
      const made = client.createClient('127.0.0.1:1', options)
      if (digest !== undefined) made.addAuthInfo('digest', Buffer.from(digest))
      const manager = checkedManager(property(made, 'connectionManager'))
      manager.connect = () => {}
      manager.onSocketTimeout = () => {}
      // Numbers begin at 1: a request of number 0 is counted as unanswered by the server for ever.
      manager.xid = 1
      return manager
    },
  }
}

function checkedJute(found: unknown): Jute {
  const protocol = property(found, 'protocol')
  for (const name of recordNames) expectFunction(property(protocol, name), `protocol.${name}`)
  for (const name of ['Request', 'TransactionRequest']) expectFunction(property(found, name), name)
  return found as Jute
}

function checkedAcls(found: unknown): readonly JuteAcl[] {
  if (!Array.isArray(found) || found.length === 0) throw foreign('ACL')
  for (const acl of found) expectFunction(property(acl, 'toRecord'), 'ACL.toRecord')
  return found as JuteAcl[]
}

function checkedManager(found: unknown): ConnectionManager {
  const functions = [
    'connect',
    'onSocketTimeout',
    'onSocketConnected',
    'onSocketData',
    'queue',
    'close',
    'setState',
  ]
  for (const name of functions) expectFunction(property(found, name), `connectionManager.${name}`)
  for (const name of ['zxid', 'sessionId', 'sessionPassword']) {
    if (!Buffer.isBuffer(property(found, name))) throw foreign(`connectionManager.${name}`)
  }
  for (const name of ['state', 'xid', 'sessionTimeout']) {
    if (typeof property(found, name) !== 'number') throw foreign(`connectionManager.${name}`)
  }
  return found as ConnectionManager
}

function property(value: unknown, name: string): unknown {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return isObject ? Reflect.get(value, name) : undefined
}

function expectFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw foreign(name)
}

function foreign(name: string): Error {
  return new Error(
    `node-zookeeper-client is not what it should be (1.1.3): ${name} is missing; install the exact version`,
  )
}
