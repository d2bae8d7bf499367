/** TLS before a server that speaks none. */
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import type { Certificates } from './certificates.ts'
import type { CleanUp } from './clean-up.ts'

/** A real TLS endpoint that asks for a client's certificate, before a server; its port. */
export async function tlsEndpoint(
  t: CleanUp,
  target: { readonly host: string; readonly port: number },
  { ca, server }: Certificates,
): Promise<number> {
  const sockets = new Set<net.Socket>()
  const options = { ...server, ca, requestCert: true, rejectUnauthorized: true }
  const endpoint = tls.createServer(options, (near) => {
    const far = net.connect(target)
    near.pipe(far).pipe(near)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  endpoint.on('tlsClientError', () => {})
  endpoint.listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    endpoint.close()
    await once(endpoint, 'close')
  })
  const address = endpoint.address()
  if (address === null || typeof address === 'string') throw new Error('expected a port')
  return address.port
}
