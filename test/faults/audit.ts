/**
 * A table in which PostgreSQL itself writes down every change of a job's row: who owned it, under which fence, and how far its
 * history went. What conductors believe does not come into it.
 *
 * U1  Epochs of a job only grow, and each has one claim.
 * U2  What a conductor was told to be committed was committed while the job was its own.
 * U3  A job ends once.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Client } from 'pg'
import { lastFirst } from '../support/last-first.ts'
import type { LedgerLine } from './ledger.ts'

interface Row {
  readonly job: string
  readonly epoch: number
  readonly claim: string | null
  /** Who owned it before the change. */
  readonly owner: string | null
  readonly state: string
  /** Number of the last history row after the change. */
  readonly seq: number
}

export interface Audit {
  /** Asserts U1–U3 of all jobs; how many rows that were. */
  check(lines: readonly LedgerLine[]): Promise<number>
}

/** Begins to write down. */
export async function beginAudit(t: TestContext, url: string): Promise<Audit> {
  const client = new Client({ connectionString: url })
  await client.connect()
  lastFirst(t).after(() => client.end())
  await client.query(`
    create table audit (
      id bigserial primary key, job text not null, epoch integer not null, claim text, owner text,
      state text not null, seq integer not null
    );
    create function write_audit() returns trigger language plpgsql as $$ begin
      insert into audit (job, epoch, claim, owner, state, seq)
      values (new.id, new.epoch, new.claim_id, old.conductor, new.state, new.history_seq);
      return null;
    end $$;
    create trigger audit after update on zagflow_jobs for each row execute function write_audit()`)
  return {
    async check(lines) {
      const { rows } = await client.query<Row>(
        'select job, epoch, claim, owner, state, seq from audit order by job, id',
      )
      const jobs = grouped(rows)
      const told = toldOf(lines)
      for (const [job, changes] of jobs) checkJob(job, changes, told.get(job) ?? [])
      return rows.length
    },
  }
}

type Told = Extract<LedgerLine, { readonly what: 'told' }>

function toldOf(lines: readonly LedgerLine[]): ReadonlyMap<string, readonly Told[]> {
  const told = new Map<string, Told[]>()
  for (const line of lines) {
    if (line.what !== 'told') continue
    const list = told.get(line.job)
    if (list === undefined) told.set(line.job, [line])
    else list.push(line)
  }
  return told
}

function grouped(rows: readonly Row[]): ReadonlyMap<string, readonly Row[]> {
  const jobs = new Map<string, Row[]>()
  for (const row of rows) {
    const list = jobs.get(row.job)
    if (list === undefined) jobs.set(row.job, [row])
    else list.push(row)
  }
  return jobs
}

function checkJob(job: string, changes: readonly Row[], told: readonly Told[]): void {
  let epoch = 0
  const claims = new Map<number, string>()
  let ends = 0
  let seq = 0
  /** Who wrote each row of the history. */
  const writers = new Map<number, string | null>()
  for (const change of changes) {
    assert.ok(change.epoch >= epoch, `U1: ${job} went from epoch ${epoch} to ${change.epoch}`)
    epoch = change.epoch
    if (change.claim !== null) {
      const claim = claims.get(epoch) ?? change.claim
      assert.equal(change.claim, claim, `U1: ${job} has two claims of epoch ${epoch}`)
      claims.set(epoch, claim)
    }
    for (let number = seq + 1; number <= change.seq; number++) writers.set(number, change.owner)
    seq = Math.max(seq, change.seq)
    if (change.state === 'COMPLETE') ends++
  }
  assert.equal(ends, 1, `U3: ${job} ended ${ends} times`)
  for (const line of told) {
    const writer = writers.get(line.seq)
    assert.ok(
      writer?.includes(`-${line.pid}-`),
      `U2: ${job}: ${line.pid} was told of ${line.seq}, which ${writer} has written`,
    )
  }
}
