/**
 * Carries out calls by workers elsewhere, over RabbitMQ. What is decided is in `worker-based/call-table.ts`; this and the other
 * files beside it carry it out.
 *
 * Owns: one timer, the consumers of reply queues and announcements.
 *
 * Invariants (those of `Engine`, and)
 * G1  Nothing is answered before `dispatch` and `abort` have returned.
 * G2  While there is no room at the broker calls wait in line as they are, not as texts: `waiting` tells of them.
 * G3  `forget` and `stop` abort nothing: the calls are with workers, and their next owner finds them.
 * G4  After `stop()` nothing is answered, acknowledged or published, and no timer or consumer is left.
 */
import { uuidV7 } from '../src/base/ids.ts'
import { namesOf, type Names } from '../src/amqp/names.ts'
import { baseTopology } from '../src/amqp/zagflow-topology.ts'
import type { CallAnswer, CallKey, CallListener, CallRequest } from '../src/protocol/call.ts'
import { PROTOCOL_VERSION } from '../src/protocol/messages.ts'
import { tokenOf } from '../src/protocol/token.ts'
import { writeMessage } from '../src/protocol/wire.ts'
import type { Engine } from './engine.ts'
import { Announcements } from './worker-based/announcements.ts'
import { BrokerEpoch } from './worker-based/broker-epoch.ts'
import type { CallEffects } from './worker-based/call-effects.ts'
import { CallTable } from './worker-based/call-table.ts'
import { Control } from './worker-based/control.ts'
import type { OpenCall } from './worker-based/open-call.ts'
import {
  resolveWorkerBased,
  type ResolvedWorkerBased,
  type WorkerBasedEngineOptions,
} from './worker-based/options.ts'
import { Publishing } from './worker-based/publishing.ts'
import { ReplyQueues } from './worker-based/reply-queues.ts'
import { ReplyReader } from './worker-based/reply-reader.ts'
import { statusOf, type WorkerBasedStatus } from './worker-based/status.ts'
import { Strangers } from './worker-based/strangers.ts'

export type { WorkerBasedEngineOptions } from './worker-based/options.ts'
export type { CallState, CallStatus, WorkerBasedStatus } from './worker-based/status.ts'

/** What `stop()` takes at most, in ms, whatever is away. */
const STOP_WITHIN_MS = 2000
/** After another epoch of the broker was heard of parked flows are woken, when what was being committed is: soon, and once more. */
const WAKES_MS = [1000, 10_000]
/** Calls that `status` lists unless told. */
const LISTED_CALLS = 1000

/**
 * Runs calls on workers in other processes. `connect({ broker, conductor: {} })` and `run(flow, input, { broker, store })` make one by
 * themselves; who puts a `Conductor` together by hand makes it like this:
 *
 * @example
 * const link = new Broker({ urls: "amqp://localhost", namespace: "zagflow" })
 * await link.start()
 * const engine = new WorkerBasedEngine({ link, store, board: "main" })
 * const conductor = new Conductor({ store, board, engine })
 * await conductor.start() // starts the engine
 * await conductor.stop() // stops it
 * await link.stop()
 */
export class WorkerBasedEngine implements Engine {
  readonly name = 'worker-based'
  readonly #resolved: ResolvedWorkerBased
  readonly #names: Names
  /** Of this incarnation. */
  readonly #id = uuidV7()
  /** Its own reply queue: see {@link Engine}. */
  readonly replyTo: string
  readonly #table: CallTable
  readonly #publishing: Publishing
  readonly #control: Control
  readonly #reader: ReplyReader
  readonly #queues: ReplyQueues
  readonly #strangers: Strangers
  readonly #announcements: Announcements
  readonly #epoch: BrokerEpoch
  #state: 'new' | 'started' | 'stopped' = 'new'
  #stopping: Promise<void> | null = null
  #cancelTick: () => void = () => {}
  #unlisten: readonly (() => void)[] = []
  #sweepAt = 0
  #lookAt = 0
  /** When parked flows are to be woken, the next first. */
  #wakeAt: number[] = []
  /** Counts connections, and the times between them. */
  #generation = 0
  /** The table knows of this connection. */
  #isKnown = false

  /** Throws {@link UsageError} for options that make no sense. */
  constructor(options: WorkerBasedEngineOptions) {
    const resolved = (this.#resolved = resolveWorkerBased(options))
    const { link, logger, times, deliveryLimit, clock } = resolved
    const names = (this.#names = namesOf(link.namespace))
    const replyTo = (this.replyTo = names.replyQueue(this.#id))
    this.#table = new CallTable({ effects: this.#effects(), times, deliveryLimit, replyTo })
    const onLost = (topics: readonly string[]): void => {
      logger.warn({ topics }, 'queues of topics were deleted')
      this.#epoch.lost()
    }
    this.#publishing = new Publishing(this.#table, {
      resolved,
      names,
      onLost: (topic) => onLost([topic]),
    })
    this.#control = new Control({
      link,
      names,
      logger,
      replyTo,
      onUnreachable: (worker, calls) => this.#table.unreachable(worker, calls, clock.now()),
    })
    this.#queues = new ReplyQueues({
      resolved,
      names,
      own: replyTo,
      reader: () => this.#reader.reader(),
      inUse: () => new Set([...this.#table].map((call) => call.replyTo)),
    })
    this.#strangers = new Strangers({
      resolved,
      names,
      control: this.#control,
      queues: this.#queues,
    })
    this.#reader = new ReplyReader({
      resolved,
      names,
      table: this.#table,
      strangers: this.#strangers,
      replyTo,
      id: this.#id,
      secret: () => this.#epoch.known?.secret ?? null,
    })
    this.#announcements = new Announcements({ resolved, names, onLost })
    this.#epoch = new BrokerEpoch({
      resolved,
      names,
      generation: () => this.#generation,
      onKnown: ({ epoch, secret }, generation) => {
        if (generation === this.#generation) this.#known(epoch, secret)
      },
    })
  }

  /** Calls that were dispatched and not answered yet. */
  get size(): number {
    return this.#table.size
  }

  /** Calls that wait for room at the broker (G2). */
  get waiting(): number {
    return this.#publishing.waiting
  }

  /**
   * Remembers its reply queue, and works as soon as the link is connected. Throws `UnavailableError` when the store does not
   * answer. A stopped engine cannot be started again.
   */
  async start(options: { readonly conductor?: string | undefined } = {}): Promise<void> {
    if (this.#state !== 'new') return
    this.#state = 'started'
    const { link, clock, logger } = this.#resolved
    try {
      await this.#queues.start(options.conductor ?? this.#id)
    } catch (error) {
      if (!this.#isStopped()) this.#state = 'new'
      throw error
    }
    if (this.#isStopped()) return
    void link
      .declare(baseTopology(this.#names))
      .catch((error: unknown) => {
        if (!this.#isStopped()) logger.error({ error }, 'the topology cannot be declared')
      })
      // What is read has to be there first; what was refused is tried again by the link.
      .then(() => this.#readShared())
    this.#unlisten = [
      link.onConnected(() => this.#connected()),
      link.onDisconnected(() => this.#disconnected()),
      link.onRoom(() => this.#publishing.pump()),
    ]
    this.#sweepAt = clock.now()
    if (link.isConnected) this.#connected()
    this.#tickLater()
  }

  /** Nothing is waited for: what runs goes on with its workers, and is the next owner's. At most two seconds. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  dispatch(request: CallRequest, listener: CallListener): void {
    if (this.#isStopped()) return
    const call = this.#table.dispatch(request, listener, this.#now())
    if (call.replyTo !== this.replyTo) this.#queues.use(call.replyTo)
  }

  abort(key: CallKey, reason: string): void {
    if (!this.#isStopped()) this.#table.abort(key, reason, this.#now())
  }

  /** Aborts nothing: the calls are with workers, and the next owner of the flow finds them (G3). */
  forget(flowId: string): void {
    this.#table.forget(flowId)
    this.#reader.forget(flowId)
  }

  canPark(flowId: string): boolean {
    return this.#table.canPark(flowId, this.#now()) && !this.#reader.isPending(flowId)
  }

  handOver(flowId: string): void {
    this.#table.handOver(flowId)
  }

  heard(key: CallKey, what: 'answered' | 'lost'): void {
    this.#table.heard(key, what, this.#now())
  }

  released(key: CallKey, worker: string): void {
    const call = this.#table.find(key)
    if (call === undefined) return
    this.#table.released(call, { worker, held: false }, this.#now(), () => {})
  }

  /** How its calls stand; at most `limit` of them are listed (1,000), those of `jobId` alone if it is given. */
  status(
    options: { readonly jobId?: string | undefined; readonly limit?: number | undefined } = {},
  ): WorkerBasedStatus {
    const { jobId, limit = LISTED_CALLS } = options
    const calls = []
    for (const call of this.#table) {
      if (calls.length >= limit) break
      if (jobId === undefined || call.request.jobId === jobId)
        calls.push(statusOf(call, this.#table.epoch))
    }
    return {
      isConnected: this.#resolved.link.isConnected,
      epoch: this.#table.epoch,
      open: this.#table.size,
      waiting: this.waiting,
      calls,
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** What all conductors read, each its part. */
  #readShared(): void {
    if (this.#isStopped()) return
    this.#queues.readUnclaimed()
    this.#announcements.start()
  }

  #effects(): CallEffects {
    return {
      publish: (ticket) => this.#publishing.add(ticket),
      note: (call, note, committed) => {
        const { listener, request } = call
        const done = (): void => {
          if (!this.#isStopped()) committed(this.#now())
        }
        if (listener.note !== undefined) return listener.note(request, note, done)
        queueMicrotask(done) // who keeps nothing has nothing to commit
        return true
      },
      answer: (call, answer, committed) => this.#answer(call, answer, committed),
      go: (ask, call) => this.#control.go(ask, call),
      drop: (ask, call, reason) => this.#control.drop(ask, call.request, reason),
      cancel: (worker, call, reason) => this.#control.cancel(worker, call, reason),
      report: (worker, call) => {
        const secret = this.#epoch.known?.secret
        if (secret === undefined) return
        this.#control.report(worker, call, (call.token ??= tokenOf(secret, call.request)))
      },
      barrier: (queue, id) => this.#sendBarrier(queue, id),
    }
  }

  /** G1. */
  #answer(call: OpenCall, answer: CallAnswer, committed: (() => void) | undefined): void {
    queueMicrotask(() => {
      if (!this.#isStopped()) call.listener.answer(call.request, answer, committed)
    })
  }

  #sendBarrier(queue: string, id: number): void {
    const { link, logger } = this.#resolved
    link
      .publish({
        exchange: this.#names.replies,
        routingKey: queue,
        body: writeMessage({
          v: PROTOCOL_VERSION,
          type: 'barrier',
          id: `${this.#id}#${id}`,
          replyTo: this.replyTo,
        }),
        type: 'barrier',
      })
      .catch((error: unknown) => {
        logger.debug({ error, queue }, 'a barrier may be lost; it is sent again')
      })
  }

  #connected(): void {
    this.#generation += 1
    this.#isKnown = false
    this.#epoch.look()
  }

  #disconnected(): void {
    this.#generation += 1
    this.#isKnown = false
    this.#publishing.open(null)
    this.#table.disconnected()
  }

  /** The marker was looked at. */
  #known(epoch: number, secret: string): void {
    const { link, clock, markerEveryMs } = this.#resolved
    if (this.#isStopped() || !link.isConnected) return
    this.#reader.open()
    this.#lookAt = clock.now() + markerEveryMs
    if (epoch !== this.#table.epoch) this.#wakeAt = WAKES_MS.map((ms) => clock.now() + ms)
    if (this.#isKnown) {
      this.#table.raised(epoch, clock.now())
      return
    }
    this.#isKnown = true
    this.#table.connected(epoch, clock.now())
    this.#publishing.open(secret)
  }

  #tickLater(): void {
    const { clock, tickMs } = this.#resolved
    this.#cancelTick = clock.setTimer(() => {
      this.#tick()
      if (!this.#isStopped()) this.#tickLater()
    }, clock.now() + tickMs)
  }

  #tick(): void {
    const { clock, link, sweepEveryMs } = this.#resolved
    const now = clock.now()
    this.#table.tick(now)
    this.#publishing.pump()
    if (!this.#isKnown || !link.isConnected) return
    if (now >= this.#lookAt) {
      this.#lookAt = now + this.#resolved.markerEveryMs
      this.#epoch.look()
    }
    if (now >= (this.#wakeAt[0] ?? Infinity)) {
      this.#wakeAt.shift()
      this.#wakeParked()
    }
    if (now >= this.#sweepAt) {
      this.#sweepAt = now + sweepEveryMs
      this.#queues.sweep()
    }
  }

  /** Flows that were being parked while the broker was raised, here or where nobody had heard of it, missed being woken. */
  #wakeParked(): void {
    const { store, logger, clock } = this.#resolved
    store.wakeParked().catch((error: unknown) => {
      if (this.#isStopped()) return
      logger.warn({ error }, 'parked flows could not be woken; trying again')
      this.#wakeAt.push(clock.now() + (WAKES_MS[0] ?? 0))
    })
  }

  /** G4. */
  async #stop(): Promise<void> {
    const wasStarted = this.#state === 'started'
    this.#state = 'stopped'
    this.#cancelTick()
    for (const unlisten of this.#unlisten) unlisten()
    this.#publishing.stop()
    this.#table.clear()
    this.#reader.clear()
    this.#control.stop()
    if (!wasStarted) return
    const stopping = this.#stopReading().catch((error: unknown) => {
      this.#resolved.logger.debug({ error }, 'the engine did not stop in order')
    })
    const { clock } = this.#resolved
    let cancel: () => void = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = clock.setTimer(resolve, clock.now() + STOP_WITHIN_MS)
    })
    await Promise.race([stopping, late])
    cancel()
  }

  async #stopReading(): Promise<void> {
    await Promise.all([
      this.#queues.stop(),
      this.#announcements.stop(),
      this.#strangers.stop(),
      this.#epoch.stop(),
    ])
  }

  #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  #now(): number {
    return this.#resolved.clock.now()
  }
}
