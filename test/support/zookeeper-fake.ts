/**
 * A peer that speaks as much of ZooKeeper's protocol as a client needs to go on, and says besides whatever a script wants: for what
 * a real server does not do.
 */
import { once } from 'node:events'
import net from 'node:net'
import { Frames } from '../../jobboard/zookeeper/frames.ts'
import type { CleanUp } from './clean-up.ts'

/** Kinds of requests. */
export const KIND = {
  create: 1,
  remove: 2,
  exists: 3,
  get: 4,
  set: 5,
  sync: 9,
  ping: 11,
  children: 12,
  transaction: 14,
  auth: 100,
  setWatches: 101,
  close: -11,
} as const

/** A request that has come, in the order of its coming. */
export interface FakeRequest {
  readonly xid: number
  readonly kind: number
  readonly body: Buffer
  /** Number of its connection, from 0. */
  readonly connection: number
}

/** One connection, from the server's side. */
export interface FakePeer {
  readonly number: number
  /** The session that the client wants to go on with, 16 hexadecimal digits; zeros: a new one. */
  readonly wanted: string
  /** Answers the handshake. Time 0: the session is not known (any more). */
  accept(session?: { readonly id?: string; readonly timeoutMs?: number }): void
  reply(
    xid: number,
    answer?: { readonly code?: number; readonly zxid?: bigint; readonly body?: Buffer },
  ): void
  notify(type: number, path: string): void
  /** Sends bytes as they are. */
  raw(bytes: Buffer): void
  /** Reads nothing more. */
  pause(): void
  end(): void
}

/** What a script decides; what it does not answer (false or nothing) is answered as a server would. */
export interface FakeScript {
  /** A connection whose handshake has come. True: it sees to the answer itself. */
  greeted?(peer: FakePeer): boolean | void
  requested?(request: FakeRequest, peer: FakePeer): boolean | void
}

export interface FakeZookeeper {
  readonly host: string
  readonly port: number
  /** All that have come but pings. */
  readonly requests: readonly FakeRequest[]
  readonly pings: readonly FakeRequest[]
  /** Connections that were made, greeted or not. */
  readonly connections: number
}

/** `ustring` or `buffer` of the protocol. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([int(bytes.length), bytes])
}

export function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** The state of a node, all zeros. */
export const stat = Buffer.alloc(68)

/** A fake on a free port; it ends with the test. */
export async function fakeZookeeper(t: CleanUp, script: FakeScript = {}): Promise<FakeZookeeper> {
  const sockets = new Set<net.Socket>()
  const requests: FakeRequest[] = []
  const pings: FakeRequest[] = []
  let connections = 0
  let sessions = 0
  const server = net.createServer((socket) => {
    const number = connections
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    const frames = new Frames(64 * 1024 * 1024)
    let peer: FakePeer | undefined
    socket.on('data', (bytes: Buffer) => {
      for (const frame of frames.take(bytes)) {
        if (peer === undefined) {
          // protocol (4), last zxid (8), time (4), session (8), password
          const wanted = frame.subarray(20, 28).toString('hex')
          const timeoutMs = frame.readInt32BE(16)
          peer = peerOf(socket, number, wanted, timeoutMs, () => (sessions += 1))
          if (script.greeted?.(peer) !== true) peer.accept()
          continue
        }
        const request = {
          xid: frame.readInt32BE(4),
          kind: frame.readInt32BE(8),
          body: frame.subarray(12),
          connection: number,
        }
        ;(request.kind === KIND.ping ? pings : requests).push(request)
        if (script.requested?.(request, peer) !== true) answer(request, peer)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('expected a port')
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return {
    host: '127.0.0.1',
    port: address.port,
    requests,
    pings,
    get connections() {
      return connections
    },
  }
}

function peerOf(
  socket: net.Socket,
  number: number,
  wanted: string,
  askedMs: number,
  nextSession: () => number,
): FakePeer {
  const send = (...parts: readonly Buffer[]): void => {
    const body = Buffer.concat(parts)
    socket.write(Buffer.concat([int(body.length), body]))
  }
  return {
    number,
    wanted,
    accept({ id, timeoutMs = askedMs } = {}) {
      const isNew = /^0*$/.test(wanted)
      const session = id ?? (isNew ? nextSession().toString(16).padStart(16, '0') : wanted)
      send(int(0), int(timeoutMs), Buffer.from(session, 'hex'), int(16), Buffer.alloc(16))
    },
    reply(xid, { code = 0, zxid = 1n, body = Buffer.alloc(0) } = {}) {
      const long = Buffer.alloc(8)
      long.writeBigInt64BE(zxid)
      send(int(xid), long, int(code), body)
    },
    notify: (type, path) =>
      send(int(-1), Buffer.alloc(8, 0xff), int(0), int(type), int(3), text(path)),
    raw: (bytes) => void socket.write(bytes),
    pause: () => void socket.pause(),
    end: () => socket.destroy(),
  }
}

function answer({ xid, kind }: FakeRequest, peer: FakePeer): void {
  switch (kind) {
    case KIND.create:
    case KIND.sync:
      return peer.reply(xid, { body: text('/') })
    case KIND.exists:
    case KIND.set:
      return peer.reply(xid, { body: stat })
    case KIND.get:
      return peer.reply(xid, { body: Buffer.concat([text(''), stat]) })
    case KIND.children:
      return peer.reply(xid, { body: Buffer.concat([int(0), stat]) })
    case KIND.close:
      peer.reply(xid)
      return peer.end()
    default:
      return peer.reply(xid)
  }
}
