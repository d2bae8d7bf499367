/**
 * What ZooKeeper sends for each claim while ten conductors share a board: on a quiet board (one job now and then) and through a backlog,
 * with all that conductors ask besides, beside what it answers to a bare create, claim and delete.
 *
 * `--quiet 30 --backlog 5000 --rounds 3`
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect } from '../src/client/connect.ts'
import type { Zagflow } from '../src/client/zagflow.ts'
import { openStore } from '../persistence/open.ts'
import { CleanUps } from '../test/support/clean-up.ts'
import { zookeeperProxy, type ZookeeperProxy } from '../test/support/zookeeper-proxy.ts'
import { bareClient, close, cycle, prepareCycles } from './load/bare-zookeeper.ts'
import { noop } from './load/durable-flows.ts'
import { oneNoop, postAll } from './load/zookeeper-jobs.ts'
import { missingServers, startServers, type Servers } from './load/zookeeper-place.ts'
import { alternate } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const { values } = parseArgs({
  options: {
    quiet: { type: 'string', default: '30' },
    backlog: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '3' },
  },
})
const QUIET = Number(values.quiet)
const BACKLOG = Number(values.backlog)
const CONDUCTORS = 10
const BARE = 200
const GOAL = { atMost: 20 }
let roots = 0

const missing = missingServers()
if (missing !== undefined) console.log(`not measured: ${missing}`)
else await measure()

async function measure(): Promise<void> {
  const servers = await startServers()
  const kinds = { quiet: 'a job each 250 ms', backlog: `${BACKLOG} jobs` }
  const figures = await alternate(
    {
      bare: () => ofCycles(servers),
      quiet: () =>
        ofJobs(servers, QUIET, async (zag, done) => {
          for (let job = 1; job <= QUIET; job++) {
            await zag.post(oneNoop, {})
            await done(job)
            await sleep(250)
          }
        }),
      backlog: () => ofJobs(servers, BACKLOG, (zag) => postAll(zag, BACKLOG, 100)),
    },
    { rounds: Number(values.rounds), warmUps: 0 },
  )
  console.log(`kB that ZooKeeper sends for each claim, ${CONDUCTORS} conductors\n`)
  printTable(
    ['', 'kB a claim', 'kB of a bare cycle', 'goal', ''],
    (['quiet', 'backlog'] as const).map((kind) => [
      kinds[kind],
      spreadText(figures[kind]),
      spreadText(figures.bare),
      goalText(GOAL),
      verdict(figures[kind], GOAL),
    ]),
  )
  await servers.stop()
}

/** kB a claim, from the first post until the last job has ended. */
async function ofJobs(
  servers: Servers,
  jobs: number,
  post: (zag: Zagflow, done: (jobs: number) => Promise<void>) => Promise<void>,
): Promise<number> {
  const cleanUps = new CleanUps()
  const place = await servers.place()
  const store = openStore(place.persistence)
  await store.start()
  let [claims, ends] = [0, 0]
  let told = (): void => {}
  const done = async (count: number): Promise<void> => {
    while (ends < count) await new Promise<void>((resolve) => (told = resolve))
  }
  const proxies: ZookeeperProxy[] = []
  const conductors: Zagflow[] = []
  for (let at = 0; at < CONDUCTORS; at++) {
    const proxy = await zookeeperProxy(cleanUps, servers.zookeeper)
    proxies.push(proxy)
    conductors.push(
      await connect({
        persistence: store,
        board: `zookeeper://${proxy.host}:${proxy.port}${place.chroot}`,
        environment: {},
        conductor: {
          name: `c${at}`,
          tasks: [noop],
          onJob: ({ kind }) => {
            if (kind === 'claimed') claims++
            if (kind === 'completed') ends++
            told()
          },
        },
      }),
    )
  }
  const poster = await connect({ persistence: store, board: place.board, environment: {} })
  // All of them have heard of all others by then.
  await sleep(1000)
  const sent = (): number => proxies.reduce((sum, proxy) => sum + proxy.sentBytes, 0)
  const before = sent()
  await post(poster, done)
  await done(jobs)
  const bytes = sent() - before
  await poster.close()
  await Promise.all(conductors.map((one) => one.close()))
  await store.stop()
  await cleanUps.run()
  await place.remove()
  return bytes / claims / 1000
}

async function ofCycles(servers: Servers): Promise<number> {
  const cleanUps = new CleanUps()
  const proxy = await zookeeperProxy(cleanUps, servers.zookeeper)
  const client = await bareClient(proxy.host, proxy.port)
  const root = `/bytes-${++roots}`
  await prepareCycles(client, root)
  const before = proxy.sentBytes
  for (let at = 0; at < BARE; at++) await cycle(client, root)
  const bytes = proxy.sentBytes - before
  await close(client)
  await cleanUps.run()
  return bytes / BARE / 1000
}
