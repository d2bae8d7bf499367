import { createTables } from './001_create_tables.ts'
import { addReplyQueues } from './002_add_reply_queues.ts'
import { addPostings } from './003_add_postings.ts'
import { addSchedules } from './004_add_schedules.ts'
import type { Migration } from './migration.ts'

export type { Migration, SchemaContext } from './migration.ts'

/** All steps of the schema, the oldest first. */
export const migrations: readonly Migration[] = [
  createTables,
  addReplyQueues,
  addPostings,
  addSchedules,
]
