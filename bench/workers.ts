/**
 * Tasks over workers in another process: RabbitMQ between, checkpoints in PostgreSQL that wait for the disk, beside bare requests and
 * replies between two processes that are as durable.
 *
 * Throughput: 500 flows of 10 tasks, 100 in flight, beside 100 bare requests at a time. Latency: one flow of 100 tasks alone, a task
 * after the other, beside a bare round trip and one commit. Posting is done before the clock starts; claims are part of the work.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { WorkerBasedEngine } from '../engines/worker-based.ts'
import { openStore } from '../persistence/open.ts'
import { Broker } from '../src/amqp/broker.ts'
import { silentLogger } from '../src/base/logger.ts'
import type { Runnable } from '../src/flow/runnable.ts'
import { findPostgres, startPostgres } from '../test/support/postgres-server.ts'
import { findRabbitmq, startRabbitmq } from '../test/support/rabbitmq-server.ts'
import { bareRequests } from './load/bare-requests.ts'
import { chainOf, chainOfTen, postJobs, runJobs } from './load/durable-flows.ts'
import { alternate, elapsedMs, ratios } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const FLOWS = 500
const TASKS = FLOWS * 10
const AT_ONCE = 100
const IN_A_ROW = 100
const THROUGHPUT = { atLeast: 0.35 }
const LATENCY = { atMost: 3 }
const NAMESPACE = 'bench'

if (findPostgres() === undefined || findRabbitmq() === undefined) {
  console.log('not measured: needs PostgreSQL and RabbitMQ, which are not installed')
} else {
  await measure()
}

async function measure(): Promise<void> {
  const database = await startPostgres({ fsync: true, settings: { max_wal_size: '2GB' } })
  const broker = await startRabbitmq()
  const admin = new Client({ connectionString: database.url })
  await admin.connect()
  const bare = await bareRequests(broker.url)
  const worker = fork(fileURLToPath(new URL('./load/noop-worker.js', import.meta.url)), [
    broker.url,
    NAMESPACE,
    String(AT_ONCE),
  ])
  await once(worker, 'message')
  let number = 0
  /** On a fresh database; gives the wall time in ms. */
  const run = async (flow: Runnable, jobs: number): Promise<number> => {
    const name = `bench_${++number}`
    await admin.query(`create database ${name}`)
    const url = new URL(database.url)
    url.pathname = `/${name}`
    const store = openStore(url.href)
    await store.migrate()
    await store.start()
    await postJobs(store, flow, jobs)
    const link = new Broker({
      urls: broker.url,
      namespace: NAMESPACE,
      connectionName: 'bench',
      logger: silentLogger,
    })
    await link.start()
    const engine = new WorkerBasedEngine({ link, store, board: 'main' })
    const ms = await runJobs(store, flow, { jobs, maxFlows: AT_ONCE, engine })
    await link.stop()
    await store.stop()
    await admin.query(`drop database ${name} with (force)`)
    return ms
  }
  await admin.query('create table commits (call integer, outcome text)')
  const chain = chainOf(IN_A_ROW)
  const figures = await alternate({
    bare: async () => TASKS / ((await bare.send(TASKS, AT_ONCE)) / 1000),
    tasks: async () => TASKS / ((await run(chainOfTen, FLOWS)) / 1000),
    roundTrip: async () => (await bare.send(IN_A_ROW, 1)) / IN_A_ROW,
    commit: () => elapsedMs(() => commits(admin)).then((ms) => ms / IN_A_ROW),
    task: async () => (await run(chain, 1)) / IN_A_ROW,
  })
  const share = ratios(figures.tasks, figures.bare)
  const least = figures.roundTrip.map((ms, round) => ms + (figures.commit[round] ?? 0))
  const times = ratios(figures.task, least)
  console.log(
    `Tasks a second: ${FLOWS} flows of 10 tasks, ${AT_ONCE} in flight, beside bare requests\n`,
  )
  printTable(
    ['', 'tasks/s', 'bare requests/s', 'tasks per bare request', 'goal', ''],
    [
      [
        'postgres',
        spreadText(figures.tasks),
        spreadText(figures.bare),
        spreadText(share),
        goalText(THROUGHPUT),
        verdict(share, THROUGHPUT),
      ],
    ],
  )
  console.log(
    '\nMilliseconds of one task on a quiet system, beside a bare round trip and one commit\n',
  )
  printTable(
    ['', 'ms a task', 'bare round trip', 'commit', 'times both', 'goal', ''],
    [
      [
        'postgres',
        spreadText(figures.task),
        spreadText(figures.roundTrip),
        spreadText(figures.commit),
        spreadText(times),
        goalText(LATENCY),
        verdict(times, LATENCY),
      ],
    ],
  )
  worker.kill('SIGKILL')
  await bare.close()
  await admin.end()
  await Promise.all([database.stop(), broker.stop()])
}

/** One row each, each its own commit. */
async function commits(client: Client): Promise<void> {
  const text = 'insert into commits (call, outcome) values ($1, $2)'
  for (let call = 0; call < IN_A_ROW; call++) {
    await client.query({ name: 'commit', text, values: [call, 'success'] })
  }
}
