/** How the calls of an engine stand, for people. */
import type { Direction } from '../../src/machine/records.ts'
import type { OpenCall } from './open-call.ts'

/**
 * waiting: for room at the broker; publishing: not confirmed yet; queued: with the broker, no worker was heard to run it;
 * running; unknown: a worker does not know its task, it is sent again later; doubted: a worker asks whether it may start it again;
 * lost: no copy of it is known, and it is waited for somebody to say that he runs it; aborting.
 */
export type CallState =
  'waiting' | 'publishing' | 'queued' | 'running' | 'unknown' | 'doubted' | 'lost' | 'aborting'

/** One call that was dispatched and is not answered. */
export interface CallStatus {
  readonly jobId: string
  readonly flowId: string
  readonly atom: string
  readonly direction: Direction
  readonly call: number
  readonly task: string
  readonly topic: string
  readonly state: CallState
  /** Who runs it, asks about it, or does not know its task. */
  readonly worker: string | null
  /** When it was last published, heard of, or asked about; epoch ms of this machine. */
  readonly since: number
}

/** What an engine knows of its calls: for people and tools, not for decisions. */
export interface WorkerBasedStatus {
  /** Whether its link to the broker stands. */
  readonly isConnected: boolean
  /** How often the broker is known to have lost what it held, plus one; 0: not known yet. */
  readonly epoch: number
  /** Calls that were dispatched and are not answered. */
  readonly open: number
  /** Of these, calls that wait for room at the broker. */
  readonly waiting: number
  /** Up to the number asked for. */
  readonly calls: readonly CallStatus[]
}

export function statusOf(call: OpenCall, epoch: number): CallStatus {
  const { jobId, flowId, atom, direction, call: number, task, topic } = call.request
  return { jobId, flowId, atom, direction, call: number, task, topic, ...standingOf(call, epoch) }
}

function standingOf(call: OpenCall, epoch: number): Pick<CallStatus, 'state' | 'worker' | 'since'> {
  const { ask, holder, publishedAt } = call
  if (call.abort !== null) {
    return { state: 'aborting', worker: holder?.worker ?? null, since: publishedAt }
  }
  if (ask !== null) return { state: 'doubted', worker: ask.worker, since: ask.at }
  if (call.phase === 'backoff') {
    return { state: 'unknown', worker: call.lastUnknown ?? null, since: publishedAt }
  }
  if (call.phase === 'line') return { state: 'waiting', worker: null, since: publishedAt }
  if (call.phase === 'publishing') return { state: 'publishing', worker: null, since: publishedAt }
  if (holder !== null) return { state: 'running', worker: holder.worker, since: holder.heardAt }
  return { state: call.copy === epoch ? 'queued' : 'lost', worker: null, since: publishedAt }
}
