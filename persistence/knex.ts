/**
 * The store in a database, SQLite or PostgreSQL. What differs between them is in their {@link Dialect}; here is what does not.
 *
 * Invariants
 * K1  Each call is one transaction (most are one statement), and may be made again when its answer was lost.
 * K2  The claim id of a job stays in its row when its owner ends the claim, so that the owner can read a lost answer back
 *     (S3); it is cleared when somebody else ends it.
 * K3  Locks are taken in one order: jobs, then what belongs to them.
 */
import { InvalidInputError } from '../src/base/errors.ts'
import type { Json, JsonObject } from '../src/base/json.ts'
import type { AtomRecord, CallRecord, HistoryRecord, ScopeRecord } from '../src/machine/records.ts'
import {
  findBroker,
  forgetQueue,
  keepQueueStatement,
  raiseBroker,
  wakeStatement,
  readStanding,
  selectQueues,
} from './brokers.ts'
import { carryStatements } from './carry-sql.ts'
import {
  adoptStatement,
  claimStatement,
  promoteStatement,
  reapStatement,
  releaseStatement,
} from './claim-sql.ts'
import { writeCursor } from './cursor.ts'
import type { Dialect, MailAnswer } from './dialect.ts'
import { DriverError } from './errors.ts'
import { readSummary, selectPage, selectSummaries } from './find-sql.ts'
import { groupCommit } from './group-commit.ts'
import { Hints } from './hints.ts'
import { postRows, sealInput } from './post-rows.ts'
import { propertyOf } from './property.ts'
import {
  changePostings,
  claimableState,
  selectOldest,
  selectPriority,
  selectTenants,
  selectUnclaimed,
} from './postings-sql.ts'
import { pruneDocuments, pruneJobs } from './prune.ts'
import type { Column } from './rows.ts'
import {
  atomColumns,
  callColumns,
  historyColumns,
  jobColumns,
  mailColumns,
  processColumns,
  readRecord,
  replyQueueColumns,
  scheduleColumns,
  scopeColumns,
  unseal,
  versionColumns,
} from './rows.ts'
import {
  HISTORY_PAGE,
  checkBatch,
  checkFilter,
  checkLimit,
  checkPost,
  checkSchedule,
  checkTexts,
  inTurns,
  keyConflict,
} from './rules.ts'
import {
  addSchedule,
  changeSchedule,
  dueSchedules,
  removeSchedule,
  scheduleJobs,
  selectSchedules,
  stepSchedules,
} from './schedule-sql.ts'
import type {
  DueSchedules,
  KeptDocument,
  NewSchedule,
  ScheduleChange,
  ScheduleRecord,
  ScheduleStep,
} from './schedule-store.ts'
import { migrate, requireSchema, schemaStatus } from './schema.ts'
import type { Row, Sql } from './sql.ts'
import { name, nothing, sql } from './sql.ts'
import type {
  BrokerRecord,
  CallPlace,
  CallStanding,
  CarriedRun,
  Claim,
  CommitOutcome,
  FlowCommit,
  FlowVersion,
  Heartbeat,
  JobFilter,
  JobRecord,
  JobSummary,
  LoadedFlow,
  Mail,
  PostRequest,
  PostingRef,
  ProcessRecord,
  PruneReport,
  ReplyQueueRecord,
  ResultRef,
  SchemaStatus,
  Store,
  StoredMail,
  StoreHint,
} from './store.ts'

export class KnexStore implements Store {
  readonly kind: 'sqlite' | 'postgres'
  readonly #dialect: Dialect
  readonly #hints = new Hints()

  constructor(dialect: Dialect) {
    this.kind = dialect.kind
    this.#dialect = dialect
  }

  async start(): Promise<void> {
    const { database, migratesItself } = this.#dialect
    await database.start()
    try {
      await this.#do(() =>
        migratesItself ? this.#migrateIfNeeded() : requireSchema(this.#dialect),
      )
    } catch (error) {
      await database.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#hints.clear()
    await this.#dialect.database.stop()
  }

  async migrate(): Promise<SchemaStatus> {
    return this.#connected(() => this.#do(() => migrate(this.#dialect)))
  }

  async schemaStatus(): Promise<SchemaStatus> {
    return this.#connected(() => this.#do(() => schemaStatus(this.#dialect)))
  }

  async now(): Promise<number> {
    const [row] = await this.#run(sql`select ${this.#dialect.now()} as now`)
    return Number(row?.['now'])
  }

  async post(
    request: PostRequest,
    options: { readonly transaction?: unknown } = {},
  ): Promise<{ readonly job: JobRecord; readonly created: boolean }> {
    checkPost(request)
    const { transaction } = options
    const rows = postRows(request)
    const insert = () => {
      const executor =
        transaction === undefined ? undefined : this.#dialect.database.within(transaction)
      return this.#dialect.post(executor, rows)
    }
    // A caller's transaction that failed is the caller's to begin again.
    const posted = await this.#do(insert, transaction !== undefined)
    const job = readRecord(jobColumns, JSON.parse(posted.job) as Row)
    if (!posted.created) {
      const isSame = posted.contentHash === request.contentHash && job.board === request.board
      if (!isSame || job.key !== (request.key ?? null)) throw keyConflict(request, job.id)
    } else if (job.state === 'UNCLAIMED') {
      this.#hintWhenCommitted(transaction, job.board)
    }
    return { job, created: posted.created }
  }

  async posted(postings: readonly PostingRef[]): Promise<void> {
    if (postings.length === 0) return
    const rows = await this.#run(changePostings(this.#dialect, postings, 'UNCLAIMED'))
    this.#hintClaimable(rows.map((row) => String(row['board'])))
  }

  async unposted(postings: readonly PostingRef[]): Promise<void> {
    if (postings.length === 0) return
    await this.#run(changePostings(this.#dialect, postings, 'POSTING'))
  }

  async nextPostings(
    board: string,
    options: {
      readonly limit: number
      readonly turn?: string | undefined
      readonly restMs?: number | undefined
    },
  ): Promise<readonly JobRecord[]> {
    const { limit, turn, restMs = 0 } = options
    checkLimit('the postings', limit)
    const [top] = await this.#run(selectPriority(this.#dialect, board, restMs))
    if (top === undefined) return []
    const place = { board, priority: Number(top['priority']), restMs }
    const tenants = await this.#tenantsInTurn(place, limit, turn ?? null)
    const each = Math.ceil(limit / Math.max(tenants.length, 1))
    const rows = await this.#run(selectOldest(this.#dialect, place, tenants, each))
    const byTenant = new Map(tenants.map((tenant) => [tenant, [] as JobRecord[]]))
    for (const row of rows) byTenant.get(String(row['tenant']))?.push(readRecord(jobColumns, row))
    return inTurns([...byTenant.values()], limit)
  }

  async unclaimed(board: string, limit: number): Promise<readonly PostingRef[]> {
    checkLimit('the postings', limit)
    const rows = await this.#run(selectUnclaimed(this.#dialect, board, limit))
    return rows.map((row) => ({ jobId: String(row['id']), posting: Number(row['posting']) }))
  }

  async document(hash: string): Promise<Json | null> {
    const [row] = await this.#run(sql`
      select body from ${this.#dialect.tables.documents} where hash = ${hash}`)
    return row === undefined ? null : (JSON.parse(String(row['body'])) as Json)
  }

  async registerFlow(flow: string, source: Json, hash: string): Promise<FlowVersion> {
    checkTexts('the flow', { name: flow })
    const { tables, now, database } = this.#dialect
    return this.#do(async () => {
      for (;;) {
        const last = await this.findFlow(flow)
        if (last?.hash === hash) return last
        await database.run(sql`
          insert into ${tables.documents} (hash, body, used_at)
          values (${hash}, ${JSON.stringify(source)}, ${now()})
          on conflict (hash) do update set used_at = excluded.used_at`)
        const rows = await database.run(sql`
          insert into ${tables.flows} (name, version, hash, created_at)
          values (${flow}, ${(last?.version ?? 0) + 1}, ${hash}, ${now()})
          on conflict do nothing returning *`)
        // None: somebody else has just registered that number; perhaps the same content.
        if (rows[0] !== undefined) return readRecord(versionColumns, rows[0])
      }
    })
  }

  async findFlow(flow: string, version?: number): Promise<FlowVersion | null> {
    const that = version === undefined ? nothing : sql`and version = ${version}`
    const [row] = await this.#run(sql`
      select * from ${this.#dialect.tables.flows} where name = ${flow} ${that}
      order by version desc limit 1`)
    return row === undefined ? null : readRecord(versionColumns, row)
  }

  async listFlows(flow?: string): Promise<readonly FlowVersion[]> {
    const that = flow === undefined ? nothing : sql`where name = ${flow}`
    return this.#select(
      versionColumns,
      sql`select * from ${this.#dialect.tables.flows} ${that} order by name, version`,
    )
  }

  async claimJobs(request: {
    readonly board: string
    readonly conductor: string
    readonly claimIds: readonly string[]
  }): Promise<readonly Claim[]> {
    const { conductor, claimIds } = request
    if (claimIds.length === 0) return []
    const claimed = await this.#run(claimStatement(this.#dialect, request))
    return claimed
      .map((row) => readRecord(jobColumns, row))
      .sort(byClaimOrder)
      .map((job) => {
        const claimId = job.claimId ?? ''
        return {
          jobId: job.id,
          posting: job.posting,
          claimId,
          epoch: job.epoch,
          conductor,
          adopted: job,
        }
      })
  }

  async adopt(claims: readonly Claim[]): Promise<readonly Claim[]> {
    if (claims.length === 0) return []
    const adopted = await this.#select(jobColumns, adoptStatement(this.#dialect, claims))
    const byId = new Map(adopted.map((job) => [job.id, job]))
    return claims.flatMap((claim) => {
      const job = byId.get(claim.jobId)
      const isMine = job?.epoch === claim.epoch && job.claimId === claim.claimId
      return isMine ? [{ ...claim, adopted: job }] : []
    })
  }

  async load(jobIds: readonly string[]): Promise<readonly LoadedFlow[]> {
    if (jobIds.length === 0) return []
    const { database, anyOf, tables } = this.#dialect
    return this.#do(async () => {
      const found = await database.run(
        selectSummaries(this.#dialect, [sql`j.id${anyOf(jobIds)}`], nothing),
      )
      const summaries = new Map(found.map(readSummary).map((one) => [one.job.id, one]))
      // Of a first run that nothing was committed of there is nothing more.
      const begun = [...summaries.values()].filter(
        ({ job, detail }) => job.revision > 0 || detail.run > 1,
      )
      const flowIds = begun.map(({ job }) => job.flowId)
      const select = (table: Sql) => {
        if (flowIds.length === 0) return []
        return database.run(sql`select * from ${table} where flow_id${anyOf(flowIds)}`)
      }
      const atoms = byFlow<AtomRecord>(atomColumns, await select(tables.atoms))
      const scopes = byFlow<ScopeRecord>(scopeColumns, await select(tables.scopes))
      return jobIds.flatMap((id) => {
        const one = summaries.get(id)
        if (one === undefined) return []
        const { flowId } = one.job
        return [{ ...one, atoms: atoms.get(flowId) ?? [], scopes: scopes.get(flowId) ?? [] }]
      })
    })
  }

  async release(
    claims: readonly Claim[],
    options: { readonly delayMs?: number | undefined; readonly reason?: string | undefined } = {},
  ): Promise<void> {
    if (claims.length === 0) return
    const released = await this.#run(releaseStatement(this.#dialect, claims, options))
    if (options.delayMs === undefined) {
      this.#hintClaimable(released.map((row) => String(row['board'])))
    }
  }

  async beginProbation(claim: Claim): Promise<boolean> {
    const { tables, now } = this.#dialect
    const rows = await this.#run(sql`
      update ${tables.jobs} set probation = true, updated_at = ${now()}
      where id = ${claim.jobId} and state = 'CLAIMED' and epoch = ${claim.epoch} and claim_id = ${claim.claimId}
      returning id`)
    return rows.length > 0
  }

  async results(
    flowId: string,
    refs: readonly ResultRef[],
  ): Promise<readonly (Json | undefined)[]> {
    if (refs.length === 0) return []
    const { tables, rows } = this.#dialect
    const from = rows(
      { atom: 'text', direction: 'text', call: 'int', place: 'int' },
      refs.map(({ atom, direction, call }, at) => [atom, direction, call, at]),
    )
    const found = await this.#run(sql`
      select r.place, v.value from ${from} as r join ${tables.results} as v
      on v.flow_id = ${flowId} and v.atom = r.atom and v.direction = r.direction and v.call = r.call`)
    const byPlace = new Map(found.map((row) => [Number(row['place']), unseal(row['value'])]))
    return refs.map((_, at) => byPlace.get(at))
  }

  async commit(batch: readonly FlowCommit[]): Promise<readonly CommitOutcome[]> {
    checkBatch(batch)
    if (batch.length === 0) return []
    const outcomes = await this.#dialect.database.attempt(() => groupCommit(this.#dialect, batch))
    if (!this.#hints.isEmpty) this.#hintCommitted(batch, outcomes)
    return outcomes
  }

  async mail(jobId: string, mail: Mail): Promise<MailAnswer> {
    checkTexts('the mail', { key: mail.key })
    const answer = await this.#do(() => this.#dialect.mail(jobId, mail))
    if (answer === 'accepted') this.#hints.give({ kind: 'mail', jobId })
    return answer
  }

  async readMail(conductor: string): Promise<readonly StoredMail[]> {
    const { mailbox, jobs } = this.#dialect.tables
    return this.#select(
      mailColumns,
      sql`
      select m.* from ${jobs} as j join ${mailbox} as m on m.job_id = j.id
      where j.conductor = ${conductor} and j.state = 'CLAIMED' order by m.job_id, m.number`,
    )
  }

  async mailOf(
    jobId: string,
  ): Promise<{ readonly count: number; readonly mail: readonly StoredMail[] }> {
    const { mailbox, jobs } = this.#dialect.tables
    // One statement, so that the count and the pieces are of one moment.
    const rows = await this.#run(sql`
      select j.mail as mail, m.* from ${jobs} as j left join ${mailbox} as m on m.job_id = j.id
      where j.id = ${jobId} order by m.number`)
    return {
      count: Number(rows[0]?.['mail'] ?? 0),
      mail: rows.filter((row) => row['key'] !== null).map((row) => readRecord(mailColumns, row)),
    }
  }

  async broker(broker: string): Promise<BrokerRecord> {
    checkTexts('the broker', { name: broker })
    return this.#do(() => findBroker(this.#dialect, broker))
  }

  async raiseBroker(broker: string, from: number): Promise<BrokerRecord> {
    return this.#do(() => raiseBroker(this.#dialect, broker, from))
  }

  async wakeParked(): Promise<void> {
    await this.#run(wakeStatement(this.#dialect))
  }

  async keepReplyQueue(queue: string, conductor: string): Promise<void> {
    checkTexts('the reply queue', { queue, conductor })
    await this.#run(keepQueueStatement(this.#dialect, queue, conductor))
  }

  async replyQueues(): Promise<readonly ReplyQueueRecord[]> {
    return this.#select(replyQueueColumns, selectQueues(this.#dialect))
  }

  async forgetReplyQueue(queue: string): Promise<boolean> {
    return this.#do(() => forgetQueue(this.#dialect, queue))
  }

  async standing(calls: readonly CallPlace[]): Promise<readonly CallStanding[]> {
    if (calls.length === 0) return []
    return this.#do(() => readStanding(this.#dialect, calls))
  }

  async beat(process: Heartbeat): Promise<boolean> {
    const { tables, now, database } = this.#dialect
    const { processes } = tables
    const { id, leaseMs } = process
    const json = (value: unknown): string | null => {
      return value === undefined ? null : JSON.stringify(value)
    }
    const told = sql`kind = ${process.kind}, name = ${process.name}, host = ${process.host}, pid = ${process.pid},
      board = ${process.board}, topics = ${json(process.topics)}, tasks = ${json(process.tasks)},
      signatures = ${json(process.signatures)}, load = ${json(process.load)},
      seen_at = ${now()}, expires_at = ${now()} + ${leaseMs}`
    return this.#do(async () => {
      const renewed = await database.run(sql`
        update ${processes} set ${told}
        where id = ${id} and kind = ${process.kind} and expires_at > ${now()} returning id`)
      if (renewed.length > 0) return true
      const [row] = await database.run(sql`
        insert into ${processes} (id, kind, name, host, pid, board, topics, tasks, signatures, load, started_at, seen_at, expires_at)
        values (${id}, ${process.kind}, ${process.name}, ${process.host}, ${process.pid}, ${process.board},
          ${json(process.topics)}, ${json(process.tasks)}, ${json(process.signatures)}, ${json(process.load)},
          ${now()}, ${now()}, ${now()} + ${leaseMs})
        on conflict (id) do update set ${told} where ${processes}.kind = ${process.kind}
        returning started_at, seen_at`)
      // It was there and had run out, unless it began now.
      return row !== undefined && Number(row['started_at']) === Number(row['seen_at'])
    })
  }

  async endProcess(id: string, kind?: ProcessRecord['kind']): Promise<void> {
    const { processes } = this.#dialect.tables
    const ofKind = kind === undefined ? nothing : sql`and kind = ${kind}`
    await this.#run(sql`delete from ${processes} where id = ${id} ${ofKind}`)
  }

  async processes(
    filter: { readonly kind?: 'conductor' | 'worker'; readonly board?: string } = {},
  ): Promise<readonly ProcessRecord[]> {
    const { tables, now } = this.#dialect
    const kind = filter.kind === undefined ? nothing : sql`and kind = ${filter.kind}`
    const board = filter.board === undefined ? nothing : sql`and board = ${filter.board}`
    return this.#select(
      processColumns,
      sql`select * from ${tables.processes} where expires_at > ${now()} ${kind} ${board} order by kind, id`,
    )
  }

  async promote(board: string, limit: number): Promise<readonly JobRecord[]> {
    const promoted = await this.#select(jobColumns, promoteStatement(this.#dialect, board, limit))
    this.#hintClaimable(promoted.map((job) => job.board))
    return promoted
  }

  async reap(
    board: string,
    options: { readonly maxDeaths: number },
  ): Promise<{ readonly released: readonly string[]; readonly trashed: readonly string[] }> {
    const reaped = await this.#run(reapStatement(this.#dialect, board, options.maxDeaths))
    const ids = (state: string) => {
      return reaped.filter((row) => row['state'] === state).map((row) => String(row['id']))
    }
    const released = [...ids('UNCLAIMED'), ...ids('POSTING')]
    if (released.length > 0) this.#hintClaimable([board])
    return { released, trashed: ids('TRASHED') }
  }

  async nextDue(board: string): Promise<number | null> {
    const [row] = await this.#run(sql`
      select min(due_at) as due from ${this.#dialect.tables.jobs} where board = ${board} and state = 'PARKED'`)
    const due = row?.['due'] ?? null
    return due === null ? null : Number(due)
  }

  async job(idOrKey: string, board?: string): Promise<JobSummary | null> {
    checkTexts('the job', { id: idOrKey })
    const byId = await this.#run(selectSummaries(this.#dialect, [sql`j.id = ${idOrKey}`], nothing))
    if (byId[0] !== undefined) return readSummary(byId[0])
    const conditions = [sql`j.key = ${idOrKey}`]
    if (board !== undefined) conditions.push(sql`j.board = ${board}`)
    const [row] = await this.#run(
      selectSummaries(
        this.#dialect,
        conditions,
        name('order by j.created_at desc, j.id desc limit 1'),
      ),
    )
    return row === undefined ? null : readSummary(row)
  }

  async findJobs(
    filter: JobFilter,
  ): Promise<{ readonly jobs: readonly JobSummary[]; readonly next: string | null }> {
    checkFilter(filter)
    const limit = filter.limit ?? 100
    const rows = await this.#run(selectPage(this.#dialect, filter, limit))
    const jobs = rows.slice(0, limit).map(readSummary)
    const last = jobs.at(-1)
    const isLast = last === undefined || rows.length <= limit
    return { jobs, next: isLast ? null : writeCursor(last.job) }
  }

  async history(
    jobId: string,
    options: { readonly after?: number | undefined; readonly limit?: number | undefined },
  ): Promise<readonly HistoryRecord[]> {
    const { after = 0, limit = HISTORY_PAGE } = options
    return this.#select(
      historyColumns,
      sql`
      select * from ${this.#dialect.tables.history} where job_id = ${jobId} and seq > ${after}
      order by seq limit ${name(String(Math.floor(limit)))}`,
    )
  }

  async atoms(flowId: string): Promise<readonly AtomRecord[]> {
    return this.#select(
      atomColumns,
      sql`select * from ${this.#dialect.tables.atoms} where flow_id = ${flowId} order by path`,
    )
  }

  async calls(flowId: string, atom?: string): Promise<readonly CallRecord[]> {
    const that = atom === undefined ? nothing : sql`and atom = ${atom}`
    return this.#select(
      callColumns,
      sql`
      select * from ${this.#dialect.tables.calls} where flow_id = ${flowId} ${that}
      order by atom, direction, call`,
    )
  }

  async releaseJob(jobId: string): Promise<JobRecord | null> {
    const { jobs } = this.#dialect.tables
    const [job] = await this.#select(
      jobColumns,
      sql`
      update ${jobs} set ${this.#claimableAnew()}
      where id = ${jobId} and (state = 'TRASHED'
        or (state = 'PARKED' and (parked_for = 'suspended' or disorder)))
      returning *`,
    )
    if (job === undefined) return null
    this.#hintClaimable([job.board])
    return job
  }

  async rerun(
    jobId: string,
    options: {
      readonly flowId: string
      readonly input?: JsonObject | undefined
      readonly carried?: CarriedRun | undefined
    },
  ): Promise<JobRecord | null> {
    const { tables, now, forUpdate } = this.#dialect
    const { jobs, flow_details, mailbox } = tables
    const { flowId, carried } = options
    const input = options.input === undefined ? name('d.input') : this.#asJson(options.input)
    const rows = await this.#do(() =>
      this.#dialect.write(async (executor) => {
        const [found] = await executor.run(sql`
          select ended_at, flow_id, revision from ${jobs} where id = ${jobId} ${forUpdate}`)
        if (found === undefined) return []
        // The answer was lost, and this is the same wish again.
        if (found['flow_id'] === flowId) {
          return executor.run(sql`select * from ${jobs} where id = ${jobId}`)
        }
        if (found['ended_at'] === null) return []
        if (
          carried !== undefined &&
          (found['flow_id'] !== carried.flowId || Number(found['revision']) !== carried.revision)
        ) {
          return []
        }
        const state = carried === undefined ? 'PENDING' : 'RESUMING'
        await executor.run(sql`
          insert into ${flow_details} (id, job_id, parent_id, run, document, source, format, semantics, input, state, created_at)
          select ${flowId}, d.job_id, d.parent_id, d.run + 1, d.document, d.source, d.format, d.semantics, ${input}, ${state}, ${now()}
          from ${flow_details} as d where d.id = ${String(found['flow_id'])}`)
        const carrying =
          carried === undefined ? [] : carryStatements(this.#dialect, flowId, carried)
        for (const statement of carrying) await executor.run(statement)
        await executor.run(sql`delete from ${mailbox} where job_id = ${jobId}`)
        return executor.run(sql`
          update ${jobs} set flow_id = ${flowId}, ${this.#claimableAnew()}
          where id = ${jobId} returning *`)
      }),
    )
    const job = rows[0] === undefined ? null : readRecord(jobColumns, rows[0])
    if (job !== null) this.#hintClaimable([job.board])
    return job
  }

  async prune(options: {
    readonly olderThanMs: number
    readonly board?: string | undefined
    readonly dryRun?: boolean | undefined
  }): Promise<PruneReport> {
    const attempt = <T>(work: () => Promise<T>) => this.#do(work)
    const jobs = await pruneJobs(this.#dialect, options, attempt)
    const documents = await pruneDocuments(this.#dialect, options, attempt)
    return { jobs, documents }
  }

  async addSchedule(
    schedule: NewSchedule,
    documents: readonly KeptDocument[],
  ): Promise<ScheduleRecord | null> {
    checkSchedule(schedule)
    const added = await this.#do(() => addSchedule(this.#dialect, schedule, documents))
    if (added !== null) this.#hints.give({ kind: 'schedule', board: schedule.board })
    return added
  }

  async changeSchedule(
    place: { readonly board: string; readonly name: string; readonly revision: number },
    change: ScheduleChange,
    documents: readonly KeptDocument[] = [],
  ): Promise<ScheduleRecord | null> {
    const changed = await this.#do(() => changeSchedule(this.#dialect, place, change, documents))
    if (changed !== null) this.#hints.give({ kind: 'schedule', board: place.board })
    return changed
  }

  async removeSchedule(board: string, schedule: string, revision?: number): Promise<boolean> {
    return this.#do(() => removeSchedule(this.#dialect, board, schedule, revision))
  }

  async schedule(board: string, schedule: string): Promise<ScheduleRecord | null> {
    checkTexts('the schedule', { board, name: schedule })
    const statement = selectSchedules(this.#dialect, board, { name: schedule })
    return (await this.#select(scheduleColumns, statement))[0] ?? null
  }

  async schedules(board: string, group?: string): Promise<readonly ScheduleRecord[]> {
    return this.#select(scheduleColumns, selectSchedules(this.#dialect, board, { group }))
  }

  async scheduleJobs(
    board: string,
    schedule: string,
    limit: number,
  ): Promise<readonly JobSummary[]> {
    checkFilter({ limit })
    return this.#do(() => scheduleJobs(this.#dialect, board, schedule, limit))
  }

  async dueSchedules(board: string, limit: number): Promise<DueSchedules> {
    return this.#do(() => dueSchedules(this.#dialect, board, limit))
  }

  async stepSchedules(
    board: string,
    steps: readonly ScheduleStep[],
  ): Promise<readonly (readonly JobRecord[] | null)[]> {
    if (steps.length === 0) return []
    for (const { posts } of steps) for (const request of posts) checkPost(request)
    const done = await this.#do(() => stepSchedules(this.#dialect, board, steps))
    if (done.some((jobs) => jobs !== null && jobs.length > 0)) this.#hintClaimable([board])
    return done
  }

  onHint(listener: (hint: StoreHint) => void): () => void {
    return this.#hints.add(listener)
  }

  /** Tenants behind `turn`, then from the first one on, up to `limit`. */
  async #tenantsInTurn(
    place: Parameters<typeof selectTenants>[1],
    limit: number,
    turn: string | null,
  ): Promise<readonly string[]> {
    const select = async (range: Parameters<typeof selectTenants>[2]): Promise<string[]> => {
      const rows = await this.#run(selectTenants(this.#dialect, place, range))
      return rows.map((row) => String(row['tenant']))
    }
    const behind = await select({ after: turn, last: null, limit })
    if (turn === null || behind.length >= limit) return behind
    const others = await select({ after: null, last: turn, limit: limit - behind.length })
    return [...behind, ...others]
  }

  /** Tries until the database answers. Rows that it refuses are the caller's fault here. */
  async #do<T>(work: () => Promise<T>, once = false): Promise<T> {
    const { database } = this.#dialect
    try {
      return await (once ? database.once(work) : database.attempt(work))
    } catch (error) {
      if (!(error instanceof DriverError)) throw error
      throw new InvalidInputError([{ path: '', message: error.message }], {
        subject: 'what was given to the store',
        cause: error.cause,
      })
    }
  }

  async #run(statement: Sql): Promise<readonly Row[]> {
    return this.#do(() => this.#dialect.database.run(statement))
  }

  async #select<T>(columns: readonly Column<T>[], statement: Sql): Promise<readonly T[]> {
    return (await this.#run(statement)).map((row) => readRecord(columns, row))
  }

  async #migrateIfNeeded(): Promise<void> {
    const { pending } = await schemaStatus(this.#dialect)
    if (pending.length > 0) await migrate(this.#dialect)
  }

  /** For what is also done before `start`, such as migrating. */
  async #connected<T>(work: () => Promise<T>): Promise<T> {
    const { database } = this.#dialect
    const wasOpen = database.isOpen
    await database.start()
    try {
      return await work()
    } finally {
      if (!wasOpen) await database.stop()
    }
  }

  /** A job that an operator releases, or that runs again, has no past. */
  #claimableAnew(): Sql {
    const state = claimableState(this.#dialect.tables.jobs)
    return sql`state = ${state}, posting = posting + 1, due_at = null, parked_for = null, reason = null,
      ended_at = null, disorder = false, probation = false, probation_deaths = 0, claim_id = null,
      conductor = null, updated_at = ${this.#dialect.now()}`
  }

  #asJson(input: JsonObject): Sql {
    const text = sealInput(input)
    return this.kind === 'postgres' ? sql`cast(${text} as jsonb)` : sql`${text}`
  }

  #hintCommitted(batch: readonly FlowCommit[], outcomes: readonly CommitOutcome[]): void {
    for (const [at, { jobId, history }] of batch.entries()) {
      if (outcomes[at]?.kind !== 'committed' || history.length === 0) continue
      this.#hints.give({ kind: 'history', jobId })
    }
  }

  #hintClaimable(boards: readonly string[]): void {
    for (const board of new Set(boards)) this.#hints.give({ kind: 'claimable', board })
  }

  /** In the caller's transaction the job is there once that has committed. */
  #hintWhenCommitted(transaction: unknown, board: string): void {
    const executed = propertyOf(transaction, 'executionPromise')
    if (executed instanceof Promise) {
      executed.then(
        () => this.#hintClaimable([board]),
        () => undefined,
      )
    } else {
      this.#hintClaimable([board])
    }
  }
}

function byClaimOrder(a: JobRecord, b: JobRecord): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)
}

function byFlow<T>(columns: readonly Column<T>[], rows: readonly Row[]): ReadonlyMap<string, T[]> {
  const records = new Map<string, T[]>()
  for (const row of rows) {
    const flowId = String(row['flow_id'])
    const list = records.get(flowId)
    const record = readRecord(columns, row)
    if (list === undefined) records.set(flowId, [record])
    else list.push(record)
  }
  return records
}
