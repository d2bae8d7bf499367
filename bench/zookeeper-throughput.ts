/**
 * Jobs of one no-op task through a board in ZooKeeper with PostgreSQL: posted by one process and run by two conductors in two more,
 * each with its own board and store, beside bare create, claim and delete transactions of two processes on the same server, as many at
 * once. From the first post to the last end. After some rounds that warm up: processes that begin are not what is measured.
 *
 * `--jobs 2000 --at-once 100 --rounds 5`
 */
import { parseArgs } from 'node:util'
import { connect } from '../src/client/connect.ts'
import { bareCycles } from './load/bare-zookeeper.ts'
import { postAll, startFleet } from './load/zookeeper-jobs.ts'
import { missingServers, startServers } from './load/zookeeper-place.ts'
import { alternate, ratios } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2000' },
    'at-once': { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
  },
})
const JOBS = Number(values.jobs)
const AT_ONCE = Number(values['at-once'])
const CONDUCTORS = 2
const GOAL = { atLeast: 0.2 }
/** Rounds until the code of all processes is compiled. */
const WARM_UPS = 3

const missing = missingServers()
if (missing !== undefined) console.log(`not measured: ${missing}`)
else await measure()

async function measure(): Promise<void> {
  const servers = await startServers()
  const bare = await bareCycles(servers.zookeeper, CONDUCTORS)
  const perSecond = (ms: number): number => JOBS / (ms / 1000)

  // All processes stay for all rounds, as those of the bare cycles do.
  const place = await servers.place()
  const fleet = await startFleet(place, { size: CONDUCTORS, maxFlows: AT_ONCE })
  const { persistence, board } = place
  const zag = await connect({ persistence, board, environment: {} })

  /** From the first post to the last end. */
  const jobs = async (): Promise<number> => {
    const startedAt = performance.now()
    const posting = postAll(zag, JOBS, AT_ONCE)
    const { lastEnd } = await fleet.ended(JOBS)
    await posting
    return perSecond(lastEnd - startedAt)
  }

  const figures = await alternate(
    {
      bare: async () => perSecond(await bare.run(JOBS, AT_ONCE)),
      jobs,
    },
    { rounds: Number(values.rounds), warmUps: WARM_UPS },
  )
  const share = ratios(figures.jobs, figures.bare)
  console.log(
    `Jobs a second: ${JOBS} jobs of one task, ${CONDUCTORS} conductors, ${AT_ONCE} at once each, beside bare cycles\n`,
  )
  printTable(
    ['', 'jobs/s', 'bare cycles/s', 'jobs per bare cycle', 'goal', ''],
    [
      [
        'posted, claimed, run, ended',
        spreadText(figures.jobs),
        spreadText(figures.bare),
        spreadText(share),
        goalText(GOAL),
        verdict(share, GOAL),
      ],
    ],
  )
  bare.stop()
  await zag.close()
  await fleet.stop()
  await servers.stop()
}
