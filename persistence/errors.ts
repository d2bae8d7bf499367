/**
 * What an error of a driver means. Nothing else looks at SQLSTATEs, codes or messages of drivers.
 *
 * `busy`: somebody else is in the way; tried again at once. `away`: the database cannot be reached, or cannot write; tried
 * again with growing delays. `refused`: it will not have these rows, ever. `other`: something an operator has to mend
 * (schema, permissions, a corrupt file); no flow is to blame.
 */
export type ErrorMeaning = 'busy' | 'away' | 'refused' | 'other'

/** SQLSTATEs by their beginning; the longest that fits counts. PostgreSQL, appendix A. */
const SQLSTATES: readonly (readonly [string, ErrorMeaning])[] = [
  ['08', 'away'], // connection exceptions
  ['21', 'refused'], // one row twice in a statement
  ['22', 'refused'], // data exceptions: \u0000 (22P05), numbers out of range
  ['23', 'refused'], // integrity constraints
  ['25006', 'away'], // read only: a standby, during a failover
  ['25P03', 'away'], // idle_in_transaction_session_timeout
  ['40001', 'busy'], // serialisation
  ['40003', 'away'], // statement completion unknown
  ['40P01', 'busy'], // deadlock
  ['53', 'away'], // disk full (53100), memory, too many connections (53300)
  ['54', 'refused'], // program limits: an index row too big
  ['55P03', 'busy'], // lock_timeout
  ['57014', 'away'], // statement_timeout
  ['57P01', 'away'], // admin shutdown
  ['57P02', 'away'], // crash shutdown
  ['57P03', 'away'], // cannot connect now
  ['57P05', 'away'], // idle session timeout
  ['58', 'away'], // system errors, I/O
]

/** Codes of Node's sockets and resolver. */
const SOCKET_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/** What `pg` and knex say without any code when a connection is gone or never came. */
const GONE =
  /connection terminated|connection ended|connection error|not queryable|timeout exceeded when trying to connect|timeout acquiring a connection|query timeout|server closed the connection|client was closed|socket/i

/** The meaning of an error of PostgreSQL, pg, or knex above it. */
export function postgresMeaning(error: unknown): ErrorMeaning {
  const code = codeOf(error)
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) {
    const fitting = SQLSTATES.filter(([beginning]) => code.startsWith(beginning))
    return fitting.sort(([a], [b]) => b.length - a.length)[0]?.[1] ?? 'other'
  }
  if (code !== undefined && SOCKET_CODES.has(code)) return 'away'
  if (isTimeout(error) || GONE.test(messageOf(error))) return 'away'
  return 'other'
}

/** SQLite's primary result codes. https://www.sqlite.org/rescode.html */
const SQLITE_CODES: { readonly [code: string]: ErrorMeaning } = {
  SQLITE_BUSY: 'busy',
  SQLITE_LOCKED: 'busy',
  SQLITE_FULL: 'away', // the disk
  SQLITE_IOERR: 'away',
  SQLITE_CANTOPEN: 'away',
  SQLITE_NOMEM: 'away',
  SQLITE_PROTOCOL: 'away', // locking of the WAL
  SQLITE_READONLY: 'away',
  SQLITE_INTERRUPT: 'away',
  SQLITE_CONSTRAINT: 'refused',
  SQLITE_TOOBIG: 'refused',
  SQLITE_MISMATCH: 'refused',
  SQLITE_RANGE: 'refused',
}

/** The meaning of an error of SQLite, from either driver, or of knex above it. */
export function sqliteMeaning(error: unknown): ErrorMeaning {
  const code = codeOf(error)
  if (code === 'SQLITE_ERROR' && /malformed JSON/i.test(messageOf(error))) return 'refused'
  if (code?.startsWith('SQLITE_') === true) {
    const [sqlite, primary] = code.split('_') // extended codes: SQLITE_IOERR_WRITE
    return SQLITE_CODES[`${sqlite}_${primary}`] ?? 'other'
  }
  if (isTimeout(error)) return 'away' // the connection is in use by something that does not end
  return 'other'
}

/** An error of a driver, with its meaning. It never leaves this folder. */
export class DriverError extends Error {
  override readonly name = 'DriverError'
  readonly meaning: ErrorMeaning

  constructor(meaning: ErrorMeaning, reason: string, cause: unknown) {
    super(reason, { cause })
    this.meaning = meaning
  }
}

/**
 * What an error says, in one line that every database can store. knex puts the statement before the driver's own words:
 * `statement` is taken off again.
 */
export function reasonOf(error: unknown, statement: string): string {
  const message = messageOf(error)
  const prefix = `${statement} - `
  const own = message.startsWith(prefix) ? message.slice(prefix.length) : message
  const line = own.split('\n')[0] ?? ''
  return line
    .replaceAll('\0', '')
    .replace(/\p{Surrogate}/gu, '\uFFFD')
    .slice(0, 500)
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'KnexTimeoutError'
}
