/** What servers answer: names of refusals, what each means for whoever asked, and the state of nodes. Pure. */
import { NodeError, ZooKeeperUnavailableError, type NodeStat } from './contract.ts'

/** ZooKeeper's codes (KeeperException.Code), of 3.4 to 3.9. Others go by their number. */
const NAMES: Readonly<Record<number, string>> = {
  [-1]: 'SYSTEM_ERROR',
  [-2]: 'RUNTIME_INCONSISTENCY',
  [-3]: 'DATA_INCONSISTENCY',
  [-4]: 'CONNECTION_LOSS',
  [-5]: 'MARSHALLING_ERROR',
  [-6]: 'UNIMPLEMENTED',
  [-7]: 'OPERATION_TIMEOUT',
  [-8]: 'BAD_ARGUMENTS',
  [-13]: 'NEW_CONFIG_NO_QUORUM',
  [-14]: 'RECONFIG_IN_PROGRESS',
  [-100]: 'API_ERROR',
  [-101]: 'NO_NODE',
  [-102]: 'NO_AUTH',
  [-103]: 'BAD_VERSION',
  [-108]: 'NO_CHILDREN_FOR_EPHEMERALS',
  [-110]: 'NODE_EXISTS',
  [-111]: 'NOT_EMPTY',
  [-112]: 'SESSION_EXPIRED',
  [-113]: 'INVALID_CALLBACK',
  [-114]: 'INVALID_ACL',
  [-115]: 'AUTH_FAILED',
  [-118]: 'SESSION_MOVED',
  [-119]: 'NOT_READ_ONLY',
  [-120]: 'EPHEMERAL_ON_LOCAL_SESSION',
  [-121]: 'NO_WATCHER',
  [-122]: 'REQUEST_TIMEOUT',
  [-123]: 'RECONFIG_DISABLED',
  [-124]: 'SESSION_CLOSED_REQUIRES_SASL',
  [-125]: 'QUOTA_EXCEEDED',
  [-127]: 'THROTTLED',
}

/** Codes that something depends on. */
export const CODES = { runtimeInconsistency: -2, noNode: -101, sessionExpired: -112 } as const

/** The server does not know itself what became of the operation. */
const DOUBTFUL: ReadonlySet<number> = new Set([-1, -2, -3, -4, -7, -122])
/** Refused because of the moment, whatever was asked. */
const PASSING: ReadonlySet<number> = new Set([-118, -119, -124, -127])

/** `BAD_VERSION`, or the number as text. */
export function nameOf(code: number): string {
  return NAMES[code] ?? String(code)
}

/** The error of an operation that a server answered with this code. */
export function errorOf(
  code: number,
  path: string,
  servers: string,
  step?: number,
): NodeError | ZooKeeperUnavailableError {
  if (code === CODES.sessionExpired) return new NodeError('SESSION_LOST', path, step)
  const reason = `a server answered ${nameOf(code)} to an operation on ${path}`
  if (DOUBTFUL.has(code)) return new ZooKeeperUnavailableError(servers, 'unknown', { reason })
  if (PASSING.has(code)) return new ZooKeeperUnavailableError(servers, 'not sent', { reason })
  return new NodeError(nameOf(code), path, step)
}

/**
 * Which step of a transaction was refused, from what the server says of each. The others bear 0 (before it) or
 * RUNTIME_INCONSISTENCY (behind it). Null: none was.
 */
export function refusedStep(
  codes: readonly number[],
): { readonly step: number; readonly code: number } | null {
  const refused = codes.findIndex((code) => code !== 0 && code !== CODES.runtimeInconsistency)
  const step = refused >= 0 ? refused : codes.findIndex((code) => code !== 0)
  return step < 0 ? null : { step, code: codes[step] ?? 0 }
}

/** Reads what the library made of a Stat. Throws where it is none. */
export function readStat(stat: unknown): NodeStat {
  if (typeof stat !== 'object' || stat === null) throw new Error('expected the state of a node')
  const owner = longOf(stat, 'ephemeralOwner')
  return {
    czxid: longOf(stat, 'czxid'),
    version: intOf(stat, 'version'),
    children: intOf(stat, 'numChildren'),
    childrenVersion: intOf(stat, 'cversion'),
    ephemeralOwner: owner === 0n ? null : hexOf(owner),
    createdAt: Number(longOf(stat, 'ctime')),
  }
}

/** A session's id as text: 16 hexadecimal digits. */
export function hexOf(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16).padStart(16, '0')
}

function longOf(record: object, name: string): bigint {
  const value: unknown = Reflect.get(record, name)
  if (!Buffer.isBuffer(value) || value.length !== 8) throw new Error(`expected a long: ${name}`)
  return value.readBigInt64BE()
}

function intOf(record: object, name: string): number {
  const value: unknown = Reflect.get(record, name)
  if (typeof value !== 'number') throw new Error(`expected a number: ${name}`)
  return value
}
