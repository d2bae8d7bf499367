/** Words from outside, as events of the machine: mail, and what a retry strategy answered. */
import type { Json, JsonObject } from '../../src/base/json.ts'
import type { MachineEvent, StrategyAnswer } from '../../src/machine/events.ts'
import { isRecord } from '../../src/base/codec.ts'
import {
  failedSchema,
  releasedSchema,
  resultSchema,
  unknownSchema,
} from '../../src/protocol/messages.ts'
import type { CallAnswer, CallKey } from '../../src/protocol/call.ts'
import type { StoredMail } from '../../persistence/store.ts'

/** What came about a call by mail, because it reached a conductor which did not own the flow. */
export type Letter =
  | { readonly kind: 'answered'; readonly key: CallKey; readonly answer: CallAnswer }
  /** Its worker did not know the task, and the copy is gone. */
  | { readonly kind: 'lost'; readonly key: CallKey }
  /** Its worker stopped, and gave the copy back. */
  | { readonly kind: 'released'; readonly key: CallKey; readonly worker: string }

/** The event that a piece of mail is; null for mail that only wakes the flow. */
export function eventOf(mail: StoredMail): MachineEvent | null {
  const body = (mail.body ?? {}) as {
    readonly reason?: unknown
    readonly atom?: unknown
    readonly how?: unknown
  }
  const reason = typeof body.reason === 'string' ? body.reason : mail.kind
  switch (mail.kind) {
    case 'cancel':
      return { kind: 'cancel', reason }
    case 'suspend':
      return { kind: 'suspend', reason }
    case 'resolve-revert':
      if (typeof body.atom !== 'string') return null
      return {
        kind: 'resolve-revert',
        atom: body.atom,
        how: body.how === 'skip' ? 'skip' : 'again',
      }
    case 'resume':
    case 'reply':
    case 'signal':
    case 'child':
      return null
  }
}

/** What a piece of mail says about a call; null for other mail. Who put it there has checked its token. */
export function letterOf(mail: StoredMail): Letter | null {
  if (mail.kind !== 'reply' || !isRecord(mail.body)) return null
  switch (mail.body['type']) {
    case 'result': {
      const { success, data } = resultSchema.safeParse(mail.body)
      if (!success) return null
      const { result, startedAt } = data
      return {
        kind: 'answered',
        key: data,
        answer: { kind: 'succeeded', result, startedAt },
      }
    }
    case 'failure': {
      const { success, data } = failedSchema.safeParse(mail.body)
      if (!success) return null
      const { failure, outcome, startedAt } = data
      return {
        kind: 'answered',
        key: data,
        answer: { kind: 'failed', failure, outcome, startedAt },
      }
    }
    case 'unknown': {
      const { success, data } = unknownSchema.safeParse(mail.body)
      return success ? { kind: 'lost', key: data } : null
    }
    case 'released': {
      const { success, data } = releasedSchema.safeParse(mail.body)
      return success ? { kind: 'released', key: data, worker: data.worker } : null
    }
    default:
      return null
  }
}

/** What a strategy decided; undefined for what it may not answer. */
export function strategyAnswer(result: Json): StrategyAnswer | undefined {
  if (result === null || typeof result !== 'object' || Array.isArray(result)) return undefined
  const { decision, delayMs, value } = result as JsonObject
  if (decision !== 'RETRY' && decision !== 'REVERT' && decision !== 'REVERT_ALL') return undefined
  return {
    decision,
    ...(typeof delayMs === 'number' ? { delayMs } : {}),
    ...(value === undefined ? {} : { value }),
  }
}
