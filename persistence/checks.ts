import { ConflictError, UsageError } from '../src/base/errors.ts'
import type { FlowCommit, PostRequest } from './store.ts'

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
