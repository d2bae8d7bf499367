import { ConflictError, InvalidInputError, UsageError } from '../src/base/errors.ts'
import type { NewSchedule } from './schedule-store.ts'
import type { FlowCommit, JobFilter, JobRecord, Mail, PostRequest } from './store.ts'

/** How many rows of history are given where no limit is. */
export const HISTORY_PAGE = 1_000

/**
 * Refuses a batch that no adapter could carry out: one job twice (a flow's changes of one batch are one commit), or the
 * end of a claim without the mail count it depends on (S5). Both are faults of the caller, so the whole batch is refused.
 */
export function checkBatch(batch: readonly FlowCommit[]): void {
  const seen = batch.length > 1 ? new Set<string>() : undefined
  for (const change of batch) {
    if (seen?.has(change.jobId) === true) {
      throw new UsageError(`a batch has two commits of the job ${change.jobId}`, {
        hint: 'merge the changes of one flow into one commit',
      })
    }
    seen?.add(change.jobId)
    const ends = change.job !== undefined && change.job.state !== 'UNCLAIMED'
    if (ends && change.mailRead === undefined) {
      throw new UsageError(
        `a commit makes the job ${change.jobId} ${change.job?.state} without mailRead`,
        { hint: 'give the number of pieces of mail that its owner has read' },
      )
    }
  }
}

/** S7: the key (or id) of a post is taken by a job of other content. */
export function keyConflict(request: PostRequest, takenBy: string): ConflictError {
  const subject = request.key === undefined ? `the job ${request.id}` : `the key "${request.key}"`
  return new ConflictError(
    subject,
    `job ${takenBy} on the board "${request.board}" was posted under it with another flow or input`,
    { hint: 'choose another key, or post the same flow and input again to get that job' },
  )
}

/** Why the reaper trashes a job. */
export function deathsReason(deaths: number): string {
  return `its conductor died ${deaths} times while it was loaded alone; see the conductors' logs, then: zagflow jobs release`
}

/** Whether a job takes a piece of mail: one that ended takes none, but for what brings a trashed one back. */
export function takesMail(job: Pick<JobRecord, 'state'>, mail: Pick<Mail, 'kind'>): boolean {
  if (job.state === 'COMPLETE') return false
  return job.state !== 'TRASHED' || mail.kind === 'resume' || mail.kind === 'resolve-revert'
}

/** Whether mail makes a parked job due. One that its poster delayed only if it is to be cancelled, else it would start too early. */
export function wakes(job: Pick<JobRecord, 'parkedFor'>, mail: Pick<Mail, 'kind'>): boolean {
  return job.parkedFor !== 'delay' || mail.kind === 'cancel'
}

/** Longest name or key, in bytes of UTF-8: PostgreSQL's indexes take rows of 2,704 bytes. */
const MAX_NAME_BYTES = 1_000

/** Refuses a post that one of the databases would refuse (S9). Throws {@link InvalidInputError}. */
export function checkPost(request: PostRequest): void {
  checkTexts('the job', {
    id: request.id,
    flowId: request.flowId,
    board: request.board,
    key: request.key,
    postedBy: request.postedBy,
    traceparent: request.traceparent,
  })
  for (const [name, value] of Object.entries(request.labels ?? {})) {
    checkTexts('the job', { [`labels.${name}`]: value, 'labels (a name)': name })
  }
  const { priority = 0, dueAt = 0, delayMs = 0, scheduledFor = 0 } = request
  if (!Number.isInteger(priority) || Math.abs(priority) > 2 ** 31 - 1) {
    throw wrong('the job', 'priority', 'a whole number of 32 bits', String(priority))
  }
  for (const [path, value] of Object.entries({ dueAt, delayMs, scheduledFor })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw wrong('the job', path, 'whole milliseconds, not negative', String(value))
    }
  }
}

/** Refuses a schedule that one of the databases would refuse (S9). Throws {@link InvalidInputError}. */
export function checkSchedule({ board, name, group, reference }: NewSchedule): void {
  checkTexts('the schedule', {
    board,
    name,
    group: group ?? undefined,
    reference: reference ?? undefined,
  })
}

/** Refuses names and keys that one of the databases would refuse (S9): with `\u0000` or half a surrogate pair, or too long. */
export function checkTexts(
  subject: string,
  texts: { readonly [path: string]: string | undefined },
): void {
  for (const [path, text] of Object.entries(texts)) {
    if (text === undefined) continue
    if (/[\0\p{Surrogate}]/u.test(text)) {
      throw wrong(subject, path, 'text without \\u0000 and half surrogate pairs', text.slice(0, 80))
    }
    if (text.length > MAX_NAME_BYTES / 4 && Buffer.byteLength(text) > MAX_NAME_BYTES) {
      const got = `${Buffer.byteLength(text)} bytes`
      throw wrong(subject, path, `at most ${MAX_NAME_BYTES} bytes`, got)
    }
  }
}

/** Refuses a number of rows that no statement could be asked for. */
export function checkLimit(subject: string, limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > 100_000) {
    throw wrong(subject, 'limit', '1 to 100000', String(limit))
  }
}

/** Gives a round of one each, then a second one, and so on: `lists` in the order of turns. */
export function inTurns<T>(lists: readonly (readonly T[])[], limit: number): readonly T[] {
  const taken: T[] = []
  const longest = Math.max(0, ...lists.map((list) => list.length))
  for (let round = 0; round < longest && taken.length < limit; round += 1) {
    for (const list of lists) {
      const one = list[round]
      if (one !== undefined && taken.length < limit) taken.push(one)
    }
  }
  return taken
}

/** Refuses a filter that no row could be asked for. */
export function checkFilter(filter: JobFilter): void {
  const { limit = 100, board, key, flow, conductor } = filter
  checkTexts('the filter', { board, key, flow, conductor })
  for (const [name, value] of Object.entries(filter.labels ?? {})) {
    checkTexts('the filter', { [`labels.${name}`]: value, 'labels (a name)': name })
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw wrong('the filter', 'limit', '1 to 10000', String(limit))
  }
}

function wrong(subject: string, path: string, expected: string, got: string): InvalidInputError {
  return new InvalidInputError([{ path, message: 'it cannot be stored', expected, got }], {
    subject,
  })
}
