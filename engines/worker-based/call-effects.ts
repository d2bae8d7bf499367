/** What the decisions about calls need of the world: what is done by others, and times. */
import type { CallAnswer, CallNote } from '../../src/protocol/call.ts'
import type { Ask, OpenCall, Ticket } from './open-call.ts'

/** What is done by others. None of these may call back before it returns. */
export interface CallEffects {
  /** Puts it in the line of what is to be published; `begun` is told when its turn comes. */
  publish(ticket: Ticket): void
  /** Has a fact committed, and tells when it is; false: nobody waits for the call any more. */
  note(call: OpenCall, note: CallNote, committed: (now: number) => void): boolean
  /** Answers a call by itself: no worker's answer is waited for. */
  answer(call: OpenCall, answer: CallAnswer, committed?: () => void): void
  /** About the holding that was asked for: one that came later is another matter. */
  go(ask: Ask, call: OpenCall): void
  drop(ask: Ask, call: OpenCall, reason: string): void
  cancel(worker: string, call: OpenCall, reason: string): void
  report(worker: string, call: OpenCall): void
  /** Sends a barrier through a reply queue; `barrierBack` is told when it is back. */
  barrier(queue: string, id: number): void
}

/** Times in ms. */
export interface CallTimes {
  readonly reportEveryMs: number
  /** From now on a worker that was silent for so long is taken for gone. */
  readonly silenceMs: number
  /** What a worker gets to be heard again after it lost its connection. */
  readonly graceMs: number
  readonly askAfterMs: number
  /** From the commit of mail until its flow has certainly read it. */
  readonly mailMs: number
  /** A copy is made durable knowledge when its call is unanswered for so long. */
  readonly noteAfterMs: number
  readonly cancelEveryMs: number
  readonly firstBackoffMs: number
  readonly longestBackoffMs: number
  /** Clocks of hosts differ by so much at most. */
  readonly clocksMs: number
}

/** What is known of the broker. */
export interface KnownBroker {
  /** 0: nothing yet. */
  epoch: number
  isConnected: boolean
  /** Since when. */
  connectedAt: number
}
