import type { ConnectionOptions } from 'node:tls'
import { realClock, type Clock } from '../base/clock.ts'
import { UsageError } from '../base/errors.ts'
import { silentLogger, type Logger } from '../base/logger.ts'
import { wholeOption } from '../base/number-options.ts'
import { readAddresses, type Address } from './addresses.ts'

/** What TLS needs, for `amqps://`. The broker's certificate is always verified. */
export type BrokerTls = Pick<
  ConnectionOptions,
  'ca' | 'cert' | 'key' | 'passphrase' | 'pfx' | 'servername' | 'minVersion' | 'ciphers'
>

/** Options of {@link Broker}. */
export interface BrokerOptions {
  /** `amqp://user:password@host:port/vhost` or `amqps://…`; several, or one text with commas, for the hosts of a cluster. */
  readonly urls: string | readonly string[]
  /** Begins every name on the broker; one namespace serves one database. */
  readonly namespace: string
  /** What the broker shows for its connections. @default the namespace */
  readonly connectionName?: string | undefined
  /** @default silent */
  readonly logger?: Logger | undefined
  /** @default the machine's */
  readonly clock?: Clock | undefined
  /** A peer that is silent for 2 to 3 times this is taken for gone, in seconds; a `?heartbeat=` of the URL is stronger. @default 10 */
  readonly heartbeatS?: number | undefined
  /** What `start()` takes at most, in ms. @default 30,000 */
  readonly connectTimeoutMs?: number | undefined
  /** What a publication takes at most, waiting for room or for the link included, in ms. @default 30,000 */
  readonly publishTimeoutMs?: number | undefined
  /** Publications that are sent and not confirmed yet, at most; each is in memory. @default 1,000 */
  readonly window?: number | undefined
  /** How often is looked whether the broker still knows each subscription, in ms: one may be lost with its queue. @default 15,000 */
  readonly checkEveryMs?: number | undefined
  readonly tls?: BrokerTls | undefined
}

export interface ResolvedBroker {
  readonly addresses: readonly Address[]
  readonly namespace: string
  readonly connectionName: string
  readonly logger: Logger
  readonly clock: Clock
  readonly heartbeatS: number
  readonly connectTimeoutMs: number
  readonly publishTimeoutMs: number
  readonly window: number
  readonly checkEveryMs: number
  readonly tls: BrokerTls
}

/** Options with defaults filled in. Throws {@link UsageError}. */
export function resolveBroker(options: BrokerOptions): ResolvedBroker {
  const { namespace } = options
  // Longer ones would leave no room for topics and ids: names on a broker are at most 255 bytes.
  if (!/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}$/.test(namespace) || namespace.startsWith('amq.')) {
    throw new UsageError(`namespace: got ${JSON.stringify(namespace.slice(0, 80))}`, {
      hint: 'write 1 to 63 letters, digits, _, - or dots, beginning with none of the dots and not with amq.',
    })
  }
  return {
    addresses: readAddresses(options.urls),
    namespace,
    connectionName: options.connectionName ?? namespace,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? realClock,
    heartbeatS: wholeOption('heartbeatS', options.heartbeatS, { least: 1, byDefault: 10 }),
    connectTimeoutMs: wholeOption('connectTimeoutMs', options.connectTimeoutMs, {
      least: 1,
      byDefault: 30_000,
    }),
    publishTimeoutMs: wholeOption('publishTimeoutMs', options.publishTimeoutMs, {
      least: 1,
      byDefault: 30_000,
    }),
    window: wholeOption('window', options.window, { least: 1, byDefault: 1000 }),
    checkEveryMs: wholeOption('checkEveryMs', options.checkEveryMs, {
      least: 1,
      byDefault: 15_000,
    }),
    tls: options.tls ?? {},
  }
}
