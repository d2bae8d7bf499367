/** What owners and workers say in the small world of calls. */
import type { CallTimes } from '../../engines/worker-based/call-effects.ts'
import type { OpenCall } from '../../engines/worker-based/open-call.ts'
import type { CallAnswer, CallKey } from '../../src/protocol/call.ts'
import type { CallRef, RequestMessage } from '../../src/protocol/messages.ts'

/** Times of the table of calls. */
export const TIMES: CallTimes = {
  reportEveryMs: 10_000,
  silenceMs: 30_000,
  graceMs: 2000,
  askAfterMs: 60_000,
  mailMs: 1500,
  noteAfterMs: 1000,
  cancelEveryMs: 5000,
  firstBackoffMs: 1000,
  longestBackoffMs: 60_000,
  clocksMs: 10_000,
}
/** The token of every call. */
export const TOKEN = 'token'

/** A copy of a request in the queue. */
export interface QueuedCopy {
  readonly request: RequestMessage
  readonly replyTo: string
  redelivered: boolean
}

/** What workers say in the reply queue; `barrier` is what an owner says to itself. */
export type Word =
  | { readonly type: 'running'; readonly worker: string; readonly calls: readonly CallRef[] }
  | {
      readonly type: 'ask'
      readonly worker: string
      readonly calls: readonly (CallRef & { redelivered: boolean; again: boolean; hold: number })[]
    }
  | { readonly type: 'answer'; readonly ref: CallRef; readonly answer: CallAnswer }
  | { readonly type: 'unknown'; readonly worker: string; readonly ref: CallRef }
  | {
      readonly type: 'released'
      readonly worker: string
      readonly ref: CallRef
      readonly held: boolean
    }
  | { readonly type: 'barrier'; readonly owner: number; readonly id: number }

/** The request that an owner publishes. */
export function requestMessage(call: OpenCall, now: number): RequestMessage {
  const { jobId, flowId, atom, direction, call: number, task, topic, flow } = call.request
  return {
    v: 1,
    type: 'request',
    jobId,
    flowId,
    atom,
    direction,
    call: number,
    token: TOKEN,
    task,
    topic,
    flow,
    attempt: 1,
    args: {},
    priority: 0,
    again: call.isAgain,
    publishedAt: now,
    reportEveryMs: TIMES.reportEveryMs,
    askAfterMs: TIMES.askAfterMs,
  }
}

/** Names a call as messages do. */
export function refOf({ jobId, flowId, atom, direction, call }: CallKey): CallRef {
  return { jobId, flowId, atom, direction, call, token: TOKEN }
}

/** What a body that was aborted answers. */
export function cancelledAnswer(startedAt: number): CallAnswer {
  const failure = { code: 'Cancelled', message: 'cancelled' }
  return { kind: 'failed', failure, outcome: 'failure', startedAt }
}
