/** What a call in a worker thread and its caller say to each other; both run the same version, so nothing is checked. */
import type { MessagePort } from 'node:worker_threads'
import type { Json, JsonObject } from '../base/json.ts'
import type { CallRequest } from '../protocol/call.ts'
import type { AbortCause } from './call-limits.ts'

/** What the thread is handed. */
export interface ThreadCallInput {
  readonly request: CallRequest
  /** URL of the module that exports the task. */
  readonly module: string
  readonly port: MessagePort
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** From the thread. */
export type FromThread =
  /** The module is loaded, the call begins: its clocks run from now. */
  | { readonly kind: 'started' }
  | { readonly kind: 'beat' }
  | { readonly kind: 'progress'; readonly progress: number; readonly details: Json | undefined }
  | {
      readonly kind: 'log'
      readonly level: (typeof LOG_LEVELS)[number]
      readonly fields: JsonObject
      readonly message: string
    }

/** To the thread: end this call. */
export interface ToThread {
  readonly cause: AbortCause
}
