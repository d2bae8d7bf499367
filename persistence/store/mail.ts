/**
 * Mail: how everybody but its owner says something to a flow.
 *
 * Invariants
 * S5  Everyone but the owner writes mail; mail raises `job.mail` and makes a parked job due in the same transaction (a job that
 *     its poster delayed only if the mail is `cancel`: a delay is never short). A commit that parks or ends a job is refused
 *     (`mail`) if `job.mail` is not what its owner last read.
 */
import type { Json } from '../../src/base/json.ts'

/** What mail can be about. */
export const MAIL_KINDS = [
  'cancel',
  'suspend',
  'resume',
  'resolve-revert',
  'reply',
  'signal',
  'child',
] as const
/** One of {@link MAIL_KINDS}. */
export type MailKind = (typeof MAIL_KINDS)[number]

/** A piece of mail. `key` is unique per job: the first one wins. */
export interface Mail {
  readonly key: string
  readonly kind: MailKind
  readonly body: Json
}

/** A piece of mail as its job got it. */
export interface StoredMail extends Mail {
  readonly jobId: string
  readonly at: number
  /** The job's `mail` once this piece had arrived: the biggest one that its owner has read is its `mailRead`. */
  readonly count: number
}

/** Writing to flows, and reading what was written. */
export interface MailStore {
  /** Writes mail (S5). `ended`: the job is COMPLETE (or TRASHED, for all but `resume` and `resolve-revert`); `unknown`: no such job. */
  mail(jobId: string, mail: Mail): Promise<'accepted' | 'duplicate' | 'ended' | 'unknown'>
  /** Mail of jobs that this conductor owns, the oldest of each job first; each piece carries its job's `count`. */
  readMail(conductor: string): Promise<readonly StoredMail[]>
  /** Mail of one job, oldest first, and its `job.mail`. */
  mailOf(jobId: string): Promise<{ readonly count: number; readonly mail: readonly StoredMail[] }>
}
