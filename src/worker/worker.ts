/**
 * A worker: takes requests for calls from the queues of topics, runs them, and publishes their answers. What is to be done
 * with what comes is decided by `CallBook`; here it is done.
 *
 * Invariants
 * U1  The answer of a call is confirmed by the broker before the copy of its request is acknowledged.
 * U2  A lost channel or connection ends no body: its answer is published all the same, and its copy, given to somebody
 *     again, is adopted here, or asked about and dropped elsewhere.
 * U3  After a connect, owners hear of all that runs here before they could take it for lost.
 * U4  `stop()`: no new deliveries; what did not begin goes back; what runs may end and answer; then it is aborted, and what
 *     has no result is released, to run again elsewhere under its key and uncharged. Within `graceMs`, or half a second more. A second `stop()` aborts at once.
 * U5  Nothing is left after `stop()`: no timer, thread, process or consumer. A body in this thread that ignores its signal cannot be
 *     ended; it is only not listened to.
 */
import { hostname } from 'node:os'
import type { BrokerLink, Delivery } from '../amqp/broker-link.ts'
import { namesOf } from '../amqp/names.ts'
import type { Topology } from '../amqp/topology.ts'
import { baseTopology, controlQueue, topicQueue } from '../amqp/zagflow-topology.ts'
import { uuidV7 } from '../base/ids.ts'
import { toJson } from '../base/codec.ts'
import { ClosedError } from '../base/errors.ts'
import type { CallAnswer } from '../protocol/call.ts'
import { callKeyText } from '../protocol/call-key.ts'
import type { ControlMessage } from '../protocol/messages.ts'
import { Announcer } from './announcer.ts'
import { Asks } from './asks.ts'
import { Bodies } from './bodies.ts'
import type { Call, Effect, Released, SentReply } from './book-call.ts'
import { CallBook } from './call-book.ts'
import { Control, effectsOf } from './control.ts'
import { Intake, type Arrival } from './intake.ts'
import { Messages } from './messages.ts'
import { resolveWorker, type ResolvedWorker, type WorkerOptions } from './options.ts'
import { TaskRegistry } from './registry.ts'
import { Replies } from './replies.ts'
import { Reporter } from './reporter.ts'
import { TaskThreads } from './task-threads.ts'

/** How busy a worker is. */
export interface WorkerLoad {
  /** Calls that run here, or whose answers are not confirmed yet. */
  readonly running: number
  /** Copies that wait for a word of their owner, or for a place. */
  readonly held: number
  readonly concurrency: number
}

/** What is kept of calls that ended, for copies of them that come back. */
const KEPT = { keepMs: 600_000, keepCalls: 10_000, keepCharacters: 32 * 1024 * 1024 }
const ASK_EVERY_MS = 5_000
const FIRST_REPORT_MS = 200
/** The end of the grace period, for bodies that were aborted. */
const LAST_SHARE = 0.1
const LONGEST_LAST_MS = 5_000
const SHORTEST_LAST_MS = 500
/** What a second `stop()` gives aborted bodies. */
const HASTE_MS = 2_000
/** What answers get on the way out when the time for bodies is up. */
const LAST_WORDS_MS = 1_000

/**
 * Runs tasks that conductors send through a broker. `zagflow worker` is this in a process of its own, which is to be preferred: a task that
 * ends its process takes along whatever else is in it.
 *
 * @example
 * const worker = new Worker({ broker: 'amqp://localhost', modules: ['./tasks.ts'] })
 * await worker.start()
 * …
 * await worker.stop()
 */
export class Worker {
  /** Of this incarnation: another process, or another `Worker`, has another. */
  readonly id: string = uuidV7()
  readonly name: string
  readonly #options: ResolvedWorker
  readonly #book: CallBook<Delivery>
  #parts: Parts | undefined
  #starting: Promise<void> | undefined
  /** The link, while it is not there yet. */
  #opening: BrokerLink | undefined
  #stopping: Promise<void> | undefined
  #isEnding = false
  #isHurried = false
  #hurry: () => void = () => undefined
  readonly #hurried: Promise<void>

  /** Throws {@link UsageError} for options that make no sense. */
  constructor(options: WorkerOptions) {
    this.#options = resolveWorker(options)
    this.name = this.#options.name
    const { concurrency, soloProcesses } = this.#options
    this.#book = new CallBook<Delivery>({
      ...KEPT,
      concurrency,
      maxAlone: soloProcesses,
      askEveryMs: ASK_EVERY_MS,
      firstReportMs: FIRST_REPORT_MS,
      canRunAlone: () => soloProcesses > 0 && this.#options.modules.length > 0,
    })
    this.#hurried = new Promise((resolve) => {
      this.#hurry = resolve
    })
  }

  /** How busy it is now. */
  get load(): WorkerLoad {
    const { running, held } = this.#book
    return { running, held, concurrency: this.#options.concurrency }
  }

  /** Names of the tasks that it runs; none before `start()`, where modules are to be loaded. */
  get tasks(): readonly string[] {
    const registry = this.#parts?.registry ?? this.#options.registry
    return registry?.tasks.map(({ name }) => name) ?? []
  }

  /**
   * Loads modules, connects, and serves. Rejects with what a module throws, and with {@link UnavailableError} when the broker
   * cannot be reached for 30 s; {@link ClosedError} after `stop()`.
   */
  start(): Promise<void> {
    if (this.#stopping !== undefined) return Promise.reject(new ClosedError('the worker'))
    this.#starting ??= this.#start()
    return this.#starting
  }

  /**
   * Takes nothing more, gives back what did not begin, and lets what runs end and answer. What does not end within `graceMs` (that of
   * the options, unless given here) is aborted and given back, to run again elsewhere under its key. A second `stop()` aborts at
   * once. Never rejects (U4).
   */
  stop(options: { readonly graceMs?: number | undefined } = {}): Promise<void> {
    if (this.#stopping !== undefined) {
      this.#isHurried = true
      this.#hurry()
    }
    this.#stopping ??= this.#stop(options.graceMs ?? this.#options.graceMs)
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #start(): Promise<void> {
    const registry = this.#options.registry ?? (await TaskRegistry.load(this.#options.modules))
    const link = await this.#openLink()
    if (this.#stopping !== undefined) throw new ClosedError('the worker')
    const parts = this.#createParts(registry, link)
    if (parts.ownsLink) this.#opening = link
    try {
      const declared = link.declare(parts.topology)
      await Promise.all([declared, parts.ownsLink ? link.start() : undefined])
    } catch (error) {
      if (parts.ownsLink) await link.stop()
      throw error
    }
    this.#opening = undefined
    this.#parts = parts
    parts.offs.push(link.onConnected(() => this.#connected(parts)))
    if (link.isConnected) this.#connected(parts)
    parts.control.start()
    parts.intake.start()
  }

  async #openLink(): Promise<BrokerLink> {
    const { broker, namespace, name, logger, clock, tls } = this.#options
    if (typeof broker !== 'string') return broker
    const { Broker } = await import('../amqp/broker.ts') // who gives a link needs no client of ours
    return new Broker({ urls: broker, namespace, connectionName: name, logger, clock, tls })
  }

  #createParts(registry: TaskRegistry, link: BrokerLink): Parts {
    const { id } = this
    const book = this.#book
    const { clock, logger, abortGraceMs, topics, concurrency, leaseMs } = this.#options
    const names = namesOf(this.#options.namespace)
    const messages = new Messages(id, names)
    const base = baseTopology(names)
    const topology: Topology = {
      exchanges: base.exchanges,
      queues: [
        ...base.queues,
        ...topics.map((topic) => topicQueue(names, topic)),
        controlQueue(names, id),
      ],
    }
    const environment = { tasks: registry, logger, clock, abortGraceMs }
    const { threads: count, threadHeapMb: heapMb, modules } = this.#options
    const threads = new TaskThreads({ tasks: registry, environment, count, heapMb })
    const listener = {
      answered: (call: Call<Delivery>, answer: CallAnswer) => this.#answered(call, answer),
      lost: (call: Call<Delivery>) => this.#perform(book.abandoned(call, clock.now())),
      progress: (...said: Parameters<Reporter<Delivery>['progress']>) =>
        parts.reporter.progress(...said),
    }
    const announcer = new Announcer({
      link,
      messages,
      clock,
      leaseMs,
      about: {
        name: this.name,
        host: hostname(),
        pid: process.pid,
        topics: [...topics],
        tasks: [...registry.tasks.map(({ name }) => name), ...registry.strategies.keys()],
        signatures: toJson(registry.signatures()),
      },
      load: () => this.load,
    })
    const parts: Parts = {
      registry,
      link,
      ownsLink: typeof this.#options.broker === 'string',
      topology,
      messages,
      threads,
      bodies: new Bodies({ environment, threads, modules, listener }),
      replies: new Replies({ link, redeclare: () => link.declare(topology), clock, logger }),
      asks: new Asks({ book, link, messages, clock }),
      reporter: new Reporter({ book, link, messages, clock }),
      announcer,
      control: new Control({
        link,
        queue: names.controlQueue(id),
        logger,
        onMessage: (message) => this.#hear(message),
      }),
      intake: new Intake({
        link,
        names,
        topics,
        concurrency,
        clock,
        logger,
        unsettled: () => book.unsettled(),
        uncounted: () => book.uncounted,
        onRequest: (arrival) => this.#take(arrival),
        onDeleted: (topic) => {
          logger.error({ topic }, 'the queue of a topic was deleted; what was in it may be lost')
          announcer.tellLost(topic)
        },
      }),
      offs: [],
    }
    return parts
  }

  /** U3. */
  #connected({ reporter, announcer, asks, intake }: Parts): void {
    this.#book.forgetLost()
    if (intake.isOpen) intake.share() // before deliveries come: what runs on takes places
    reporter.reportAll()
    announcer.announce()
    asks.soon()
  }

  #take(arrival: Arrival): void {
    const parts = this.#parts
    if (parts === undefined) return
    const { request, copy, key, replyTo } = arrival
    if (!parts.registry.runs(request)) {
      const { task } = request
      this.#options.logger.warn({ task, call: key }, 'does not know a task that it is asked for')
      this.#send(parts.messages.unknown(request, replyTo), key, request.flowId, () => copy.ack())
      return
    }
    this.#perform(this.#book.arrive(arrival, this.#now()))
  }

  #hear(message: ControlMessage): void {
    if (message.type === 'report') {
      const refs = message.calls.map((call) => ({ ...call, key: callKeyText(call) }))
      this.#parts?.reporter.answer(this.#book.reported(refs), message.replyTo)
      return
    }
    this.#perform(effectsOf(message, this.#book, this.#now()))
  }

  #answered(call: Call<Delivery>, answer: CallAnswer): void {
    if (this.#isEnding && isOfTheEnd(call, answer)) {
      this.#perform(this.#book.released(call)) // U4
      return
    }
    this.#perform(this.#book.answered(call, answer))
  }

  #perform(effects: readonly Effect<Delivery>[]): void {
    for (const effect of effects) {
      switch (effect.do) {
        case 'start':
          this.#parts?.reporter.watch()
          this.#parts?.bodies.start(effect.call)
          break
        case 'ask':
          this.#parts?.asks.soon()
          this.#parts?.reporter.watch()
          break
        case 'abort':
          this.#parts?.bodies.abort(effect.call, effect.reason)
          break
        case 'reply':
          this.#reply(effect.call, effect.answer)
          break
        case 'repeat':
          this.#repeat(effect.reply, effect.copy)
          break
        case 'ack':
          for (const copy of effect.copies) copy.ack()
          break
        case 'requeue':
          for (const copy of effect.copies) copy.requeue()
          break
        case 'release':
          this.#release(effect.call, effect.copies)
          break
      }
    }
  }

  /** U1. */
  #reply(call: Call<Delivery>, answer: CallAnswer): void {
    const reply = this.#parts?.messages.answer(call, answer)
    if (reply === undefined) return
    this.#send(reply, call.key, call.request.flowId, () =>
      this.#perform(this.#book.confirmed(call, reply, this.#now())),
    )
  }

  #repeat(reply: SentReply, copy: Delivery): void {
    this.#send(reply, copy.messageId ?? '', copy.correlationId ?? '', () => copy.ack())
  }

  /** Should its owner never hear of it, the copies go back with their channel, and the start is charged. */
  #release(call: Released, copies: readonly Delivery[]): void {
    const reply = this.#parts?.messages.released(call)
    if (reply === undefined) return
    this.#send(reply, call.key, call.request.flowId, () => {
      for (const copy of copies) copy.requeue()
    })
  }

  #send(reply: SentReply, key: string, flowId: string, onArrived: () => void): void {
    const parts = this.#parts
    parts?.replies.send(parts.messages.reply(reply, key, flowId), onArrived)
  }

  #now(): number {
    return this.#options.clock.now()
  }

  async #stop(graceMs: number): Promise<void> {
    await this.#opening?.stop() // it connects still: `start()` rejects
    await this.#starting?.catch(() => undefined) // whoever started it was told
    const parts = this.#parts
    if (parts === undefined) return
    const { intake, bodies, replies, asks, reporter, announcer, control, threads } = parts
    const endAt = this.#now() + graceMs
    const lastMs = Math.max(Math.min(graceMs * LAST_SHARE, LONGEST_LAST_MS), SHORTEST_LAST_MS)
    await this.#until(this.#now() + LAST_WORDS_MS, intake.cancel())
    this.#perform(this.#book.drain())
    await this.#until(endAt - lastMs, Promise.race([bodies.idle(), this.#hurried]))
    this.#isEnding = true
    bodies.abortAll('the worker stops')
    await this.#until(this.#now() + (this.#isHurried ? HASTE_MS : lastMs), bodies.idle())
    bodies.dropAll()
    for (const call of this.#book.bodies) this.#perform(this.#book.released(call))
    const lastWordsAt = this.#now() + LAST_WORDS_MS
    const settledBy = this.#isHurried ? lastWordsAt : Math.max(endAt, lastWordsAt)
    await this.#until(settledBy, replies.settled())
    replies.abandon()
    asks.stop()
    reporter.stop()
    for (const off of parts.offs) off()
    await this.#until(this.#now() + LAST_WORDS_MS, announcer.end())
    await Promise.allSettled([intake.close(), control.close(), threads.stop()])
    await this.#leaveLink(parts)
  }

  async #leaveLink({ link, ownsLink }: Parts): Promise<void> {
    if (ownsLink) {
      await link.stop()
      return
    }
    const queue = namesOf(this.#options.namespace).controlQueue(this.id)
    await link.undeclare([queue], { delete: true }).catch(() => undefined) // it dies with the connection
  }

  /** Until that is done, at most until then. */
  async #until(atMs: number, done: Promise<unknown>): Promise<void> {
    let cancel = (): void => undefined
    const late = new Promise<void>((resolve) => {
      cancel = this.#options.clock.setTimer(resolve, atMs)
    })
    await Promise.race([done.catch(() => undefined), late])
    cancel()
  }
}

/** What a worker is made of, once it is started. */
interface Parts {
  readonly registry: TaskRegistry
  readonly link: BrokerLink
  readonly ownsLink: boolean
  readonly topology: Topology
  readonly messages: Messages
  readonly threads: TaskThreads
  readonly bodies: Bodies<Delivery>
  readonly replies: Replies
  readonly asks: Asks<Delivery>
  readonly reporter: Reporter<Delivery>
  readonly announcer: Announcer
  readonly control: Control
  readonly intake: Intake
  readonly offs: (() => void)[]
}

/** Whether a body failed because the worker aborted it: somebody else runs it again. */
function isOfTheEnd(call: Call<Delivery>, answer: CallAnswer): boolean {
  if (answer.kind === 'succeeded' || call.isCancelled) return false
  return answer.failure.code !== 'TimedOut'
}
