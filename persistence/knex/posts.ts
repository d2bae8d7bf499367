/** Posts, and their way to boards outside the store, in a database. */
import { propertyOf } from '../property.ts'
import { postRows } from '../post-rows.ts'
import {
  changePostings,
  selectOldest,
  selectPriority,
  selectTenants,
  selectUnclaimed,
} from '../postings-sql.ts'
import { jobColumns, readRecord } from '../rows.ts'
import { checkLimit, checkPost, inTurns, keyConflict } from '../rules.ts'
import type { Row } from '../sql.ts'
import type { JobRecord } from '../store/jobs.ts'
import type { PostStore } from '../store/posts.ts'
import type { Statements } from './statements.ts'

/** Posts jobs; hints go out once they can be claimed. */
export function postsIn(statements: Statements): PostStore {
  const { dialect } = statements
  return {
    async post(request, options = {}) {
      checkPost(request)
      const { transaction } = options
      const rows = postRows(request)
      const posted =
        transaction === undefined
          ? await statements.attempt(() => dialect.post(undefined, rows))
          : await statements.once(() => dialect.post(dialect.database.within(transaction), rows))
      const job = readRecord(jobColumns, JSON.parse(posted.job) as Row)
      if (!posted.created) {
        const isSame = posted.contentHash === request.contentHash && job.board === request.board
        if (!isSame || job.key !== (request.key ?? null)) throw keyConflict(request, job.id)
      } else if (job.state === 'UNCLAIMED') {
        hintWhenCommitted(statements, transaction, job.board)
      }
      return { job, created: posted.created }
    },

    async posted(postings) {
      if (postings.length === 0) return
      const rows = await statements.run(changePostings(dialect, postings, 'UNCLAIMED'))
      statements.hintClaimable(rows.map((row) => String(row['board'])))
    },

    async unposted(postings) {
      if (postings.length === 0) return
      await statements.run(changePostings(dialect, postings, 'POSTING'))
    },

    async nextPostings(board, options) {
      const { limit, turn, restMs = 0 } = options
      checkLimit('the postings', limit)
      const [top] = await statements.run(selectPriority(dialect, board, restMs))
      if (top === undefined) return []
      const place = { board, priority: Number(top['priority']), restMs }
      const tenants = await tenantsInTurn(statements, place, limit, turn ?? null)
      const each = Math.ceil(limit / Math.max(tenants.length, 1))
      const rows = await statements.run(selectOldest(dialect, place, tenants, each))
      const byTenant = new Map(tenants.map((tenant) => [tenant, [] as JobRecord[]]))
      for (const row of rows) byTenant.get(String(row['tenant']))?.push(readRecord(jobColumns, row))
      return inTurns([...byTenant.values()], limit)
    },

    async unclaimed(board, limit) {
      checkLimit('the postings', limit)
      const rows = await statements.run(selectUnclaimed(dialect, board, limit))
      return rows.map((row) => ({ jobId: String(row['id']), posting: Number(row['posting']) }))
    },
  }
}

/** Tenants behind `turn`, then from the first one on, up to `limit`. */
async function tenantsInTurn(
  statements: Statements,
  place: Parameters<typeof selectTenants>[1],
  limit: number,
  turn: string | null,
): Promise<readonly string[]> {
  const select = async (range: Parameters<typeof selectTenants>[2]): Promise<string[]> => {
    const rows = await statements.run(selectTenants(statements.dialect, place, range))
    return rows.map((row) => String(row['tenant']))
  }
  const behind = await select({ after: turn, last: null, limit })
  if (turn === null || behind.length >= limit) return behind
  const others = await select({ after: null, last: turn, limit: limit - behind.length })
  return [...behind, ...others]
}

/** In the caller's transaction the job is there once that has committed. */
function hintWhenCommitted(statements: Statements, transaction: unknown, board: string): void {
  const executed = propertyOf(transaction, 'executionPromise')
  if (executed instanceof Promise) {
    executed.then(
      () => statements.hintClaimable([board]),
      () => undefined,
    )
  } else {
    statements.hintClaimable([board])
  }
}
