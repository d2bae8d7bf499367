/**
 * Jobs that are posted, and those that wait for a board outside the store, in memory: functions are as the methods of
 * {@link PostStore}.
 */
import { UsageError } from '../../src/base/errors.ts'
import { documentJson } from '../rows.ts'
import { checkLimit, checkPost, keyConflict } from '../rules.ts'
import type { JobRecord, PostingRef, PostRequest, PostStore } from '../store.ts'
import { isClaimable } from './board.ts'
import type { Waiting } from './board.ts'
import { newDetail, newJob } from './job.ts'
import type { Job } from './job.ts'
import type { MemoryTables } from './tables.ts'

/** Options of {@link post}. */
export type PostOptions = Parameters<PostStore['post']>[1]
/** Options of {@link nextPostings}. */
export type PostingOptions = Parameters<PostStore['nextPostings']>[1]

export function post(
  tables: MemoryTables,
  request: PostRequest,
  options: PostOptions = {},
): { readonly job: JobRecord; readonly created: boolean } {
  if (options.transaction !== undefined) {
    throw new UsageError('the store in memory takes part in no transaction', {
      hint: 'use sqlite: or postgres:// to post inside a transaction',
    })
  }
  checkPost(request)
  const { job, created } = findOrAdd(tables, request)
  const { board, key = null } = request
  const isSame = job.contentHash === request.contentHash && job.record.board === board
  if (!isSame || job.record.key !== key) throw keyConflict(request, job.record.id)
  return { job: { ...job.record }, created }
}

/** The job of a post: a new one, or the one that has its key or id already. */
export function findOrAdd(
  tables: MemoryTables,
  request: PostRequest,
): { readonly job: Job; readonly created: boolean } {
  const { board, key } = request
  const sameKey = key === undefined ? undefined : tables.keys.get(board)?.get(key)
  const there = tables.jobs.get(sameKey ?? request.id)
  if (there !== undefined) return { job: there, created: false }
  const now = tables.now()
  tables.keep(request.documentHash, documentJson(request.document))
  tables.keep(request.sourceHash, request.source)
  const job = newJob(request, now)
  tables.add(job, newDetail(request, now))
  return { job, created: true }
}

export function posted(tables: MemoryTables, postings: readonly PostingRef[]): void {
  for (const job of tables.inState('POSTING', postings)) {
    job.record.state = 'UNCLAIMED'
    job.record.updatedAt = tables.now()
    tables.queue(job)
  }
}

export function unposted(tables: MemoryTables, postings: readonly PostingRef[]): void {
  for (const job of tables.inState('UNCLAIMED', postings)) {
    job.record.state = 'POSTING'
    job.record.updatedAt = tables.now()
    job.outside = true
    tables.queue(job)
  }
}

export function nextPostings(
  tables: MemoryTables,
  board: string,
  options: PostingOptions,
): readonly JobRecord[] {
  const { restMs = 0, ...rest } = options
  checkLimit('the postings', options.limit)
  return tables
    .board(board)
    .postings.next({ ...rest, youngest: tables.now() - restMs })
    .map((job) => ({ ...job.record }))
}

export function unclaimed(
  tables: MemoryTables,
  board: string,
  limit: number,
): readonly PostingRef[] {
  checkLimit('the postings', limit)
  const { claimable } = tables.board(board)
  const entries: Waiting[] = []
  while (entries.length < limit) {
    const entry = claimable.pop()
    if (entry === undefined) break
    if (isClaimable(entry) && entries.at(-1)?.job !== entry.job) entries.push(entry)
  }
  for (const entry of entries) claimable.push(entry)
  return entries.map(({ job, posting }) => ({ jobId: job.record.id, posting }))
}
