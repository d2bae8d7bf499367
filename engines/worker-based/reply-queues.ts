/**
 * Which reply queues are read here: this engine's own, those that its calls name, those of conductors that are gone, and that
 * of replies whose queue is gone.
 *
 * Invariants
 * Q1  A queue that a call here names is read as long as the call is here; who else reads it waits in line, or this engine does.
 * Q2  Every living conductor reads every orphaned queue: one of them is active. It is forgotten, then deleted, when no unfinished call
 *     names it and nothing is in it. This engine's own stays when it stops: its rows may name it.
 * Q3  A queue is never deleted while anything is in it.
 * Q4  What is forgotten is deleted, sooner or later: who cannot delete it yet, since others read it, looks again.
 */
import type { Consumption, Delivery } from '../../src/amqp/broker-link.ts'
import type { Names } from '../../src/amqp/names.ts'
import { baseTopology, replyQueueNamed } from '../../src/amqp/zagflow-topology.ts'
import type { ReplyQueueRecord } from '../../persistence/store.ts'
import type { ResolvedWorkerBased } from './options.ts'

const LOOK_AGAIN_AFTER_MS = 1000

export interface ReplyQueuesOptions {
  readonly resolved: ResolvedWorkerBased
  readonly names: Names
  /** This engine's own. */
  readonly own: string
  /** Makes what reads one queue. */
  readonly reader: () => (delivery: Delivery) => void
  /** Queues that calls here name. */
  readonly inUse: () => ReadonlySet<string>
}

export class ReplyQueues {
  readonly #options: ReplyQueuesOptions
  readonly #consumptions = new Map<string, Consumption>()
  /** Q4: no conductor's, and there when it was looked at. */
  readonly #left = new Set<string>()
  #conductor = ''
  #known: readonly ReplyQueueRecord[] = []
  #lookedAt = -Infinity
  #looking: Promise<void> | null = null
  #sweeping: Promise<void> | null = null
  #isStopped = false

  constructor(options: ReplyQueuesOptions) {
    this.#options = options
  }

  /** Remembers its own queue, so that others read it when this one is gone, and begins to read. Throws `UnavailableError`. */
  async start(conductor: string): Promise<void> {
    const { own, resolved } = this.#options
    this.#conductor = conductor
    await resolved.store.keepReplyQueue(own, conductor)
    if (this.#isStopped) return
    this.use(own)
  }

  /** Begins to read answers whose queue is gone: once the topology was declared. */
  readUnclaimed(): void {
    if (!this.#isStopped) this.#consume(this.#options.names.unclaimed)
  }

  /** Q1. */
  use(queue: string): void {
    if (this.#consumptions.has(queue) || this.#isStopped) return
    const { names, resolved } = this.#options
    const { logger, link } = resolved
    // Consuming waits for the declaration: the topology stands before consumers do, at each connect. The exchange that it is bound
    // to is declared with it: on a new broker nobody else may have come to it yet.
    const { exchanges } = baseTopology(names)
    void link.declare({ exchanges, queues: [replyQueueNamed(names, queue)] }).then(
      () => {
        if (this.#consumptions.has(queue) || this.#isStopped) return
        this.#consume(queue)
      },
      async (error: unknown) => {
        if (this.#isStopped) return
        if (queue === this.#options.own)
          logger.error({ error, queue }, 'the reply queue cannot be declared; it is tried again')
        else {
          // Mostly another conductor has deleted it meanwhile: it must not come back with a later connection.
          logger.debug({ error, queue }, 'a reply queue cannot be declared')
          await link.undeclare([queue])
        }
      },
    )
  }

  /** The reply queue of a conductor that lives and is not this one. */
  async queueOf(conductor: string): Promise<string | undefined> {
    const { clock } = this.#options.resolved
    const find = () => this.#known.find((known) => known.conductor === conductor && !known.orphaned)
    if (find() === undefined && clock.now() - this.#lookedAt > LOOK_AGAIN_AFTER_MS)
      await this.#look()
    const found = find()?.queue
    return found === this.#options.own ? undefined : found
  }

  /** Looks for queues to read, and for those to forget. */
  sweep(): void {
    const { logger } = this.#options.resolved
    this.#sweeping ??= this.#sweep()
      .catch((error: unknown) => logger.debug({ error }, 'reply queues could not be looked for'))
      .finally(() => {
        this.#sweeping = null
      })
  }

  /** Reads no more; what is unsettled goes back to the broker. */
  async stop(): Promise<void> {
    this.#isStopped = true
    const all = [...this.#consumptions.values()]
    this.#consumptions.clear()
    await Promise.all([...all.map((consumption) => consumption.close()), this.#sweeping])
  }

  #consume(queue: string): void {
    const { resolved, reader } = this.#options
    const { prefetch, link } = resolved
    this.#consumptions.set(queue, link.consume(queue, { prefetch }, reader()))
  }

  #look(): Promise<void> {
    const { store, clock } = this.#options.resolved
    this.#looking ??= store
      .replyQueues()
      .then((known) => {
        this.#known = known
        this.#lookedAt = clock.now()
      })
      .finally(() => {
        this.#looking = null
      })
    return this.#looking
  }

  async #sweep(): Promise<void> {
    await this.#look()
    const { own, names, resolved } = this.#options
    // Forgotten by others while this one was taken for gone.
    if (!this.#known.some(({ queue }) => queue === own))
      await resolved.store.keepReplyQueue(own, this.#conductor)
    const inUse = this.#options.inUse()
    const orphans = new Set<string>()
    for (const { queue, orphaned } of this.#known) if (orphaned && queue !== own) orphans.add(queue)
    for (const queue of [own, ...orphans, ...inUse]) this.use(queue)
    for (const queue of [...this.#left]) await this.#delete(queue)
    for (const queue of [...this.#consumptions.keys()]) {
      if (this.#isStopped) return
      if (queue === own || queue === names.unclaimed || inUse.has(queue)) continue
      if (!orphans.has(queue)) await this.#close(queue)
      else if (await this.#isEmpty(queue)) await this.#forget(queue)
    }
  }

  async #isEmpty(queue: string): Promise<boolean> {
    const found = await this.#options.resolved.link.lookAt(queue)
    return found === null || found.messages === 0
  }

  /** Q2. */
  async #forget(queue: string): Promise<void> {
    if (await this.#options.resolved.store.forgetReplyQueue(queue)) await this.#close(queue)
  }

  /** It is of a living conductor, or of nobody: then the last one who read it deletes it (Q3). */
  async #close(queue: string): Promise<void> {
    const { link } = this.#options.resolved
    const isKnown = this.#known.some((known) => known.queue === queue && !known.orphaned)
    if (!isKnown && !(await this.#isEmpty(queue))) return
    const consumption = this.#consumptions.get(queue)
    this.#consumptions.delete(queue)
    await consumption?.close()
    if (isKnown) {
      await link.undeclare([queue])
      return
    }
    this.#left.add(queue)
    await this.#delete(queue)
  }

  /** Q3, Q4. */
  async #delete(queue: string): Promise<void> {
    const { link, logger } = this.#options.resolved
    if (this.#consumptions.has(queue)) {
      this.#left.delete(queue) // it came back, and is closed again when nobody needs it
      return
    }
    try {
      await link.undeclare([queue], { delete: true, ifEmpty: true, ifUnused: true })
      if ((await link.lookAt(queue)) === null) this.#left.delete(queue)
    } catch (error) {
      logger.debug({ error, queue }, 'a reply queue was not deleted; it is tried again')
    }
  }
}
