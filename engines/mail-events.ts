/** Words from outside, as events of the machine: mail, and what a retry strategy answered. */
import type { Json, JsonObject } from '../src/base/json.ts'
import type { MachineEvent, StrategyAnswer } from '../src/machine/events.ts'
import type { StoredMail } from '../persistence/store.ts'

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
