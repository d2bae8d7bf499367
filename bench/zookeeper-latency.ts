/**
 * From post to start on a quiet board in ZooKeeper with PostgreSQL: from the call of `post()` to the first line of the task, in a conductor
 * with a board and a store of its own, beside the least that has to happen: one node is created, another client hears of it by a watch, one
 * row is committed.
 *
 * `--jobs 30 --rounds 5`
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect } from '../src/client/connect.ts'
import { linear } from '../src/flow/composition.ts'
import { task } from '../src/flow/task.ts'
import { bareClient, childrenOf, close, create } from './load/bare-zookeeper.ts'
import { missingServers, startServers } from './load/zookeeper-place.ts'
import { alternate, ratios, spreadOf } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '5' },
  },
})
const JOBS = Number(values.jobs)
const QUIET_MS = 150
const GOAL = { atMost: 5 }

const missing = missingServers()
if (missing !== undefined) console.log(`not measured: ${missing}`)
else await measure()

async function measure(): Promise<void> {
  const servers = await startServers()
  const { host, port } = servers.zookeeper
  const { admin } = servers
  const [maker, watcher] = [await bareClient(host, port), await bareClient(host, port)]
  await create(maker, '/bare')
  await admin.query('create table commits (call integer, outcome text)')
  const place = await servers.place()
  const { persistence, board } = place
  let started = (): void => {}
  const note = task('note', { execute: () => started() })
  const flow = linear('one', [note])
  const conductor = await connect({
    ...{ persistence, board },
    environment: {},
    conductor: { name: 'c0', tasks: [note] },
  })
  const poster = await connect({ persistence, board, environment: {} })
  let number = 0
  /** The median of so many, each after a pause. */
  const each = async (once: () => Promise<number>): Promise<number> => {
    const all: number[] = []
    for (let job = 0; job < JOBS; job++) {
      await sleep(QUIET_MS)
      all.push(await once())
    }
    return spreadOf(all).median
  }
  const figures = await alternate(
    {
      heard: () =>
        each(async () => {
          let heard = (): void => {}
          const event = new Promise<void>((resolve) => (heard = resolve))
          await childrenOf(watcher, '/bare', heard)
          const startedAt = performance.now()
          await Promise.all([create(maker, `/bare/${++number}`), event])
          return performance.now() - startedAt
        }),
      commit: () =>
        each(async () => {
          const text = 'insert into commits (call, outcome) values ($1, $2)'
          const startedAt = performance.now()
          await admin.query({ name: 'commit', text, values: [++number, 'success'] })
          return performance.now() - startedAt
        }),
      job: () =>
        each(async () => {
          const running = new Promise<void>((resolve) => (started = resolve))
          const startedAt = performance.now()
          const [ms] = await Promise.all([
            running.then(() => performance.now() - startedAt),
            poster.post(flow, {}),
          ])
          return ms
        }),
    },
    { rounds: Number(values.rounds) },
  )
  const least = figures.heard.map((ms, round) => ms + (figures.commit[round] ?? Number.NaN))
  const times = ratios(figures.job, least)
  console.log(`Milliseconds from post to start on a quiet board: medians of ${JOBS} jobs\n`)
  printTable(
    ['', 'ms to the start', 'create and watch event', 'commit', 'times both', 'goal', ''],
    [
      [
        'one conductor',
        spreadText(figures.job),
        spreadText(figures.heard),
        spreadText(figures.commit),
        spreadText(times),
        goalText(GOAL),
        verdict(times, GOAL),
      ],
    ],
  )
  await poster.close()
  await conductor.close()
  await Promise.all([close(maker), close(watcher)])
  await servers.stop()
}
