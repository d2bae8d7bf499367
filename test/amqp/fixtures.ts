/** Links to a broker, with what they log, in a few words. */
import type { TestContext } from 'node:test'
import type { LogFields, Logger } from '../../src/base/logger.ts'
import assert from 'node:assert/strict'
import { UnavailableError } from '../../src/base/errors.ts'
import { Broker } from '../../src/amqp/broker.ts'
import type { Delivery, Outgoing } from '../../src/amqp/broker-link.ts'
import type { BrokerOptions } from '../../src/amqp/options.ts'
import { eventually, type EventuallyOptions } from '../support/eventually.ts'
import { freshVirtualHost, rabbitmqNodes } from '../support/rabbitmq.ts'

/** A line of a log: level, message, and the error's message. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly error: string
}

/** Keeps what is logged. */
export function recordingLogger(lines: LogLine[]): Logger {
  const keep = (level: LogLine['level']) => (fields: LogFields, message: string) => {
    const { error } = fields
    lines.push({ level, message, error: error instanceof Error ? error.message : '' })
  }
  const logger: Logger = {
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => logger,
  }
  return logger
}

export interface Link {
  readonly broker: Broker
  readonly log: LogLine[]
}

/** A link that is not started; it is stopped after the test. */
export function makeLink(
  t: TestContext,
  options: Partial<BrokerOptions> & Pick<BrokerOptions, 'urls'>,
): Link {
  const log: LogLine[] = []
  const broker = new Broker({ namespace: 'zag', logger: recordingLogger(log), ...options })
  t.after(() => broker.stop())
  return { broker, log }
}

/**
 * What `start()` says against these options, and all that was logged. It is given more time where the first was too short to hear
 * what is wrong, as on a busy machine.
 */
export async function complaintOf(
  t: TestContext,
  options: Partial<BrokerOptions> & Pick<BrokerOptions, 'urls'>,
  expected: RegExp,
): Promise<{ readonly error: UnavailableError; readonly log: readonly LogLine[] }> {
  for (const connectTimeoutMs of [1_000, 5_000, 25_000]) {
    const { broker, log } = makeLink(t, { ...options, connectTimeoutMs })
    const error = await broker.start().then(
      () => assert.fail('it started'),
      (thrown: unknown) => thrown,
    )
    await broker.stop()
    assert.ok(error instanceof UnavailableError, String(error))
    if (expected.test(error.message)) return { error, log }
    assert.ok(connectTimeoutMs < 25_000, error.message)
  }
  assert.fail('unreachable')
}

/** Does something again as long as the link is away: with a heartbeat of a second a pause of the machine is enough for that. */
export function despiteLosses<T>(act: () => Promise<T>): Promise<NonNullable<T>> {
  return eventually(
    () =>
      act().catch((error: unknown) => {
        if (error instanceof UnavailableError) return undefined
        throw error
      }),
    { withinMs: 60_000, everyMs: 50 },
  )
}

/** A link that stands. */
export async function linkTo(
  t: TestContext,
  urls: string | readonly string[],
  options: Partial<BrokerOptions> = {},
): Promise<Link> {
  const link = makeLink(t, { urls, ...options })
  await link.broker.start()
  return link
}

/** A virtual host of this test alone, or undefined where there is no RabbitMQ: then the test is skipped. */
export async function ownHost(t: TestContext): Promise<string | undefined> {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) {
    t.skip(nodes.missing)
    return undefined
  }
  return freshVirtualHost(t)
}

/** A durable queue without bindings. */
export function plainQueue(name: string, kind: 'classic' | 'quorum' = 'classic') {
  return { exchanges: [], queues: [{ name, kind, bindings: [] }] } as const
}

/** A message for a queue. */
export function messageFor(queue: string, body: unknown = {}): Outgoing {
  return { exchange: '', routingKey: queue, body: JSON.stringify(body), type: 'test' }
}

/** Takes what comes from a queue until the test is over. */
export function collect(
  broker: Broker,
  queue: string,
  options: { readonly prefetch?: number; readonly acknowledge?: boolean } = {},
): {
  readonly deliveries: Delivery[]
  bodies(): readonly unknown[]
  has(count: number, wait?: EventuallyOptions): Promise<unknown>
} {
  const deliveries: Delivery[] = []
  broker.consume(queue, { prefetch: options.prefetch ?? 100 }, (delivery) => {
    deliveries.push(delivery)
    if (options.acknowledge !== false) delivery.ack()
  })
  return {
    deliveries,
    bodies: () => deliveries.map(({ body }): unknown => JSON.parse(body.toString())),
    has: (count, wait) => eventually(() => deliveries.length >= count, wait),
  }
}

/**
 * Waits until a queue holds so many messages that wait. (Of a quorum queue whose leader does not answer within 250 ms the broker
 * says that it holds none, and has no consumer.)
 */
export function holds(
  broker: Broker,
  queue: string,
  messages: number,
  wait: EventuallyOptions = {},
): Promise<unknown> {
  return eventually(async () => (await broker.lookAt(queue))?.messages === messages, {
    everyMs: 30,
    ...wait,
  })
}
