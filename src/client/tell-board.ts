/**
 * Shows jobs on boards outside the store, for who posts them.
 *
 * Invariants
 * B1  It takes a second at most, and no time while the board is known to be away: the job is stored, and that is what was promised.
 * B2  What the board has no room for, or cannot be told, stays POSTING: the conductor that leads posts it as soon as it can.
 */
import type { Logger } from '../base/logger.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, JobRecord, Store } from '../../persistence/store.ts'

/** Where a job is shown that can be claimed. */
export interface BoardPlace {
  readonly store: Store
  readonly board: JobBoard<Claim>
  readonly logger: Logger
}

/** B1. */
const TELL_MS = 1000
const AWAY_MS = 2000

/** Boards that could not be told, and until when they are left alone, by this process's monotonic clock. */
const away = new WeakMap<JobBoard<Claim>, number>()

/** Shows a job that can be claimed (again) on its board, where that is outside the store. Never throws. */
export async function tellBoard(place: BoardPlace, job: JobRecord): Promise<void> {
  const { board, logger } = place
  if (!board.outsideStore || job.state !== 'POSTING' || job.board !== board.name) return
  if (performance.now() < (away.get(board) ?? -Infinity)) return
  const told = show(place, job).then(
    () => null,
    (error: unknown) => ({ error }),
  )
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<{ readonly error: unknown }>((resolve) => {
    timer = setTimeout(() => resolve({ error: `no answer within ${TELL_MS} ms` }), TELL_MS)
  })
  const failed = await Promise.race([told, late])
  clearTimeout(timer)
  if (failed === null) return
  away.set(board, performance.now() + AWAY_MS)
  logger.warn(
    { error: failed.error, job: job.id },
    'the board could not be told of a job yet; a conductor posts it there',
  )
}

async function show({ store, board }: BoardPlace, job: JobRecord): Promise<void> {
  const { id: jobId, posting, priority, createdAt, epoch } = job
  await board.start() // there is nothing to do if it is
  if (await board.post({ jobId, posting, priority, createdAt, epoch })) {
    await store.posted([{ jobId, posting }])
  }
}
