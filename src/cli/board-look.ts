/** What commands see of a board outside the store: who is there, who leads, and why a job is not on it. */
import type { BoardFleet, FleetMember, JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, JobRecord } from '../../persistence/store.ts'
import type { Context } from './context.ts'
import { errorText } from './fail.ts'

/** People wait for a server no longer. */
const CONNECT_MS = 4000

export type BoardLook =
  /** The board is in the database. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'reached'
      readonly fleet: BoardFleet
      readonly members: readonly FleetMember[]
      /** Id of the conductor that leads. */
      readonly leader: string | null
    }
  | { readonly kind: 'away'; readonly why: string }

/** Looks at the board, without taking part. Throws {@link UsageError}. */
export async function lookAtBoard(context: Context): Promise<BoardLook> {
  const place = context.boardPlace
  if (place.kind === 'sql') return { kind: 'none' }
  const options = { ...place.options, connectMs: CONNECT_MS }
  const store = await context.sharedStore()
  const board: JobBoard<Claim> = await context.board(store, context.logger, { ...place, options })
  const { fleet } = board
  if (fleet === undefined) return { kind: 'none' }
  try {
    await board.start()
    const [members, leader] = await Promise.all([fleet.members(), fleet.leader()])
    return { kind: 'reached', fleet, members, leader }
  } catch (error) {
    return { kind: 'away', why: errorText(error) }
  }
}

/** Why a job is not on its board yet; undefined where that is not known, or it is. */
export async function whyNotPosted(
  context: Context,
  job: Pick<JobRecord, 'state' | 'board' | 'priority'>,
): Promise<string | undefined> {
  if (job.state !== 'POSTING' || job.board !== context.boardPlace.name) return undefined
  const look = await lookAtBoard(context)
  switch (look.kind) {
    case 'none':
      return 'to be put on a board in ZooKeeper: set ZAGFLOW_BOARD to look at it'
    case 'away':
      return `to be put on its board, which cannot be reached: ${look.why}`
    case 'reached': {
      const room = await look.fleet.room(job.priority)
      if (room <= 0)
        return 'for room on its board: others of its priority or a bigger one come first'
      if (look.leader === null) return 'to be put on its board by a conductor, and none lives there'
      return 'to be put on its board, in a moment'
    }
  }
}
