/**
 * Wake-ups that ride on dead-letter queues: a message lies in level n for 100 ms × 2ⁿ, and passes through the levels of the
 * bits of its delay, from the highest to the lowest. The routing key holds the bits; level n is a topic exchange that takes
 * a message into its queue where bit n is 1, and past it, to the next exchange, where it is 0.
 *
 * Owns: one consumer.
 *
 * Invariants
 * A1  What rides is a hint. It may be lost (classic queues, at most once, bounded) or come twice. Whoever is told looks at SQL, whose
 *     clock decides, and a sweep of SQL stands behind.
 * A2  All messages of a level have the same time to live, so none waits behind one that is due later.
 * A3  A delay is rounded down to whole 100 ms: no hint is late because of rounding, and it is early by less than that.
 * A4  A message meets no queue twice, and is made afresh for each wait, so the broker never takes it for a cycle.
 * A5  The number of queues is fixed, whatever the delays are; levels are declared when they are first needed.
 */
import type { Logger } from '../base/logger.ts'
import { PROTOCOL_VERSION, type WakeMessage } from '../protocol/messages.ts'
import { readWake, writeMessage } from '../protocol/wire.ts'
import type { BrokerLink, Consumption, Delivery } from './broker-link.ts'
import type { Names } from './names.ts'
import type { ExchangeSpec, QueueSpec, Topology } from './topology.ts'
import { WAKEUPS_KEPT } from './zagflow-topology.ts'

/** What level 0 takes, in ms. */
export const DELAY_UNIT_MS = 100
/** The longest wait that rides, in ms; longer ones are left to the sweep of SQL. */
export const LONGEST_DELAY_MS = 24 * 60 * 60 * 1000
/** 2²⁰ units are 29 hours. */
const LEVELS = 20
/** Declared at once: waits up to 3 minutes. */
const FIRST_LEVELS = 11
/** Hints in one level, at most; beyond it the broker refuses them. */
const LEVEL_KEPT = 1_000_000
/** Hints on their way to the broker, at most; beyond it they are dropped. */
const MOST_UNDER_WAY = 10_000
const PREFETCH = 500

/** Whom to wake, and when. */
export type WakeUp = Pick<WakeMessage, 'board' | 'jobId' | 'dueAt'>

/** Wake-ups of one board, as a conductor uses them. */
export interface BoardWakeups {
  at(jobId: string, dueAt: number, delayMs: number): void
  onDue(listener: () => void): () => void
}

export class Wakeups {
  readonly #link: BrokerLink
  readonly #names: Names
  readonly #logger: Logger
  readonly #listeners = new Set<(wakeUp: WakeUp) => void>()
  #levels = 0
  /** Levels that are being declared: once, for all who need them. */
  #declaring: Promise<void> | null = null
  #underWay = 0
  #consumption: Consumption | null = null

  constructor(link: BrokerLink, names: Names, logger: Logger) {
    this.#link = link
    this.#names = names
    this.#logger = logger
  }

  /** Declares what short waits need, and begins to listen. Throws what the broker has against it. */
  async start(): Promise<void> {
    if (this.#consumption !== null) return
    await this.#need(FIRST_LEVELS)
    this.#consumption ??= this.#link.consume(
      this.#names.timers,
      { prefetch: PREFETCH },
      (delivery) => this.#due(delivery),
    )
  }

  /** Ends listening. Hints that are on their way stay with the broker. */
  async stop(): Promise<void> {
    await this.#consumption?.close()
    this.#consumption = null
  }

  /**
   * Tells somebody who listens, in `delayMs` less up to 100 ms (A3). Resolves when the broker has the hint, or when it is given up:
   * without a connection, with too many under way, for more than 24 hours (A1). Never rejects.
   */
  async at(wakeUp: WakeUp, delayMs: number): Promise<void> {
    if (!(delayMs <= LONGEST_DELAY_MS) || !this.#link.isConnected) return
    if (this.#underWay >= MOST_UNDER_WAY) return
    this.#underWay++
    try {
      const units = Math.floor(Math.max(delayMs, 0) / DELAY_UNIT_MS)
      await this.#need(levelsOf(units))
      if ((await this.#send(wakeUp, units)) === 'confirmed') return
      // A level was deleted on the broker: the next wake-ups find it again.
      await this.#link.declare(delayTopology(this.#names, this.#levels))
      await this.#send(wakeUp, units)
    } catch (error) {
      this.#logger.debug({ error, job: wakeUp.jobId }, 'a wake-up was not sent; the sweep finds it')
    } finally {
      this.#underWay--
    }
  }

  /** Told what is due, at least in the broker's opinion. */
  onDue(listener: (wakeUp: WakeUp) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The wake-ups of one board. */
  forBoard(board: string): BoardWakeups {
    return {
      at: (jobId, dueAt, delayMs) => void this.at({ board, jobId, dueAt }, delayMs),
      onDue: (listener) =>
        this.onDue((wakeUp) => {
          if (wakeUp.board === board) listener()
        }),
    }
  }

  /** A5. */
  async #need(levels: number): Promise<void> {
    while (levels > this.#levels) {
      this.#declaring ??= this.#declare(levels).finally(() => {
        this.#declaring = null
      })
      await this.#declaring
    }
  }

  async #declare(levels: number): Promise<void> {
    await this.#link.declare(delayTopology(this.#names, levels))
    this.#levels = Math.max(this.#levels, levels)
  }

  #send(wakeUp: WakeUp, units: number): ReturnType<BrokerLink['publish']> {
    const { board, jobId, dueAt } = wakeUp
    const levels = levelsOf(units)
    return this.#link.publish({
      exchange: levels === 0 ? '' : this.#names.delayLevel(levels - 1),
      routingKey: levels === 0 ? this.#names.timers : routingKeyOf(units),
      body: writeMessage({
        v: PROTOCOL_VERSION,
        type: 'wake',
        board,
        jobId,
        dueAt: Math.max(0, Math.round(dueAt)),
      }),
      type: 'wake',
    })
  }

  #due(delivery: Delivery): void {
    const read = readWake(delivery)
    if (!read.ok) {
      delivery.bury(read.reason)
      return
    }
    delivery.ack()
    for (const listener of [...this.#listeners]) {
      try {
        listener(read.message)
      } catch (error) {
        this.#logger.error({ error }, 'what listens to wake-ups failed; it goes on')
      }
    }
  }
}

/** The levels from 0 to `levels - 1`, and the queue that they end in. */
export function delayTopology(names: Names, levels: number): Topology {
  const numbers = Array.from({ length: levels }, (_, level) => level)
  return {
    exchanges: numbers.map((level) => exchangeOf(names, level, levels)),
    queues: [timersQueue(names, levels), ...numbers.map((level) => queueOf(names, level))],
  }
}

/** How many levels a delay needs: the place of its highest bit. */
function levelsOf(units: number): number {
  return units === 0 ? 0 : 32 - Math.clz32(units)
}

/** All bits, the highest level first: `0.0.1.0…`. */
function routingKeyOf(units: number): string {
  return units.toString(2).padStart(LEVELS, '0').split('').join('.')
}

/** Matches keys whose bit of that level is so. */
function patternOf(level: number, bit: '0' | '1'): string {
  return `${'*.'.repeat(LEVELS - 1 - level)}${bit}.#`
}

function exchangeOf(names: Names, level: number, levels: number): ExchangeSpec {
  const above = level + 1
  return {
    name: names.delayLevel(level),
    type: 'topic',
    bindings:
      above < levels ? [{ exchange: names.delayLevel(above), key: patternOf(above, '0') }] : [],
  }
}

function queueOf(names: Names, level: number): QueueSpec {
  const next =
    level === 0
      ? { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': names.timers }
      : { 'x-dead-letter-exchange': names.delayLevel(level - 1) }
  return {
    name: names.delayLevel(level),
    kind: 'classic',
    arguments: {
      'x-message-ttl': DELAY_UNIT_MS * 2 ** level,
      'x-max-length': LEVEL_KEPT,
      'x-overflow': 'reject-publish',
      ...next,
    },
    bindings: [{ exchange: names.delayLevel(level), key: patternOf(level, '1') }],
  }
}

function timersQueue(names: Names, levels: number): QueueSpec {
  return {
    name: names.timers,
    kind: 'classic',
    arguments: { 'x-max-length': WAKEUPS_KEPT, 'x-overflow': 'drop-head' },
    bindings: levels === 0 ? [] : [{ exchange: names.delayLevel(0), key: patternOf(0, '0') }],
  }
}
