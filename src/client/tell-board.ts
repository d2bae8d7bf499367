/**
 * Shows jobs on boards outside the store, for who posts them.
 *
 * Invariants
 * B1  It takes a second at most, and no time while the board is known to be away: the job is stored, and that is what was promised.
 * B2  What the board has no room for, or cannot be told, stays POSTING: the conductor that leads posts it as soon as it can.
 * B3  Nobody waits until the store knows what its board shows: it is told by one statement at a time, a moment later, when most of these
 *     jobs have been claimed and need nothing any more. Who dies before costs a comparison of the one that leads, and no job.
 */
import { setTimeout as sleep } from 'node:timers/promises'
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
const LATER_MS = 20
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
  const now = performance.now()
  const isKnown = now < (away.get(board) ?? -Infinity)
  away.set(board, now + AWAY_MS)
  if (isKnown) return
  logger.warn(
    { error: failed.error, job: job.id },
    'the board could not be told of jobs; a conductor posts them there',
  )
}

async function show({ store, board, logger }: BoardPlace, job: JobRecord): Promise<void> {
  const { id: jobId, posting, priority, createdAt, epoch } = job
  await board.start() // there is nothing to do if it is
  if (!(await board.post({ jobId, posting, priority, createdAt, epoch }))) return
  let shown = shownIn.get(store)
  if (shown === undefined) shownIn.set(store, (shown = new Shown(store, logger)))
  shown.add({ jobId, posting })
}

/** Resolves when the store knows all that its boards were told, or after a second. For who closes the store. Never throws. */
export async function settleBoards(store: Store): Promise<void> {
  const shown = shownIn.get(store)
  if (shown === undefined) return
  const ending = new AbortController()
  const { signal } = ending
  const late = sleep(TELL_MS, undefined, { signal }).catch(() => {})
  await Promise.race([shown.settled(), late])
  ending.abort()
}

const shownIn = new WeakMap<Store, Shown>()

/** B3: what the store is to be told. */
class Shown {
  readonly #store: Store
  readonly #logger: Logger
  readonly #postings: PostingRef[] = []
  #telling: Promise<void> | null = null

  constructor(store: Store, logger: Logger) {
    this.#store = store
    this.#logger = logger
  }

  add(posting: PostingRef): void {
    this.#postings.push(posting)
    this.#telling ??= this.#tell()
  }

  async settled(): Promise<void> {
    await this.#telling
  }

  async #tell(): Promise<void> {
    await sleep(LATER_MS)
    while (this.#postings.length > 0) {
      const round = this.#postings.splice(0, ROUND)
      try {
        await this.#store.posted(round)
      } catch (error) {
        this.#logger.debug(
          { error, jobs: round.length },
          'the store does not know what its board shows',
        )
      }
      if (this.#postings.length > 0) await sleep(LATER_MS)
    }
    this.#telling = null
  }
}
