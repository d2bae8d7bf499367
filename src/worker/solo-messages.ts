/** What a process that runs one call and its caller say to each other; both run the same version, so nothing is checked. */
import type { CallAnswer, CallRequest } from '../protocol/call.ts'
import type { FromThread, ToThread } from './thread-messages.ts'

/** What the process is handed, once. */
export interface SoloInput {
  readonly request: CallRequest
  /** URLs of the modules that define its tasks. */
  readonly modules: readonly string[]
}

/** From the process. */
export type FromSolo =
  | FromThread
  | { readonly kind: 'answer'; readonly answer: CallAnswer }
  /** The body did not begin. */
  | { readonly kind: 'refused'; readonly why: string }

/** To the process: end this call. */
export type ToSolo = ToThread
