/**
 * From post to start on a quiet board in ZooKeeper with PostgreSQL: from the call of `post()` to the first line of the task, in a conductor
 * of another process with a board and a store of its own, beside the least that has to happen: one node is created, another client hears
 * of it by a watch, one row is committed.
 *
 * `--jobs 30 --rounds 5`
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connect } from '../src/client/connect.ts'
import type { Zagflow } from '../src/client/zagflow.ts'
import { linear } from '../src/flow/composition.ts'
import type { Runnable } from '../src/flow/runnable.ts'
import { note } from './load/timed-conductor.ts'
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
/** Jobs until the code of both processes is compiled. */
const WARM_UP = 3000

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
  const flow = linear('one', [note])
  const program = fileURLToPath(new URL('./load/timed-conductor.js', import.meta.url))
  const conductor = fork(program, [persistence, board])
  await once(conductor, 'message')
  const poster = await connect({ persistence, board, environment: {} })
  await Promise.all([heard(conductor, WARM_UP), postFlow(poster, flow, WARM_UP)])
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
      event: () =>
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
          const startedAt = process.hrtime.bigint()
          const began = once(conductor, 'message').then(([at]: readonly unknown[]) => String(at))
          const [at] = await Promise.all([began, poster.post(flow, {})])
          return Number(BigInt(at) - startedAt) / 1e6
        }),
    },
    { rounds: Number(values.rounds) },
  )
  const least = figures.event.map((ms, round) => ms + (figures.commit[round] ?? Number.NaN))
  const times = ratios(figures.job, least)
  console.log(`Milliseconds from post to start on a quiet board: medians of ${JOBS} jobs\n`)
  printTable(
    ['', 'ms to the start', 'create and watch event', 'commit', 'times both', 'goal', ''],
    [
      [
        'one conductor',
        spreadText(figures.job),
        spreadText(figures.event),
        spreadText(figures.commit),
        spreadText(times),
        goalText(GOAL),
        verdict(times, GOAL),
      ],
    ],
  )
  await poster.close()
  conductor.send('stop')
  await once(conductor, 'exit')
  await Promise.all([close(maker), close(watcher)])
  await servers.stop()
}

/** Resolves when a process has said so many things. */
function heard(child: ChildProcess, count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count
    const hear = (): void => {
      if (--left > 0) return
      child.off('message', hear)
      resolve()
    }
    child.on('message', hear)
  })
}

/** Posts it so many times, some at once. */
async function postFlow(zag: Zagflow, flow: Runnable, times: number): Promise<void> {
  let left = times
  const line = async (): Promise<void> => {
    while (left-- > 0) await zag.post(flow, {})
  }
  await Promise.all(Array.from({ length: 50 }, line))
}
