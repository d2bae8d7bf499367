import { realClock, type Clock } from '../../src/base/clock.ts'
import { silentLogger, type Logger } from '../../src/base/logger.ts'
import { wholeOption } from '../../src/base/number-options.ts'
import type { BrokerLink } from '../../src/amqp/broker-link.ts'
import type { Store } from '../../persistence/store.ts'
import type { CallTimes } from './call-effects.ts'

/** What the engine needs of a store. */
export type EngineStore = Pick<
  Store,
  | 'broker'
  | 'raiseBroker'
  | 'wakeParked'
  | 'keepReplyQueue'
  | 'replyQueues'
  | 'forgetReplyQueue'
  | 'standing'
  | 'mail'
  | 'beat'
  | 'endProcess'
>

/** Options of {@link WorkerBasedEngine}. */
export interface WorkerBasedEngineOptions {
  /** To the broker; whoever made it starts and stops it. Calls wait until it is connected. */
  readonly link: BrokerLink
  /** A started store; the engine neither starts nor stops it. */
  readonly store: EngineStore
  /** The board that workers which announce themselves are kept under. */
  readonly board: string
  /** @default silent */
  readonly logger?: Logger | undefined
  /** @default the machine's */
  readonly clock?: Clock | undefined
  /**
   * How often a worker says which calls it runs, in ms; one that says nothing for three times as long is taken for gone. A shorter
   * one finds lost calls sooner and costs messages for long ones. @default 10,000
   */
  readonly reportEveryMs?: number | undefined
  /** A request that is older than this is asked about before it is started, in ms. Clocks of hosts may differ by 10 s. @default 60,000 */
  readonly askAfterMs?: number | undefined
  /** What a worker that lost its connection gets to be heard again, in ms, before another one starts its call. @default 2,000 */
  readonly graceMs?: number | undefined
  /** Starts of one call that may end with the loss of its worker; then it fails with `WorkerLost`. @default 5 */
  readonly deliveryLimit?: number | undefined
  /** Answers that are read and not committed yet, at most; each is in memory. @default 1,000 */
  readonly prefetch?: number | undefined
  /** How often is looked for what is due, in ms. @default 200 */
  readonly tickMs?: number | undefined
  /** How often the reply queues of conductors that are gone are looked for, in ms. @default 10,000 */
  readonly sweepEveryMs?: number | undefined
  /** How often the marker of the broker is looked at, in ms. @default 30,000 */
  readonly markerEveryMs?: number | undefined
}

export interface ResolvedWorkerBased {
  readonly link: BrokerLink
  readonly store: EngineStore
  readonly board: string
  readonly logger: Logger
  readonly clock: Clock
  readonly times: CallTimes
  readonly deliveryLimit: number
  readonly prefetch: number
  readonly tickMs: number
  readonly sweepEveryMs: number
  readonly markerEveryMs: number
}

/** Options with defaults filled in. Throws {@link UsageError}. */
export function resolveWorkerBased(options: WorkerBasedEngineOptions): ResolvedWorkerBased {
  const reportEveryMs = wholeOption('reportEveryMs', options.reportEveryMs, {
    least: 1,
    byDefault: 10_000,
  })
  return {
    link: options.link,
    store: options.store,
    board: options.board,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? realClock,
    times: {
      reportEveryMs,
      silenceMs: 3 * reportEveryMs,
      graceMs: wholeOption('graceMs', options.graceMs, { least: 0, byDefault: 2000 }),
      askAfterMs: wholeOption('askAfterMs', options.askAfterMs, { least: 0, byDefault: 60_000 }),
      // The conductor looks for mail each second.
      mailMs: 1500,
      noteAfterMs: 1000,
      cancelEveryMs: 5000,
      firstBackoffMs: 1000,
      longestBackoffMs: 60_000,
      clocksMs: 10_000,
    },
    deliveryLimit: wholeOption('deliveryLimit', options.deliveryLimit, { least: 1, byDefault: 5 }),
    prefetch: wholeOption('prefetch', options.prefetch, { least: 1, byDefault: 1000 }),
    tickMs: wholeOption('tickMs', options.tickMs, { least: 1, byDefault: 200 }),
    sweepEveryMs: wholeOption('sweepEveryMs', options.sweepEveryMs, {
      least: 1,
      byDefault: 10_000,
    }),
    markerEveryMs: wholeOption('markerEveryMs', options.markerEveryMs, {
      least: 1,
      byDefault: 30_000,
    }),
  }
}
