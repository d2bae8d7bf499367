import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'

/**
 * A TCP port of 127.0.0.1 that nobody listens on at this moment. Another process may take it before its user does;
 * who can let its server choose (port 0) should.
 */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('expected a TCP address')
  return address.port
}

/**
 * A port that nobody listens on, below those that systems take for outgoing connections: a client that tries again and
 * again to reach a server that is down could otherwise be given the server's own port, and be connected to itself.
 */
export async function quietPort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_240, 32_000)
    if (!given.has(port) && (await isFree(port))) {
      given.add(port)
      return port
    }
  }
}

/** Whether somebody listens on a port of 127.0.0.1. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** Ports that this process has given away already: their users may not listen yet. */
const given = new Set<number>()

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}
