/** Words from outside, as events of the machine: mail, and what a retry strategy answered. */
import type { Json, JsonObject } from '../src/base/json.ts'
import type { MachineEvent, StrategyAnswer } from '../src/machine/events.ts'
import { isRecord } from '../src/base/codec.ts'
import { failedSchema, resultSchema } from '../src/protocol/messages.ts'
import type { CallAnswer, CallKey } from '../src/protocol/call.ts'
import type { StoredMail } from '../persistence/store.ts'

/** An answer that reached a conductor which did not own the flow. */
export interface MailedAnswer {
  readonly key: CallKey
  readonly answer: CallAnswer
}

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

/** The answer that a piece of mail brings; null if it brings none. Who put it there has checked its token. */
export function answerOf(mail: StoredMail): MailedAnswer | null {
  if (mail.kind !== 'reply' || !isRecord(mail.body)) return null
  if (mail.body['type'] === 'result') {
    const read = resultSchema.safeParse(mail.body)
    if (!read.success) return null
    const { result, startedAt } = read.data
    return { key: read.data, answer: { kind: 'succeeded', result, startedAt } }
  }
  const read = failedSchema.safeParse(mail.body)
  if (!read.success) return null
  const { failure, outcome, startedAt } = read.data
  return { key: read.data, answer: { kind: 'failed', failure, outcome, startedAt } }
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
