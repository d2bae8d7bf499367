/**
 * One connection to one server: it opens, lives and closes once, and is never used again.
 *
 * Invariants
 * C1  Every packet that was handed over is told once: its answer, or that the connection went, with whether it was written.
 * C2  A peer that does not answer is left: within `withinMs` for the handshake, then after two thirds of the session's time without
 *     an answer. Pings every third of it see to it that there is something to answer. Notifications are no answers: they come even
 *     while nothing of ours arrives.
 * C3  Whatever comes from the peer (codes that nobody knows, messages that are none) ends the connection at most.
 * C4  Credentials go first, then what `opened` sends.
 * C5  After `closed` was told nothing happens any more: no timer, no socket, no event.
 */
import net from 'node:net'
import tls from 'node:tls'
import type { Clock } from '../../src/base/clock.ts'
import type { ZooKeeperClientOptions } from './contract.ts'
import { BODY_OFFSET, CODE_OFFSET, Frames, readHeader } from './frames.ts'
import {
  managerStates,
  type ConnectionManager,
  type JuteRecord,
  type JuteRequest,
  type Library,
} from './library.ts'

/** No message of a server is longer: a listing of a million names fits. */
const LONGEST_MESSAGE_BYTES = 64 * 1024 * 1024
/** Requests that wait for an answer at a time: as many as a server takes from all its clients before it stops reading. */
const MOST_WRITTEN = 1000
/** Bytes that wait for the socket, at which nothing more is written. */
const MOST_BUFFERED_BYTES = 256 * 1024
/** Above, numbers of requests begin at 1 again; they are 31 bits. */
const LAST_XID = 2 ** 30
const XID = { notification: -1, ping: -2, authentication: -4 } as const
const OPCODE = { ping: 11 } as const
/** Known to the library, whatever the code was: others make it throw. */
const ANY_CODE = -1
/** A timer that came so late stood behind something else: what has arrived meanwhile is read first. */
const LATE_MS = 50

/** A request and what becomes of it. One of the two is called, once. */
export interface Packet {
  readonly request: JuteRequest
  /** `code` is 0 when it was done. Throws where the reply cannot be read: that ends the connection. */
  answered(code: number, payload: JuteRecord | null): void
  /** The connection went before an answer came. `isWritten`: the server may have carried it out. */
  lost(isWritten: boolean, reason: string): void
}

/** A session as the server has it. */
export interface ServerSession {
  readonly id: Buffer
  readonly password: Buffer
  readonly timeoutMs: number
}

/** What a server tells of a node that is watched. */
export interface Notification {
  /** As in ZooKeeper's protocol: 1 created, 2 removed, 3 changed, 4 children. */
  readonly type: number
  /** From the root of the tree. */
  readonly path: string
}

/** Called while bytes are being read: they return soon. */
export interface ConnectionEvents {
  /** The server has a session for us: that which was asked for, or another one. */
  opened(session: ServerSession): void
  /** The server does not have the session (any more); `closed` follows. */
  expired(): void
  notified(notification: Notification): void
  /** Once, whatever happened before. */
  closed(reason: string): void
}

export interface ConnectionOptions {
  readonly library: Library
  readonly host: string
  readonly port: number
  readonly tls: ZooKeeperClientOptions['tls']
  readonly clock: Clock
  /** `user:password` */
  readonly digest: string | undefined
  /** The session to go on with; null: a new one. */
  readonly session: ServerSession | null
  readonly sessionTimeoutMs: number
  /** Last transaction that was seen in that session: a server that is behind it is refused. */
  readonly zxid: bigint
  /** What socket, TLS and handshake may take together, in ms. */
  readonly withinMs: number
  /** Number of the first request. @default 1 */
  readonly firstXid?: number
}

export class Connection {
  readonly #clock: Clock
  readonly #library: Library
  readonly #events: ConnectionEvents
  readonly #manager: ConnectionManager
  readonly #socket: net.Socket
  readonly #frames = new Frames(LONGEST_MESSAGE_BYTES)
  /** Not written yet, in order. */
  readonly #outbox = new Set<Packet>()
  /** Written, with the time of it, and not answered yet. */
  readonly #pending = new Map<Packet, number>()
  /** When the pings that are not answered yet were sent. */
  readonly #pings: number[] = []
  #isClosed = false
  #isEnding = false
  #isCorked = false
  #socketError: string | undefined
  #cancelTimer = (): void => {}
  /** Of the answer that is being read. */
  #code = 0
  #zxid: bigint
  #timeoutMs = 0
  #openedAt: number | null = null
  #provenAt: number
  #heardAt = 0
  #pingAt = 0

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    const { library, host, port, clock, session } = options
    this.#clock = clock
    this.#library = library
    this.#events = events
    this.#zxid = options.zxid
    this.#provenAt = clock.now()
    const manager = (this.#manager = library.manager({
      sessionTimeoutMs: options.sessionTimeoutMs,
      sessionId: session?.id,
      sessionPassword: session?.password,
      digest: options.digest,
    }))
    manager.zxid.writeBigInt64BE(options.zxid)
    manager.xid = options.firstXid ?? 1
    manager.state = managerStates.connecting
    const socket: net.Socket = options.tls
      ? tls.connect({ ...options.tls, host, port, rejectUnauthorized: true })
      : net.connect({ host, port })
    this.#socket = manager.socket = socket
    socket.setNoDelay(true)
    socket.once(options.tls ? 'secureConnect' : 'connect', () => this.#greet())
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('drain', () => {
      if (!this.#isClosed) this.#pump()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Where several addresses of a host have failed there is only a code.
      this.#socketError = error.message || error.code || String(error)
    })
    socket.on('close', () => this.close(this.#socketError ?? 'the server closed the connection'))
    this.#setTimer(clock.now() + options.withinMs, () =>
      this.close(`no answer to the handshake within ${options.withinMs} ms`),
    )
  }

  /** Whether a session stands on it. */
  get isOpen(): boolean {
    return this.#timeoutMs > 0 && !this.#isClosed
  }

  /** When the server opened it, by the clock; null: it never did. */
  get openedAt(): number | null {
    return this.#openedAt
  }

  /** Last transaction that an answer spoke of. */
  get zxid(): bigint {
    return this.#zxid
  }

  /**
   * The session stood at this time, by the clock: what was sent then was answered. The server counts its time from there, or
   * from later.
   */
  get provenAt(): number {
    return this.#provenAt
  }

  /** Queues a packet behind those before it. Only while it is open. */
  send(packet: Packet): void {
    this.#outbox.add(packet)
    this.#pump()
  }

  /**
   * Gives a packet up: it is told nothing any more. Returns whether it was written; if not, it never will be. `isOverdue`: an answer
   * should have come by now. If what was sent later has been answered, it never comes, and the connection is closed.
   */
  withdraw(packet: Packet, options: { readonly isOverdue: boolean }): boolean {
    if (this.#outbox.delete(packet)) return false
    const sentAt = this.#pending.get(packet)
    this.#pending.delete(packet)
    if (options.isOverdue && sentAt !== undefined && sentAt < this.#provenAt) {
      this.close('an answer was lost on its way')
    }
    return true
  }

  /** Asks the server to end the session, behind all that was sent before; the server closes then. */
  endSession(): void {
    this.#isEnding = true
    this.#pump()
  }

  /** Ends it now. A second call does nothing. */
  close(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelTimer()
    // Nothing more is written, and no reply is waited for.
    this.#manager.state = managerStates.closed
    this.#socket.destroy()
    const [written, unwritten] = [[...this.#pending.keys()], [...this.#outbox]]
    this.#pending.clear()
    this.#outbox.clear()
    for (const packet of written) packet.lost(true, reason)
    for (const packet of unwritten) packet.lost(false, reason)
    this.#events.closed(reason)
  }

  #greet(): void {
    if (this.#isClosed) return
    this.#provenAt = this.#clock.now()
    this.#guarded(() => this.#manager.onSocketConnected())
  }

  #read(bytes: Buffer): void {
    if (this.#isClosed) return
    this.#guarded(() => {
      const wasPartial = this.#frames.isPartial
      let answers = 0
      for (const frame of this.#frames.take(bytes)) {
        if (this.#isClosed) return
        if (this.#take(frame)) answers += 1
      }
      // A long answer that comes slowly is one, too.
      if (answers > 0 || wasPartial) this.#heardAt = this.#clock.now()
      this.#pump()
    })
  }

  /** Whether it was an answer. */
  #take(frame: Buffer): boolean {
    if (this.#manager.state === managerStates.connecting) {
      this.#manager.onSocketData(frame)
      this.#open()
      return true
    }
    const { xid, zxid, code } = readHeader(frame)
    switch (xid) {
      case XID.notification:
        this.#notify(frame)
        return false
      case XID.ping:
        this.#prove(this.#pings.shift() ?? 0)
        return true
      case XID.authentication:
        if (code !== 0) this.close('the server refused the user and password')
        return true
      default:
        if (zxid > this.#zxid) this.#zxid = zxid
        this.#code = code
        if (code !== 0) frame.writeInt32BE(ANY_CODE, CODE_OFFSET)
        this.#manager.onSocketData(frame)
        // The library destroys the socket of a peer that answers out of order.
        if (this.#socket.destroyed) this.close('an answer came out of order')
        return true
    }
  }

  #open(): void {
    const { state, sessionId, sessionPassword, sessionTimeout } = this.#manager
    if (state !== managerStates.connected) {
      this.#events.expired()
      this.close('the server does not know the session any more')
      return
    }
    this.#cancelTimer()
    this.#timeoutMs = sessionTimeout
    this.#openedAt = this.#heardAt = this.#pingAt = this.#clock.now()
    this.#events.opened({ id: sessionId, password: sessionPassword, timeoutMs: sessionTimeout })
    if (!this.#isClosed) this.#keepAlive(false)
  }

  /** Pings, and leaves a peer that is silent (C2). */
  #keepAlive(isLate: boolean): void {
    const now = this.#clock.now()
    const silentAt = this.#heardAt + (this.#timeoutMs * 2) / 3
    if (now >= silentAt && !isLate) {
      this.close(`the server was silent for ${Math.round(now - this.#heardAt)} ms`)
      return
    }
    if (now >= this.#pingAt) {
      this.#pingAt = now + this.#timeoutMs / 3
      this.#pings.push(now)
      const { RequestHeader } = this.#library.jute.protocol
      this.#queue(
        new this.#library.jute.Request(new RequestHeader(XID.ping, OPCODE.ping), null),
        () => {},
      )
    }
    const next = now >= silentAt ? now + LATE_MS : Math.min(silentAt, this.#pingAt)
    this.#setTimer(next, () => this.#keepAlive(!isLate && this.#clock.now() > next + LATE_MS))
  }

  #notify(frame: Buffer): void {
    const event = new this.#library.jute.protocol.WatcherEvent()
    event.deserialize(frame, BODY_OFFSET)
    const { type, path } = event
    if (typeof type !== 'number' || typeof path !== 'string') throw new Error('a bad notification')
    this.#events.notified({ type, path })
  }

  /** Writes what there is room for. */
  #pump(): void {
    if (!this.isOpen) return
    for (const packet of this.#outbox) {
      if (this.#pending.size >= MOST_WRITTEN) return
      if (this.#socket.writableLength >= MOST_BUFFERED_BYTES) return
      this.#outbox.delete(packet)
      this.#write(packet)
      if (this.#isClosed) return
    }
    if (this.#isEnding) this.#guarded(() => this.#manager.close())
    this.#isEnding = false
  }

  #write(packet: Packet): void {
    this.#pending.set(packet, this.#clock.now())
    this.#queue(packet.request, (payload) => {
      const sentAt = this.#pending.get(packet)
      if (sentAt === undefined) return // It was given up.
      this.#pending.delete(packet)
      this.#prove(sentAt)
      packet.answered(this.#code, payload)
    })
  }

  /** The library writes it at once, whatever waits for the socket. */
  #queue(request: JuteRequest, answered: (payload: JuteRecord | null) => void): void {
    if (this.#manager.xid > LAST_XID) this.#manager.xid = 1
    this.#cork()
    this.#guarded(() => {
      this.#manager.queue(request, (_error, response) => answered(response?.payload ?? null))
    })
  }

  /** What is sent in one turn of the event loop goes out together. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#socket.cork()
    process.nextTick(() => {
      this.#isCorked = false
      this.#socket.uncork()
    })
  }

  #prove(sentAt: number): void {
    this.#provenAt = Math.max(this.#provenAt, sentAt)
  }

  /** Runs what the library, or an answer's reader, may throw in (C3). */
  #guarded(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.close(`the connection cannot go on: ${String(error)}`)
    }
  }

  #setTimer(atMs: number, fire: () => void): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.setTimer(() => {
      if (!this.#isClosed) fire()
    }, atMs)
  }
}
