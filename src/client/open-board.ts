import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import type { BoardPlace } from './board-url.ts'

/**
 * Makes the board at a place; it is not started. What ZooKeeper needs is loaded when a board is there, and not before. One for each
 * conductor: claims belong to a board's session.
 */
export async function openBoard(
  place: BoardPlace,
  {
    store,
    logger,
    clock,
  }: {
    readonly store: Store
    readonly logger?: Logger | undefined
    readonly clock?: Clock | undefined
  },
): Promise<JobBoard<Claim>> {
  if (place.kind === 'sql') return new SqlBoard<Claim>({ store, name: place.name })
  const { ZooKeeperBoard } = await import('../../jobboard/zookeeper.ts')
  return new ZooKeeperBoard({ ...place.options, logger, clock })
}
