/**
 * A link for operators: looks at queues and mends by hand. It is short-lived: declares nothing, and does not come back when
 * it is lost.
 *
 * Owns: a pair of connections.
 */
import { UnavailableError } from '../base/errors.ts'
import { openConnections, type BrokerInfo, type Connections } from './connection.ts'
import { DeadLetters } from './dead-letters.ts'
import { namesOf } from './names.ts'
import { resolveBroker, type BrokerOptions, type ResolvedBroker } from './options.ts'
import { QueueDesk, type QueueState } from './queue-desk.ts'

export type { BrokerInfo } from './connection.ts'
export type { DeadLetter, ReadReport } from './dead-letters.ts'
export type { QueueState } from './queue-desk.ts'

/** What opening one connection may take, in ms: an operator waits for it. */
const OPEN_WITHIN_MS = 5_000

export class OperatorLink {
  readonly deadLetters: DeadLetters
  readonly #connections: Connections
  readonly #desk: QueueDesk
  readonly #leaving: AbortController

  private constructor(
    resolved: ResolvedBroker,
    connections: Connections,
    leaving: AbortController,
  ) {
    const { clock, logger, namespace } = resolved
    this.#connections = connections
    this.#leaving = leaving
    const model = connections.consuming
    this.#desk = new QueueDesk({ model, server: connections.address.shown, clock, logger })
    this.deadLetters = new DeadLetters({
      connections,
      names: namesOf(namespace),
      namespace,
      clock,
      logger,
    })
  }

  /**
   * Connects to the first host that can be reached. Throws {@link UsageError} for wrong options, {@link UnavailableError} with what
   * the last host said.
   */
  static async open(options: BrokerOptions): Promise<OperatorLink> {
    const resolved = resolveBroker(options)
    const { addresses, connectionName, heartbeatS, tls, clock, logger } = resolved
    let last: unknown = new UnavailableError('the broker')
    for (const address of addresses) {
      const leaving = new AbortController()
      try {
        const connections = await openConnections({
          address,
          connectionName,
          heartbeatS,
          timeoutMs: OPEN_WITHIN_MS,
          tls,
          clock,
          logger,
          signal: leaving.signal,
        })
        return new OperatorLink(resolved, connections, leaving)
      } catch (error) {
        last = error
      }
    }
    throw last
  }

  /** What the broker says of itself. */
  get broker(): BrokerInfo {
    return this.#connections.broker
  }

  /** The host that it is connected to, without user and password. */
  get server(): string {
    return this.#connections.address.shown
  }

  /** How a queue stands; null: there is none. Throws {@link UnavailableError}. */
  lookAt(queue: string): Promise<QueueState | null> {
    return this.#desk.lookAt(queue)
  }

  async close(): Promise<void> {
    await this.#connections.close()
    this.#leaving.abort()
  }
}
