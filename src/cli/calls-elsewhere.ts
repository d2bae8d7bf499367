/** What conductors announce of the calls that they wait for. Pure. */
import { brokerLoadOf } from '../client/served.ts'
import type { ProcessRecord } from '../../persistence/store.ts'

/** A call that is with workers or on its way, as its conductor knew when it announced itself last. */
export interface CallElsewhere {
  readonly jobId: string
  readonly atom: string
  readonly direction: string
  readonly task: string
  readonly topic: string
  readonly state: string
  /** Id of the worker that runs it, asks about it or does not know its task. */
  readonly worker: string | null
  /** When it was sent, heard of, or asked about; epoch ms of the conductor's clock. */
  readonly since: number
}

/** What a conductor says; what cannot be read (of another version) is passed over. */
export function callsOf(conductor: Pick<ProcessRecord, 'load'>): readonly CallElsewhere[] {
  const calls = brokerLoadOf(conductor)?.['calls']
  return Array.isArray(calls) ? (calls as readonly unknown[]).filter(isCall) : []
}

/** How long ago a call was heard of, in ms. */
export function sinceHeard({ since }: Pick<CallElsewhere, 'since'>, now: number): number {
  return Math.max(0, now - since)
}

const TEXTS = ['jobId', 'atom', 'direction', 'task', 'topic', 'state'] as const

function isCall(value: unknown): value is CallElsewhere {
  if (typeof value !== 'object' || value === null) return false
  const worker: unknown = Reflect.get(value, 'worker')
  return (
    TEXTS.every((name) => typeof Reflect.get(value, name) === 'string') &&
    (worker === null || typeof worker === 'string') &&
    typeof Reflect.get(value, 'since') === 'number'
  )
}
