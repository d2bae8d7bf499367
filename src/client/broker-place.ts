import { resolveBroker, type BrokerTls } from '../amqp/options.ts'

/** Begins every name on the broker where no namespace is given. */
export const DEFAULT_BROKER_NAMESPACE = 'zagflow'

/** Where a broker is, and what begins every name on it. */
export interface BrokerPlace {
  /** Several with commas. They may hold passwords: never shown. */
  readonly urls: string
  readonly namespace: string
  readonly tls: BrokerTls | undefined
  /** For people: hosts and virtual hosts, without users and passwords. */
  readonly shown: string
}

/**
 * Reads where the broker is; undefined where none is set. Looks at no network. Throws {@link UsageError} for URLs and namespaces that
 * cannot be used; passwords are not shown.
 */
export function brokerPlace(
  urls: string | undefined,
  namespace: string = DEFAULT_BROKER_NAMESPACE,
  tls?: BrokerTls,
): BrokerPlace | undefined {
  if (urls === undefined) return undefined
  const { addresses } = resolveBroker({ urls, namespace })
  return { urls, namespace, tls, shown: addresses.map(({ shown }) => shown).join(',') }
}
