/**
 * Shows jobs on boards outside the store, for who posts them.
 *
 * Invariants
 * B1  It takes a second at most, and no time while the board is known to be away: the job is stored, and that is what was promised.
 * B2  What the board has no room for, or cannot be told, stays POSTING: the conductor that leads posts it as soon as it can.
 * B3  The store is told of those that stand on the board by one statement at a time: what was put there meanwhile goes with the next one.
 */
import type { Logger } from '../base/logger.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, JobRecord, PostingRef, Store } from '../../persistence/store.ts'

/** Where a job is shown that can be claimed. */
export interface BoardPlace {
  readonly store: Store
  readonly board: JobBoard<Claim>
  readonly logger: Logger
}

/** B1. */
const TELL_MS = 1000
const AWAY_MS = 2000
/** B3. */
const ROUND = 1000

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
    await shown(store, { jobId, posting })
  }
}

/** What the store is to be told next. */
interface Round {
  readonly postings: PostingRef[]
  readonly told: Promise<void>
}

/** B3. Of each store: the statement that is under way, and what waits for it. */
const rounds = new WeakMap<Store, { readonly underWay: Promise<unknown>; next?: Round }>()

/** Tells the store that a posting stands on its board; resolves when it knows. Throws what the store throws. */
function shown(store: Store, posting: PostingRef): Promise<void> {
  const now = rounds.get(store)
  if (now === undefined) return tell(store, [posting])
  if (now.next !== undefined) {
    if (now.next.postings.length < ROUND) {
      now.next.postings.push(posting)
      return now.next.told
    }
    return store.posted([posting])
  }
  const postings = [posting]
  const told = now.underWay.then(() => tell(store, postings))
  now.next = { postings, told }
  return told
}

function tell(store: Store, postings: readonly PostingRef[]): Promise<void> {
  const told = store.posted(postings)
  const underWay = told.then(
    () => undefined,
    () => undefined,
  )
  const round: { readonly underWay: Promise<unknown>; next?: Round } = { underWay }
  rounds.set(store, round)
  void underWay.then(() => {
    if (rounds.get(store) === round && round.next === undefined) rounds.delete(store)
  })
  return told
}
