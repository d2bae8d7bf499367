/** Where brokers are: what the URLs say, without a look at the network. */
import { UsageError } from '../base/errors.ts'

/** One host to connect to. */
export interface Address {
  readonly protocol: 'amqp' | 'amqps'
  readonly hostname: string
  readonly port: number
  readonly username: string
  readonly password: string
  /** Still percent-encoded; '' is the broker's default, `/`. */
  readonly vhost: string
  /** Of the URL's `?heartbeat=`; seconds. */
  readonly heartbeatS: number | undefined
  /** For people: without the password. */
  readonly shown: string
}

const EXAMPLE = 'write such as amqp://user:password@host:5672/vhost'

/**
 * Reads one URL, several, or a list with commas. Hosts of a cluster are tried in the given order. Throws {@link UsageError};
 * passwords are never shown.
 */
export function readAddresses(urls: string | readonly string[]): readonly Address[] {
  const list = (typeof urls === 'string' ? [urls] : urls)
    .flatMap((text) => text.split(/,(?=\s*amqps?:\/\/)/))
    .map((text) => text.trim())
    .filter((text) => text !== '')
  if (list.length === 0) {
    throw new UsageError('expected the URL of a broker, got none', { hint: EXAMPLE })
  }
  return list.map(readAddress)
}

function readAddress(text: string): Address {
  const url = parse(text)
  const protocol = url.protocol === 'amqps:' ? 'amqps' : 'amqp'
  const hostname = url.hostname.replace(/^\[|\]$/g, '') || 'localhost'
  if (hostname.includes(',')) {
    throw new UsageError(`the broker's URL names several hosts: ${hostname}`, {
      hint: 'write a whole URL for each: amqp://user:password@one/vhost,amqp://user:password@two/vhost',
    })
  }
  const port = url.port === '' ? (protocol === 'amqps' ? 5671 : 5672) : Number(url.port)
  const vhost = url.pathname.slice(1)
  const hasUser = url.username !== '' || url.password !== ''
  return {
    protocol,
    hostname,
    port,
    username: hasUser ? decode(url.username) : 'guest',
    password: hasUser ? decode(url.password) : 'guest',
    vhost,
    heartbeatS: readQuery(url.searchParams),
    shown: `${protocol}://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}/${vhost}`,
  }
}

function parse(text: string): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new UsageError("the broker's URL cannot be read", { hint: EXAMPLE })
  }
  if (url.protocol !== 'amqp:' && url.protocol !== 'amqps:') {
    throw new UsageError(
      `the broker's URL begins with ${url.protocol}//, expected amqp:// or amqps://`,
    )
  }
  return url
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new UsageError("user or password of the broker's URL cannot be read", {
      hint: 'percent-encode what is not a letter or a digit, % itself as %25',
    })
  }
}

function readQuery(query: URLSearchParams): number | undefined {
  let heartbeatS: number | undefined
  for (const [name, value] of query) {
    const seconds = Number(value)
    if (name !== 'heartbeat') {
      throw new UsageError(`the broker's URL says ?${name}=, which is not known`, {
        hint: 'only ?heartbeat=<seconds> is',
      })
    }
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > 600 || value === '') {
      throw new UsageError(
        `the broker's URL says ?heartbeat=${value}, expected whole seconds from 1 to 600`,
      )
    }
    heartbeatS = seconds
  }
  return heartbeatS
}
