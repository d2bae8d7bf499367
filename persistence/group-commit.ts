/**
 * Commits a batch: all flows at once; where the database refuses rows, its halves, down to the flow that is to blame.
 * Flows that were not taken are read again, to tell a lost answer from another owner (S2–S4).
 */
import { UsageError } from '../src/base/errors.ts'
import { commitRows } from './commit-rows.ts'
import type { Dialect } from './dialect.ts'
import { DriverError } from './errors.ts'
import { jobColumns, readRecord } from './rows.ts'
import { sql } from './sql.ts'
import type { CommitOutcome, FlowCommit, JobRecord } from './store.ts'

const committed: CommitOutcome = { kind: 'committed' }
const fenced: CommitOutcome = { kind: 'fenced' }
const mailFirst: CommitOutcome = { kind: 'mail' }

/** S2–S4: the whole batch; where rows are refused, its halves, down to the flow that is to blame. */
export async function groupCommit(
  dialect: Dialect,
  batch: readonly FlowCommit[],
): Promise<readonly CommitOutcome[]> {
  let taken: ReadonlySet<string>
  try {
    taken = new Set(await dialect.commit(commitRows(batch)))
  } catch (error) {
    const reason = refusal(error)
    if (reason === undefined) throw error
    const [only] = batch
    if (only !== undefined && batch.length === 1) return [await trash(dialect, only, reason)]
    const middle = batch.length >> 1
    return [
      ...(await groupCommit(dialect, batch.slice(0, middle))),
      ...(await groupCommit(dialect, batch.slice(middle))),
    ]
  }
  if (taken.size === batch.length) return batch.map(() => committed)
  const left = batch.filter((change) => !taken.has(change.jobId))
  const outcomes = await readBack(dialect, left)
  return batch.map(({ jobId }) => outcomes.get(jobId) ?? committed)
}

/** S3: what became of flows that a commit did not take. */
async function readBack(
  dialect: Dialect,
  changes: readonly FlowCommit[],
): Promise<ReadonlyMap<string, CommitOutcome>> {
  const { tables, anyOf, database } = dialect
  const rows = await database.run(sql`
    select * from ${tables.jobs} where id${anyOf(changes.map(({ jobId }) => jobId))}`)
  const jobs = new Map(rows.map((row) => readRecord(jobColumns, row)).map((job) => [job.id, job]))
  return new Map(changes.map((change) => [change.jobId, outcomeOf(change, jobs.get(change.jobId))]))
}

async function trash(
  dialect: Dialect,
  change: FlowCommit,
  refused: string,
): Promise<CommitOutcome> {
  const { tables, now, database } = dialect
  const reason = `the database refused its rows: ${refused}`
  const rows = await database.run(sql`
    update ${tables.jobs} set state = 'TRASHED', reason = ${reason}, revision = revision + 1,
      conductor = null, updated_at = ${now()}, ended_at = ${now()}
    where id = ${change.jobId} and state = 'CLAIMED' and epoch = ${change.epoch}
      and claim_id = ${change.claimId} and revision = ${change.revision}
    returning id`)
  if (rows.length > 0) return { kind: 'trashed', reason }
  return (await readBack(dialect, [change])).get(change.jobId) ?? fenced
}

/** Why rows will never be stored, if that is what an error says; values that are no JSON included. */
function refusal(error: unknown): string | undefined {
  if (error instanceof DriverError) {
    return error.meaning === 'refused' ? error.message : undefined
  }
  if (error instanceof TypeError || error instanceof RangeError) return error.message
  return undefined
}

function outcomeOf(change: FlowCommit, job: JobRecord | undefined): CommitOutcome {
  if (job === undefined || job.flowId !== change.flowId) return fenced
  if (job.epoch !== change.epoch || job.claimId !== change.claimId) return fenced
  if (job.revision === change.revision + 1) {
    if (job.state !== 'TRASHED' || change.job?.state === 'TRASHED') return committed
    return { kind: 'trashed', reason: job.reason ?? '' }
  }
  if (job.revision !== change.revision || job.state !== 'CLAIMED') return fenced
  if (job.mail !== change.mailRead) return mailFirst
  throw new UsageError(`the commit of job ${change.jobId} was not taken, though its fence holds`)
}
