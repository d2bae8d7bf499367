import type { Logger } from '../base/logger.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, JobRecord, Store } from '../../persistence/store.ts'

/** Where a job is shown that can be claimed. */
export interface BoardPlace {
  readonly store: Store
  readonly board: JobBoard<Claim>
  readonly logger: Logger
}

/**
 * Shows a job that can be claimed (again) on its board, where that is outside the store. It is stored already, and that is what was
 * promised: what the board has no room for, or cannot be told, a promoter puts there later.
 */
export async function tellBoard(place: BoardPlace, job: JobRecord): Promise<void> {
  const { store, board, logger } = place
  if (!board.outsideStore || job.state !== 'POSTING' || job.board !== board.name) return
  const { id, posting, priority, createdAt, epoch } = job
  try {
    const isShown = await board.post({ jobId: id, posting, priority, createdAt, epoch })
    if (isShown) await store.posted([{ jobId: id, posting }])
  } catch (error) {
    logger.warn({ error, job: id }, 'the board could not be told of a job yet')
  }
}
