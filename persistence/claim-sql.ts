/** The statements by which jobs change hands. Each is one transaction, and skips rows that others are changing. */
import type { Dialect } from './dialect.ts'
import { byJob, claimableState } from './postings-sql.ts'
import { allColumns, jobColumns } from './rows.ts'
import { deathsReason } from './rules.ts'
import type { Sql } from './sql.ts'
import { name, sql } from './sql.ts'
import type { Claim } from './store.ts'

/** What a conductor asks for: as many jobs of a board as there are claim ids. */
export interface ClaimRequest {
  readonly board: string
  readonly conductor: string
  readonly claimIds: readonly string[]
}

/** Claims the best jobs. What was claimed under these ids before, when the answer was lost, is given again. */
export function claimStatement(dialect: Dialect, request: ClaimRequest): Sql {
  const { board, conductor, claimIds } = request
  const { tables, now, rows, anyOf, skipLocked } = dialect
  const { jobs } = tables
  const ids = rows(
    { claim_id: 'text', place: 'int' },
    claimIds.map((claimId, at) => [claimId, at]),
  )
  return sql`
      with ids as (select * from ${ids} as i),
      mine as (
        select id, claim_id from ${jobs}
        where conductor = ${conductor} and state = 'CLAIMED' and claim_id${anyOf(claimIds)}
      ),
      free as (
        select claim_id, row_number() over (order by place) as place from ids
        where claim_id not in (select claim_id from mine)
      ),
      best as (
        select id, row_number() over (order by priority desc, created_at, id) as place from (
          select id, priority, created_at from ${jobs} where board = ${board} and state = 'UNCLAIMED'
          order by priority desc, created_at, id limit ${name(String(claimIds.length))} ${skipLocked}
        ) as b
      ),
      pairs as (
        select best.id, free.claim_id from best join free on free.place = best.place
        union all select id, claim_id from mine
      )
      update ${jobs} set state = 'CLAIMED', claim_id = pairs.claim_id, conductor = ${conductor}, updated_at = ${now()},
        epoch = epoch + case when state = 'UNCLAIMED' then 1 else 0 end
      from pairs where ${jobs}.id = pairs.id
        and (state = 'UNCLAIMED' or (state = 'CLAIMED' and ${jobs}.claim_id = pairs.claim_id))
      returning ${allColumns(jobs, jobColumns)}`
}

/** Takes the claims of another board whose epoch is above the stored one, or that are the same again (S6). */
export function adoptStatement(dialect: Dialect, claims: readonly Claim[]): Sql {
  const { tables, now, rows } = dialect
  const { jobs } = tables
  const from = rows(
    { id: 'text', posting: 'int', epoch: 'int', claim_id: 'text', conductor: 'text' },
    [...claims]
      .sort(byJob)
      .map((claim) => [claim.jobId, claim.posting, claim.epoch, claim.claimId, claim.conductor]),
  )
  const isSame = sql`(state = 'CLAIMED' and ${jobs}.epoch = c.epoch and ${jobs}.claim_id = c.claim_id)`
  const takesOver = sql`(state = 'CLAIMED' and ${jobs}.epoch < c.epoch)`
  return sql`
      update ${jobs} set state = 'CLAIMED', epoch = c.epoch, claim_id = c.claim_id, conductor = c.conductor,
        disorder = case when ${takesOver} then true else disorder end,
        probation_deaths = probation_deaths + case when ${takesOver} and probation then 1 else 0 end,
        probation = case when ${takesOver} then false else probation end,
        updated_at = ${now()}
      from ${from} as c
      where ${jobs}.id = c.id and ${jobs}.posting = c.posting
        and (${isSame} or (state in ('POSTING', 'UNCLAIMED', 'CLAIMED') and ${jobs}.epoch < c.epoch))
      returning ${allColumns(jobs, jobColumns)}`
}

/** How claims are given back. */
export interface ReleaseOptions {
  readonly delayMs?: number | undefined
  readonly reason?: string | undefined
}

/** Gives back the claims whose fence holds. */
export function releaseStatement(
  dialect: Dialect,
  claims: readonly Claim[],
  options: ReleaseOptions,
): Sql {
  const { tables, now, rows } = dialect
  const { jobs } = tables
  const { delayMs, reason = null } = options
  const from = rows(
    { id: 'text', epoch: 'int', claim_id: 'text' },
    claims.map((claim) => [claim.jobId, claim.epoch, claim.claimId]),
  )
  const becomes =
    delayMs === undefined
      ? sql`state = ${claimableState(jobs)}, posting = posting + 1, due_at = null, parked_for = null`
      : sql`state = 'PARKED', parked_for = 'retry', due_at = ${now()} + ${delayMs}`
  return sql`
      update ${jobs} set ${becomes}, claim_id = null, conductor = null, reason = ${reason}, updated_at = ${now()}
      from ${from} as c
      where ${jobs}.id = c.id and state = 'CLAIMED' and ${jobs}.epoch = c.epoch and ${jobs}.claim_id = c.claim_id
      returning board`
}

/** Makes parked jobs claimable that are due, the earliest first. */
export function promoteStatement(dialect: Dialect, board: string, limit: number): Sql {
  const { tables, now, skipLocked } = dialect
  const { jobs } = tables
  return sql`
      with due as (
        select id from ${jobs} where board = ${board} and state = 'PARKED' and due_at <= ${now()}
        order by due_at limit ${name(String(Math.floor(limit)))} ${skipLocked}
      )
      update ${jobs} set state = ${claimableState(jobs)}, posting = posting + 1, due_at = null, parked_for = null, updated_at = ${now()}
      from due where ${jobs}.id = due.id and state = 'PARKED'
      returning ${allColumns(jobs, jobColumns)}`
}

/** Takes jobs from conductors whose lease ran out; the one that was loaded alone too often is trashed. */
export function reapStatement(dialect: Dialect, board: string, maxDeaths: number): Sql {
  const { tables, now, skipLocked } = dialect
  const { jobs, processes } = tables
  const dies = sql`(probation and probation_deaths + 1 >= ${maxDeaths})`
  return sql`
      with lost as (
        select id from ${jobs} where board = ${board} and state = 'CLAIMED' and conductor not in
          (select id from ${processes} where expires_at > ${now()}) ${skipLocked}
      )
      update ${jobs} set
        state = case when ${dies} then 'TRASHED' else ${claimableState(jobs)} end,
        posting = posting + case when ${dies} then 0 else 1 end,
        reason = case when ${dies} then ${deathsReason(maxDeaths)} else reason end,
        ended_at = case when ${dies} then ${now()} end,
        disorder = true, probation = false, probation_deaths = probation_deaths + case when probation then 1 else 0 end,
        claim_id = null, conductor = null, updated_at = ${now()}
      from lost where ${jobs}.id = lost.id and state = 'CLAIMED'
      returning ${jobs}.id as id, state`
}
