export type { BoardClaim, BoardEntry, BoardEvent, JobBoard, Owner, Posting } from './jobboard.ts'
export { MemoryBoard, MemoryPostings, type MemoryBoardOptions } from './memory.ts'
export { SqlBoard, type SqlBoardJob, type SqlBoardOptions, type SqlBoardStore } from './sql.ts'
