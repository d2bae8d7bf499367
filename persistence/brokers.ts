/**
 * Brokers, reply queues and how calls stand, in a database: what conductors agree on about workers elsewhere.
 *
 * Invariants
 * B1  A broker has one row, whoever asks first; its epoch only grows, by one, and for one of those who saw the same one.
 * B2  An epoch and the jobs that it makes due are one transaction: no job waits for a call that went with the broker.
 * B3  A queue is forgotten by one statement that sees, at one moment, its maker gone, no job claimed by it, and no call naming it.
 *     Nobody can name it after that: only its maker does so for new calls, and its commits are refused once its claims are others'.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Dialect } from './dialect.ts'
import { brokerColumns, readRecord } from './rows.ts'
import type { Sql } from './sql.ts'
import { sql } from './sql.ts'
import type { BrokerRecord, CallPlace, CallStanding, JobState } from './store.ts'

/** A marker for a broker's next epoch. */
export function newMarker(): string {
  return randomUUID()
}

/** A key for tokens: 256 bits by chance, as text. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** The row of a broker, made if there is none. */
export async function findBroker(dialect: Dialect, broker: string): Promise<BrokerRecord> {
  const { tables, now, database } = dialect
  for (;;) {
    const [there] = await database.run(sql`select * from ${tables.brokers} where name = ${broker}`)
    if (there !== undefined) return readRecord(brokerColumns, there)
    const [made] = await database.run(sql`
      insert into ${tables.brokers} (name, epoch, marker, secret, changed_at)
      values (${broker}, 1, ${newMarker()}, ${newSecret()}, ${now()})
      on conflict (name) do nothing returning *`)
    // None: somebody else has just made it.
    if (made !== undefined) return readRecord(brokerColumns, made)
  }
}

/** Raises the epoch if it is `from`, and makes what was parked for a task due. */
export async function raiseBroker(
  dialect: Dialect,
  broker: string,
  from: number,
): Promise<BrokerRecord> {
  const { tables, now, database } = dialect
  const { brokers } = tables
  const raised = await database.transaction(async (executor) => {
    const [row] = await executor.run(sql`
      update ${brokers} set epoch = epoch + 1, marker = ${newMarker()}, changed_at = ${now()}
      where name = ${broker} and epoch = ${from} returning *`)
    if (row === undefined) return undefined
    await executor.run(wakeStatement(dialect))
    return row
  })
  return raised === undefined ? findBroker(dialect, broker) : readRecord(brokerColumns, raised)
}

/** Jobs that are parked for a task become due. */
export function wakeStatement({ tables, now }: Dialect): Sql {
  return sql`
    update ${tables.jobs} set due_at = ${now()}, updated_at = ${now()}
    where state = 'PARKED' and parked_for = 'task' and (due_at is null or due_at > ${now()})`
}

/** Whether the process in a column lives. */
function lives({ tables, now }: Dialect, conductor: Sql): Sql {
  return sql`exists (select 1 from ${tables.processes} as p
    where p.id = ${conductor} and p.kind = 'conductor' and p.expires_at > ${now()})`
}

/** Remembers a queue. One whose maker is gone becomes that of who made it anew. */
export function keepQueueStatement(dialect: Dialect, queue: string, conductor: string): Sql {
  const { reply_queues } = dialect.tables
  return sql`
    insert into ${reply_queues} (queue, conductor, created_at)
    values (${queue}, ${conductor}, ${dialect.now()})
    on conflict (queue) do update set conductor = excluded.conductor
    where not ${lives(dialect, sql`${reply_queues}.conductor`)}`
}

export function selectQueues(dialect: Dialect): Sql {
  return sql`
    select q.queue, q.conductor, not ${lives(dialect, sql`q.conductor`)} as orphaned
    from ${dialect.tables.reply_queues} as q order by q.queue`
}

/** Forgets a queue; true also where it is forgotten already, for the first answer may have been lost. */
export async function forgetQueue(dialect: Dialect, queue: string): Promise<boolean> {
  const { database, tables } = dialect
  const forgotten = await database.run(forgetQueueStatement(dialect, queue))
  if (forgotten.length > 0) return true
  const there = await database.run(sql`
    select queue from ${tables.reply_queues} where queue = ${queue}`)
  return there.length === 0
}

/** B3. A trashed job may be released, so its calls count; those of earlier runs do not. */
function forgetQueueStatement(dialect: Dialect, queue: string): Sql {
  const { reply_queues, jobs, flow_details, atoms } = dialect.tables
  return sql`
    delete from ${reply_queues} where queue = ${queue}
      and not ${lives(dialect, sql`${reply_queues}.conductor`)}
      and not exists (select 1 from ${jobs} as j
        where j.conductor = ${reply_queues}.conductor and j.state = 'CLAIMED')
      and not exists (select 1 from ${atoms} as a
        join ${flow_details} as d on d.id = a.flow_id
        join ${jobs} as j on j.id = d.job_id and j.flow_id = a.flow_id
        where a.reply_to = ${queue} and j.state <> 'COMPLETE')
    returning queue`
}

/** How calls stand, by one statement. */
export async function readStanding(
  { tables, rows, database }: Dialect,
  calls: readonly CallPlace[],
): Promise<readonly CallStanding[]> {
  const from = rows(
    { place: 'int', job_id: 'text', flow_id: 'text', atom: 'text', direction: 'text', call: 'int' },
    calls.map(({ jobId, flowId, atom, direction, call }, place) => [
      place,
      jobId,
      flowId,
      atom,
      direction,
      call,
    ]),
  )
  const found = await database.run(sql`
    select c.place, j.state, j.conductor, case
        when j.state in ('COMPLETE', 'TRASHED') or j.flow_id <> c.flow_id then 1
        when coalesce(case when c.direction = 'execute' then a.execute_calls else a.revert_calls end, 0) >= c.call then 1
        else 0 end as settled
    from ${from} as c join ${tables.jobs} as j on j.id = c.job_id
    left join ${tables.atoms} as a on a.flow_id = c.flow_id and a.path = c.atom`)
  const standing: CallStanding[] = calls.map(() => NO_JOB)
  for (const row of found) {
    standing[Number(row['place'])] = {
      // The columns hold what the contract's types say.
      job: row['state'] as JobState,
      conductor: row['conductor'] as string | null,
      settled: Number(row['settled']) === 1,
    }
  }
  return standing
}

/** A job that was pruned has ended. */
export const NO_JOB: CallStanding = { job: null, conductor: null, settled: true }
