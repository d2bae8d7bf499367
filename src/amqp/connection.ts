/**
 * Two connections to one host that stand and fall together: one to publish, one to consume (and to declare, since a queue
 * that dies with its connection belongs to the one that reads it).
 *
 * Owns: two connections of amqplib and their sockets.
 *
 * Invariants
 * N1  Either connection's end is the end of both, told once.
 * N2  Nothing that the library tells goes unheard: errors, closes, and what listeners of ours throw.
 * N3  After `close()` no socket is left, even if the peer never answers.
 */
import { connect, type ChannelModel, type SocketOptions } from 'amqplib'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Address } from './addresses.ts'
import { cannotConnect } from './faults.ts'
import type { BrokerTls } from './options.ts'
import { pause } from './timing.ts'

/** What the broker says of itself. */
export interface BrokerInfo {
  readonly product: string
  readonly version: string
  readonly clusterName: string | undefined
  /** Whether a queue can have a time of its own in which deliveries are to be acknowledged (3.12 and later). Nobody sets one. */
  readonly hasQueueConsumerTimeout: boolean
}

export interface ConnectOptions {
  readonly address: Address
  readonly connectionName: string
  readonly heartbeatS: number
  readonly timeoutMs: number
  readonly tls: BrokerTls
  readonly clock: Clock
  readonly logger: Logger
  /** Ends the attempt. */
  readonly signal: AbortSignal
}

/** Both connections, open. */
export interface Connections {
  readonly address: Address
  readonly publishing: ChannelModel
  readonly consuming: ChannelModel
  readonly broker: BrokerInfo
  readonly isOpen: boolean
  /** Resolves with the reason when they are gone (N1). */
  readonly lost: Promise<Error>
  /** Says goodbye, waits a moment for the answer, then ends the sockets. */
  close(): Promise<void>
}

/** How long a broker may take to answer a goodbye. */
const GOODBYE_MS = 1000

/** Opens both connections to a host. Throws {@link UnavailableError} with what is wrong. */
export async function openConnections(options: ConnectOptions): Promise<Connections> {
  const { address, clock, logger } = options
  const killing = new AbortController()
  const kill = (): void => killing.abort()
  options.signal.addEventListener('abort', kill)
  const models: ChannelModel[] = []
  let isOpen = true
  let tell: (reason: Error) => void = () => {}
  const lost = new Promise<Error>((resolve) => {
    tell = resolve
  })

  const goodbye = async (): Promise<void> => {
    const answered = Promise.allSettled(models.map((model) => model.close()))
    const giveUp = new AbortController()
    await Promise.race([answered, pause(clock, GOODBYE_MS, giveUp.signal)])
    giveUp.abort()
    kill()
    options.signal.removeEventListener('abort', kill)
  }
  const lose = (reason: Error): void => {
    if (!isOpen) return
    isOpen = false
    void goodbye()
    tell(reason)
  }
  const open = async (purpose: string): Promise<ChannelModel> => {
    const model = await openOne(options, purpose, killing.signal)
    let cause: Error | undefined
    model.on('error', (error) => (cause = error))
    model.on('close', (error) => lose(cause ?? error ?? new Error('the connection was closed')))
    model.on('handler-error', (error, event) => {
      logger.error({ error, event }, 'what listens to the broker failed; it goes on')
    })
    models.push(model)
    return model
  }

  try {
    const consuming = await open('consume')
    const publishing = await open('publish')
    return {
      address,
      publishing,
      consuming,
      broker: readBroker(consuming),
      get isOpen() {
        return isOpen
      },
      lost,
      async close() {
        if (!isOpen) return
        isOpen = false
        await goodbye()
        tell(new Error('the connection was closed from here'))
      },
    }
  } catch (error) {
    isOpen = false
    await goodbye()
    throw cannotConnect(address, error)
  }
}

function openOne(
  { address, connectionName, heartbeatS, timeoutMs, tls }: ConnectOptions,
  purpose: string,
  signal: AbortSignal,
): Promise<ChannelModel> {
  const socket: SocketOptions & { readonly signal: AbortSignal } = {
    ...tls,
    // Small frames would otherwise wait for the other side's delayed acknowledgement, 40 ms on Linux.
    noDelay: true,
    keepAlive: true,
    keepAliveDelay: 30_000,
    timeout: timeoutMs,
    signal,
    clientProperties: { connection_name: `${connectionName} (${purpose})`, product: 'zagflow' },
  }
  const { protocol, hostname, port, username, password, vhost } = address
  const heartbeat = address.heartbeatS ?? heartbeatS
  const target = {
    protocol,
    hostname,
    port,
    username,
    password,
    vhost,
    heartbeat,
    frameMax: 131_072,
  }
  // connect() may throw at once, where a certificate cannot be read.
  return Promise.resolve().then(() => connect(target, socket))
}

function readBroker(model: ChannelModel): BrokerInfo {
  const properties = model.connection.serverProperties
  const version = textOf(properties.version) ?? 'unknown'
  return {
    product: textOf(properties.product) ?? 'unknown',
    version,
    clusterName: textOf(properties['cluster_name']),
    hasQueueConsumerTimeout: isAtLeast(version, 3, 12),
  }
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return Buffer.isBuffer(value) ? value.toString('utf8') : undefined
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(version)
  if (match === null) return false
  const found = Number(match[1])
  return found > major || (found === major && Number(match[2]) >= minor)
}
