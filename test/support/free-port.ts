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
