/**
 * What conductors agree on about workers elsewhere, in memory: functions are as the methods of {@link BrokerStore}.
 */
import { checkTexts } from '../rules.ts'
import type { BrokerRecord, CallPlace, CallStanding, ReplyQueueRecord } from '../store.ts'
import { standingOf } from './broker-records.ts'
import type { MemoryTables } from './tables.ts'

export function broker(tables: MemoryTables, name: string): BrokerRecord {
  checkTexts('the broker', { name })
  return tables.brokers.find(name)
}

export function raiseBroker(tables: MemoryTables, name: string, from: number): BrokerRecord {
  const { broker, raised } = tables.brokers.raise(name, from)
  if (raised) wakeParked(tables)
  return broker
}

export function wakeParked(tables: MemoryTables): void {
  const now = tables.now()
  for (const job of tables.jobs.values()) {
    const { record } = job
    if (record.state !== 'PARKED' || record.parkedFor !== 'task') continue
    record.updatedAt = now
    tables.makeDue(job, now)
  }
}

export function keepReplyQueue(tables: MemoryTables, queue: string, conductor: string): void {
  checkTexts('the reply queue', { queue, conductor })
  tables.brokers.keepQueue(queue, conductor)
}

export function replyQueues(tables: MemoryTables): readonly ReplyQueueRecord[] {
  return tables.brokers.queues()
}

export function forgetReplyQueue(tables: MemoryTables, queue: string): boolean {
  return tables.brokers.forgetQueue(queue, tables.jobs.values())
}

export function standing(
  tables: MemoryTables,
  calls: readonly CallPlace[],
): readonly CallStanding[] {
  return calls.map((call) => standingOf(tables.jobs.get(call.jobId), call))
}
