import { once } from 'node:events'
import net from 'node:net'
import type { TestContext } from 'node:test'

/** Stands between a client and its server, and loses what it is told to lose. */
export interface TcpProxy {
  /** The server's URL, through this proxy. */
  readonly url: string
  /** Bytes that the clients sent since the last call. */
  sent(): number
  /** From now on answers on connections that are open are lost; new connections are as usual. */
  swallowAnswers(): void
  /** Breaks all connections that are open. */
  cut(): void
  /** Whether new connections are broken at once. */
  refuse(isRefusing: boolean): void
}

interface Pair {
  readonly client: net.Socket
  readonly server: net.Socket
  swallows: boolean
}

/** A proxy of one test, in front of the server that `url` names. */
export async function tcpProxy(t: Pick<TestContext, 'after'>, url: string): Promise<TcpProxy> {
  const target = new URL(url)
  const pairs = new Set<Pair>()
  let refuses = false
  let sent = 0
  const listener = net.createServer((client) => {
    if (refuses) {
      client.destroy()
      return
    }
    const server = net.connect(Number(target.port), target.hostname)
    const pair: Pair = { client, server, swallows: false }
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
    client.on('data', (bytes) => {
      sent += bytes.length
      server.write(bytes)
    })
    server.on('data', (bytes) => {
      if (!pair.swallows) client.write(bytes)
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('expected a TCP address')
  const cut = (): void => {
    for (const { client, server } of pairs) {
      client.destroy()
      server.destroy()
    }
  }
  t.after(async () => {
    cut()
    listener.close()
    await once(listener, 'close')
  })
  const through = new URL(url)
  through.host = `127.0.0.1:${address.port}`
  return {
    url: through.href,
    sent() {
      const bytes = sent
      sent = 0
      return bytes
    },
    swallowAnswers() {
      for (const pair of pairs) pair.swallows = true
    },
    cut,
    refuse(isRefusing) {
      refuses = isRefusing
    },
  }
}
