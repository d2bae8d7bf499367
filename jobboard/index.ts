export type {
  BoardClaim,
  BoardEntry,
  BoardEvent,
  BoardFleet,
  FleetMember,
  JobBoard,
  Owner,
  Posting,
} from './jobboard.ts'
export {
  MemoryBoard,
  MemoryPostings,
  type MemoryBoardOptions,
  type MemoryPostingsOptions,
} from './memory.ts'
export { SqlBoard, type SqlBoardJob, type SqlBoardOptions, type SqlBoardStore } from './sql.ts'
export { ZooKeeperBoard } from './zookeeper.ts'
export type { ZooKeeperBoardOptions } from './zookeeper/board-options.ts'
export type { ClaimCounts } from './zookeeper/claimer.ts'
export type { ZooKeeperBoardStatus } from './zookeeper/status.ts'
export {
  isBoardUrl,
  readBoardUrl,
  shownUrl,
  type ZooKeeperHost,
  type ZooKeeperLocation,
} from './zookeeper/url.ts'
