/** A call that was dispatched and not answered yet, as the table of calls knows it. */
import type { CallListener, CallRequest } from '../../src/protocol/call.ts'
import type { Timed } from './due-list.ts'

/**
 * line: waits to be published; publishing: its outcome is not known yet; out: it is not for us to do anything; backoff: a worker
 * did not know its task, and it is published again later.
 */
export type Phase = 'line' | 'publishing' | 'out' | 'backoff'

/** A call in the line of those to be published. */
export interface Ticket {
  readonly call: OpenCall
  readonly request: CallRequest
  /** It must not be published any more. */
  withdrawn: boolean
}

/** Who is believed to run a call. */
export interface Holder {
  readonly worker: string
  /** It said so itself; else it was told `go`. */
  hasSaid: boolean
  /** When it said so last, or was told. */
  heardAt: number
  /** When it could not be reached, and was not heard since. */
  lostAt: number | null
  /** Which holding of a copy it was told to start. */
  readonly hold: number | undefined
}

/** Somebody holds a copy and asks whether it may be started. */
export interface Ask {
  readonly worker: string
  readonly redelivered: boolean
  readonly again: boolean
  readonly hold: number | undefined
}

export interface PendingAsk extends Ask {
  /** When it was heard first. */
  readonly at: number
  /** The broker's epoch then: a copy exists in it. */
  readonly epoch: number
}

/** A barrier that was asked for, and when it was back. */
export interface Quiet {
  readonly askedAt: number
  backAt: number | null
}

export interface OpenCall extends Timed {
  readonly request: CallRequest
  readonly listener: CallListener
  /** Queue that the answers of all its copies come to. */
  readonly replyTo: string
  /** An earlier owner dispatched it. */
  readonly isAdopted: boolean
  /** Its flow is about to be given back: nobody is waited for who might ask about it. */
  isLeaving: boolean
  readonly dispatchedAt: number
  /** Of its key, once it was needed. */
  token: string | undefined
  phase: Phase
  ticket: Ticket | null
  /** Its next request says that another copy may exist. */
  isAgain: boolean
  /** A copy may be out that was, or could be, started without asking: not just the one that somebody speaks of. */
  mayHaveOther: boolean
  /** Epoch of the broker in which a confirmed copy is known to exist. */
  copy: number | null
  /** The copy that is being published may be gone before its confirm is here. */
  isGone: boolean
  /** The same as the owner was told last. */
  noted: number | null
  /** Notes that are not committed yet. */
  uncommitted: number
  /** How often a copy was let start after the first start, less the starts that workers released; -1 at least. */
  starts: number
  /** When it was last published; when it was dispatched, if this owner never did. */
  publishedAt: number
  /** Since when a worker that runs it would have been heard; -Infinity: always. */
  heardSince: number
  holder: Holder | null
  /** Somebody was believed to run it once. */
  wasHeld: boolean
  ask: PendingAsk | null
  /** The worker that let it go last: its word may come twice, and counts once. */
  releasedBy: string | undefined
  /** The holder was asked whether it still runs it. */
  probe: { readonly worker: string; readonly at: number } | null
  /** Its reply queue is, or was, read up to where it ended then. */
  quiet: Quiet | null
  abort: { readonly reason: string; sentAt: number } | null
  /** Workers that did not know its task, one after the other. */
  unknowns: number
  lastUnknown: string | undefined
  backoffUntil: number
  /** Something is being committed that has to be before anything else is decided. */
  isCommitting: boolean
  /** Its answer was given; it is in the table no more. */
  isSettled: boolean
}

/** A call as it begins. */
export function openCall(
  request: CallRequest,
  listener: CallListener,
  begin: { readonly replyTo: string; readonly now: number },
): OpenCall {
  const { again, sent } = request
  return {
    dueAt: Infinity,
    request,
    listener,
    replyTo: sent?.replyTo ?? begin.replyTo,
    isAdopted: again,
    isLeaving: false,
    dispatchedAt: begin.now,
    token: undefined,
    phase: 'out',
    ticket: null,
    isAgain: again,
    mayHaveOther: again,
    copy: sent?.copy ?? null,
    isGone: false,
    noted: sent?.copy ?? null,
    uncommitted: 0,
    starts: sent?.starts ?? 0,
    publishedAt: begin.now,
    heardSince: again ? begin.now : -Infinity,
    holder: null,
    wasHeld: false,
    ask: null,
    releasedBy: undefined,
    probe: null,
    quiet: null,
    abort: null,
    unknowns: 0,
    lastUnknown: undefined,
    backoffUntil: 0,
    isCommitting: false,
    isSettled: false,
  }
}
