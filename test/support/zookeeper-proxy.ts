/**
 * A proxy that knows ZooKeeper's messages: it counts what servers send, and loses a connection at a chosen moment of a chosen
 * operation, so that its outcome is unknown to who asked. (No network loses a single message of a connection that goes on.)
 */
import { once } from 'node:events'
import net from 'node:net'
import type { CleanUp } from './clean-up.ts'

const operations = {
  create: 1,
  remove: 2,
  exists: 3,
  get: 4,
  set: 5,
  sync: 9,
  children: 12,
  transaction: 14,
} as const

export type ZookeeperOperation = keyof typeof operations

/**
 * What becomes of a request: `request`: it is lost with its connection; `reply`: it is carried out, and its answer is lost with the
 * connection.
 */
export type ZookeeperLoss = 'request' | 'reply'

/** What becomes of a request; of a transaction, its first step is told too. */
export type ZookeeperDecision = (
  operation: ZookeeperOperation,
  first: ZookeeperOperation | undefined,
) => ZookeeperLoss | null

export interface ZookeeperProxy {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Bytes that servers have sent through it. */
  readonly sentBytes: number
  /** Losses so far. */
  readonly losses: number
  /** Decides about each request from now on; undefined: nothing is lost. */
  lose(decide: ZookeeperDecision | undefined): void
  /** Ends every connection, and refuses new ones. */
  cut(): void
  /** Lets connections through again. */
  mend(): void
}

/** A proxy on a free port of the loopback interface; it ends with the test. */
export async function zookeeperProxy(
  t: CleanUp,
  target: { readonly host: string; readonly port: number },
): Promise<ZookeeperProxy> {
  const names = new Map<number, ZookeeperOperation>()
  for (const [name, code] of Object.entries(operations)) {
    if (isOperation(name)) names.set(code, name)
  }
  const sockets = new Set<net.Socket>()
  let isCut = false
  let sentBytes = 0
  let losses = 0
  let decide: ZookeeperDecision | undefined
  const server = net.createServer((near) => {
    if (isCut) {
      near.destroy()
      return
    }
    const far = net.connect(target)
    const end = (): void => {
      near.destroy()
      far.destroy()
    }
    const doomed = new Set<number>()
    const requests = messages((frame, isFirst) => {
      const name = isFirst || frame.length < 12 ? undefined : names.get(frame.readInt32BE(8))
      const first =
        name === 'transaction' && frame.length >= 16 ? names.get(frame.readInt32BE(12)) : undefined
      const loss = name === undefined ? null : (decide?.(name, first) ?? null)
      if (loss === 'request') {
        losses++
        end()
        return
      }
      if (loss === 'reply') doomed.add(frame.readInt32BE(4))
      far.write(frame)
    })
    const replies = messages((frame, isFirst) => {
      if (!isFirst && doomed.has(frame.readInt32BE(4))) {
        losses++
        end()
        return
      }
      sentBytes += frame.length
      near.write(frame)
    })
    near.on('data', (bytes) => near.destroyed || requests(bytes))
    far.on('data', (bytes) => far.destroyed || replies(bytes))
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('expected a port')
  const cut = (): void => {
    isCut = true
    for (const socket of sockets) socket.destroy()
  }
  t.after(async () => {
    cut()
    server.close()
    await once(server, 'close')
  })
  return {
    host: '127.0.0.1',
    port: address.port,
    get sentBytes() {
      return sentBytes
    },
    get losses() {
      return losses
    },
    lose: (chosen) => {
      decide = chosen
    },
    cut,
    mend: () => {
      isCut = false
    },
  }
}

function isOperation(name: string): name is ZookeeperOperation {
  return Object.hasOwn(operations, name)
}

/** Cuts bytes into messages with their lengths. */
function messages(each: (frame: Buffer, isFirst: boolean) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  let isFirst = true
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const length = 4 + rest.readInt32BE(0)
      const frame = rest.subarray(0, length)
      rest = rest.subarray(length)
      each(frame, isFirst)
      isFirst = false
    }
  }
}
