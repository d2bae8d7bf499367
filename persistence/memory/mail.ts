/** Mail, in memory: functions are as the methods of {@link MailStore}. */
import { checkTexts, takesMail, wakes } from '../rules.ts'
import type { Mail, StoredMail } from '../store.ts'
import { compareText } from './order.ts'
import type { MemoryTables } from './tables.ts'

export function mail(
  tables: MemoryTables,
  jobId: string,
  piece: Mail,
): 'accepted' | 'duplicate' | 'ended' | 'unknown' {
  checkTexts('the mail', { key: piece.key })
  const job = tables.jobs.get(jobId)
  if (job === undefined) return 'unknown'
  const { record } = job
  if (job.mailbox.has(piece.key)) return 'duplicate'
  if (!takesMail(record, piece)) return 'ended'
  const now = tables.now()
  record.mail += 1
  record.updatedAt = now
  job.mailbox.set(piece.key, {
    key: piece.key,
    kind: piece.kind,
    body: piece.body,
    jobId,
    at: now,
    count: record.mail,
  })
  if (record.state === 'PARKED' && wakes(record, piece)) tables.makeDue(job, now)
  tables.hints.give({ kind: 'mail', jobId })
  return 'accepted'
}

export function readMail(tables: MemoryTables, conductor: string): readonly StoredMail[] {
  const pieces: StoredMail[] = []
  for (const job of tables.claimed.get(conductor) ?? []) pieces.push(...job.mailbox.values())
  return pieces.sort((a, b) => compareText(a.jobId, b.jobId) || a.count - b.count)
}

export function mailOf(
  tables: MemoryTables,
  jobId: string,
): { readonly count: number; readonly mail: readonly StoredMail[] } {
  const job = tables.jobs.get(jobId)
  if (job === undefined) return { count: 0, mail: [] }
  return { count: job.record.mail, mail: [...job.mailbox.values()] }
}
