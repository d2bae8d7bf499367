/** A call in a worker's book: what is known of it, and what can be done with it and its copies. */
import type { CallAnswer } from '../protocol/call.ts'
import type { RequestMessage } from '../protocol/messages.ts'

/** What the book needs of a delivery. */
export interface Copy {
  readonly isOpen: boolean
  readonly redelivered: boolean
  ack(): void
  requeue(): void
}

/** held: its owner is asked; waiting: for a place; replying: its answer is not confirmed yet. */
export type Phase = 'held' | 'waiting' | 'running' | 'replying'

/** A call that is here. */
export interface Call<C extends Copy> {
  /** The text of its key. */
  readonly key: string
  readonly request: RequestMessage
  readonly replyTo: string
  readonly phase: Phase
  /** Its owner said `go`. */
  readonly isTold: boolean
  /** A copy of it was delivered before: whoever had it may have died of it. */
  readonly isRedelivered: boolean
  readonly isAgain: boolean
  /** Its owner wants it to end. */
  readonly isCancelled: boolean
  /** Which holding of a doubtful copy this is: another number when a copy came back here. 0: it was never held. */
  readonly hold: number
  /** In a process of its own. */
  readonly isAlone: boolean
  readonly startedAt: number
  readonly copies: readonly C[]
}

/** An answer as it was sent. */
export interface SentReply {
  readonly replyTo: string
  readonly type: string
  readonly body: string
}

/** What is to be done now, in this order. */
export type Effect<C extends Copy> =
  | { readonly do: 'start'; readonly call: Call<C> }
  /** Soon, with others. */
  | { readonly do: 'ask' }
  | { readonly do: 'abort'; readonly call: Call<C>; readonly reason: string }
  | { readonly do: 'reply'; readonly call: Call<C>; readonly answer: CallAnswer }
  /** Send this answer again, then acknowledge that copy. */
  | { readonly do: 'repeat'; readonly reply: SentReply; readonly copy: C }
  | { readonly do: 'ack'; readonly copies: readonly C[] }
  | { readonly do: 'requeue'; readonly copies: readonly C[] }
  /** Tell its owner that the worker lets it go, then give its copies back. */
  | { readonly do: 'release'; readonly call: Released; readonly copies: readonly C[] }

/** What is said of a call that is let go. */
export interface Released {
  readonly key: string
  readonly request: RequestMessage
  readonly replyTo: string
  /** Its copy was somebody's before, its owner was asked, and has not said `go`. */
  readonly held: boolean
}

/** A call as the book itself sees it. */
export interface Entry<C extends Copy> extends Call<C> {
  phase: Phase
  isTold: boolean
  isRedelivered: boolean
  isAgain: boolean
  isCancelled: boolean
  hold: number
  isAlone: boolean
  startedAt: number
  copies: C[]
  askAt: number
  reportAt: number
}

/** Its body was started, or it is answered without one. */
export function hasBegun({ phase }: { readonly phase: Phase }): boolean {
  return phase === 'running' || phase === 'replying'
}

/** Another holding of it is meant. */
export function isOther(call: { readonly hold: number }, hold: number | undefined): boolean {
  return hold !== undefined && hold !== call.hold
}

/** A copy of it is here that is not settled. */
export function hasOpen({ copies }: { readonly copies: readonly Copy[] }): boolean {
  return copies.some(({ isOpen }) => isOpen)
}

/** It may have begun elsewhere. */
export function isDoubtful({ isRedelivered, isAgain }: Call<Copy>): boolean {
  return isRedelivered || isAgain
}

/** Whether its owner may take it as running here: it runs, or it will as soon as there is a place. */
export function isHolder(call: Call<Copy>): boolean {
  if (hasBegun(call)) return true
  return call.phase === 'waiting' && (call.isTold || hasOpen(call))
}
