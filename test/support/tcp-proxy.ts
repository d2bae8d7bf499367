/** A TCP proxy that can be cut: what is behind it is away, though it lives. */
import { once } from 'node:events'
import net from 'node:net'
import type { CleanUp } from './clean-up.ts'

export interface TcpProxy {
  readonly port: number
  /** Ends every connection, and refuses new ones. */
  cut(): void
  /** Lets bytes through again. */
  mend(): void
  /** Keeps connections open, but lets nothing through (or only one way): a peer that vanished silently. */
  stall(direction?: 'both' | 'to server' | 'to client'): void
  /** Stalls as soon as a client has sent these bytes so many times from now on, and resolves then; they do not arrive any more. */
  stallAt(bytes: Uint8Array, times: number): Promise<void>
}

/** What a proxy does to the bytes of one connection: what it returns goes on. */
export interface TcpFilter {
  toServer(bytes: Buffer): Buffer
  toClient(bytes: Buffer): Buffer
}

export interface TcpProxyOptions {
  /** Made for each connection. @default all bytes go on as they come */
  readonly filter?: () => TcpFilter
  /** Where it listens. @default 127.0.0.1 */
  readonly host?: string
}

/** A proxy on a free port of the loopback interface; it ends with the test. */
export async function tcpProxy(
  t: CleanUp,
  target: { readonly host: string; readonly port: number },
  options: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const sockets = new Set<net.Socket>()
  let mode: 'open' | 'cut' = 'open'
  let stalled: 'neither' | 'both' | 'to server' | 'to client' = 'neither'
  let trap: ((bytes: Buffer) => void) | undefined
  const server = net.createServer((near) => {
    if (mode === 'cut') {
      near.destroy()
      return
    }
    const far = net.connect(target)
    const filter = options.filter?.()
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (bytes) => {
        const direction = from === near ? 'to server' : 'to client'
        if (from === near) trap?.(bytes)
        if (stalled === 'both' || stalled === direction) return
        to.write((from === near ? filter?.toServer(bytes) : filter?.toClient(bytes)) ?? bytes)
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  server.listen(0, options.host ?? '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('expected a port')
  const cut = (): void => {
    mode = 'cut'
    for (const socket of sockets) socket.destroy()
  }
  t.after(async () => {
    cut()
    server.close()
    await once(server, 'close')
  })
  return {
    port: address.port,
    cut,
    mend: () => {
      mode = 'open'
      stalled = 'neither'
    },
    stall: (direction = 'both') => {
      stalled = direction
    },
    stallAt: (wanted, times) =>
      new Promise((resolve) => {
        let seen = 0
        trap = (bytes) => {
          for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) seen++
          if (seen < times) return
          trap = undefined
          stalled = 'both'
          resolve()
        }
      }),
  }
}
