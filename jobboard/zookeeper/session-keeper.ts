/**
 * Keeps one session at a time at some server of an ensemble, and what waits for one.
 *
 * Owns: at most one connection, the timer of the next attempt, the timer of the session's end, and operations that wait.
 *
 * Invariants
 * K1  One connection at a time, each used once. Hosts are tried in turn, beginning anywhere; after each round of failures the wait
 *     grows, up to a second, in part by chance.
 * K2  While no server is reached the session counts as lost once its time has passed since it was last proven to stand, whatever
 *     the servers may think: told `lost` too early is safe, too late is not.
 * K3  What is called while no server is reached waits: for the session that it belongs to, and no longer than its time.
 * K4  On each connection come, before anything that waited: credentials, `sync`, and then the session's watches or, for a new
 *     session, the chroot.
 * K5  After `close()` nothing of it is left.
 */
import { randomInt } from 'node:crypto'
import { Connection, type Notification, type ServerSession } from './connection.ts'
import type { SessionState, WatchListener } from './contract.ts'
import { loadLibrary, type JuteRequest, type Library } from './library.ts'
import type { OperationHome, Waiting } from './operation.ts'
import type { ResolvedClientOptions } from './options.ts'
import { hexOf } from './answers.ts'
import { Requests } from './requests.ts'
import { onAbort } from './signals.ts'
import { Watches, type WatchKind } from './watches.ts'

/** Waits between rounds over all hosts: a session of a few seconds must survive a few of them. */
const RETRY = { firstMs: 100, mostMs: 1000 }
/** A connection that stood so long was a good one: the next failure is a new one. */
const GOOD_AFTER_MS = 2000
/** What one attempt may take: a share of the session's time, more in each round, in ms. */
const ATTEMPT = { leastMs: 500, mostMs: 10_000 }
/** How long `close()` looks for a server, and then waits for it to end the session, in ms. */
const CLOSING = { reachMs: 1000, endMs: 2000 }
/** Servers refuse a request of more than 1 MB. */
const WATCHES_PART_BYTES = 128 * 1024

export class SessionKeeper implements OperationHome {
  readonly #options: ResolvedClientOptions
  readonly #watches: Watches
  readonly #listeners = new Set<(state: SessionState) => void>()
  /** Operations that no connection has, in the order of their calls (K3). */
  readonly #waiting = new Set<Waiting>()
  /** Told whenever anything has changed. */
  readonly #wakeups = new Set<() => void>()
  #library: Library | null = null
  #requests: Requests | null = null
  #state: SessionState = 'connecting'
  #session = 0
  #credentials: ServerSession | null = null
  #zxid = 0n
  /** The one that there is, from its first attempt on. */
  #connection: Connection | null = null
  /** The same, while the session stands on it. */
  #live: Connection | null = null
  #hostIndex: number
  /** Host and port of the last attempt. */
  #where = ''
  /** Attempts that failed since the last good connection. */
  #failures = 0
  #lastFault: string | undefined
  #cancelRetry = (): void => {}
  #cancelLoss = (): void => {}
  #starting: Promise<void> | null = null
  #closing: Promise<void> | null = null
  /** No further connection is made. */
  #isOver = false

  constructor(options: ResolvedClientOptions) {
    this.#options = options
    this.#hostIndex = randomInt(options.hosts.length)
    this.#watches = new Watches((error) => {
      options.logger.error({ error }, 'a ZooKeeper watch threw')
    })
  }

  get clock(): ResolvedClientOptions['clock'] {
    return this.#options.clock
  }

  get servers(): string {
    return this.#options.servers
  }

  get state(): SessionState {
    return this.#state
  }

  get session(): number {
    return this.#session
  }

  /** Whether the present session may be alive; if not, the next one has the next number. */
  get hasSession(): boolean {
    return this.#credentials !== null
  }

  get sessionId(): string | null {
    return this.#credentials && hexOf(this.#credentials.id.readBigInt64BE())
  }

  get sessionTimeoutMs(): number {
    return this.#credentials?.timeoutMs ?? this.#options.sessionTimeoutMs
  }

  /** `host:port` of the server that it is connected to. */
  get server(): string | null {
    return this.#live && this.#where
  }

  get isClosing(): boolean {
    return this.#closing !== null
  }

  /** Null: the library has not been loaded. */
  get requests(): Requests | null {
    return this.#requests
  }

  lastFault(): string | undefined {
    return this.#live === null ? this.#lastFault : undefined
  }

  onState(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Loads the library. */
  async load(): Promise<Requests> {
    this.#library ??= await loadLibrary()
    const isOwned = this.#options.digest !== undefined
    return (this.#requests ??= new Requests(this.#library, { isOwned }))
  }

  /** Begins to connect, once. */
  start(): Promise<void> {
    this.#starting ??= this.load().then(() => this.#connect())
    return this.#starting
  }

  /** Resolves when a session stands, or after that time, or when the signal aborts, or when it is closed; with whether one does. */
  whenConnected(withinMs: number, signal?: AbortSignal): Promise<boolean> {
    return this.#until(() => this.#live !== null, withinMs, signal)
  }

  /** Sends an operation now, or when there is a server to send it to (K3). */
  submit(operation: Waiting): void {
    if (this.#live === null) {
      this.#waiting.add(operation)
      return
    }
    operation.bindTo(this.#session)
    this.#live.send(operation)
  }

  withdraw(operation: Waiting, how: { readonly isOverdue: boolean }): boolean {
    if (this.#waiting.delete(operation)) return false
    return this.#connection?.withdraw(operation, how) ?? false
  }

  requeue(operation: Waiting): void {
    this.#waiting.add(operation)
  }

  /** Keeps a watch that a server has set in answer to a read. */
  watch(kind: WatchKind, path: string, listener: WatchListener): void {
    this.#watches.add(kind, path, listener)
  }

  sessionEnded(): void {
    this.#connection?.close('the server said that the session is over')
    this.#lose('the server said that it is over')
  }

  /** Ends the session in order where a server is reached soon, and everything else at once. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#refuseWaiting()
    const isReachable = (): boolean => this.#live !== null || !this.hasSession
    await this.#until(isReachable, CLOSING.reachMs)
    this.#isOver = true
    if (this.#live !== null) {
      this.#live.endSession()
      await this.#until(() => this.#live === null, CLOSING.endMs)
    }
    this.#cancelRetry()
    this.#cancelLoss()
    this.#connection?.close('the client was closed')
    this.#refuseWaiting()
    this.#credentials = null
    this.#tell('closed')
    this.#watches.tellEnd()
    this.#listeners.clear()
  }

  #refuseWaiting(): void {
    for (const operation of [...this.#waiting]) {
      this.#waiting.delete(operation)
      operation.refuse('the client is closed')
    }
  }

  /** Tries the next host (K1). */
  #connect(): void {
    const { hosts, tls, digest, sessionTimeoutMs, clock } = this.#options
    const library = this.#library
    const server = hosts[this.#hostIndex % hosts.length]
    if (this.#isOver || library === null || server === undefined) return
    this.#hostIndex += 1
    const rounds = Math.floor(this.#failures / hosts.length)
    const shareMs = Math.max(ATTEMPT.leastMs, (this.sessionTimeoutMs * 2) / 3 / hosts.length)
    const withinMs = Math.min(ATTEMPT.mostMs, Math.round(shareMs * 2 ** Math.min(rounds, 10)))
    const [session, zxid] = [this.#credentials, this.#zxid]
    const where = (this.#where = `${server.host}:${server.port}`)
    const connection: Connection = new Connection(
      { ...server, library, tls, clock, digest, session, sessionTimeoutMs, zxid, withinMs },
      {
        opened: (session) => this.#opened(connection, session, where),
        expired: () => this.#lose('the server said that it has ended'),
        notified: (notification) => this.#notified(notification),
        closed: (reason) => this.#closed(connection, `${where}: ${reason}`),
      },
    )
    this.#connection = connection
  }

  #opened(connection: Connection, session: ServerSession, where: string): void {
    if (this.#credentials !== null && !this.#credentials.id.equals(session.id)) {
      this.#lose('a server gave another session in its place')
    }
    const isNew = this.#credentials === null
    if (isNew) this.#session += 1
    this.#credentials = session
    this.#cancelLoss()
    this.#live = connection
    this.#sendPrelude(connection, isNew)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const operation of waiting) this.submit(operation)
    if (this.#live !== connection) return // It went while they were written.
    this.#options.logger.info(
      { server: where, session: this.sessionId, timeoutMs: session.timeoutMs },
      isNew ? 'a ZooKeeper session begins' : 'the ZooKeeper session goes on',
    )
    this.#tell('connected')
  }

  /** What goes before all that waited (K4). Answers do not matter: who needs the chroot learns of its lack by the next operation. */
  #sendPrelude(connection: Connection, isNew: boolean): void {
    const requests = this.#requests
    if (requests === null) return
    const send = (request: JuteRequest): void =>
      connection.send({ request, answered: () => {}, lost: () => {} })
    const { chroot } = this.#options
    send(requests.sync(fullPath(chroot, '/')))
    if (isNew) {
      for (const path of pathsTo(chroot)) send(requests.create(path, Buffer.alloc(0), false))
    }
    for (const part of this.#watches.parts(WATCHES_PART_BYTES)) {
      const full = (paths: readonly string[]) => paths.map((path) => fullPath(chroot, path))
      send(
        requests.setWatches(this.#zxid, {
          data: full(part.data),
          existence: full(part.existence),
          children: full(part.children),
        }),
      )
    }
  }

  #notified({ type, path }: Notification): void {
    const { chroot } = this.#options
    if (path === fullPath(chroot, '/')) this.#watches.tell(type, '/')
    else if (path.startsWith(`${chroot}/`)) this.#watches.tell(type, path.slice(chroot.length))
  }

  #closed(connection: Connection, reason: string): void {
    if (this.#connection !== connection) return
    const wasLive = this.#live === connection
    const { openedAt } = connection
    this.#connection = this.#live = null
    this.#lastFault = reason
    const wasGood = openedAt !== null && this.clock.now() - openedAt >= GOOD_AFTER_MS
    this.#failures = wasGood ? 0 : this.#failures + 1
    if (!this.#isOver) this.#retry(reason)
    if (wasLive && this.hasSession && !this.#isOver) {
      const { timeoutMs } = this.#credentials ?? { timeoutMs: 0 }
      this.#zxid = connection.zxid
      this.#cancelLoss = this.clock.setTimer(
        () =>
          this.#lose(`no server was reached for ${timeoutMs} ms (${this.#lastFault ?? reason})`),
        connection.provenAt + timeoutMs,
      )
      this.#options.logger.warn({ reason }, 'the connection to ZooKeeper is gone')
      this.#tell('suspended')
    }
    this.#wake()
  }

  #retry(reason: string): void {
    const { hosts, logger } = this.#options
    const rounds = this.#failures / hosts.length
    const isRound = this.#failures > 0 && Number.isInteger(rounds)
    if (isRound && rounds === 1) logger.warn({ reason }, 'no ZooKeeper server can be reached')
    else logger.debug({ reason }, 'a ZooKeeper server cannot be reached')
    const fullMs = Math.min(RETRY.mostMs, RETRY.firstMs * 2 ** Math.min(rounds - 1, 10))
    const waitMs = isRound ? fullMs * (0.5 + randomInt(500) / 1000) : 0
    this.#cancelRetry = this.clock.setTimer(() => this.#connect(), this.clock.now() + waitMs)
  }

  /** The session is over, for good (G3). */
  #lose(reason: string): void {
    if (this.#credentials === null) return
    const lost = this.sessionId
    this.#credentials = null
    this.#zxid = 0n
    this.#cancelLoss()
    // An attempt that is under way would go on with it.
    if (this.#connection?.isOpen === false) this.#connection.close('its session is lost')
    this.#options.logger.warn({ session: lost, reason }, 'the ZooKeeper session is lost')
    for (const operation of [...this.#waiting]) {
      if (operation.session !== this.#session) continue
      this.#waiting.delete(operation)
      operation.refuseSession(`the session was lost: ${reason}`)
    }
    this.#tell('lost')
    this.#watches.tellEnd()
    if (this.#state === 'lost') this.#tell('connecting')
  }

  #tell(state: SessionState): void {
    if (this.#state === state) return
    this.#state = state
    for (const listener of [...this.#listeners]) {
      try {
        listener(state)
      } catch (error) {
        this.#options.logger.error({ error }, 'a listener of ZooKeeper sessions threw')
      }
    }
    this.#wake()
  }

  /** Waits until something holds, which is looked at whenever anything changes; with whether it does. */
  #until(holds: () => boolean, withinMs: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (holds() || this.#state === 'closed' || signal?.aborted) end()
      }
      const end = (): void => {
        cancelTimer()
        forgetSignal()
        this.#wakeups.delete(look)
        resolve(holds())
      }
      const cancelTimer = this.clock.setTimer(end, this.clock.now() + withinMs)
      const forgetSignal = signal === undefined ? () => {} : onAbort(signal, end)
      this.#wakeups.add(look)
      look()
    })
  }

  #wake(): void {
    for (const look of [...this.#wakeups]) look()
  }
}

/** The path from the root of the tree. */
export function fullPath(chroot: string, path: string): string {
  return path === '/' ? chroot || '/' : chroot + path
}

/** `/a/b` → `/a`, `/a/b`; the root has none. */
export function pathsTo(path: string): readonly string[] {
  const names = path.split('/').filter((name) => name !== '')
  return names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`)
}
