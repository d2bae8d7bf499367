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
  /** Keeps connections open, but lets nothing through: a peer that vanished silently. */
  stall(): void
  /** Stalls as soon as a client has sent these bytes so many times from now on, and resolves then; they do not arrive any more. */
  stallAt(bytes: Uint8Array, times: number): Promise<void>
}

/** A proxy on a free port of the loopback interface; it ends with the test. */
export async function tcpProxy(
  t: CleanUp,
  target: { readonly host: string; readonly port: number },
): Promise<TcpProxy> {
  const sockets = new Set<net.Socket>()
  let mode: 'open' | 'cut' | 'stalled' = 'open'
  let trap: ((bytes: Buffer) => void) | undefined
  const server = net.createServer((near) => {
    if (mode === 'cut') {
      near.destroy()
      return
    }
    const far = net.connect(target)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (bytes) => {
        if (from === near) trap?.(bytes)
        if (mode !== 'stalled') to.write(bytes)
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
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
    },
    stall: () => {
      mode = 'stalled'
    },
    stallAt: (wanted, times) =>
      new Promise((resolve) => {
        let seen = 0
        trap = (bytes) => {
          for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) seen++
          if (seen < times) return
          trap = undefined
          mode = 'stalled'
          resolve()
        }
      }),
  }
}
