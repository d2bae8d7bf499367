/** Commits, in a database. */
import { groupCommit } from '../group-commit.ts'
import { checkBatch } from '../rules.ts'
import type { CommitOutcome, CommitStore, FlowCommit } from '../store/commits.ts'
import type { Statements } from './statements.ts'

/** Commits batches of flows. Errors of the database that say nothing of one flow are thrown as they are: the committer tries again (S3). */
export function commitsIn(statements: Statements): CommitStore {
  const { dialect } = statements
  return {
    async commit(batch) {
      checkBatch(batch)
      if (batch.length === 0) return []
      const outcomes = await dialect.database.attempt(() => groupCommit(dialect, batch))
      if (!statements.hints.isEmpty) hintHistory(statements, batch, outcomes)
      return outcomes
    },
  }
}

/** Tells of the jobs that have new history. */
function hintHistory(
  { hints }: Statements,
  batch: readonly FlowCommit[],
  outcomes: readonly CommitOutcome[],
): void {
  for (const [at, { jobId, history }] of batch.entries()) {
    if (outcomes[at]?.kind !== 'committed' || history.length === 0) continue
    hints.give({ kind: 'history', jobId })
  }
}
